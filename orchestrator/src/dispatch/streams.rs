//! The agents' side of the gRPC server: one bidirectional stream an agent, bound to the certificate that it showed.
//!
//! Invariant: what a stream says is believed only of the host and roles of its certificate.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{Stream, StreamExt};
use tonic::{Request, Response, Status, Streaming};
use windlass_agent_wire::{Collector, ConsoleTold, HostIdentity, WireError, decode_up, encode_down};
use windlass_proto::agent::v1::agent_service_server::AgentService;
use windlass_proto::agent::v1::{AgentMessage, OrchestratorMessage, agent_message};
use windlass_sagas::ids::{CellId, HostId};
use windlass_sagas::protocol::dispatcher::LinkId;
use windlass_sagas::protocol::{Answer, CallError, Down, Up, ViewApplied};
use windlass_sagas::record::{Role, StepKey};

use super::Contacts;
use super::peer::host_of;

/// Messages that may wait for one agent; one that does not read is cut off.
const OUT_QUEUE: usize = 4096;

/// What happens on agents' streams.
pub enum AgentEvent {
    /// An agent dialled.
    Connected(Link),
    /// It said something.
    Said {
        /// On which stream.
        link: LinkId,
        /// Which host.
        host: HostId,
        /// What.
        up: Up,
    },
    /// Its stream is gone.
    Lost {
        /// Which.
        link: LinkId,
        /// Whose.
        host: HostId,
    },
}

/// The sending half of one agent's stream.
pub struct Link {
    /// Its number, never used again.
    pub id: LinkId,
    /// Whose it is.
    pub host: HostId,
    /// What its certificate allows.
    pub roles: Vec<Role>,
    out: mpsc::Sender<Result<OrchestratorMessage, Status>>,
    contacts: Arc<Contacts>,
}

impl Link {
    /// A link whose messages go to `out`.
    #[must_use]
    pub fn new(
        id: LinkId,
        host: HostId,
        roles: Vec<Role>,
        out: mpsc::Sender<Result<OrchestratorMessage, Status>>,
    ) -> Self {
        Self { id, host, roles, out, contacts: Arc::default() }
    }

    /// Sends a message; `false` where the agent does not read or is gone: then the link is to be dropped.
    #[must_use]
    pub fn send(&self, down: &Down) -> bool {
        if let Down::Call(call) = down {
            self.contacts.called(self.host, call.ledger.role);
        }
        self.out.try_send(Ok(encode_down(down))).is_ok()
    }
}

/// The service.
pub struct Streams {
    cell: CellId,
    events: mpsc::Sender<AgentEvent>,
    next: AtomicU64,
    contacts: Arc<Contacts>,
}

impl Streams {
    /// A service that tells of everything on `events`.
    #[must_use]
    pub const fn new(cell: CellId, events: mpsc::Sender<AgentEvent>, contacts: Arc<Contacts>) -> Self {
        Self { cell, events, next: AtomicU64::new(1), contacts }
    }
}

type Out = Pin<Box<dyn Stream<Item = Result<OrchestratorMessage, Status>> + Send>>;
/// Where an agent is told why its stream ends; it does not hold the stream open.
type Cut = mpsc::WeakSender<Result<OrchestratorMessage, Status>>;

#[tonic::async_trait]
impl AgentService for Streams {
    type ConnectStream = Out;

    async fn connect(
        &self,
        request: Request<Streaming<AgentMessage>>,
    ) -> Result<Response<Self::ConnectStream>, Status> {
        let HostIdentity { host, roles, .. } = host_of(&request, self.cell)?;
        let id = LinkId(self.next.fetch_add(1, Ordering::Relaxed));
        let (out, messages) = mpsc::channel(OUT_QUEUE);
        let stopping = |_| Status::unavailable("the orchestrator stops");
        let contacts = Arc::clone(&self.contacts);
        contacts.consoles.opened(host, id, &out);
        let cut = out.downgrade();
        let link = Link { contacts, ..Link::new(id, host, roles.clone(), out) };
        self.events.send(AgentEvent::Connected(link)).await.map_err(stopping)?;
        let listener = Listener {
            link: id,
            host,
            roles,
            events: self.events.clone(),
            contacts: Arc::clone(&self.contacts),
            collector: Collector::default(),
            introduced: false,
        };
        // It ends with its stream, which ends with the server.
        tokio::spawn(listener.listen(request.into_inner(), cut));
        Ok(Response::new(Box::pin(ReceiverStream::new(messages))))
    }
}

/// The receiving half of one agent's stream.
struct Listener {
    link: LinkId,
    host: HostId,
    roles: Vec<Role>,
    events: mpsc::Sender<AgentEvent>,
    contacts: Arc<Contacts>,
    collector: Collector,
    /// Whether the agent has said who it is.
    introduced: bool,
}

impl Listener {
    /// Takes in what the agent says until its stream ends or breaks a rule; then the agent is told which.
    async fn listen(mut self, mut stream: Streaming<AgentMessage>, out: Cut) {
        self.contacts.opened(self.host, self.link);
        while let Some(Ok(message)) = stream.next().await {
            self.contacts.heard(self.host);
            let up = match self.read(&message) {
                Ok(None) => continue,
                Ok(Some(up)) => up,
                Err(status) => {
                    tracing::warn!(host = %self.host, why = status.message(), "an agent is cut off");
                    if let Some(out) = out.upgrade() {
                        // One that does not read either finds out by the end of its stream.
                        drop(out.try_send(Err(status)));
                    }
                    break;
                }
            };
            if self.events.send(AgentEvent::Said { link: self.link, host: self.host, up }).await.is_err() {
                return;
            }
        }
        let Self { link, host, events, contacts, .. } = self;
        contacts.closed(host, link);
        contacts.consoles.closed(host, link);
        // An error means that the leader's task is gone.
        drop(events.send(AgentEvent::Lost { link, host }).await);
    }

    /// What a message says to the leader; `None` where that is nothing.
    fn read(&mut self, message: &AgentMessage) -> Result<Option<Up>, Status> {
        let bad = |error: WireError| Status::invalid_argument(format!("a message can't be used: {error}"));
        match &message.kind {
            Some(agent_message::Kind::Hello(_)) if self.introduced => {
                return Err(Status::invalid_argument("a second Hello on one stream"));
            }
            Some(agent_message::Kind::Hello(hello)) => {
                self.introduced = true;
                self.contacts.introduced(self.host, hello.build.clone());
            }
            _ if !self.introduced => {
                return Err(Status::invalid_argument("the first message must be Hello"));
            }
            Some(_) | None => {}
        }
        if let Some(told) = ConsoleTold::decode(message).map_err(bad)? {
            self.contacts.consoles.told(self.link, told);
            return Ok(None);
        }
        let Some(up) = decode_up(self.host, &mut self.collector, message).map_err(bad)? else {
            return Ok(None);
        };
        if !within(&up, self.host, &self.roles) {
            return Err(Status::permission_denied("a message is about what the certificate does not cover"));
        }
        self.note(&up);
        Ok(Some(up))
    }

    /// What people are to know of a message.
    fn note(&self, up: &Up) {
        let host = self.host;
        match up {
            Up::Reply(reply) => {
                self.contacts.replied(host, reply.ledger.role);
                if let Answer::Error(error @ (CallError::Unsupported | CallError::KeyConflict)) = reply.answer
                {
                    let StepKey { saga, step } = reply.key;
                    tracing::warn!(%host, role = reply.ledger.role.name(), %saga, %step, %error, "a step stands still");
                }
            }
            Up::FaultsHeld(held) => {
                if let Some(why) = &held.refusal {
                    tracing::warn!(%host, why, "an agent takes no planned faults");
                }
                self.contacts.strikes.told(held);
            }
            Up::ViewApplied(ViewApplied { failure: Some(why), position, .. }) => {
                tracing::warn!(%host, why, in_force = %position, "a view can't be put in force; it is sent again");
            }
            Up::Hello(_)
            | Up::FencedLead { .. }
            | Up::Inventory(_)
            | Up::ViewApplied(_)
            | Up::Heartbeat { .. } => {}
        }
    }
}

/// Whether everything that a message speaks of is the certificate's.
fn within(up: &Up, host: HostId, roles: &[Role]) -> bool {
    let covered =
        |ledger: &windlass_sagas::record::LedgerId| ledger.host == host && roles.contains(&ledger.role);
    match up {
        Up::Hello(hello) => hello.host == host && hello.ledgers.iter().all(|(ledger, _)| covered(ledger)),
        Up::Reply(reply) => covered(&reply.ledger),
        Up::Inventory(inventory) => inventory.ledger.as_ref().is_some_and(covered),
        Up::ViewApplied(applied) => applied.host == host && roles.contains(&Role::Network),
        Up::FaultsHeld(held) => held.host == host,
        Up::Heartbeat { host: named } => *named == host,
        Up::FencedLead { .. } => true,
    }
}
