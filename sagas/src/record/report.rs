//! What the cell itself reports as facts: outcomes of steps, deadlines, hosts and ledgers, leaders, the format.

use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::resource::{Capacity, ResourceRef, Role};
use super::step::{Direction, Refusal, StepOutput};
use crate::ids::*;

/// The first commit of a cell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Genesis {
    /// Random, made once.
    pub cell: CellId,
    /// The cell's name.
    pub name: String,
    /// The format level that it starts at.
    pub level: u16,
    /// The bootstrap administrator.
    pub admin: PrincipalId,
    /// Its first credential's id.
    pub credential: CredentialId,
    /// SHA-256 of that credential's secret.
    pub secret_sha256: Hash,
}

/// A candidate takes the lead: valid only where its term names its own position.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Campaign {
    /// The term that begins here.
    pub term: Term,
    /// The build of the orchestrator.
    pub build: String,
    /// Who ordered it to go on after a lost tail, and why; only this may raise the generation.
    pub recover: Option<String>,
}

/// Raise the cell's format level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RaiseFormat {
    /// The new level.
    pub level: u16,
}

/// How a step ended, as the dispatcher learnt it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepReport {
    /// The saga.
    pub saga: SagaId,
    /// The step.
    pub step: StepIndex,
    /// Which way.
    pub direction: Direction,
    /// The attempt that it speaks of.
    pub attempt: Attempt,
    /// What happened.
    pub outcome: Outcome,
}

/// The outcome of a call, or the discovery that there can be none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// The change is there (forward), or gone (undo, whose output is `None`).
    Done(StepOutput),
    /// The agent made no change, as it says.
    Refused(Refusal),
    /// The key is closed although the saga goes forward, or its body differs: nothing that repeating can mend.
    Impossible(String),
    /// The deadline passed without an outcome.
    Overdue,
}

/// A saga passed its deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SagaOverdue {
    /// The saga.
    pub saga: SagaId,
}

/// What a host says of itself when its stream opens or a value crosses a threshold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostSeen {
    /// The host.
    pub host: HostId,
    /// The current start of its kernel.
    pub boot: BootId,
    /// What it offers.
    pub capacity: Capacity,
    /// What it can do.
    pub traits: Vec<String>,
}

/// A host was silent beyond the grace period; nothing is concluded about its steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostSilent {
    /// The host.
    pub host: HostId,
}

/// A ledger showed an incarnation and its inventory, compared with the fold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerReported {
    /// The host.
    pub host: HostId,
    /// The role.
    pub role: Role,
    /// The ledger's id.
    pub incarnation: Incarnation,
    /// What the host holds and the fold does not know.
    pub orphans: Vec<ResourceRef>,
    /// What the fold says is there and the host lacks.
    pub losses: Vec<ResourceRef>,
}
