//! The recorded plan of a saga: pinned in its first event, so that a saga in flight over an upgrade finishes on the
//! plan it started with. The engine interprets this, whatever build wrote it.

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::resource::Maker;
use super::step::{LedgerId, StepInput};
use crate::ids::StepIndex;

recorded_enum! {
    /// Which saga; its bindings (what completion and rollback mean for the resources) are chosen by it.
    SagaKind {
        ServerCreate = 1, ServerDelete = 2, ServerRestore = 3,
        VolumeCreate = 10, VolumeDelete = 11, VolumeAttach = 12, VolumeDetach = 13,
        NetworkCreate = 20, NetworkDelete = 21, SubnetCreate = 22, SubnetDelete = 23,
        PortCreate = 24, PortDelete = 25, SecurityGroupCreate = 26, SecurityGroupDelete = 27,
        SecurityGroupSetRules = 28,
        FlavorCreate = 40, FlavorDelete = 41, ImageRegister = 42, ImageDelete = 43, KeyPairCreate = 44,
        KeyPairDelete = 45,
        ProjectCreate = 60, ProjectDelete = 61, QuotaSet = 62, PrincipalCreate = 63, PrincipalDelete = 64,
        CredentialCreate = 65, CredentialRevoke = 66, RoleGrant = 67, RoleRevoke = 68,
        JoinTokenCreate = 80, JoinTokenRevoke = 81, HostDrain = 82, HostUndrain = 83, HostDeclareGone = 84,
        HostAffirmOff = 85, HostRejoin = 86, HostJoin = 87,
        OperationCancel = 100, OperationRetry = 101, OperationSkip = 102, OperationAbandon = 103,
        ResourceAdopt = 104, ResourceDiscard = 105,
    }
}

/// When a saga can no longer be turned back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Pivot {
    /// Once this step is Done.
    Done(StepIndex),
    /// Once this step is dispatched, since it can't be undone.
    Dispatched(StepIndex),
}

/// How a step is tried again in one direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retry {
    /// Attempts before the engine gives up; 0 = no limit.
    pub attempts_max: u32,
    /// The pause before the second attempt, milliseconds; it doubles with each.
    pub pause_first_ms: u32,
    /// The longest pause, milliseconds.
    pub pause_max_ms: u32,
    /// How long one call may stay unanswered before it is looked up, milliseconds.
    pub call_ms: u32,
}

/// What undoing a step means.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Undo {
    /// The step changes nothing: resolved without a call.
    None,
    /// The agent undoes it, after the undos of these steps.
    Call {
        /// Tried again like this.
        retry: Retry,
        /// The steps whose undos come first.
        after: Vec<StepIndex>,
    },
}

/// One step: one call to one ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Who does it.
    pub ledger: LedgerId,
    /// What is asked.
    pub input: StepInput,
    /// The steps that must be Done before.
    pub after: Vec<StepIndex>,
    /// How the forward is tried again.
    pub retry: Retry,
    /// What undoing it means.
    pub undo: Undo,
    /// The keys that its success closes.
    pub closes: Vec<Maker>,
    /// How long all its attempts may take, milliseconds.
    pub deadline_ms: u64,
}

/// The steps of a saga and how far it can be turned back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The steps; each depends only on earlier ones.
    pub steps: Vec<Step>,
    /// When it can no longer be turned back; `None`: a plan of zero steps.
    pub pivot: Option<Pivot>,
    /// How long the whole may take, milliseconds; 0 for a plan of zero steps.
    pub deadline_ms: u64,
}
