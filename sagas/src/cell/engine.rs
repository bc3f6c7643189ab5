//! The saga engine: interprets a pinned plan. It decides what a report, a deadline or an order means for one saga, on
//! a draft of that saga, and says it in events; it must never look at what the saga is about (its bindings do).

use alloc::string::String;
use alloc::vec::Vec;

use super::state::{Cell, HostLife, Saga, SagaState, StepState};
use crate::ids::*;
use crate::plan;
use crate::planted::{self, Bug};
use crate::record::*;

/// One saga while a decision about it is made: events are applied to the draft as they are decided.
pub(super) struct Draft<'a> {
    cell: &'a Cell,
    /// The saga, with what was decided so far.
    pub(super) saga: Saga,
    /// What was decided so far.
    pub(super) events: Vec<Event>,
    now: Time,
}

impl<'a> Draft<'a> {
    pub(super) fn new(cell: &'a Cell, saga: Saga, now: Time) -> Self {
        Self { cell, saga, events: Vec::new(), now }
    }

    pub(super) fn push(&mut self, event: impl Into<Event>) {
        let event = event.into();
        self.saga.apply(&event, self.cell.position.next(), self.now);
        self.events.push(event);
    }

    /// Dispatches whatever is ready, and ends the saga when nothing is left.
    pub(super) fn advance(mut self) -> Vec<Event> {
        match self.saga.state {
            SagaState::Running => self.go_forward(),
            SagaState::Unwinding | SagaState::Stuck(Direction::Undo) => self.go_back(),
            SagaState::Stuck(Direction::Forward) => {}
        }
        self.events
    }

    fn go_forward(&mut self) {
        for step in self.saga.indexes() {
            if matches!(self.saga.at(step), StepState::Waiting) && self.ready(step) {
                if !self.host_is_gone(step) {
                    self.dispatch(step, Direction::Forward, Attempt::FIRST, self.now);
                } else if self.forward_to_gone(step) {
                    return self.go_back();
                }
            }
        }
        if self.saga.steps.iter().all(|step| matches!(step, StepState::Done { .. })) {
            let saga = self.saga.id;
            for event in plan::completed(self.cell, &self.saga) {
                self.push(event);
            }
            self.push(SagaCompleted { saga });
        }
    }

    /// A forward step on a host that was declared gone (S6): before the pivot the saga turns back (`true`), behind it
    /// there is nothing left to do there.
    fn forward_to_gone(&mut self, step: StepIndex) -> bool {
        if self.saga.past_pivot() || matches!(self.saga.plan.pivot, Some(Pivot::Dispatched(_))) {
            self.push(StepSkipped { saga: self.saga.id, step, reason: "host gone".into() });
            return false;
        }
        self.turn(Turn::HostGone(step));
        true
    }

    fn ready(&self, step: StepIndex) -> bool {
        let done = |index: &StepIndex| matches!(self.saga.at(*index), StepState::Done { .. });
        self.saga.step(step).is_some_and(|step| step.after.iter().all(done))
    }

    /// Undoes what is ready to be undone, again until nothing more is: an undo without a call frees the ones before it.
    fn go_back(&mut self) {
        loop {
            let before = self.events.len();
            for step in self.saga.indexes().rev() {
                let ready = planted::on(Bug::UndoInForwardOrder) || self.undo_ready(step);
                if needs_undo(self.saga.at(step)) && ready {
                    self.undo(step);
                }
            }
            if self.events.len() == before {
                break;
            }
        }
        if self.saga.state == SagaState::Unwinding && self.saga.steps.iter().all(nothing_to_undo) {
            let saga = self.saga.id;
            for event in plan::rolled_back(self.cell, &self.saga) {
                self.push(event);
            }
            self.push(SagaRolledBack { saga });
        }
    }

    /// Whether the undos that come first are resolved: of the steps that the plan names, or of those that depend on it.
    fn undo_ready(&self, step: StepIndex) -> bool {
        let resolved = |index: StepIndex| nothing_to_undo(self.saga.at(index));
        match self.saga.step(step).map(|step| &step.undo) {
            Some(Undo::Call { after, .. }) => after.iter().all(|index| resolved(*index)),
            Some(Undo::None) | None => self
                .saga
                .indexes()
                .filter(|other| self.saga.step(*other).is_some_and(|other| other.after.contains(&step)))
                .all(resolved),
        }
    }

    fn undo(&mut self, step: StepIndex) {
        let saga = self.saga.id;
        if !self.saga.undo_is_call(step) {
            self.push(StepUndone { saga, step, how: UndoneHow::Nothing });
        } else if self.host_is_gone(step) {
            self.push(StepUndone { saga, step, how: UndoneHow::HostGone });
        } else {
            self.dispatch(step, Direction::Undo, Attempt::FIRST, self.now);
        }
    }

    fn host_is_gone(&self, step: StepIndex) -> bool {
        let host = self.saga.step(step).and_then(|step| self.cell.hosts.get(&step.ledger.host));
        host.is_none_or(|host| matches!(host.life, HostLife::Gone { .. }))
    }

    fn dispatch(&mut self, step: StepIndex, direction: Direction, attempt: Attempt, not_before: Time) {
        self.push(StepDispatched { saga: self.saga.id, step, direction, attempt, not_before });
    }

    /// Turns back where that is still possible, else asks for an operator.
    fn turn(&mut self, reason: Turn) {
        let saga = self.saga.id;
        if matches!(self.saga.state, SagaState::Stuck(_)) {
            self.push(SagaResumed { saga });
        }
        self.push(SagaUnwinding { saga, reason });
    }

    fn stick(&mut self, step: StepIndex, reason: String) {
        if !matches!(self.saga.state, SagaState::Stuck(_)) {
            self.push(SagaStuck { saga: self.saga.id, step: Some(step), reason });
        }
    }

    /// What an outcome means.
    pub(super) fn report(mut self, report: &StepReport) -> Vec<Event> {
        match (report.direction, self.saga.at(report.step).clone()) {
            (Direction::Forward, StepState::Forward { attempt, .. })
                if self.saga.direction() == Direction::Undo =>
            {
                self.forward_behind_turn(report, attempt);
            }
            (Direction::Forward, StepState::Forward { attempt, late, .. }) => {
                self.forward(report, attempt, late);
            }
            (Direction::Undo, StepState::Undoing { attempt, late, .. }) => {
                self.backward(report, attempt, late);
            }
            (Direction::Forward | Direction::Undo, _) => return Vec::new(),
        }
        self.unstick();
        if self.events.is_empty() { self.events } else { self.advance() }
    }

    /// A saga whose stuck step found its outcome after all goes on by itself.
    fn unstick(&mut self) {
        let resolved =
            |step: StepIndex| matches!(self.saga.at(step), StepState::Done { .. } | StepState::Undone { .. });
        let cause = self.saga.stuck.as_ref().and_then(|(step, _)| *step);
        if cause.is_some_and(resolved) && !self.any_failed() {
            self.push(SagaResumed { saga: self.saga.id });
        }
    }

    /// Whether a step is refused for good in the direction that the saga goes.
    fn any_failed(&self) -> bool {
        let direction = self.saga.direction();
        self.saga.steps.iter().any(|state| match state {
            StepState::Refused { .. } => direction == Direction::Forward,
            StepState::UndoRefused { .. } => direction == Direction::Undo,
            StepState::Waiting
            | StepState::Forward { .. }
            | StepState::Done { .. }
            | StepState::Undoing { .. }
            | StepState::Undone { .. } => false,
        })
    }

    fn forward(&mut self, report: &StepReport, attempt: Attempt, late: bool) {
        let (saga, step) = (self.saga.id, report.step);
        match &report.outcome {
            _ if self.host_is_gone(step) => {
                self.forward_to_gone(step);
            }
            Outcome::Done(_) if self.lost_by_reboot(step) => self.turn(Turn::HostRebooted(step)),
            Outcome::Done(output) => self.push(StepDone { saga, step, output: output.clone() }),
            Outcome::Refused(refusal) if report.attempt == attempt && self.lost_behind_pivot(refusal) => {
                self.push(StepSkipped { saga, step, reason: "host rebooted".into() });
            }
            Outcome::Refused(refusal) if report.attempt == attempt => {
                self.push(refused(report, refusal));
                let limit = self.saga.step(step).map_or(1, |step| step.retry.attempts_max);
                let past = self.saga.past_pivot();
                if refusal.retryable && (limit == 0 || attempt.0 < limit || past) {
                    self.again(step, Direction::Forward, attempt);
                } else if past {
                    self.stick(step, refusal.message.clone());
                } else {
                    self.turn(Turn::Refused(step, refusal.clone()));
                }
            }
            Outcome::Refused(_) => {}
            Outcome::Impossible(reason) => self.stick(step, reason.clone()),
            Outcome::Overdue if !self.saga.past_pivot() => self.turn(Turn::StepOverdue(step)),
            Outcome::Overdue if late => {}
            Outcome::Overdue => self.push(StepOverdue { saga, step, direction: Direction::Forward }),
        }
    }

    /// What a forward step did after all, whose undo waits for others: it is undone whatever it was, and never tried again.
    fn forward_behind_turn(&mut self, report: &StepReport, attempt: Attempt) {
        let (saga, step) = (self.saga.id, report.step);
        match &report.outcome {
            Outcome::Done(output) => self.push(StepDone { saga, step, output: output.clone() }),
            Outcome::Refused(refusal) if report.attempt == attempt => self.push(refused(report, refusal)),
            Outcome::Refused(_) | Outcome::Impossible(_) | Outcome::Overdue => {}
        }
    }

    /// Whether this is the pivot, and its host rebooted since the saga made something volatile there: what the pivot
    /// would seal may be lost.
    fn lost_by_reboot(&self, pivot: StepIndex) -> bool {
        self.saga.plan.pivot == Some(Pivot::Done(pivot)) && plan::lost_in_reboot(self.cell, &self.saga)
    }

    /// Whether a refusal only says that a reboot took what the step rests on, of a saga that goes forward: there is nothing
    /// left to do there, and what is lost is made again as after any reboot (A6).
    fn lost_behind_pivot(&self, refusal: &Refusal) -> bool {
        let rests = matches!(refusal.code, RefusalCode::Missing | RefusalCode::NoEvidence);
        rests && self.saga.past_pivot() && plan::lost_in_reboot(self.cell, &self.saga)
    }

    fn backward(&mut self, report: &StepReport, attempt: Attempt, late: bool) {
        let (saga, step) = (self.saga.id, report.step);
        match &report.outcome {
            _ if self.host_is_gone(step) => self.push(StepUndone { saga, step, how: UndoneHow::HostGone }),
            Outcome::Done(_) => self.push(StepUndone { saga, step, how: UndoneHow::ByAgent }),
            Outcome::Refused(_) if planted::on(Bug::UndoGivesUp) && attempt > Attempt::FIRST => {
                self.push(StepUndone { saga, step, how: UndoneHow::ByAgent });
            }
            Outcome::Refused(refusal) if report.attempt == attempt => {
                self.push(refused(report, refusal));
                if refusal.retryable {
                    self.again(step, Direction::Undo, attempt);
                } else {
                    self.stick(step, refusal.message.clone());
                }
            }
            Outcome::Refused(_) => {}
            Outcome::Impossible(reason) => self.stick(step, reason.clone()),
            Outcome::Overdue if late => {}
            Outcome::Overdue => self.push(StepOverdue { saga, step, direction: Direction::Undo }),
        }
    }

    /// The next attempt, after a pause that doubles, with a jitter that a replay repeats.
    fn again(&mut self, step: StepIndex, direction: Direction, attempt: Attempt) {
        let retry = match (direction, self.saga.step(step)) {
            (Direction::Undo, Some(Step { undo: Undo::Call { retry, .. }, .. })) => *retry,
            (Direction::Forward | Direction::Undo, Some(step)) => step.retry,
            (Direction::Forward | Direction::Undo, None) => return,
        };
        let pause_ms = pause_ms(&retry, self.saga.id, step, attempt);
        self.dispatch(step, direction, attempt.next(), self.now.plus_ms(pause_ms));
    }

    /// The whole saga passed its deadline.
    pub(super) fn overdue(mut self) -> Vec<Event> {
        if self.saga.late {
            return Vec::new();
        }
        self.push(SagaLate { saga: self.saga.id });
        if self.saga.direction() == Direction::Forward && !self.saga.past_pivot() {
            self.turn(Turn::SagaOverdue);
        }
        self.advance()
    }

    /// Somebody cancels; the caller has checked that it may be turned back.
    pub(super) fn cancel(mut self) -> Vec<Event> {
        self.turn(Turn::Cancelled);
        self.advance()
    }

    /// An operator lets the failed steps of a stuck saga be tried again.
    pub(super) fn retry(mut self) -> Vec<Event> {
        let failed = self.saga.stuck.as_ref().and_then(|(step, _)| *step);
        self.push(SagaResumed { saga: self.saga.id });
        for step in self.saga.indexes() {
            match self.saga.at(step).clone() {
                StepState::UndoRefused { attempt, .. } => {
                    self.dispatch(step, Direction::Undo, attempt.next(), self.now);
                }
                StepState::Refused { attempt, .. } if self.saga.state == SagaState::Running => {
                    self.dispatch(step, Direction::Forward, attempt.next(), self.now);
                }
                StepState::Forward { attempt, .. } if failed == Some(step) => {
                    self.dispatch(step, Direction::Forward, attempt.next(), self.now);
                }
                StepState::Undoing { attempt, .. } if failed == Some(step) => {
                    self.dispatch(step, Direction::Undo, attempt.next(), self.now);
                }
                StepState::Waiting
                | StepState::Refused { .. }
                | StepState::Forward { .. }
                | StepState::Undoing { .. }
                | StepState::Done { .. }
                | StepState::Undone { .. } => {}
            }
        }
        self.advance()
    }

    /// An operator counts a failed step as resolved.
    pub(super) fn skip(mut self, step: StepIndex, reason: String) -> Vec<Event> {
        let saga = self.saga.id;
        match self.saga.direction() {
            Direction::Forward => self.push(StepSkipped { saga, step, reason }),
            Direction::Undo => self.push(StepUndone { saga, step, how: UndoneHow::Skipped(reason) }),
        }
        if !self.any_failed() {
            self.push(SagaResumed { saga });
        }
        self.advance()
    }
}

fn refused(report: &StepReport, refusal: &Refusal) -> StepRefused {
    let StepReport { saga, step, direction, attempt, .. } = *report;
    StepRefused { saga, step, direction, attempt, refusal: refusal.clone() }
}

/// Whether a step is to be undone and its undo was not begun: every one that was ever dispatched.
fn needs_undo(state: &StepState) -> bool {
    match state {
        StepState::Done { .. } => true,
        StepState::Forward { .. } => !planted::on(Bug::UnknownNotUndone),
        StepState::Refused { .. } => !planted::on(Bug::RefusedNotUndone),
        StepState::Waiting
        | StepState::Undoing { .. }
        | StepState::UndoRefused { .. }
        | StepState::Undone { .. } => false,
    }
}

/// Whether nothing of a step is left to undo: it is undone, or was never dispatched.
fn nothing_to_undo(state: &StepState) -> bool {
    match state {
        StepState::Waiting | StepState::Undone { .. } => true,
        StepState::Forward { .. } => planted::on(Bug::UnknownNotUndone),
        StepState::Refused { .. } => planted::on(Bug::RefusedNotUndone),
        StepState::Done { .. } | StepState::Undoing { .. } | StepState::UndoRefused { .. } => false,
    }
}

fn pause_ms(retry: &Retry, saga: SagaId, step: StepIndex, attempt: Attempt) -> u64 {
    let doubled = u64::from(retry.pause_first_ms) << attempt.0.saturating_sub(1).min(20);
    let pause = doubled.min(u64::from(retry.pause_max_ms));
    let [a, b, ..] = saga.0;
    let seed = u64::from(a) * 256 + u64::from(b) + u64::from(step.0) * 31 + u64::from(attempt.0) * 17;
    pause + seed % (pause / 4).max(1)
}
