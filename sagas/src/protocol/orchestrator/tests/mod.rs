//! Given a node in some standing, when it is told this, then it wants that.

mod campaign;
mod journal;
mod lead;
mod lost;
mod poison;
mod replies;
mod tail;

use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::*;
use crate::protocol::testing::*;
use crate::protocol::{AppendError, Cursor};
use crate::record::{Cause, Fact};

/// Within a day of 1970, so that request ids are fresh.
const START_MS: i64 = 3_600_000;

/// A node, its clock, and what it wanted last.
struct Node {
    machine: Orchestrator,
    now_ms: i64,
    out: Vec<Output>,
    /// Behind which frame it has asked for the journal last.
    asked: Cursor,
}

/// What a node sent as its last append.
struct Sent {
    append: u64,
    after: Cursor,
    frame: Vec<u8>,
}

impl Node {
    fn new(writer: u8) -> Self {
        let config = Config {
            writer: WriterId([writer; 16]),
            build: "test".to_string(),
            genesis: Some(genesis(1)),
            recover: None,
        };
        Self { machine: Orchestrator::new(config), now_ms: START_MS, out: Vec::new(), asked: Cursor::START }
    }

    fn tell(&mut self, input: Input) -> &[Output] {
        self.out = self.machine.step(input, Time(self.now_ms * 1000));
        let asked = self.out.iter().rev().find_map(|output| match output {
            Output::ReadAfter { cursor, .. } => Some(*cursor),
            _ => None,
        });
        self.asked = asked.unwrap_or(self.asked);
        &self.out
    }

    fn load(&mut self) {
        self.tell(Input::Loaded(Box::new(Fold::new(Some(CELL)))));
    }

    fn wait(&mut self, ms: i64) -> &[Output] {
        self.now_ms += ms;
        let up_ms = (self.now_ms - START_MS).cast_unsigned();
        self.tell(Input::Tick { up_ms })
    }

    fn frame(&mut self, cursor: u64, bytes: &[u8]) -> &[Output] {
        self.tell(Input::Tail { cursor: Cursor(cursor), bytes: bytes.to_vec() })
    }

    /// The journal ends at `cursor`, says the read that was asked for last.
    fn end(&mut self, cursor: u64) -> &[Output] {
        let read = self.machine.tail_read();
        self.tell(Input::TailEnd { cursor: Cursor(cursor), read })
    }

    /// The journal, which holds these frames, answers the read that was asked for last. `out` is all that this brings.
    fn read(&mut self, frames: &[Vec<u8>]) -> &[Output] {
        let (from, read) = (self.asked, self.machine.tail_read());
        let mut all = Vec::new();
        for (cursor, bytes) in (1..).zip(frames).filter(|(cursor, _)| Cursor(*cursor) > from) {
            all.extend_from_slice(self.frame(cursor, bytes));
        }
        let end = Input::TailEnd { cursor: Cursor(frames.len() as u64), read };
        all.extend_from_slice(self.tell(end));
        self.out = all;
        &self.out
    }

    fn answer(&mut self, sent: &Sent, result: Result<Cursor, AppendError>) -> &[Output] {
        self.tell(Input::Appended { append: sent.append, result })
    }

    fn acknowledge(&mut self, sent: &Sent) -> &[Output] {
        self.answer(sent, Ok(sent.after.next()))
    }

    fn ask(&mut self, token: u64, fact: Fact) -> &[Output] {
        self.tell(Input::Fact { token, cause: Cause::default(), fact: Box::new(fact) })
    }

    fn create(&mut self, token: u64, name: &str) -> &[Output] {
        let made_at = START_MS.cast_unsigned() + token;
        self.ask(token, create_project(made_at, name))
    }

    /// The last append in what the node wanted last.
    fn sent(&self) -> Option<Sent> {
        self.out.iter().rev().find_map(|output| match output {
            Output::Append { append, after, frame } => {
                Some(Sent { append: *append, after: *after, frame: frame.clone() })
            }
            _ => None,
        })
    }

    fn replies(&self) -> Vec<(u64, Result<Receipt, Refused>)> {
        let reply = |output: &Output| match output {
            Output::Reply { token, reply } => Some((*token, reply.clone())),
            _ => None,
        };
        self.out.iter().filter_map(reply).collect()
    }

    fn wants(&self, wanted: impl Fn(&Output) -> bool) -> bool {
        self.out.iter().any(wanted)
    }

    fn durable(&self) -> Vec<Position> {
        let commits = |output: &Output| match output {
            Output::Durable { commits, .. } => commits.iter().map(|commit| commit.header.position).collect(),
            _ => Vec::new(),
        };
        self.out.iter().flat_map(commits).collect()
    }

    /// An empty journal, the lease, and the campaign in flight.
    fn candidate(writer: u8) -> (Self, Sent) {
        let mut node = Self::new(writer);
        node.load();
        node.tell(Input::Lease(Lease::Granted));
        node.end(0);
        let sent = node.sent().expect("a campaign");
        (node, sent)
    }

    /// A leader of an empty cell: frame 1 is durable, positions 1 and 2.
    fn leader(writer: u8) -> Self {
        let (mut node, sent) = Self::candidate(writer);
        node.acknowledge(&sent);
        assert!(matches!(node.machine.standing(), Standing::Leading(_)));
        node
    }
}

fn accepted(position: u64) -> impl Fn(&Result<Receipt, Refused>) -> bool {
    move |reply| matches!(reply, Ok(receipt) if receipt.position == Position(position))
}

fn name(number: u64) -> String {
    alloc::format!("p{number}")
}
