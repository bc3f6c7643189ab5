//! A saga that is not terminal: its plan, where each step stands, and the one table of transitions.
//!
//! Running → Completed; Running → Unwinding → RolledBack; either → Stuck → back, or → Abandoned. No other state.

use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::ids::*;
use crate::planted::{self, Bug};
use crate::record::{
    Direction, Event, Pivot, Plan, Refusal, ResourceRef, SagaKind, SagaStarted, Step, StepOutput, Turn, Undo,
    UndoneHow,
};

/// Where a saga stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SagaState {
    /// It goes forward.
    Running,
    /// It goes back.
    Unwinding,
    /// It needs an operator; which way it went.
    Stuck(Direction),
}

/// How a saga ended, for whoever waits for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ended {
    /// Everything is there.
    Completed,
    /// Everything is undone.
    RolledBack,
    /// An operator gave it up.
    Abandoned,
}

/// Where a step stands. `dispatched` is the first dispatch's position: it never changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum StepState {
    /// Never dispatched.
    Waiting,
    /// Its call may be out.
    Forward {
        /// First dispatch.
        dispatched: Position,
        /// Which try.
        attempt: Attempt,
        /// Not to be sent before.
        not_before: Time,
        /// When it was first dispatched.
        since: Time,
        /// Whether it passed its deadline where that no longer turns the saga back.
        late: bool,
    },
    /// Its change is there.
    Done {
        /// First dispatch.
        dispatched: Position,
        /// What it gave.
        output: StepOutput,
    },
    /// Refused for good; nothing is out.
    Refused {
        /// First dispatch.
        dispatched: Position,
        /// The last try.
        attempt: Attempt,
        /// Why.
        refusal: Refusal,
        /// When it was first dispatched.
        since: Time,
    },
    /// Its undo may be out.
    Undoing {
        /// First dispatch.
        dispatched: Position,
        /// Which try of the undo.
        attempt: Attempt,
        /// Not to be sent before.
        not_before: Time,
        /// Whether it passed its deadline.
        late: bool,
    },
    /// Its undo was refused for good.
    UndoRefused {
        /// First dispatch.
        dispatched: Position,
        /// The last try.
        attempt: Attempt,
        /// Why.
        refusal: Refusal,
    },
    /// Its undo is resolved.
    Undone {
        /// First dispatch.
        dispatched: Position,
        /// How.
        how: UndoneHow,
    },
}

impl StepState {
    /// The first dispatch's position; `None` where it never was.
    #[must_use]
    pub const fn dispatched(&self) -> Option<Position> {
        match self {
            Self::Waiting => None,
            Self::Forward { dispatched, .. }
            | Self::Done { dispatched, .. }
            | Self::Refused { dispatched, .. }
            | Self::Undoing { dispatched, .. }
            | Self::UndoRefused { dispatched, .. }
            | Self::Undone { dispatched, .. } => Some(*dispatched),
        }
    }

    /// When it was first dispatched, while it goes forward.
    #[must_use]
    pub const fn since(&self) -> Option<Time> {
        match self {
            Self::Forward { since, .. } | Self::Refused { since, .. } => Some(*since),
            Self::Waiting
            | Self::Done { .. }
            | Self::Undoing { .. }
            | Self::UndoRefused { .. }
            | Self::Undone { .. } => None,
        }
    }
}

/// A saga that is not terminal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Saga {
    /// Its id.
    pub id: SagaId,
    /// Its kind.
    pub kind: SagaKind,
    /// Its project.
    pub project: ProjectId,
    /// What it is about.
    pub subject: ResourceRef,
    /// What it locks.
    pub holds: Vec<ResourceRef>,
    /// Its plan, as its first event records it.
    #[serde(with = "crate::record::shared")]
    pub plan: Arc<Plan>,
    /// Where each step stands.
    pub steps: Vec<StepState>,
    /// Where it stands.
    pub state: SagaState,
    /// Why it turned back, once it did.
    pub turn: Option<Turn>,
    /// Why it needs an operator, while it does.
    pub stuck: Option<(Option<StepIndex>, String)>,
    /// Whether it passed its deadline.
    pub late: bool,
    /// The position of its first commit.
    pub position: Position,
    /// When it began.
    pub started: Time,
}

impl Saga {
    /// The saga that this event begins, at this position and time.
    #[must_use]
    pub fn begun(event: &SagaStarted, position: Position, time: Time) -> Self {
        Self {
            id: event.saga,
            kind: event.kind,
            project: event.project,
            subject: event.subject,
            holds: event.holds.clone(),
            plan: event.plan.clone(),
            steps: event.plan.steps.iter().map(|_| StepState::Waiting).collect(),
            state: SagaState::Running,
            turn: None,
            stuck: None,
            late: false,
            position,
            started: time,
        }
    }

    /// Every step's index.
    pub fn indexes(&self) -> impl DoubleEndedIterator<Item = StepIndex> + use<> {
        (0..u16::try_from(self.plan.steps.len()).unwrap_or(u16::MAX)).map(StepIndex)
    }

    /// A step of the plan.
    #[must_use]
    pub fn step(&self, index: StepIndex) -> Option<&Step> {
        self.plan.steps.get(usize::from(index.0))
    }

    /// Where a step stands; `Waiting` for one that the plan does not have.
    #[must_use]
    pub fn at(&self, index: StepIndex) -> &StepState {
        self.steps.get(usize::from(index.0)).unwrap_or(&StepState::Waiting)
    }

    /// When the whole is late.
    #[must_use]
    pub fn deadline(&self) -> Time {
        self.started.plus_ms(self.plan.deadline_ms)
    }

    /// Whether it can no longer be turned back (S7).
    #[must_use]
    pub fn past_pivot(&self) -> bool {
        match self.plan.pivot {
            None => false,
            Some(Pivot::Done(step)) => matches!(self.at(step), StepState::Done { .. }),
            Some(Pivot::Dispatched(step)) => self.at(step).dispatched().is_some(),
        }
    }

    /// Whether a step's undo needs a call.
    #[must_use]
    pub fn undo_is_call(&self, index: StepIndex) -> bool {
        self.step(index).is_some_and(|step| matches!(step.undo, Undo::Call { .. }))
    }

    /// The reason for the end that a user may read.
    #[must_use]
    pub fn reason(&self) -> String {
        match &self.turn {
            None => String::new(),
            Some(Turn::Cancelled) => "cancelled".to_string(),
            Some(Turn::Refused(step, refusal)) => {
                let name = self.step(*step).map_or("step", |step| step.input.name());
                alloc::format!("{name}: {}", refusal.message)
            }
            Some(Turn::StepOverdue(step)) => {
                alloc::format!(
                    "{}: no outcome in time",
                    self.step(*step).map_or("step", |step| step.input.name())
                )
            }
            Some(Turn::SagaOverdue) => "not finished in time".to_string(),
            Some(Turn::HostGone(_)) => "its host is gone".to_string(),
            Some(Turn::HostRebooted(_)) => "its host rebooted".to_string(),
        }
    }

    /// Folds one of its events; others change nothing. `position` and `time` are the commit's.
    pub fn apply(&mut self, event: &Event, position: Position, time: Time) {
        match event {
            Event::StepDispatched(e) => self.set(e.step, |old| dispatched(old, e, position, time)),
            Event::StepDone(e) => {
                let output = e.output.clone();
                self.set(e.step, |old| StepState::Done {
                    dispatched: old.dispatched().unwrap_or(position),
                    output,
                });
            }
            Event::StepSkipped(e) => self.set(e.step, |old| StepState::Done {
                dispatched: old.dispatched().unwrap_or(position),
                output: StepOutput::None,
            }),
            Event::StepRefused(e) => self.set(e.step, |old| {
                let dispatched = old.dispatched().unwrap_or(position);
                let (attempt, refusal) = (e.attempt, e.refusal.clone());
                match e.direction {
                    Direction::Forward => StepState::Refused {
                        dispatched,
                        attempt,
                        refusal,
                        since: old.since().unwrap_or(time),
                    },
                    Direction::Undo => StepState::UndoRefused { dispatched, attempt, refusal },
                }
            }),
            Event::StepUndone(e) => self.set(e.step, |old| StepState::Undone {
                dispatched: old.dispatched().unwrap_or(position),
                how: e.how.clone(),
            }),
            Event::StepOverdue(e) => self.set(e.step, overdue),
            Event::SagaUnwinding(e) => {
                self.state = SagaState::Unwinding;
                self.turn = Some(e.reason.clone());
            }
            Event::SagaStuck(e) => {
                let direction = self.direction();
                self.state = SagaState::Stuck(direction);
                self.stuck = Some((e.step, e.reason.clone()));
            }
            Event::SagaResumed(_) => {
                self.state = match self.direction() {
                    Direction::Undo if planted::on(Bug::ResumesForward) => SagaState::Running,
                    Direction::Forward => SagaState::Running,
                    Direction::Undo => SagaState::Unwinding,
                };
                self.stuck = None;
            }
            Event::SagaLate(_) => self.late = true,
            Event::Genesis(_)
            | Event::LeaderElected(_)
            | Event::FormatRaised(_)
            | Event::SagaStarted(_)
            | Event::SagaCompleted(_)
            | Event::SagaRolledBack(_)
            | Event::SagaAbandoned(_)
            | Event::ServerClaimed(_)
            | Event::ServerActivated(_)
            | Event::ServerFailed(_)
            | Event::ServerDeleted(_)
            | Event::ServerStopped(_)
            | Event::VolumeClaimed(_)
            | Event::VolumeReady(_)
            | Event::VolumeFailed(_)
            | Event::VolumeAttached(_)
            | Event::VolumeDetached(_)
            | Event::VolumeDeleted(_)
            | Event::PortClaimed(_)
            | Event::PortBound(_)
            | Event::PortReady(_)
            | Event::PortUnbound(_)
            | Event::PortDeleted(_)
            | Event::NetworkCreated(_)
            | Event::NetworkDeleted(_)
            | Event::SubnetCreated(_)
            | Event::SubnetDeleted(_)
            | Event::SecurityGroupCreated(_)
            | Event::SecurityRulesSet(_)
            | Event::SecurityGroupDeleted(_)
            | Event::FlavorCreated(_)
            | Event::FlavorDeleted(_)
            | Event::ImageRegistered(_)
            | Event::ImageDeleted(_)
            | Event::ImageBootSet(_)
            | Event::KeyPairCreated(_)
            | Event::KeyPairDeleted(_)
            | Event::ProjectCreated(_)
            | Event::ProjectDeleted(_)
            | Event::QuotaSet(_)
            | Event::PrincipalCreated(_)
            | Event::PrincipalDeleted(_)
            | Event::CredentialCreated(_)
            | Event::CredentialRevoked(_)
            | Event::RoleGranted(_)
            | Event::RoleRevoked(_)
            | Event::JoinTokenCreated(_)
            | Event::JoinTokenEnded(_)
            | Event::HostJoined(_)
            | Event::HostUp(_)
            | Event::HostDown(_)
            | Event::HostRebooted(_)
            | Event::HostDraining(_)
            | Event::HostGone(_)
            | Event::HostOff(_)
            | Event::HostRejoined(_)
            | Event::IncarnationAdmitted(_)
            | Event::InventoryDiffers(_)
            | Event::ResourceAdopted(_)
            | Event::ResourceDiscarded(_)
            | Event::FaultArmed(_)
            | Event::FaultDisarmed(_)
            | Event::FaultForgotten(_) => {}
        }
    }

    /// Which way it goes, stuck or not.
    #[must_use]
    pub const fn direction(&self) -> Direction {
        match self.state {
            SagaState::Running => Direction::Forward,
            SagaState::Unwinding => Direction::Undo,
            SagaState::Stuck(direction) => direction,
        }
    }

    fn set(&mut self, index: StepIndex, next: impl FnOnce(&StepState) -> StepState) {
        if let Some(state) = self.steps.get_mut(usize::from(index.0)) {
            *state = next(state);
        }
    }
}

fn dispatched(
    old: &StepState,
    e: &crate::record::StepDispatched,
    position: Position,
    time: Time,
) -> StepState {
    let dispatched = old.dispatched().unwrap_or(position);
    let (attempt, not_before) = (e.attempt, e.not_before);
    match e.direction {
        Direction::Forward => {
            let since = old.since().unwrap_or(time);
            StepState::Forward { dispatched, attempt, not_before, since, late: false }
        }
        Direction::Undo => StepState::Undoing { dispatched, attempt, not_before, late: false },
    }
}

fn overdue(old: &StepState) -> StepState {
    match old.clone() {
        StepState::Undoing { dispatched, attempt, not_before, .. } => {
            StepState::Undoing { dispatched, attempt, not_before, late: true }
        }
        StepState::Forward { dispatched, attempt, not_before, since, .. } => {
            StepState::Forward { dispatched, attempt, not_before, since, late: true }
        }
        other @ (StepState::Waiting
        | StepState::Done { .. }
        | StepState::Refused { .. }
        | StepState::UndoRefused { .. }
        | StepState::Undone { .. }) => other,
    }
}
