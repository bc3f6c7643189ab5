//! What the index keeps of a saga for good: enough to list it and to find its commits, long after it left memory.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use windlass_sagas::cell::state::{Saga, SagaState};
use windlass_sagas::ids::*;
use windlass_sagas::record::{ResourceRef, SagaKind, SagaStarted, Turn};

use crate::error::StoreError;
use crate::row::bytes;

/// A saga at a glance, running or ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Its id.
    pub saga: SagaId,
    /// Its kind.
    pub kind: SagaKind,
    /// Its project; all zero for what belongs to none.
    pub project: ProjectId,
    /// What it is about.
    pub subject: ResourceRef,
    /// Where it stands.
    pub standing: SagaStanding,
    /// Whether it passed its deadline.
    pub late: bool,
    /// When it began.
    pub started: Time,
    /// When it ended; `None` while it is open.
    pub ended: Option<Time>,
    /// Why it turned back, is stuck or was given up; empty for one that goes well.
    pub reason: String,
    /// The position of its first commit: lists are in this order.
    pub first: Position,
    /// The position at which this summary last changed.
    pub changed: Position,
}

/// Where a saga stands, ended ones included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum SagaStanding {
    /// It goes forward.
    Running = 1,
    /// It goes back.
    Unwinding = 2,
    /// It needs an operator.
    Stuck = 3,
    /// Everything is there.
    Completed = 4,
    /// Everything is undone.
    RolledBack = 5,
    /// An operator gave it up.
    Abandoned = 6,
}

impl SagaStanding {
    /// Every one, in the order of its number.
    pub const ALL: [Self; 6] =
        [Self::Running, Self::Unwinding, Self::Stuck, Self::Completed, Self::RolledBack, Self::Abandoned];

    /// Whether it is terminal.
    #[must_use]
    pub const fn is_ended(self) -> bool {
        match self {
            Self::Completed | Self::RolledBack | Self::Abandoned => true,
            Self::Running | Self::Unwinding | Self::Stuck => false,
        }
    }

    const fn of(state: SagaState) -> Self {
        match state {
            SagaState::Running => Self::Running,
            SagaState::Unwinding => Self::Unwinding,
            SagaState::Stuck(_) => Self::Stuck,
        }
    }
}

/// What the tracker must know of an open saga, since the fold forgets it with its last commit.
#[derive(Clone, Debug)]
pub(crate) struct Open {
    pub(crate) summary: Summary,
    /// What it locks.
    pub(crate) holds: Vec<ResourceRef>,
    /// Why it turned back, once it did.
    turn: String,
    /// Its steps' names.
    steps: Vec<&'static str>,
}

impl Open {
    pub(crate) fn begun(e: &SagaStarted, position: Position, time: Time) -> Self {
        let summary = Summary {
            saga: e.saga,
            kind: e.kind,
            project: e.project,
            subject: e.subject,
            standing: SagaStanding::Running,
            late: false,
            started: time,
            ended: None,
            reason: String::new(),
            first: position,
            changed: position,
        };
        let steps = e.plan.steps.iter().map(|step| step.input.name()).collect();
        Self { summary, holds: e.holds.clone(), turn: String::new(), steps }
    }

    /// An open saga of a fold that stands at `position`.
    pub(crate) fn of(saga: &Saga, position: Position) -> Self {
        let turn = saga.reason();
        let stuck = saga.stuck.as_ref().map(|(_, reason)| reason.clone());
        let summary = Summary {
            saga: saga.id,
            kind: saga.kind,
            project: saga.project,
            subject: saga.subject,
            standing: SagaStanding::of(saga.state),
            late: saga.late,
            started: saga.started,
            ended: None,
            reason: stuck.unwrap_or_else(|| turn.clone()),
            first: saga.position,
            changed: position,
        };
        let steps = saga.plan.steps.iter().map(|step| step.input.name()).collect();
        Self { summary, holds: saga.holds.clone(), turn, steps }
    }

    pub(crate) fn turned(&mut self, turn: &Turn) {
        self.turn = self.words(turn);
        self.summary.standing = SagaStanding::Unwinding;
        self.summary.reason.clone_from(&self.turn);
    }

    pub(crate) fn stuck(&mut self, reason: &str) {
        self.summary.standing = SagaStanding::Stuck;
        reason.clone_into(&mut self.summary.reason);
    }

    pub(crate) fn resumed(&mut self) {
        let turned = !self.turn.is_empty();
        self.summary.standing = if turned { SagaStanding::Unwinding } else { SagaStanding::Running };
        self.summary.reason.clone_from(&self.turn);
    }

    /// The terminal summary; an operator's reason replaces the saga's own.
    pub(crate) fn ended(&mut self, standing: SagaStanding, reason: &str, time: Time) {
        self.summary.standing = standing;
        self.summary.ended = Some(time);
        if reason.is_empty() {
            self.summary.reason.clone_from(&self.turn);
        } else {
            reason.clone_into(&mut self.summary.reason);
        }
    }

    /// The same words as the fold's `Saga::reason`, which is gone when the saga ends in the commit that turned it.
    fn words(&self, turn: &Turn) -> String {
        let name = |step: &StepIndex| self.steps.get(usize::from(step.0)).copied().unwrap_or("step");
        match turn {
            Turn::Cancelled => "cancelled".to_owned(),
            Turn::Refused(step, refusal) => format!("{}: {}", name(step), refusal.message),
            Turn::StepOverdue(step) => format!("{}: no outcome in time", name(step)),
            Turn::SagaOverdue => "not finished in time".to_owned(),
            Turn::HostGone(_) => "its host is gone".to_owned(),
            Turn::HostRebooted(_) => "its host rebooted".to_owned(),
        }
    }
}

/// The open sagas of a fold.
pub(crate) fn open_sagas(sagas: &BTreeMap<SagaId, Saga>, position: Position) -> BTreeMap<SagaId, Open> {
    sagas.iter().map(|(id, saga)| (*id, Open::of(saga, position))).collect()
}

/// A summary as it is stored, under its saga's id.
#[derive(Serialize, Deserialize)]
struct Stored {
    kind: SagaKind,
    project: ProjectId,
    subject: ResourceRef,
    standing: u8,
    late: bool,
    started: Time,
    ended: Option<Time>,
    reason: String,
    first: Position,
    changed: Position,
}

pub(crate) fn encode(summary: &Summary) -> Vec<u8> {
    let Summary { saga: _, kind, project, subject, standing, late, started, ended, reason, first, changed } =
        summary.clone();
    let standing = standing as u8;
    bytes(&Stored { kind, project, subject, standing, late, started, ended, reason, first, changed })
}

pub(crate) fn decode(saga: SagaId, bytes: &[u8]) -> Result<Summary, StoreError> {
    let unreadable = StoreError::Row("not a saga's summary");
    let Ok(stored) = postcard::from_bytes(bytes) else { return Err(unreadable) };
    let Stored { kind, project, subject, standing, late, started, ended, reason, first, changed } = stored;
    let standing = SagaStanding::ALL.into_iter().find(|it| *it as u8 == standing).ok_or(unreadable)?;
    Ok(Summary { saga, kind, project, subject, standing, late, started, ended, reason, first, changed })
}
