//! Given a lead with a call, when the agent or time says this, then that leaves.

mod answers;
mod faults;
mod hosts;
mod take_over;
mod views;

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::super::orchestrator::{Led, Stop};
use super::super::*;
use super::{Alarm, Input, LinkId, Output};
use crate::cell::{Effect, OpenCall};
use crate::ids::*;
use crate::limits::*;
use crate::record::*;

const CELL: CellId = CellId([7; 16]);
const HOST: HostId = HostId([3; 16]);
const LEDGER: LedgerId = LedgerId { host: HOST, role: Role::Storage };
const OURS: Incarnation = Incarnation([5; 16]);
const OTHER: Incarnation = Incarnation([6; 16]);
const TERM: Term = Term { generation: 0, elected: Position(10) };
const LINK: LinkId = LinkId(1);
const CALL_MS: u32 = 2_000;
const START_MS: i64 = 1_000_000;
const SAGA: SagaId = SagaId([9; 16]);

const fn at(ms: i64) -> Time {
    Time((START_MS + ms) * 1000)
}

const fn key(step: u16) -> StepKey {
    StepKey { saga: SAGA, step: StepIndex(step) }
}

fn open(step: u16, direction: Direction, attempt: u32) -> OpenCall {
    OpenCall {
        key: key(step),
        direction,
        attempt: Attempt(attempt),
        dispatched: Position(11),
        ledger: LEDGER,
        not_before: Time(0),
        deadline: None,
        call_ms: CALL_MS,
        owner: Owner { cell: CELL, project: ProjectId([1; 16]) },
        body: CallBody {
            input: StepInput::DestroyGuest { server: ServerId([4; 16]) },
            exports: Vec::new(),
            closes: Vec::new(),
        },
    }
}

fn call_effect(step: u16, direction: Direction, attempt: u32) -> Effect {
    Effect::Call(Box::new(open(step, direction, attempt)))
}

fn hello(incarnation: Incarnation) -> Hello {
    Hello {
        cell: CELL,
        host: HOST,
        boot: BootId([1; 16]),
        ledgers: alloc::vec![(LEDGER, incarnation)],
        highest: TERM,
        seen: (Position(10), Hash([1; 32])),
        capacity: Capacity::default(),
        traits: Vec::new(),
    }
}

fn refusal() -> Refusal {
    Refusal { code: RefusalCode::NoRoom, retryable: true, message: "full".into() }
}

/// A dispatcher, its clock, and what it wanted last.
struct Desk {
    machine: Dispatcher,
    now_ms: i64,
    out: Vec<Output>,
}

impl Desk {
    fn new() -> Self {
        Self { machine: Dispatcher::new(CELL), now_ms: 0, out: Vec::new() }
    }

    fn tell(&mut self, input: Input) -> &[Output] {
        self.out = self.machine.step(input, at(self.now_ms));
        &self.out
    }

    fn lead(&mut self, pending: Vec<Effect>) -> &[Output] {
        let (term, position, hash) = (TERM, Position(10), Hash([1; 32]));
        self.tell(Input::TakeOver(Box::new(Led { term, position, hash, pending, leaderless_ms: 10_000 })))
    }

    /// A lead whose one ledger is admitted and connected.
    fn ready() -> Self {
        let mut desk = Self::new();
        desk.lead(alloc::vec![Effect::Admitted { ledger: LEDGER, incarnation: OURS }]);
        desk.up(LINK, Up::Hello(hello(OURS)));
        desk
    }

    fn effects(&mut self, effects: Vec<Effect>) -> &[Output] {
        self.tell(Input::Durable { effects, position: Position(11), hash: Hash([2; 32]) })
    }

    fn up(&mut self, link: LinkId, up: Up) -> &[Output] {
        self.tell(Input::Up { link, up: Box::new(up) })
    }

    fn reply(&mut self, verb: Verb, attempt: u32, answer: Answer) -> &[Output] {
        let (ledger, incarnation) = (LEDGER, OURS);
        let attempt = Attempt(attempt);
        self.up(LINK, Up::Reply(Reply { ledger, incarnation, key: key(0), verb, attempt, answer }))
    }

    fn wait(&mut self, ms: u64) -> &[Output] {
        self.now_ms += ms.cast_signed();
        self.tell(Input::Tick)
    }

    /// The calls that left last: stream, step, verb, attempt.
    fn calls(&self) -> Vec<(LinkId, u16, Verb, u32)> {
        let call = |output: &Output| match output {
            Output::Send { link, down: Down::Call(call) } => {
                Some((*link, call.key.step.0, call.verb, call.attempt.0))
            }
            _ => None,
        };
        self.out.iter().filter_map(call).collect()
    }

    /// What step reports left last.
    fn reports(&self) -> Vec<StepReport> {
        let report = |output: &Output| match output {
            Output::Fact(fact) => match &**fact {
                Fact::Report(Report::Step(report)) => Some(report.clone()),
                _ => None,
            },
            _ => None,
        };
        self.out.iter().filter_map(report).collect()
    }

    fn outcomes(&self) -> Vec<(Outcome, u32)> {
        self.reports().into_iter().map(|report| (report.outcome, report.attempt.0)).collect()
    }

    fn wants(&self, wanted: &Output) -> bool {
        self.out.contains(wanted)
    }
}
