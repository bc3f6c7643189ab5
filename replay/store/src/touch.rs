//! What one event says about: the resources that it names, and what else of the fold it moves. The one place that
//! must know both, without a wildcard, so that a new event can't be forgotten by images or index.
//!
//! It may name more than what changed (a row is written again as it is), never less. Not here: what is claimed on hosts
//! and in projects, which the tracker compares.

use windlass_sagas::ids::*;
use windlass_sagas::record::{AttachmentSpec, Campaign, Event, PortSpec, ResourceRef, SagaStarted, Turn};

use crate::summary::SagaStanding;

/// What an event moves beside the resources that it names.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Moves<'a> {
    /// Somebody leads; by an operator's order to go on without a lost tail, every host's ledgers are to be compared anew.
    Elected(&'a Campaign),
    /// A port exists from now on; its addresses are given.
    PortMade(&'a PortSpec),
    /// A port is no more; its addresses rest in its network.
    PortGone(PortId),
    /// A volume is attached to a server.
    Attached(&'a AttachmentSpec),
    /// One attachment ended.
    Detached(VolumeId, AttachmentId),
    /// A volume is no more, nor its attachments.
    VolumeGone(VolumeId),
    /// A credential of this principal exists from now on.
    CredentialOf(CredentialId, PrincipalId),
    /// A principal is no more, nor its credentials.
    PrincipalGone(PrincipalId),
    /// Whatever principals held in a project is gone.
    AllPrincipals,
    /// Addresses that rested for a host begin their time.
    AllNetworks,
    /// All guests of a host are lost.
    GuestsOf(HostId),
    /// A quarantined resource is no more.
    Discarded(ResourceRef),
    /// A saga began and locks what it holds.
    Begun(&'a SagaStarted),
    /// A saga turned back.
    Turned(SagaId, &'a Turn),
    /// A saga needs an operator.
    Stuck(SagaId, &'a str),
    /// A stuck saga goes on.
    Resumed(SagaId),
    /// A saga passed its deadline.
    Late(SagaId),
    /// A saga is terminal, and what it held is free or in quarantine; the operator's reason where it was given up.
    Ended(SagaId, SagaStanding, &'a str),
}

/// Where the touches of events go.
pub(crate) trait Touched {
    /// The event names this resource.
    fn names(&mut self, resource: ResourceRef);
    /// The event moves this, too.
    fn moves(&mut self, moves: &Moves<'_>);
}

/// One line an event: `Event(body): [what it names] [what else it moves]`.
macro_rules! touches {
    ($event:ident, $sink:ident; $($variant:ident($body:pat): [$($named:expr),*] [$($moved:expr),*];)*) => {
        match $event {
            $(Event::$variant($body) => {
                $($sink.names($named);)*
                $($sink.moves(&$moved);)*
            })*
        }
    };
}

/// Tells `sink` all that `event` touches.
pub(crate) fn touch(event: &Event, sink: &mut impl Touched) {
    use Moves as M;
    use ResourceRef as R;
    use SagaStanding::{Abandoned, Completed, RolledBack};
    touches! { event, sink;
        Genesis(e): [R::Principal(e.admin), R::Credential(e.credential)] [M::CredentialOf(e.credential, e.admin)];
        LeaderElected(e): [] [M::Elected(e)];
        FormatRaised(_): [] [];

        SagaStarted(e): [R::Saga(e.saga), e.subject] [M::Begun(e)];
        StepDispatched(e): [R::Saga(e.saga)] [];
        StepDone(e): [R::Saga(e.saga)] [];
        StepRefused(e): [R::Saga(e.saga)] [];
        StepUndone(e): [R::Saga(e.saga)] [];
        StepSkipped(e): [R::Saga(e.saga)] [];
        StepOverdue(e): [R::Saga(e.saga)] [];
        SagaUnwinding(e): [R::Saga(e.saga)] [M::Turned(e.saga, &e.reason)];
        SagaStuck(e): [R::Saga(e.saga)] [M::Stuck(e.saga, &e.reason)];
        SagaResumed(e): [R::Saga(e.saga)] [M::Resumed(e.saga)];
        SagaLate(e): [R::Saga(e.saga)] [M::Late(e.saga)];
        SagaCompleted(e): [R::Saga(e.saga)] [M::Ended(e.saga, Completed, "")];
        SagaRolledBack(e): [R::Saga(e.saga)] [M::Ended(e.saga, RolledBack, "")];
        SagaAbandoned(e): [R::Saga(e.saga)] [M::Ended(e.saga, Abandoned, &e.reason)];

        ServerClaimed(e): [R::Server(e.id)] [];
        ServerActivated(e): [R::Server(e.server)] [];
        ServerFailed(e): [R::Server(e.server)] [];
        ServerDeleted(e): [R::Server(e.server)] [];
        ServerStopped(e): [R::Server(e.server)] [];

        VolumeClaimed(e): [R::Volume(e.id)] [];
        VolumeReady(e): [R::Volume(e.volume)] [];
        VolumeFailed(e): [R::Volume(e.volume)] [];
        VolumeAttached(e): [R::Volume(e.volume), R::Server(e.server)] [M::Attached(e)];
        VolumeDetached(e): [R::Volume(e.volume)] [M::Detached(e.volume, e.attachment)];
        VolumeDeleted(e): [R::Volume(e.volume)] [M::VolumeGone(e.volume)];

        PortClaimed(e): [R::Port(e.id)] [M::PortMade(e)];
        PortBound(e): [R::Port(e.port), R::Server(e.server)] [];
        PortReady(e): [R::Port(e.port)] [];
        PortUnbound(e): [R::Port(e.port)] [];
        PortDeleted(e): [R::Port(e.port)] [M::PortGone(e.port)];

        NetworkCreated(e): [R::Network(e.id)] [];
        NetworkDeleted(e): [R::Network(e.network)] [];
        SubnetCreated(e): [R::Subnet(e.id)] [];
        SubnetDeleted(e): [R::Subnet(e.subnet)] [];
        SecurityGroupCreated(e): [R::SecurityGroup(e.id)] [];
        SecurityRulesSet(e): [R::SecurityGroup(e.group)] [];
        SecurityGroupDeleted(e): [R::SecurityGroup(e.group)] [];

        FlavorCreated(e): [R::Flavor(e.id)] [];
        FlavorDeleted(e): [R::Flavor(e.flavor)] [];
        ImageRegistered(e): [R::Image(e.id)] [];
        ImageDeleted(e): [R::Image(e.image)] [];
        ImageBootSet(e): [R::Image(e.image)] [];
        KeyPairCreated(e): [R::KeyPair(e.id)] [];
        KeyPairDeleted(e): [R::KeyPair(e.key_pair)] [];

        ProjectCreated(e): [R::Project(e.id)] [];
        ProjectDeleted(e): [R::Project(e.project)] [M::AllPrincipals];
        QuotaSet(e): [R::Project(e.project)] [];
        PrincipalCreated(e): [R::Principal(e.id)] [];
        PrincipalDeleted(e): [R::Principal(e.principal)] [M::PrincipalGone(e.principal)];
        CredentialCreated(e): [R::Credential(e.id)] [M::CredentialOf(e.id, e.principal)];
        CredentialRevoked(e): [R::Credential(e.credential)] [];
        RoleGranted(e): [R::Principal(e.principal)] [];
        RoleRevoked(e): [R::Principal(e.principal)] [];

        JoinTokenCreated(e): [R::JoinToken(e.id)] [];
        JoinTokenEnded(e): [R::JoinToken(e.token)] [];
        HostJoined(e): [R::Host(e.id)] [];
        HostUp(e): [R::Host(e.host)] [];
        HostDown(e): [R::Host(e.host)] [];
        HostRebooted(e): [R::Host(e.host)] [M::GuestsOf(e.host)];
        HostDraining(e): [R::Host(e.host)] [];
        HostGone(e): [R::Host(e.host)] [];
        HostOff(e): [R::Host(e.host)] [M::AllNetworks];
        HostRejoined(e): [R::Host(e.host)] [M::AllNetworks];
        IncarnationAdmitted(e): [R::Host(e.host)] [];
        InventoryDiffers(e): [R::Host(e.host)] [];

        ResourceAdopted(e): [e.resource] [];
        ResourceDiscarded(e): [e.resource] [M::Discarded(e.resource)];

        FaultArmed(e): [R::Fault(e.id)] [];
        FaultDisarmed(e): [R::Fault(e.fault)] [];
        FaultForgotten(e): [R::Fault(e.fault)] [];
    }
}

/// The resources that an event names, as the index has them: of a saga's begin, what it holds too. (The index also has
/// the commit that ends the saga, which does not name them.)
#[must_use]
pub fn named(event: &Event) -> Vec<ResourceRef> {
    let mut all = Named(Vec::new());
    touch(event, &mut all);
    all.0
}

struct Named(Vec<ResourceRef>);

impl Touched for Named {
    fn names(&mut self, resource: ResourceRef) {
        self.0.push(resource);
    }

    fn moves(&mut self, moves: &Moves<'_>) {
        if let Moves::Begun(started) = moves {
            self.0.extend(&started.holds);
        }
    }
}
