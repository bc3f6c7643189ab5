//! Everything that can happen in a cell: one closed enum of records. `apply` folds them; only `decide` makes them.

use super::fault::{FaultArmed, FaultDisarmed, FaultForgotten};
use super::report::{Campaign, Genesis, RaiseFormat};
use super::resource::{AttachmentSpec, PortSpec, ServerSpec, VolumeSpec};
use super::resource_event::*;
use super::saga_event::*;

records! {
    /// What happened.
    Event {
        /// The cell began.
        Genesis(Genesis) = 1 v 1,
        /// An orchestrator leads.
        LeaderElected(Campaign) = 2 v 1,
        /// The format level rose.
        FormatRaised(RaiseFormat) = 3 v 1,

        /// A saga began.
        SagaStarted(SagaStarted) = 10 v 1,
        /// A call may leave.
        StepDispatched(StepDispatched) = 11 v 1,
        /// A change is there.
        StepDone(StepDone) = 12 v 1,
        /// An attempt was refused.
        StepRefused(StepRefused) = 13 v 1,
        /// An undo is resolved.
        StepUndone(StepUndone) = 14 v 1,
        /// A stuck forward step was skipped.
        StepSkipped(StepSkipped) = 15 v 1,
        /// A step is late.
        StepOverdue(StepOverdue) = 16 v 1,
        /// A saga turned back.
        SagaUnwinding(SagaUnwinding) = 17 v 1,
        /// A saga needs an operator.
        SagaStuck(SagaStuck) = 18 v 1,
        /// A stuck saga goes on.
        SagaResumed(SagaResumed) = 19 v 1,
        /// A saga is late.
        SagaLate(SagaLate) = 20 v 1,
        /// A saga ended well.
        SagaCompleted(SagaCompleted) = 21 v 1,
        /// A saga is undone.
        SagaRolledBack(SagaRolledBack) = 22 v 1,
        /// A saga was given up.
        SagaAbandoned(SagaAbandoned) = 23 v 1,

        /// A server was claimed: BUILD.
        ServerClaimed(ServerSpec) = 40 v 1,
        /// A server runs: ACTIVE.
        ServerActivated(ServerActivated) = 41 v 1,
        /// A server's create was undone: ERROR, holding nothing.
        ServerFailed(ServerFailed) = 42 v 1,
        /// A server is no more.
        ServerDeleted(ServerDeleted) = 43 v 1,
        /// A server has no guest and gets none by itself.
        ServerStopped(ServerStopped) = 44 v 1,

        /// A volume was claimed.
        VolumeClaimed(VolumeSpec) = 50 v 1,
        /// A volume's bytes exist.
        VolumeReady(VolumeReady) = 51 v 1,
        /// A volume's create was undone: error, holding nothing.
        VolumeFailed(VolumeFailed) = 52 v 1,
        /// A volume is attached.
        VolumeAttached(AttachmentSpec) = 53 v 1,
        /// A volume is detached.
        VolumeDetached(VolumeDetached) = 54 v 1,
        /// A volume is no more.
        VolumeDeleted(VolumeDeleted) = 55 v 1,

        /// A port was claimed, its addresses with it.
        PortClaimed(PortSpec) = 60 v 1,
        /// A port was given to a server on a host.
        PortBound(PortBound) = 61 v 1,
        /// A port is ready.
        PortReady(PortReady) = 62 v 1,
        /// A port is free of its server.
        PortUnbound(PortUnbound) = 63 v 1,
        /// A port is no more; its addresses rest.
        PortDeleted(PortDeleted) = 64 v 1,

        /// A network was made.
        NetworkCreated(NetworkCreated) = 70 v 1,
        /// A network is no more.
        NetworkDeleted(NetworkDeleted) = 71 v 1,
        /// A subnet was made.
        SubnetCreated(SubnetCreated) = 72 v 1,
        /// A subnet is no more.
        SubnetDeleted(SubnetDeleted) = 73 v 1,
        /// A security group was made.
        SecurityGroupCreated(SecurityGroupCreated) = 74 v 1,
        /// A security group's rules were replaced.
        SecurityRulesSet(SecurityRulesSet) = 75 v 1,
        /// A security group is no more.
        SecurityGroupDeleted(SecurityGroupDeleted) = 76 v 1,

        /// A flavor was made.
        FlavorCreated(FlavorCreated) = 80 v 1,
        /// A flavor is no more.
        FlavorDeleted(FlavorDeleted) = 81 v 1,
        /// An image was registered.
        ImageRegistered(ImageRegistered) = 82 v 1,
        /// An image is no more.
        ImageDeleted(ImageDeleted) = 83 v 1,
        /// A public key was registered.
        KeyPairCreated(KeyPairCreated) = 84 v 1,
        /// A key pair is no more.
        KeyPairDeleted(KeyPairDeleted) = 85 v 1,
        /// What guests of an image boot with was set.
        ImageBootSet(ImageBootSet) = 86 v 1,

        /// A project was made.
        ProjectCreated(ProjectCreated) = 90 v 1,
        /// A project is no more.
        ProjectDeleted(ProjectDeleted) = 91 v 1,
        /// A quota was set.
        QuotaSet(QuotaSet) = 92 v 1,
        /// A principal was made.
        PrincipalCreated(PrincipalCreated) = 93 v 1,
        /// A principal is no more.
        PrincipalDeleted(PrincipalDeleted) = 94 v 1,
        /// A credential was recorded.
        CredentialCreated(CredentialCreated) = 95 v 1,
        /// A credential was revoked.
        CredentialRevoked(CredentialRevoked) = 96 v 1,
        /// A role was granted.
        RoleGranted(RoleGranted) = 97 v 1,
        /// A role was revoked.
        RoleRevoked(RoleRevoked) = 98 v 1,

        /// A join token was recorded.
        JoinTokenCreated(JoinTokenCreated) = 110 v 1,
        /// A join token was revoked or used.
        JoinTokenEnded(JoinTokenEnded) = 111 v 1,
        /// A host joined.
        HostJoined(HostJoined) = 112 v 1,
        /// A host is up.
        HostUp(HostUp) = 113 v 1,
        /// A host is silent.
        HostDown(HostDown) = 114 v 1,
        /// A host's kernel started anew: what is volatile is lost.
        HostRebooted(HostRebooted) = 115 v 1,
        /// A host's drain began or ended.
        HostDraining(HostDraining) = 116 v 1,
        /// A host was declared gone; its incarnations are retired.
        HostGone(HostGone) = 117 v 1,
        /// A gone host is powered off.
        HostOff(HostOff) = 118 v 1,
        /// A gone host may come back.
        HostRejoined(HostRejoined) = 119 v 1,
        /// A ledger's incarnation may be named in calls.
        IncarnationAdmitted(IncarnationAdmitted) = 120 v 1,
        /// An inventory showed orphans or losses.
        InventoryDiffers(InventoryDiffers) = 121 v 1,

        /// A quarantined resource is free again.
        ResourceAdopted(ResourceAdopted) = 130 v 1,
        /// A quarantined resource was affirmed to be gone.
        ResourceDiscarded(ResourceDiscarded) = 131 v 1,

        /// A fault is armed.
        FaultArmed(FaultArmed) = 140 v 1,
        /// A fault was disarmed before its lease ended.
        FaultDisarmed(FaultDisarmed) = 141 v 1,
        /// A fault whose lease ended before is forgotten.
        FaultForgotten(FaultForgotten) = 142 v 1,
    }
}
