//! A call from its arrival to the moment when its work begins, or when it is answered from the record.
//!
//! Invariant: nothing of a key is decided while work that touches the key runs, except that a caller joins it.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use super::{Backward, BatchId, Entry, Forward, Ledger, LinkId, Op, Output, Work, WorkId};
use crate::ids::*;
use crate::limits::LEDGER_CALLS_MAX;
use crate::planted::{self, Bug};
use crate::protocol::{Answer, Call, CallError, Reply, Up, Verb};
use crate::record::{Direction, StepKey};

/// A call that has not begun.
#[derive(Clone, Debug)]
pub(super) struct Waiting {
    pub(super) link: LinkId,
    pub(super) call: Call,
    body: Hash,
    /// When its caller stops waiting.
    deadline: Time,
}

/// One who waits for running work.
#[derive(Clone, Copy, Debug)]
pub(super) struct Caller {
    pub(super) link: LinkId,
    pub(super) attempt: Attempt,
}

/// Work that runs for a key, from its first look at the world to its end.
#[derive(Clone, Debug)]
pub(super) struct Running {
    pub(super) op: Op,
    /// The call that began it.
    pub(super) call: Call,
    pub(super) body: Hash,
    pub(super) callers: Vec<Caller>,
    /// The highest attempt of all who have joined: what a refusal is recorded with.
    pub(super) attempt: Attempt,
    /// The highest term of all who have joined.
    pub(super) term: Term,
    deadline: Time,
}

impl Running {
    /// Whether it makes or removes the key's change; a look-up only looks.
    pub(super) const fn changes(&self) -> bool {
        match self.call.verb {
            Verb::Execute | Verb::Undo => true,
            Verb::Lookup => false,
        }
    }
}

/// What the record says about a call.
enum Known {
    /// This, and it rests on that batch.
    Answer(Answer, Attempt, BatchId),
    /// Nothing final: this work is to begin.
    Work(Op),
}

impl Ledger {
    /// A call came: it is refused for want of room, or takes its place.
    pub(super) fn arrive(&mut self, link: LinkId, call: Call, now: Time, out: &mut Vec<Output>) {
        let error = if self.draining {
            CallError::Draining
        } else if self.under_way() >= LEDGER_CALLS_MAX {
            CallError::Busy
        } else {
            let (body, deadline) = (call.body.hash(), now.plus_ms(u64::from(call.remaining_ms)));
            return self.queue.push_back(Waiting { link, call, body, deadline });
        };
        self.fail(link, &call, call.attempt, error, out);
    }

    fn under_way(&self) -> usize {
        let callers: usize = self.running.values().map(|running| running.callers.len().max(1)).sum();
        self.queue.len() + callers + self.durable.replies()
    }

    /// Lets every waiting call begin, join or be answered whose key is free, in order of arrival for each key.
    pub(super) fn pump(&mut self, now: Time, out: &mut Vec<Output>) {
        let mut ahead = BTreeSet::new();
        for waiting in core::mem::take(&mut self.queue) {
            if self.joins(&waiting) {
                self.join(&waiting, out);
                continue;
            }
            let held = |key: &StepKey| self.locked.contains(key) || ahead.contains(key);
            if locks(&waiting.call).any(|key| held(&key)) {
                ahead.extend(locks(&waiting.call));
                self.queue.push_back(waiting);
            } else {
                self.begin(waiting, now, out);
            }
        }
    }

    /// Whether the call is about work that runs: the same call again, or a look-up. All else waits for its end.
    fn joins(&self, waiting: &Waiting) -> bool {
        let Some(running) = self.running.get(&waiting.call.key) else { return false };
        match waiting.call.verb {
            Verb::Execute | Verb::Undo => running.call.verb == waiting.call.verb,
            Verb::Lookup => running.changes(),
        }
    }

    fn join(&mut self, waiting: &Waiting, out: &mut Vec<Output>) {
        let Waiting { link, call, deadline, .. } = waiting;
        if let Err(error) = self.check(waiting) {
            return self.fail(*link, call, call.attempt, error, out);
        }
        if call.verb == Verb::Lookup {
            return self.answer(*link, call, call.attempt, Answer::Running, BatchId::default(), out);
        }
        if let Some(running) = self.running.get_mut(&call.key) {
            running.callers.push(Caller { link: *link, attempt: call.attempt });
            running.attempt = running.attempt.max(call.attempt);
            running.term = running.term.max(call.term);
            running.deadline = running.deadline.max(*deadline);
        }
    }

    /// What stands against a call at this moment.
    fn check(&self, waiting: &Waiting) -> Result<(), CallError> {
        let Waiting { link, call, body, .. } = waiting;
        if !self.leads(*link, call.term) {
            return Err(CallError::Fenced(self.highest));
        }
        let other = call.incarnation != self.incarnation && !planted::on(Bug::OldIncarnationAnswered);
        if call.ledger != self.id || other {
            return Err(CallError::WrongIncarnation(self.incarnation));
        }
        if call.dispatched < self.low_water && !planted::on(Bug::LowWaterUnchecked) {
            return Err(CallError::BelowLowWater(self.low_water));
        }
        let recorded = self.entries.get(&call.key).map(|(entry, _)| (entry.dispatched, entry.body));
        let running =
            self.running.get(&call.key).map(|running| (running.call.dispatched, Some(running.body)));
        let differs = |known: Option<(Position, Option<Hash>)>| {
            known
                .is_some_and(|(at, known)| at != call.dispatched || known.is_some_and(|known| known != *body))
        };
        if differs(recorded) || differs(running) { Err(CallError::KeyConflict) } else { Ok(()) }
    }

    /// Begins a call whose keys are free: answers it from the record, or locks them and lets the driver begin.
    fn begin(&mut self, waiting: Waiting, now: Time, out: &mut Vec<Output>) {
        let checked = self.check(&waiting);
        let Waiting { link, call, body, deadline } = waiting;
        let known = checked.and_then(|()| known(&call, self.entries.get(&call.key)));
        match known {
            Err(error) => self.fail(link, &call, call.attempt, error, out),
            Ok(Known::Answer(answer, attempt, rests_on)) => {
                self.answer(link, &call, attempt, answer, rests_on, out);
            }
            // Nobody waits any more, or he said that nothing is to begin: to be sent again.
            Ok(Known::Work(_)) if deadline <= now => {
                self.fail(link, &call, call.attempt, CallError::Busy, out);
            }
            Ok(Known::Work(op)) => {
                self.locked.extend(locks(&call));
                let callers = alloc::vec![Caller { link, attempt: call.attempt }];
                let (attempt, term) = (call.attempt, call.term);
                let running = Running { op, call, body, callers, attempt, term, deadline };
                if op == Op::Undo && planted::on(Bug::UndoTrustsLedger) && self.knows_nothing_of(&running) {
                    return self.undone(&running, out);
                }
                self.drive(running, now, out);
            }
        }
    }

    /// Goes from looking to making, if what allowed the call still allows it; its keys are locked.
    pub(super) fn go_on(&mut self, mut running: Running, now: Time, out: &mut Vec<Output>) {
        let error = if running.term < self.highest && !planted::on(Bug::TermUnchecked) {
            Some(CallError::Fenced(self.highest))
        } else if running.call.dispatched < self.low_water && !planted::on(Bug::LowWaterUnchecked) {
            Some(CallError::BelowLowWater(self.low_water))
        } else if running.deadline <= now {
            Some(CallError::Busy)
        } else {
            None
        };
        match error {
            Some(error) => self.give_up(&running, error, out),
            None => {
                running.op = Op::Execute;
                self.drive(running, now, out);
            }
        }
    }

    /// Hands work to the driver.
    fn drive(&mut self, running: Running, now: Time, out: &mut Vec<Output>) {
        self.last_work = WorkId(self.last_work.0 + 1);
        let id = self.last_work;
        let (call, left_ms) = (&running.call, running.deadline.ms_since(now).max(1));
        out.push(Output::Begin(alloc::boxed::Box::new(Work {
            id,
            key: call.key,
            op: running.op,
            input: call.body.input.clone(),
            exports: call.body.exports.clone(),
            owner: call.owner,
            remaining_ms: u32::try_from(left_ms).unwrap_or(u32::MAX),
        })));
        self.works.insert(id, call.key);
        self.running.insert(call.key, running);
    }

    /// Whether the key has no record: for a planted bug, which takes that for "never executed".
    fn knows_nothing_of(&self, running: &Running) -> bool {
        self.entries.get(&running.call.key).is_none()
    }

    /// Answers everybody who waits for work that ended without an outcome, and frees its keys.
    pub(super) fn give_up(&mut self, running: &Running, error: CallError, out: &mut Vec<Output>) {
        self.unlock(running);
        for caller in &running.callers {
            self.fail(caller.link, &running.call, caller.attempt, error, out);
        }
    }

    /// Frees the keys of work that has ended.
    pub(super) fn unlock(&mut self, running: &Running) {
        for key in locks(&running.call) {
            self.locked.remove(&key);
        }
    }

    /// Sends an answer once the term and what it rests on are durable.
    pub(super) fn answer(
        &mut self,
        link: LinkId,
        call: &Call,
        attempt: Attempt,
        answer: Answer,
        rests_on: BatchId,
        out: &mut Vec<Output>,
    ) {
        let (ledger, incarnation) = (self.id, self.incarnation);
        let reply = Reply { ledger, incarnation, key: call.key, verb: call.verb, attempt, answer };
        let synced = planted::on(Bug::AnsweredBeforeSynced);
        let rests_on = if synced { BatchId::default() } else { rests_on.max(self.highest_in) };
        self.durable.send(link, Up::Reply(reply), rests_on, out);
    }

    /// Sends a call error: it speaks of nothing that was done, so it rests on nothing.
    pub(super) fn fail(
        &mut self,
        link: LinkId,
        call: &Call,
        attempt: Attempt,
        error: CallError,
        out: &mut Vec<Output>,
    ) {
        let (ledger, incarnation) = (self.id, self.incarnation);
        let answer = Answer::Error(error);
        let reply = Reply { ledger, incarnation, key: call.key, verb: call.verb, attempt, answer };
        self.durable.send(link, Up::Reply(reply), BatchId::default(), out);
    }
}

/// The keys that a call's work touches: its own, and those that its success closes.
fn locks(call: &Call) -> impl Iterator<Item = StepKey> + '_ {
    let closes = match call.verb {
        Verb::Execute | Verb::Lookup => call.body.closes.as_slice(),
        Verb::Undo => &[],
    };
    core::iter::once(call.key)
        .chain(closes.iter().map(|maker| StepKey { saga: maker.saga, step: maker.step }))
}

/// What the record says about a call that nothing stands against.
fn known(call: &Call, recorded: Option<&(Entry, BatchId)>) -> Result<Known, CallError> {
    let Some((entry, batch)) = recorded else { return Ok(unrecorded(call)) };
    let answer = |answer, attempt| Ok(Known::Answer(answer, attempt, *batch));
    if entry.is_closed() {
        // The change was removed durably before the tombstone was written. Another look could only find what a later
        // key made under the same name (a second attachment of a volume, a guest restored), and remove that.
        return match call.verb {
            Verb::Execute => Err(CallError::Tombstoned),
            Verb::Undo | Verb::Lookup => answer(Answer::Undone, call.attempt),
        };
    }
    // The saga has turned: an Execute that comes behind an undo which failed is a late one. What that undo has removed so
    // far it would make again, for nobody.
    if call.verb == Verb::Execute && matches!(entry.undo, Backward::Refused(..)) {
        return Err(CallError::Tombstoned);
    }
    match (call.verb, call.direction) {
        (Verb::Execute, _) => match &entry.forward {
            Forward::Done(output) => answer(Answer::Done(output.clone()), call.attempt),
            Forward::Refused(of, refusal) if call.attempt <= *of => {
                answer(Answer::Refused(refusal.clone()), *of)
            }
            Forward::Refused(..) | Forward::Open => Ok(unrecorded(call)),
        },
        (Verb::Lookup, Direction::Forward) => match &entry.forward {
            Forward::Done(output) => answer(Answer::Done(output.clone()), call.attempt),
            Forward::Refused(..) | Forward::Open => Ok(unrecorded(call)),
        },
        (Verb::Lookup, Direction::Undo) => match &entry.undo {
            Backward::Refused(of, refusal) if call.attempt <= *of => {
                answer(Answer::Refused(refusal.clone()), *of)
            }
            Backward::Refused(..) | Backward::Open | Backward::Closed => Ok(unrecorded(call)),
        },
        (Verb::Undo, _) => Ok(unrecorded(call)),
    }
}

/// What a call means whose record says nothing final. A look-up of an undo need not look: whatever the world holds, the
/// undo must be sent again.
fn unrecorded(call: &Call) -> Known {
    match (call.verb, call.direction) {
        (Verb::Execute, _) if planted::on(Bug::ExecuteTrustsLedger) => Known::Work(Op::Execute),
        (Verb::Execute, _) | (Verb::Lookup, Direction::Forward) => Known::Work(Op::Observe),
        (Verb::Undo, _) => Known::Work(Op::Undo),
        (Verb::Lookup, Direction::Undo) => Known::Answer(Answer::Absent, call.attempt, BatchId::default()),
    }
}
