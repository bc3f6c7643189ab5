//! Which saga an event belongs to. Saga and step events say it; a resource's event belongs to the saga whose event
//! follows it in the commit (claims stand before the start, bindings before the end); hosts' and leaders' to none.

use windlass_sagas::ids::SagaId;
use windlass_sagas::record::{Commit, Event, SagaStarted};

/// The saga of each of the commit's events, in order.
pub(super) fn sagas(commit: &Commit) -> Vec<Option<SagaId>> {
    let mut following = None;
    let mut out: Vec<Option<SagaId>> = commit
        .events
        .iter()
        .rev()
        .map(|event| match of(event) {
            Belongs::To(saga) => {
                following = Some(saga);
                following
            }
            Belongs::ToNext => following,
            Belongs::ToNone => None,
        })
        .collect();
    out.reverse();
    out
}

/// The sagas that the commit speaks of, each once, with whether it ends there.
pub(crate) fn touched(commit: &Commit) -> Vec<(SagaId, bool)> {
    let mut out: Vec<(SagaId, bool)> = Vec::new();
    for event in &commit.events {
        let Belongs::To(saga) = of(event) else { continue };
        let ends = ends(event);
        match out.iter_mut().find(|(known, _)| *known == saga) {
            Some((_, ended)) => *ended |= ends,
            None => out.push((saga, ends)),
        }
    }
    out
}

/// The sagas that begin in the commit.
pub(crate) fn started(commit: &Commit) -> impl Iterator<Item = &SagaStarted> {
    commit.events.iter().filter_map(|event| if let Event::SagaStarted(e) = event { Some(e) } else { None })
}

/// Whether the event is a saga's last.
pub(super) const fn ends(event: &Event) -> bool {
    matches!(event, Event::SagaCompleted(_) | Event::SagaRolledBack(_) | Event::SagaAbandoned(_))
}

/// Whether the commit says more of a saga than how its steps fare.
pub(super) fn moves(commit: &Commit, saga: SagaId) -> bool {
    let of_a_step = |event: &Event| {
        matches!(
            event,
            Event::StepDispatched(_)
                | Event::StepDone(_)
                | Event::StepRefused(_)
                | Event::StepUndone(_)
                | Event::StepSkipped(_)
                | Event::StepOverdue(_)
        )
    };
    commit.events.iter().any(|event| is_of(event, saga) && !of_a_step(event))
}

/// Whether this very event is the saga's own.
pub(super) fn is_of(event: &Event, saga: SagaId) -> bool {
    of(event) == Belongs::To(saga)
}

#[derive(PartialEq, Eq)]
enum Belongs {
    To(SagaId),
    ToNext,
    ToNone,
}

fn of(event: &Event) -> Belongs {
    match event {
        Event::SagaStarted(e) => Belongs::To(e.saga),
        Event::StepDispatched(e) => Belongs::To(e.saga),
        Event::StepDone(e) => Belongs::To(e.saga),
        Event::StepRefused(e) => Belongs::To(e.saga),
        Event::StepUndone(e) => Belongs::To(e.saga),
        Event::StepSkipped(e) => Belongs::To(e.saga),
        Event::StepOverdue(e) => Belongs::To(e.saga),
        Event::SagaUnwinding(e) => Belongs::To(e.saga),
        Event::SagaStuck(e) => Belongs::To(e.saga),
        Event::SagaResumed(e) => Belongs::To(e.saga),
        Event::SagaLate(e) => Belongs::To(e.saga),
        Event::SagaCompleted(e) => Belongs::To(e.saga),
        Event::SagaRolledBack(e) => Belongs::To(e.saga),
        Event::SagaAbandoned(e) => Belongs::To(e.saga),
        Event::Genesis(_)
        | Event::LeaderElected(_)
        | Event::FormatRaised(_)
        | Event::HostUp(_)
        | Event::HostDown(_)
        | Event::HostRebooted(_)
        | Event::IncarnationAdmitted(_)
        | Event::InventoryDiffers(_) => Belongs::ToNone,
        Event::ServerClaimed(_)
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
        | Event::HostDraining(_)
        | Event::HostGone(_)
        | Event::HostOff(_)
        | Event::HostRejoined(_)
        | Event::ResourceAdopted(_)
        | Event::ResourceDiscarded(_)
        | Event::FaultArmed(_)
        | Event::FaultDisarmed(_)
        | Event::FaultForgotten(_) => Belongs::ToNext,
    }
}
