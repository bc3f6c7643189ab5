//! A scripted agent on the dispatcher's own channel: it does what it is asked at once, unless its script says to hold
//! or to refuse a step. It keeps no world; what a step makes is taken on trust.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Notify, mpsc};
use windlass_agent_wire::decode_down;
use windlass_client::NewSecret;
use windlass_orchestrator::clock;
use windlass_orchestrator::dispatch::{AgentEvent, Link};
use windlass_proto::agent::v1::OrchestratorMessage;
use windlass_proto::v1::{self, CreateJoinTokenRequest};
use windlass_sagas::fault::FAULTS_TRAIT;
use windlass_sagas::ids::*;
use windlass_sagas::protocol::dispatcher::LinkId;
use windlass_sagas::protocol::{Answer, Call, Down, Hello, Inventory, Reply, Up, Verb};
use windlass_sagas::record::*;

use super::{CELL, World, ask, request_id};

/// What an agent does with a step; by `reserve_volume`, its undo by `-reserve_volume`.
#[derive(Clone, Debug)]
pub(crate) enum Rule {
    /// It answers only once the rule is lifted.
    Hold,
    /// It makes no change, and says so.
    Refuse(RefusalCode),
}

/// What an agent was told to do otherwise than at once.
#[derive(Default)]
pub(crate) struct Script {
    rules: Mutex<BTreeMap<&'static str, Rule>>,
    changed: Notify,
}

impl Script {
    pub(crate) fn set(&self, step: &'static str, rule: Rule) {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner).insert(step, rule);
    }

    /// Lifts a rule for calls that are still to come.
    pub(crate) fn forget(&self, step: &'static str) {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner).remove(step);
    }

    pub(crate) fn lift(&self, step: &'static str) {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner).remove(step);
        self.changed.notify_one();
    }

    fn rule(&self, call: &Call) -> Option<Rule> {
        let name = match call.verb {
            Verb::Undo => format!("-{}", call.body.input.name()),
            Verb::Execute | Verb::Lookup => call.body.input.name().to_owned(),
        };
        self.rules.lock().unwrap_or_else(PoisonError::into_inner).get(name.as_str()).cloned()
    }
}

/// A host that has joined and is admitted.
pub(crate) struct Agent {
    pub(crate) host: HostId,
    pub(crate) script: Arc<Script>,
}

impl World {
    /// A host with these roles, joined by a token of the API.
    pub(crate) async fn host(&self, name: &str, roles: &[Role], number: u8) -> Agent {
        let asked = |role: &Role| match role {
            Role::Hypervisor => v1::host::Role::Hypervisor.into(),
            Role::Storage => v1::host::Role::Storage.into(),
            Role::Network => v1::host::Role::Network.into(),
        };
        let expires = windlass_proto::v1::JoinToken {
            display_name: name.into(),
            roles: roles.iter().map(asked).collect(),
            zone: "a".into(),
            secret_sha256: NewSecret::of(format!("wlj_{name}")).sha256,
            expire_time: Some(prost_types::Timestamp { seconds: clock::now().0 / 1_000_000 + 600, nanos: 0 }),
            ..Default::default()
        };
        let request = CreateJoinTokenRequest { join_token: Some(expires), ..Default::default() };
        let made = ask(&self.admin(), request).await;
        let token = made.metadata.expect("a saga").subject;
        let token: JoinTokenId = token.rsplit('/').next().and_then(|id| id.parse().ok()).expect("an id");
        let id: RequestId = request_id(0, 1_000 + u64::from(number)).parse().expect("a request id");
        let body = JoinHost { token, certificate_sha256: Hash([number; 32]), address: None };
        let (principal, project) = (Principal::Cell, ProjectId::default());
        let fact = Fact::Request(Request { id, project, principal, body: body.into() });
        let receipt = self.leader.propose(Cause::default(), fact).await.expect("joined");
        let host = HostId::derived(&receipt.saga.expect("a saga").0, 0);
        let agent = self.connect(host, roles, number).await;
        let count = roles.len();
        self.until("the host is admitted", move |cell| {
            cell.hosts.get(&host).is_some_and(|it| it.incarnations.len() == count)
        })
        .await;
        agent
    }

    async fn connect(&self, host: HostId, roles: &[Role], number: u8) -> Agent {
        let (out, messages) = mpsc::channel(1024);
        let id = LinkId(u64::from(number));
        let link = Link::new(id, host, roles.to_vec(), out);
        let events = self.agents.clone();
        events.send(AgentEvent::Connected(link)).await.unwrap_or_else(|_| panic!("the task is gone"));
        let script = Arc::new(Script::default());
        let ledgers = roles.iter().map(|role| {
            (LedgerId { host, role: *role }, Incarnation([number.wrapping_mul(8) + *role as u8; 16]))
        });
        let ledgers: Vec<_> = ledgers.collect();
        let running =
            Running { host, link: id, events, ledgers, script: Arc::clone(&script), ..Running::new() };
        tokio::spawn(running.run(messages, number));
        Agent { host, script }
    }
}

struct Running {
    host: HostId,
    link: LinkId,
    events: mpsc::Sender<AgentEvent>,
    ledgers: Vec<(LedgerId, Incarnation)>,
    script: Arc<Script>,
    held: Vec<Call>,
    done: BTreeSet<StepKey>,
}

impl Running {
    fn new() -> Self {
        let (events, _) = mpsc::channel(1);
        Self {
            host: HostId::default(),
            link: LinkId(0),
            events,
            ledgers: Vec::new(),
            script: Arc::default(),
            held: Vec::new(),
            done: BTreeSet::new(),
        }
    }

    async fn run(
        mut self,
        mut messages: mpsc::Receiver<Result<OrchestratorMessage, tonic::Status>>,
        number: u8,
    ) {
        let stores = self.ledgers.iter().any(|(ledger, _)| ledger.role == Role::Storage);
        let hello = Hello {
            cell: CELL,
            host: self.host,
            boot: BootId([number; 16]),
            ledgers: self.ledgers.clone(),
            highest: Term::default(),
            seen: (Position(0), Hash::default()),
            capacity: Capacity { vcpus: 8, ram_mib: 16 * 1024, disk_gib: 1000 },
            // Faults may be armed at storage hosts.
            traits: if stores { vec![FAULTS_TRAIT.to_owned()] } else { Vec::new() },
        };
        self.say(Up::Hello(hello)).await;
        let script = Arc::clone(&self.script);
        loop {
            tokio::select! {
                message = messages.recv() => match message {
                    Some(Ok(message)) => self.heard(&message).await,
                    Some(Err(_)) | None => return,
                },
                () = script.changed.notified() => {
                    for call in std::mem::take(&mut self.held) {
                        self.called(call).await;
                    }
                }
            }
        }
    }

    async fn heard(&mut self, message: &OrchestratorMessage) {
        match decode_down(self.host, message).expect("the orchestrator's own words").expect("of today") {
            Down::Call(call) => self.called(*call).await,
            Down::TakeInventory { ledger } => {
                let incarnation = self.ledgers.iter().find(|(known, _)| *known == ledger).map(|(_, id)| *id);
                let inventory = Inventory { ledger: Some(ledger), incarnation, items: Vec::new() };
                self.say(Up::Inventory(inventory)).await;
            }
            Down::Lead { .. }
            | Down::LowWater { .. }
            | Down::Seen { .. }
            | Down::View { .. }
            | Down::Faults { .. } => {}
        }
    }

    async fn called(&mut self, call: Call) {
        let answer = match self.script.rule(&call) {
            Some(Rule::Hold) => return self.held.push(call),
            Some(Rule::Refuse(code)) => {
                Answer::Refused(Refusal { code, retryable: false, message: "as the script says".into() })
            }
            None => self.answer(&call),
        };
        let Call { key, verb, attempt, ledger, incarnation, .. } = call;
        self.say(Up::Reply(Reply { ledger, incarnation, key, verb, attempt, answer })).await;
    }

    fn answer(&mut self, call: &Call) -> Answer {
        match call.verb {
            Verb::Execute => {
                self.done.insert(call.key);
                output(&call.body.input)
            }
            Verb::Undo => {
                self.done.remove(&call.key);
                Answer::Undone
            }
            Verb::Lookup if self.done.contains(&call.key) => output(&call.body.input),
            Verb::Lookup => Answer::Absent,
        }
    }

    async fn say(&self, up: Up) {
        // Where nobody hears it, the test has ended.
        drop(self.events.send(AgentEvent::Said { link: self.link, host: self.host, up }).await);
    }
}

fn output(input: &StepInput) -> Answer {
    Answer::Done(match input {
        StepInput::ReserveVolume { export_to: Some(_), .. } => {
            StepOutput::Export(Endpoint { host: "192.0.2.1".into(), port: 10809 })
        }
        _ => StepOutput::None,
    })
}
