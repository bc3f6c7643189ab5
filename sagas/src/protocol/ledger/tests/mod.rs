//! The ledger by tables: given this input, then these outputs, each said in a few words.
//!
//! A host's disk is the rows of the batches that were synced; a crash keeps any number of batches behind them too.

mod calls;
mod leading;
mod locks;
mod low_water;
mod rows;
mod traces;
mod views;

use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::*;
use crate::protocol::{Answer, Call, CallBody, CallError, Owner, Up, Verb};
use crate::record::{
    BoundExport, Direction, Endpoint, Maker, Refusal, RefusalCode, Role, StepInput, StepOutput,
};

const HOST: HostId = HostId([9; 16]);
const OWN: Incarnation = Incarnation([7; 16]);
const SAGA: SagaId = SagaId([1; 16]);
const OWNER: Owner = Owner { cell: CellId([2; 16]), project: ProjectId([3; 16]) };
const LEDGER: LedgerId = LedgerId { host: HOST, role: Role::Storage };

fn term(elected: u64) -> Term {
    Term { generation: 0, elected: Position(elected) }
}

fn key(step: u16) -> StepKey {
    StepKey { saga: SAGA, step: StepIndex(step) }
}

/// A ledger with a disk, and the time.
struct Table {
    ledger: Ledger,
    disk: BTreeMap<Vec<u8>, Vec<u8>>,
    batches: Vec<(BatchId, Vec<Row>)>,
    now: Time,
    said: Vec<String>,
}

impl Table {
    fn new() -> Self {
        let ledger = Ledger::new(LEDGER, OWN);
        let mut disk = BTreeMap::new();
        store(&mut disk, &[ledger.first_row()]);
        Self { ledger, disk, batches: Vec::new(), now: Time(1_000_000), said: Vec::new() }
    }

    /// Stream 1 leads in term 5, durably; the next batch is number 2.
    fn led() -> Self {
        let mut table = Self::new();
        table.give(lead(1, 5)).then(&["persist 1: highest 0.5, seen 5"]);
        table.give(synced(1)).then(&[]);
        table
    }

    fn give(&mut self, input: impl Into<Input>) -> &mut Self {
        let input = input.into();
        if let Input::Synced { batch } = &input {
            self.sync(*batch);
        }
        let mut out = Vec::new();
        self.ledger.step(input, self.now, &mut out);
        for output in &out {
            if let Output::Persist { batch, rows } = output {
                self.batches.push((*batch, rows.clone()));
            }
        }
        self.said = out.iter().map(say).collect();
        self
    }

    #[track_caller]
    fn then(&mut self, wanted: &[&str]) -> &mut Self {
        assert_eq!(self.said, wanted);
        self
    }

    fn sync(&mut self, upto: BatchId) {
        let later = self.batches.split_off(self.batches.partition_point(|(batch, _)| *batch <= upto));
        for (_, rows) in core::mem::replace(&mut self.batches, later) {
            store(&mut self.disk, &rows);
        }
    }

    /// The process or the host dies; of the batches that were not synced the first `kept` are on the disk all the same.
    fn crash(&mut self, kept: usize) -> &mut Self {
        for (_, rows) in self.batches.iter().take(kept) {
            store(&mut self.disk, rows);
        }
        self.batches.clear();
        self.ledger = Ledger::restore(&self.disk).unwrap();
        self
    }

    /// Stream 1 leads again in the term that the disk knows.
    fn again(&mut self) -> &mut Self {
        let elected = self.ledger.highest().elected.0;
        self.give(lead(1, elected)).then(&[])
    }

    fn pass(&mut self, ms: u64) -> &mut Self {
        self.now = self.now.plus_ms(ms);
        self
    }
}

fn store(disk: &mut BTreeMap<Vec<u8>, Vec<u8>>, rows: &[Row]) {
    for row in rows {
        match row.value_bytes() {
            Some(value) => disk.insert(row.key_bytes(), value),
            None => disk.remove(&row.key_bytes()),
        };
    }
}

/// A call to be given: stream 1, term 5, attempt 1, dispatch position 10.
#[derive(Clone)]
struct Ask(LinkId, Call);

fn ask(verb: Verb, direction: Direction, step: u16) -> Ask {
    let volume = VolumeId([u8::try_from(step).unwrap(); 16]);
    let input = StepInput::ReleaseVolume { volume, export_to: None, delete: true };
    let call = Call {
        term: term(5),
        key: key(step),
        verb,
        direction,
        attempt: Attempt(1),
        dispatched: Position(10),
        ledger: LEDGER,
        incarnation: OWN,
        remaining_ms: 30_000,
        owner: OWNER,
        body: CallBody { input, exports: Vec::new(), closes: Vec::new() },
    };
    Ask(LinkId(1), call)
}

fn execute(step: u16) -> Ask {
    ask(Verb::Execute, Direction::Forward, step)
}

fn undo(step: u16) -> Ask {
    ask(Verb::Undo, Direction::Undo, step)
}

fn lookup(step: u16) -> Ask {
    ask(Verb::Lookup, Direction::Forward, step)
}

fn lookup_undo(step: u16) -> Ask {
    ask(Verb::Lookup, Direction::Undo, step)
}

impl Ask {
    fn attempt(mut self, attempt: u32) -> Self {
        self.1.attempt = Attempt(attempt);
        self
    }
    fn at(mut self, position: u64) -> Self {
        self.1.dispatched = Position(position);
        self
    }
    fn on(mut self, link: u64, elected: u64) -> Self {
        self.0 = LinkId(link);
        self.1.term = term(elected);
        self
    }
    fn to(mut self, incarnation: Incarnation) -> Self {
        self.1.incarnation = incarnation;
        self
    }
    fn waits_ms(mut self, ms: u32) -> Self {
        self.1.remaining_ms = ms;
        self
    }
    fn other_body(mut self) -> Self {
        let endpoint = Endpoint { host: "elsewhere".into(), port: 1 };
        self.1.body.exports.push(BoundExport { volume: VolumeId([1; 16]), endpoint });
        self
    }
    fn closing(mut self, step: u16, dispatched: u64) -> Self {
        let maker = Maker { saga: SAGA, step: StepIndex(step), dispatched: Position(dispatched) };
        self.1.body.closes.push(maker);
        self
    }
}

impl From<Ask> for Input {
    fn from(ask: Ask) -> Self {
        Self::Call { link: ask.0, call: Box::new(ask.1) }
    }
}

fn lead(link: u64, elected: u64) -> Input {
    let (position, hash) = (Position(elected), Hash([u8::try_from(elected).unwrap(); 32]));
    Input::Lead { link: LinkId(link), term: term(elected), position, hash }
}

fn low_water(position: u64) -> Input {
    Input::LowWater { link: LinkId(1), incarnation: OWN, term: term(5), position: Position(position) }
}

fn lost(link: u64) -> Input {
    Input::LinkLost { link: LinkId(link) }
}

fn synced(batch: u64) -> Input {
    Input::Synced { batch: BatchId(batch) }
}

fn worked(work: u64, result: WorkResult) -> Input {
    Input::Worked { work: WorkId(work), result }
}

fn present(work: u64) -> Input {
    worked(work, WorkResult::Observed(Ok(Observed::Present(StepOutput::None))))
}

fn absent(work: u64) -> Input {
    worked(work, WorkResult::Observed(Ok(Observed::Absent)))
}

fn partial(work: u64) -> Input {
    worked(work, WorkResult::Observed(Ok(Observed::Partial)))
}

fn did(work: u64) -> Input {
    worked(work, WorkResult::Executed(Ok(StepOutput::None)))
}

fn removed(work: u64) -> Input {
    worked(work, WorkResult::Undone(Ok(())))
}

fn full() -> Refusal {
    Refusal { code: RefusalCode::DiskFull, retryable: true, message: "full".into() }
}

fn refused(work: u64) -> Input {
    worked(work, WorkResult::Executed(Err(full())))
}

fn undo_refused(work: u64) -> Input {
    worked(work, WorkResult::Undone(Err(full())))
}

fn blind(work: u64) -> Input {
    worked(work, WorkResult::Observed(Err(full())))
}

fn say(output: &Output) -> String {
    match output {
        Output::Begin(work) => {
            let op = match work.op {
                Op::Observe => "observe",
                Op::Execute => "execute",
                Op::Undo => "undo",
            };
            format!("begin {} {op} s{}", work.id.0, work.key.step)
        }
        Output::Persist { batch, rows } => {
            let rows: Vec<String> = rows.iter().map(say_row).collect();
            format!("persist {}: {}", batch.0, rows.join(", "))
        }
        Output::Apply(view) => format!("apply {}", view.position),
        Output::Send { link, up } => format!("send {}: {}", link.0, say_up(up)),
    }
}

fn say_row(row: &Row) -> String {
    match row {
        Row::Identity(..) => "identity".into(),
        Row::Highest(term) => format!("highest {term}"),
        Row::Seen(seen) => format!("seen {}", seen.position),
        Row::LowWater(position) => format!("low {position}"),
        Row::View(view) => format!("view {}", view.position),
        Row::Dropped(key) => format!("drop s{}", key.step),
        Row::Entry(key, entry) => {
            let forward = match &entry.forward {
                Forward::Open => String::new(),
                Forward::Refused(attempt, _) => format!(" refused#{attempt}"),
                Forward::Done(_) => " done".into(),
            };
            let undo = match &entry.undo {
                Backward::Open => String::new(),
                Backward::Refused(attempt, _) => format!(" undo-refused#{attempt}"),
                Backward::Closed => " closed".into(),
            };
            format!("s{}@{}{forward}{undo}", key.step, entry.dispatched)
        }
    }
}

fn say_up(up: &Up) -> String {
    match up {
        Up::FencedLead { highest } => format!("fenced lead {highest}"),
        Up::Reply(reply) => {
            let answer: String = match &reply.answer {
                Answer::Done(_) => "done".into(),
                Answer::Refused(_) => "refused".into(),
                Answer::Undone => "undone".into(),
                Answer::Running => "running".into(),
                Answer::Absent => "absent".into(),
                Answer::Error(CallError::Fenced(term)) => format!("fenced {term}"),
                Answer::Error(CallError::BelowLowWater(position)) => format!("below {position}"),
                Answer::Error(error) => error.to_string(),
            };
            format!("s{}#{} {answer}", reply.key.step, reply.attempt)
        }
        Up::ViewApplied(applied) => {
            let failure = applied.failure.as_ref().map(|why| format!(", not {why}"));
            format!("in force {}{}", applied.position, failure.unwrap_or_default())
        }
        Up::Hello(_) | Up::Inventory(_) | Up::FaultsHeld(_) | Up::Heartbeat { .. } => {
            "not a ledger's word".into()
        }
    }
}
