//! The end of driver work: what is recorded, which keys are closed with it, and who is told.
//!
//! Invariant: a record, and the tombstones of the keys that its success closes, are one batch; every reply rests on it.

use alloc::vec::Vec;

use super::calls::Running;
use super::{Backward, BatchId, Entry, Forward, Ledger, Observed, Op, Output, Row, WorkId, WorkResult};
use crate::ids::Time;
use crate::limits::{NAME_BYTES_MAX, TEXT_BYTES_MAX};
use crate::planted::{self, Bug};
use crate::protocol::{Answer, CallError, Verb};
use crate::record::{Refusal, RefusalCode, StepOutput};

impl Ledger {
    /// Driver work ended. A number that is not out is of no concern.
    pub(super) fn worked(&mut self, work: WorkId, result: WorkResult, now: Time, out: &mut Vec<Output>) {
        let Some(running) = self.works.remove(&work).and_then(|key| self.running.remove(&key)) else {
            return;
        };
        match (running.op, result) {
            (Op::Observe, WorkResult::Observed(Ok(Observed::Present(output))))
            | (Op::Execute, WorkResult::Executed(Ok(output))) => self.done(&running, output, out),
            (Op::Observe, WorkResult::Observed(Ok(Observed::Partial | Observed::Absent))) => {
                match running.call.verb {
                    Verb::Execute => self.go_on(running, now, out),
                    Verb::Lookup => self.absent(&running, out),
                    Verb::Undo => self.give_up(&running, CallError::Busy, out),
                }
            }
            (Op::Observe, WorkResult::Observed(Err(refusal)))
            | (Op::Execute, WorkResult::Executed(Err(refusal)))
            | (Op::Undo, WorkResult::Undone(Err(refusal))) => self.refused(&running, refusal, out),
            (Op::Undo, WorkResult::Undone(Ok(()))) => self.undone(&running, out),
            // The driver answered another question than it was asked: nothing is known, as if it had failed.
            (Op::Observe, WorkResult::Executed(_) | WorkResult::Undone(_))
            | (Op::Execute, WorkResult::Observed(_) | WorkResult::Undone(_))
            | (Op::Undo, WorkResult::Observed(_) | WorkResult::Executed(_)) => {
                self.refused(&running, driver_failed("the driver answered something else"), out);
            }
        }
        self.drop_settled();
    }

    /// The change is there.
    fn done(&mut self, running: &Running, output: StepOutput, out: &mut Vec<Output>) {
        if let StepOutput::Export(endpoint) = &output
            && endpoint.host.len() > NAME_BYTES_MAX
        {
            return self.refused(running, driver_failed("the export's host name is over its bound"), out);
        }
        let lookup = running.call.verb == Verb::Lookup;
        let batch = if lookup && planted::on(Bug::LookupDoneUnrecorded) {
            BatchId::default()
        } else {
            let forward = Forward::Done(output.clone());
            let batch = self.record(running, |entry| entry.forward = forward);
            if !planted::on(Bug::DeleteClosesNoKey) {
                self.close(running);
            }
            batch
        };
        self.tell(running, &Answer::Done(output), batch, out);
    }

    /// Closes the keys that made what this step removed, each at its own dispatch position.
    fn close(&mut self, running: &Running) {
        for maker in &running.call.body.closes {
            if maker.dispatched >= self.low_water {
                self.entries.close(maker, &mut self.durable);
            }
        }
    }

    /// The change is gone, or never was: the key is closed.
    pub(super) fn undone(&mut self, running: &Running, out: &mut Vec<Output>) {
        let batch = if planted::on(Bug::NoTombstone) {
            self.entries.remove(running.call.key, &mut self.durable);
            BatchId::default()
        } else {
            self.record(running, |entry| {
                entry.forward = Forward::Open;
                entry.undo = Backward::Closed;
            })
        };
        self.tell(running, &Answer::Undone, batch, out);
    }

    /// The driver says that it changed nothing, or that it could not look. A look-up that could not look knows nothing.
    fn refused(&mut self, running: &Running, refusal: Refusal, out: &mut Vec<Output>) {
        let refusal = bounded(refusal);
        let (attempt, recorded) = (running.attempt, refusal.clone());
        let batch = match running.call.verb {
            Verb::Lookup => return self.give_up(running, CallError::Busy, out),
            Verb::Execute => {
                self.record(running, |entry| entry.forward = Forward::Refused(attempt, recorded))
            }
            Verb::Undo => self.record(running, |entry| entry.undo = Backward::Refused(attempt, recorded)),
        };
        self.unlock(running);
        for caller in &running.callers {
            let answer = Answer::Refused(refusal.clone());
            self.answer(caller.link, &running.call, attempt, answer, batch, out);
        }
    }

    /// A look-up found no change: a refusal of the attempt asked for, or of a later one, is the answer; an older one is
    /// none (else nothing would move a saga whose next attempt got lost).
    fn absent(&mut self, running: &Running, out: &mut Vec<Output>) {
        let refusal = match self.entries.get(&running.call.key) {
            Some((Entry { forward: Forward::Refused(attempt, refusal), .. }, batch)) => {
                Some((*attempt, refusal.clone(), *batch))
            }
            Some((Entry { forward: Forward::Open | Forward::Done(_), .. }, _)) | None => None,
        };
        self.unlock(running);
        for caller in &running.callers {
            let call = &running.call;
            match &refusal {
                Some((attempt, refusal, batch)) if caller.attempt <= *attempt => {
                    self.answer(caller.link, call, *attempt, Answer::Refused(refusal.clone()), *batch, out);
                }
                Some(_) | None => {
                    let nothing = BatchId::default();
                    self.answer(caller.link, call, caller.attempt, Answer::Absent, nothing, out);
                }
            }
        }
    }

    /// Changes the key's record; the batch that holds it. Below the low water nothing is recorded, since every later
    /// call is sent away before it could ask; then the answer rests on the low water instead.
    fn record(&mut self, running: &Running, change: impl FnOnce(&mut Entry)) -> BatchId {
        let call = &running.call;
        if call.dispatched < self.low_water {
            return self.durable.put(Row::LowWater(self.low_water));
        }
        let known = self.entries.get(&call.key).map(|(entry, _)| entry.clone());
        let mut entry = known.unwrap_or(Entry {
            dispatched: call.dispatched,
            body: Some(running.body),
            forward: Forward::Open,
            undo: Backward::Open,
        });
        entry.body = Some(running.body);
        change(&mut entry);
        self.entries.put(call.key, entry, &mut self.durable)
    }

    /// Tells everybody who waits, and frees the keys.
    fn tell(&mut self, running: &Running, answer: &Answer, batch: BatchId, out: &mut Vec<Output>) {
        self.unlock(running);
        for caller in &running.callers {
            self.answer(caller.link, &running.call, caller.attempt, answer.clone(), batch, out);
        }
    }
}

fn driver_failed(why: &str) -> Refusal {
    Refusal { code: RefusalCode::DriverFailed, retryable: true, message: why.into() }
}

/// A refusal whose message fits; one over its bound is replaced, never cut.
fn bounded(refusal: Refusal) -> Refusal {
    if refusal.message.len() <= TEXT_BYTES_MAX {
        return refusal;
    }
    Refusal { message: "the driver's message is over its bound".into(), ..refusal }
}
