//! A saga's whole life, folded from the commits that speak of it: the core's own state of it, and what the fold does
//! not keep (who asked, when each step began and ended, every last refusal). Ended sagas have one too.

use windlass_sagas::cell::state::{Ended, Saga};
use windlass_sagas::ids::*;
use windlass_sagas::record::*;

use super::attribution::is_of;
use super::finished::saga_of;

/// A saga from its first commit on.
#[derive(Clone, Debug)]
pub(super) struct Life {
    pub(super) cell: CellId,
    /// As the core folds it; its last state where it ended.
    pub(super) saga: Saga,
    /// Who asked; the cell itself for what follows by itself.
    pub(super) principal: Principal,
    /// The request that started it.
    pub(super) request: Option<RequestId>,
    /// The position and time of its last commit.
    pub(super) last: (Position, Time),
    /// How and when it ended.
    pub(super) ended: Option<(Ended, Time)>,
    /// Why an operator gave it up.
    pub(super) given_up: Option<String>,
    /// What each step went through.
    pub(super) steps: Vec<StepLife>,
}

/// What a step went through.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct StepLife {
    pub(super) forward: Forward,
    /// First dispatch, and the last outcome.
    pub(super) start: Option<Time>,
    pub(super) end: Option<Time>,
    /// The last attempt; 0 = none.
    pub(super) attempt: u32,
    pub(super) undo: Undoing,
    pub(super) undo_start: Option<Time>,
    pub(super) undo_end: Option<Time>,
    pub(super) undo_attempt: u32,
    /// The last refusal, of which attempt, in which direction.
    pub(super) refusal: Option<(Refusal, Attempt, Direction)>,
    pub(super) overdue: bool,
    /// Why an operator counted it as resolved.
    pub(super) skipped: String,
}

/// Where a step stands forward.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Forward {
    #[default]
    Waiting,
    Running,
    Done,
    Refused,
    Skipped,
    NeverDispatched,
}

/// Where a step stands backward.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Undoing {
    /// The saga has not turned.
    #[default]
    Not,
    Waiting,
    Running,
    Undone,
    NotNeeded,
    HostGone,
    Skipped,
    Refused,
}

impl Life {
    /// The life that these commits tell, in order; `None` where the first of them does not begin it.
    pub(super) fn of<'a>(
        id: SagaId,
        cell: CellId,
        commits: impl IntoIterator<Item = &'a Commit>,
    ) -> Option<Self> {
        let mut commits = commits.into_iter();
        let mut life = Self::begun(id, cell, commits.next()?)?;
        commits.for_each(|commit| life.fold(commit));
        Some(life)
    }

    /// The saga as its first commit leaves it; `None` where this commit does not begin it.
    pub(super) fn begun(id: SagaId, cell: CellId, commit: &Commit) -> Option<Self> {
        let started = commit.events.iter().find_map(|event| match event {
            Event::SagaStarted(e) if e.saga == id => Some(e),
            _ => None,
        })?;
        let (principal, request) = match &commit.fact {
            Fact::Request(request) if saga_of(cell, request) == id => (request.principal, Some(request.id)),
            Fact::Request(_) | Fact::Report(_) => (Principal::Cell, None),
        };
        let saga = Saga::begun(started, commit.header.position, commit.header.time);
        let steps = vec![StepLife::default(); saga.steps.len()];
        let last = (commit.header.position, commit.header.time);
        let mut life = Self { cell, saga, principal, request, last, ended: None, given_up: None, steps };
        life.fold(commit);
        Some(life)
    }

    /// Folds a commit; one that doesn't speak of the saga changes nothing.
    pub(super) fn fold(&mut self, commit: &Commit) {
        let (position, time) = (commit.header.position, commit.header.time);
        let id = self.saga.id;
        for event in commit.events.iter().filter(|event| is_of(event, id)) {
            self.saga.apply(event, position, time);
            self.step_event(event, time);
            self.saga_event(event, time);
            self.last = (position, time);
        }
    }

    /// Whether it ended with everything there.
    pub(super) const fn is_completed(&self) -> bool {
        matches!(self.ended, Some((Ended::Completed, _)))
    }

    fn saga_event(&mut self, event: &Event, time: Time) {
        match event {
            Event::SagaUnwinding(e) => {
                for step in &mut self.steps {
                    step.turned();
                }
                if let Turn::StepOverdue(step) = &e.reason {
                    self.change(*step, |step| step.overdue = true);
                }
            }
            Event::SagaCompleted(_) => self.ended = Some((Ended::Completed, time)),
            Event::SagaRolledBack(_) => self.ended = Some((Ended::RolledBack, time)),
            Event::SagaAbandoned(e) => {
                self.ended = Some((Ended::Abandoned, time));
                self.given_up = Some(e.reason.clone());
            }
            // Every other event is a step's, or says nothing that `saga` does not keep.
            _ => {}
        }
    }

    fn step_event(&mut self, event: &Event, time: Time) {
        match event {
            Event::StepDispatched(e) => self.change(e.step, |step| step.dispatched(e, time)),
            Event::StepDone(e) => self.change(e.step, |step| step.forward_ended(Forward::Done, time)),
            Event::StepSkipped(e) => self.change(e.step, |step| {
                step.forward_ended(Forward::Skipped, time);
                step.skipped.clone_from(&e.reason);
            }),
            Event::StepRefused(e) => self.change(e.step, |step| {
                step.refusal = Some((e.refusal.clone(), e.attempt, e.direction));
                match e.direction {
                    Direction::Forward => step.forward_ended(Forward::Refused, time),
                    Direction::Undo => step.undo = Undoing::Refused,
                }
            }),
            Event::StepUndone(e) => self.change(e.step, |step| {
                step.undo_end = Some(time);
                step.undo = match &e.how {
                    UndoneHow::ByAgent => Undoing::Undone,
                    UndoneHow::Nothing => Undoing::NotNeeded,
                    UndoneHow::HostGone => Undoing::HostGone,
                    UndoneHow::Skipped(reason) => {
                        step.skipped.clone_from(reason);
                        Undoing::Skipped
                    }
                };
            }),
            Event::StepOverdue(e) => self.change(e.step, |step| step.overdue = true),
            // Every other event is the saga's as a whole.
            _ => {}
        }
    }

    fn change(&mut self, index: StepIndex, change: impl FnOnce(&mut StepLife)) {
        if let Some(step) = self.steps.get_mut(usize::from(index.0)) {
            change(step);
        }
    }
}

impl StepLife {
    fn dispatched(&mut self, e: &StepDispatched, time: Time) {
        match e.direction {
            Direction::Forward => {
                self.forward = Forward::Running;
                self.attempt = e.attempt.0;
                self.start.get_or_insert(time);
                self.end = None;
            }
            Direction::Undo => {
                self.undo = Undoing::Running;
                self.undo_attempt = e.attempt.0;
                self.undo_start.get_or_insert(time);
            }
        }
    }

    const fn forward_ended(&mut self, forward: Forward, time: Time) {
        self.forward = forward;
        self.end = Some(time);
    }

    /// The saga goes back from here on.
    fn turned(&mut self) {
        if self.forward == Forward::Waiting {
            self.forward = Forward::NeverDispatched;
            self.undo = Undoing::NotNeeded;
        } else if self.undo == Undoing::Not {
            self.undo = Undoing::Waiting;
        }
    }
}
