//! The tiny world: one volume, made and removed in two changes each, and its driver, which makes what it is told to
//! make without looking. It syncs before it reports, and dies with the agent's process.

use std::collections::BTreeMap;

use windlass_sagas::protocol::ledger::{Observed, Op, Work, WorkId, WorkResult};
use windlass_sagas::record::{Refusal, RefusalCode, StepInput, StepKey, StepOutput};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bytes {
    Nothing,
    Half,
    Whole,
}

/// One change of the world, and for whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Makes(StepKey),
    Removes(StepKey),
    MakesAgain(StepKey),
}

pub(crate) struct Host {
    pub(crate) now: Bytes,
    durable: Bytes,
    jobs: BTreeMap<WorkId, Job>,
}

struct Job {
    work: Work,
    begun: bool,
}

impl Host {
    pub(crate) const fn new() -> Self {
        Self { now: Bytes::Nothing, durable: Bytes::Nothing, jobs: BTreeMap::new() }
    }

    pub(crate) fn begin(&mut self, work: Work) {
        self.jobs.insert(work.id, Job { work, begun: false });
    }

    pub(crate) fn jobs(&self) -> Vec<WorkId> {
        self.jobs.keys().copied().collect()
    }

    /// The agent's process dies, and its driver's work with it.
    pub(crate) fn crash(&mut self) {
        self.jobs.clear();
    }

    pub(crate) fn power_cut(&mut self) {
        self.crash();
        self.now = self.durable;
    }

    /// The driver fails here, saying that it changed nothing (whether or not it did).
    pub(crate) fn refuse(&mut self, id: WorkId) -> Option<WorkResult> {
        let refusal = Refusal { code: RefusalCode::DriverFailed, retryable: true, message: String::new() };
        self.jobs.remove(&id).map(|job| match job.work.op {
            Op::Observe => WorkResult::Observed(Err(refusal)),
            Op::Execute => WorkResult::Executed(Err(refusal)),
            Op::Undo => WorkResult::Undone(Err(refusal)),
        })
    }

    /// One small step of a job: a change, or a sync and the end.
    pub(crate) fn step(&mut self, id: WorkId) -> (Option<Change>, Option<WorkResult>) {
        let Some(job) = self.jobs.get_mut(&id) else { return (None, None) };
        let key = job.work.key;
        let begins = !core::mem::replace(&mut job.begun, true);
        let makes = matches!(job.work.input, StepInput::ReserveVolume { .. });
        let result = match (job.work.op, makes) {
            (Op::Observe, _) => WorkResult::Observed(Ok(self.seen(makes))),
            (Op::Execute, true) => match self.now {
                Bytes::Whole if begins => return (Some(Change::MakesAgain(key)), None),
                Bytes::Whole => WorkResult::Executed(Ok(StepOutput::None)),
                Bytes::Half => return self.change(Bytes::Whole, Change::Makes(key)),
                Bytes::Nothing => return self.change(Bytes::Half, Change::Makes(key)),
            },
            (Op::Execute, false) | (Op::Undo, true) => match self.now {
                Bytes::Whole => return self.change(Bytes::Half, Change::Removes(key)),
                Bytes::Half => return self.change(Bytes::Nothing, Change::Removes(key)),
                Bytes::Nothing if makes => WorkResult::Undone(Ok(())),
                Bytes::Nothing => WorkResult::Executed(Ok(StepOutput::None)),
            },
            (Op::Undo, false) => WorkResult::Undone(Ok(())),
        };
        self.durable = self.now;
        self.jobs.remove(&id);
        (None, Some(result))
    }

    fn change(&mut self, to: Bytes, change: Change) -> (Option<Change>, Option<WorkResult>) {
        self.now = to;
        (Some(change), None)
    }

    const fn seen(&self, makes: bool) -> Observed {
        match (self.now, makes) {
            (Bytes::Whole, true) | (Bytes::Nothing, false) => Observed::Present(StepOutput::None),
            (Bytes::Half, _) => Observed::Partial,
            (Bytes::Nothing, true) | (Bytes::Whole, false) => Observed::Absent,
        }
    }
}
