//! One agent's stream, as a test holds it: what the agent said, and what a leader says to it.

use tokio::sync::mpsc;
use tokio::time::timeout;
use tonic::Status;
use windlass_agent_wire::{ConsoleAsked, ConsoleTold, encode_down};
use windlass_proto::agent::v1::OrchestratorMessage;
use windlass_sagas::ids::*;
use windlass_sagas::protocol::{Answer, Call, CallBody, Down, Hello, Inventory, Owner, Reply, Up, Verb};
use windlass_sagas::record::{BoundExport, Direction, LedgerId, Maker, Refusal, Role, StepInput, StepKey};

use crate::authority::{CELL, HOST};
use crate::orchestrator::PATIENCE;

/// A stream.
pub(crate) struct Session {
    pub(crate) hello: Hello,
    /// The certificate that the agent showed, in DER.
    pub(crate) certificate: Vec<u8>,
    /// The term that calls carry.
    pub(crate) term: Term,
    out: mpsc::UnboundedSender<Result<OrchestratorMessage, Status>>,
    ups: mpsc::UnboundedReceiver<Up>,
    consoles: mpsc::UnboundedReceiver<ConsoleTold>,
}

/// A step, and all that every call of it carries.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) key: StepKey,
    pub(crate) role: Role,
    pub(crate) input: StepInput,
    pub(crate) exports: Vec<BoundExport>,
    pub(crate) closes: Vec<Maker>,
    pub(crate) dispatched: Position,
    /// How long callers wait, milliseconds.
    pub(crate) remaining_ms: u32,
}

pub(crate) fn term(elected: u64) -> Term {
    Term { generation: 0, elected: Position(elected) }
}

impl Session {
    pub(crate) fn new(
        hello: Hello,
        certificate: Vec<u8>,
        out: mpsc::UnboundedSender<Result<OrchestratorMessage, Status>>,
        ups: mpsc::UnboundedReceiver<Up>,
        consoles: mpsc::UnboundedReceiver<ConsoleTold>,
    ) -> Self {
        Self { hello, certificate, term: Term::default(), out, ups, consoles }
    }

    /// Sends this, if the agent is still there.
    pub(crate) fn send(&self, down: &Down) {
        self.out.send(Ok(encode_down(down))).ok();
    }

    /// Sends a message as it is.
    pub(crate) fn send_raw(&self, message: OrchestratorMessage) {
        self.out.send(Ok(message)).ok();
    }

    /// Leads from now on, in the term that was elected there.
    pub(crate) fn lead(&mut self, elected: u64) {
        self.term = term(elected);
        self.send(&Down::Lead { term: self.term, position: Position(elected), hash: Hash([9; 32]) });
    }

    /// What the agent says next, heartbeats left out; `None`: the stream is gone.
    pub(crate) async fn next(&mut self) -> Option<Up> {
        loop {
            match timeout(PATIENCE, self.ups.recv()).await.expect("the agent says something") {
                Some(Up::Heartbeat { .. }) => {}
                other => return other,
            }
        }
    }

    /// Asks for a console, and the answer to that.
    pub(crate) async fn console(&mut self, asked: ConsoleAsked) -> Result<String, Refusal> {
        self.send_raw(asked.encode());
        let told =
            timeout(PATIENCE, self.consoles.recv()).await.expect("in time").expect("the stream stands");
        assert_eq!(told.id, asked.id);
        told.result.map(|text| String::from_utf8(text).expect("a simulated guest writes plain text"))
    }

    /// The next answer to a call.
    pub(crate) async fn reply(&mut self) -> Reply {
        match self.next().await {
            Some(Up::Reply(reply)) => reply,
            other => unreachable!("expected a reply, not {other:?}"),
        }
    }

    /// Waits for the end of the stream, whatever is said before.
    pub(crate) async fn end(mut self) {
        while self.next().await.is_some() {}
    }

    /// What the agent holds in a role.
    pub(crate) async fn inventory(&mut self, role: Role) -> Inventory {
        self.send(&Down::TakeInventory { ledger: LedgerId { host: HOST, role } });
        match self.next().await {
            Some(Up::Inventory(inventory)) => inventory,
            other => unreachable!("expected an inventory, not {other:?}"),
        }
    }

    /// The id that the agent's ledger of this role showed.
    pub(crate) fn incarnation(&self, role: Role) -> Incarnation {
        let found = self.hello.ledgers.iter().find(|(ledger, _)| ledger.role == role);
        found.expect("the agent serves the role").1
    }

    /// A call of a step.
    pub(crate) fn call(&self, step: &Step, verb: Verb, attempt: u32) -> Call {
        let direction = match verb {
            Verb::Execute | Verb::Lookup => Direction::Forward,
            Verb::Undo => Direction::Undo,
        };
        Call {
            term: self.term,
            key: step.key,
            verb,
            direction,
            attempt: Attempt(attempt),
            dispatched: step.dispatched,
            ledger: LedgerId { host: HOST, role: step.role },
            incarnation: self.incarnation(step.role),
            remaining_ms: step.remaining_ms,
            owner: Owner { cell: CELL, project: ProjectId([8; 16]) },
            body: CallBody {
                input: step.input.clone(),
                exports: step.exports.clone(),
                closes: step.closes.clone(),
            },
        }
    }

    /// Sends a call and gives its answer, which must be the next thing that is said.
    pub(crate) async fn ask(&mut self, call: Call) -> Answer {
        let (key, verb) = (call.key, call.verb);
        self.send(&Down::Call(Box::new(call)));
        let reply = self.reply().await;
        assert_eq!((reply.key, reply.verb), (key, verb), "the answer is to this call");
        reply.answer
    }

    pub(crate) async fn execute(&mut self, step: &Step, attempt: u32) -> Answer {
        self.ask(self.call(step, Verb::Execute, attempt)).await
    }

    pub(crate) async fn undo(&mut self, step: &Step, attempt: u32) -> Answer {
        self.ask(self.call(step, Verb::Undo, attempt)).await
    }

    pub(crate) async fn lookup(&mut self, step: &Step, attempt: u32) -> Answer {
        self.ask(self.call(step, Verb::Lookup, attempt)).await
    }
}
