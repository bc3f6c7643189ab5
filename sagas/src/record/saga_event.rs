//! Events of a saga's life. Each is one transition of `cell::state::Saga`; the table of transitions is there.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::plan::{Plan, SagaKind, shared};
use super::resource::ResourceRef;
use super::step::{Direction, Refusal, StepOutput};
use crate::ids::*;

/// A saga began: its plan is pinned here, and what it holds is locked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SagaStarted {
    /// Its id.
    pub saga: SagaId,
    /// Its kind.
    pub kind: SagaKind,
    /// Its project.
    pub project: ProjectId,
    /// What it is about.
    pub subject: ResourceRef,
    /// What it locks, the subject included, until its terminal commit.
    pub holds: Vec<ResourceRef>,
    /// Its steps; shared, since they never change and everybody who looks at a saga holds them.
    #[serde(with = "shared")]
    pub plan: Arc<Plan>,
}

/// A step's call may leave, in one direction. Durable before it does (S9).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepDispatched {
    /// The saga.
    pub saga: SagaId,
    /// The step.
    pub step: StepIndex,
    /// Which way.
    pub direction: Direction,
    /// Which try, from 1, counted apart for each direction.
    pub attempt: Attempt,
    /// Not to be sent before this time (back-off).
    pub not_before: Time,
}

/// A step's change is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepDone {
    /// The saga.
    pub saga: SagaId,
    /// The step.
    pub step: StepIndex,
    /// What it gives to later steps.
    pub output: StepOutput,
}

/// The agent refused one attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepRefused {
    /// The saga.
    pub saga: SagaId,
    /// The step.
    pub step: StepIndex,
    /// Which way.
    pub direction: Direction,
    /// Which try.
    pub attempt: Attempt,
    /// Why.
    pub refusal: Refusal,
}

/// A step's undo is resolved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepUndone {
    /// The saga.
    pub saga: SagaId,
    /// The step.
    pub step: StepIndex,
    /// How it was resolved.
    pub how: UndoneHow,
}

/// How an undo was resolved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum UndoneHow {
    /// The agent undid it, or found nothing.
    ByAgent,
    /// The plan says that the step changes nothing.
    Nothing,
    /// Its host was declared gone.
    HostGone,
    /// An operator said so, with this reason.
    Skipped(String),
}

/// A stuck forward step was counted as done by an operator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepSkipped {
    /// The saga.
    pub saga: SagaId,
    /// The step.
    pub step: StepIndex,
    /// The operator's reason.
    pub reason: String,
}

/// A step or its undo passed its deadline after the point where that turns the saga back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepOverdue {
    /// The saga.
    pub saga: SagaId,
    /// The step.
    pub step: StepIndex,
    /// Which way.
    pub direction: Direction,
}

/// The saga turned back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SagaUnwinding {
    /// The saga.
    pub saga: SagaId,
    /// Why.
    pub reason: Turn,
}

/// Why a saga turned back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Turn {
    /// Somebody cancelled it.
    Cancelled,
    /// This step was refused for good.
    Refused(StepIndex, Refusal),
    /// This step passed its deadline.
    StepOverdue(StepIndex),
    /// The saga passed its deadline.
    SagaOverdue,
    /// This step's host was declared gone.
    HostGone(StepIndex),
    /// This step's host rebooted, and what the step made was volatile.
    HostRebooted(StepIndex),
}

/// A saga needs an operator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SagaStuck {
    /// The saga.
    pub saga: SagaId,
    /// The step that can't go on; `None`: the saga itself is poisonous (O5).
    pub step: Option<StepIndex>,
    /// Why.
    pub reason: String,
}

/// An operator's retry or skip let a stuck saga go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SagaResumed {
    /// The saga.
    pub saga: SagaId,
}

/// A saga passed its deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SagaLate {
    /// The saga.
    pub saga: SagaId,
}

/// A saga ended well: its locks are free.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SagaCompleted {
    /// The saga.
    pub saga: SagaId,
}

/// A saga is fully undone: its locks are free.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SagaRolledBack {
    /// The saga.
    pub saga: SagaId,
}

/// An operator gave a saga up: what it held goes into quarantine, nothing is freed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SagaAbandoned {
    /// The saga.
    pub saga: SagaId,
    /// The operator's reason.
    pub reason: String,
}
