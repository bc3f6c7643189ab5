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
        ServerCreate = 1, ServerDelete = 2, ServerRestore = 3, ServerStart = 4, ServerStop = 5, ServerReboot = 6,
        VolumeCreate = 10, VolumeDelete = 11, VolumeAttach = 12, VolumeDetach = 13,
        NetworkCreate = 20, NetworkDelete = 21, SubnetCreate = 22, SubnetDelete = 23,
        PortCreate = 24, PortDelete = 25, SecurityGroupCreate = 26, SecurityGroupDelete = 27,
        SecurityGroupSetRules = 28,
        FlavorCreate = 40, FlavorDelete = 41, ImageRegister = 42, ImageDelete = 43, KeyPairCreate = 44,
        KeyPairDelete = 45, ImageSetBoot = 46,
        ProjectCreate = 60, ProjectDelete = 61, QuotaSet = 62, PrincipalCreate = 63, PrincipalDelete = 64,
        CredentialCreate = 65, CredentialRevoke = 66, RoleGrant = 67, RoleRevoke = 68,
        JoinTokenCreate = 80, JoinTokenRevoke = 81, HostDrain = 82, HostUndrain = 83, HostDeclareGone = 84,
        HostAffirmOff = 85, HostRejoin = 86, HostJoin = 87,
        OperationCancel = 100, OperationRetry = 101, OperationSkip = 102, OperationAbandon = 103,
        ResourceAdopt = 104, ResourceDiscard = 105,
        FaultArm = 120, FaultDisarm = 121,
    }
}

impl SagaKind {
    /// The word for it in the API, the command and timelines, as `server.create`.
    #[must_use]
    pub const fn operation(self) -> &'static str {
        match self {
            Self::ServerCreate => "server.create",
            Self::ServerDelete => "server.delete",
            Self::ServerRestore => "server.restore",
            Self::ServerStart => "server.start",
            Self::ServerStop => "server.stop",
            Self::ServerReboot => "server.reboot",
            Self::VolumeCreate => "volume.create",
            Self::VolumeDelete => "volume.delete",
            Self::VolumeAttach => "volume.attach",
            Self::VolumeDetach => "volume.detach",
            Self::NetworkCreate => "network.create",
            Self::NetworkDelete => "network.delete",
            Self::SubnetCreate => "subnet.create",
            Self::SubnetDelete => "subnet.delete",
            Self::PortCreate => "port.create",
            Self::PortDelete => "port.delete",
            Self::SecurityGroupCreate => "security_group.create",
            Self::SecurityGroupDelete => "security_group.delete",
            Self::SecurityGroupSetRules => "security_group.set_rules",
            Self::FlavorCreate => "flavor.create",
            Self::FlavorDelete => "flavor.delete",
            Self::ImageRegister => "image.create",
            Self::ImageDelete => "image.delete",
            Self::ImageSetBoot => "image.set_boot",
            Self::KeyPairCreate => "key_pair.create",
            Self::KeyPairDelete => "key_pair.delete",
            Self::ProjectCreate => "project.create",
            Self::ProjectDelete => "project.delete",
            Self::QuotaSet => "quota.set",
            Self::PrincipalCreate => "principal.create",
            Self::PrincipalDelete => "principal.delete",
            Self::CredentialCreate => "api_token.create",
            Self::CredentialRevoke => "api_token.revoke",
            Self::RoleGrant => "role.grant",
            Self::RoleRevoke => "role.revoke",
            Self::JoinTokenCreate => "join_token.create",
            Self::JoinTokenRevoke => "join_token.revoke",
            Self::HostDrain => "host.drain",
            Self::HostUndrain => "host.undrain",
            Self::HostDeclareGone => "host.declare_gone",
            Self::HostAffirmOff => "host.affirm_powered_off",
            Self::HostRejoin => "host.rejoin",
            Self::HostJoin => "host.join",
            Self::OperationCancel => "operation.cancel",
            Self::OperationRetry => "operation.retry",
            Self::OperationSkip => "operation.skip",
            Self::OperationAbandon => "operation.abandon",
            Self::ResourceAdopt => "resource.adopt",
            Self::ResourceDiscard => "resource.discard",
            Self::FaultArm => "fault.arm",
            Self::FaultDisarm => "fault.disarm",
        }
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

/// A plan that several hold, stored as the plan itself.
pub mod shared {
    use alloc::sync::Arc;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::Plan;

    /// # Errors
    /// As the format's.
    pub fn serialize<S: Serializer>(plan: &Arc<Plan>, serializer: S) -> Result<S::Ok, S::Error> {
        plan.as_ref().serialize(serializer)
    }

    /// # Errors
    /// As the format's.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Arc<Plan>, D::Error> {
        Plan::deserialize(deserializer).map(Arc::new)
    }
}
