//! `apply`: folds one event. Total, without a wildcard, and it can't fail: an event that names what is not there
//! changes nothing. It decides nothing; what may change between builds stands in the event.

mod access;
mod cloud;
mod fault;
mod host;
mod network;
mod saga;

pub(super) use cloud::image_scope;

use super::state::Cell;
use crate::record::{Commit, Event};

impl Cell {
    /// Folds one commit: its position, time and term, then its events in order.
    pub fn fold(&mut self, commit: &Commit) {
        self.position = commit.header.position;
        self.time = commit.header.time;
        self.term = commit.header.term;
        self.forget_requests();
        self.remember_request(&commit.fact);
        for event in &commit.events {
            self.apply(event);
        }
    }

    /// Folds one event of the commit at `self.position`.
    pub fn apply(&mut self, event: &Event) {
        match event {
            Event::Genesis(e) => self.genesis(e),
            Event::LeaderElected(e) => self.leader_elected(e),
            Event::FormatRaised(e) => self.level = e.level,

            Event::SagaStarted(e) => self.saga_started(e),
            Event::StepDispatched(e) => self.step_dispatched(event, e),
            Event::StepDone(e) => self.saga_event(e.saga, event),
            Event::StepRefused(e) => self.saga_event(e.saga, event),
            Event::StepUndone(e) => self.saga_event(e.saga, event),
            Event::StepSkipped(e) => self.saga_event(e.saga, event),
            Event::StepOverdue(e) => self.saga_event(e.saga, event),
            Event::SagaUnwinding(e) => self.saga_event(e.saga, event),
            Event::SagaStuck(e) => self.saga_event(e.saga, event),
            Event::SagaResumed(e) => self.saga_event(e.saga, event),
            Event::SagaLate(e) => self.saga_event(e.saga, event),
            Event::SagaCompleted(e) => self.saga_ended(e.saga),
            Event::SagaRolledBack(e) => self.saga_ended(e.saga),
            Event::SagaAbandoned(e) => self.saga_abandoned(e.saga),

            Event::ServerClaimed(e) => self.server_claimed(e),
            Event::ServerActivated(e) => self.server_activated(e),
            Event::ServerFailed(e) => self.server_failed(e),
            Event::ServerDeleted(e) => self.server_deleted(e.server),
            Event::ServerStopped(e) => self.server_stopped(e.server),

            Event::VolumeClaimed(e) => self.volume_claimed(e),
            Event::VolumeReady(e) => self.volume_ready(e),
            Event::VolumeFailed(e) => self.volume_failed(e),
            Event::VolumeAttached(e) => self.volume_attached(e),
            Event::VolumeDetached(e) => self.volume_detached(e),
            Event::VolumeDeleted(e) => self.volume_deleted(e.volume),

            Event::PortClaimed(e) => self.port_claimed(e),
            Event::PortBound(e) => self.port_bound(e),
            Event::PortReady(e) => self.port_ready(e),
            Event::PortUnbound(e) => self.port_unbound(e.port),
            Event::PortDeleted(e) => self.port_deleted(e.port),

            Event::NetworkCreated(e) => self.network_created(e),
            Event::NetworkDeleted(e) => self.network_deleted(e.network),
            Event::SubnetCreated(e) => self.subnet_created(e),
            Event::SubnetDeleted(e) => self.subnet_deleted(e.subnet),
            Event::SecurityGroupCreated(e) => self.security_group_created(e),
            Event::SecurityRulesSet(e) => self.security_rules_set(e),
            Event::SecurityGroupDeleted(e) => self.security_group_deleted(e.group),

            Event::FlavorCreated(e) => self.flavor_created(e),
            Event::FlavorDeleted(e) => self.flavor_deleted(e.flavor),
            Event::ImageRegistered(e) => self.image_registered(e),
            Event::ImageDeleted(e) => self.image_deleted(e.image),
            Event::ImageBootSet(e) => self.image_boot_set(e),
            Event::KeyPairCreated(e) => self.key_pair_created(e),
            Event::KeyPairDeleted(e) => self.key_pair_deleted(e.key_pair),

            Event::ProjectCreated(e) => self.project_created(e),
            Event::ProjectDeleted(e) => self.project_deleted(e.project),
            Event::QuotaSet(e) => self.quota_set(e),
            Event::PrincipalCreated(e) => self.principal_created(e),
            Event::PrincipalDeleted(e) => self.principal_deleted(e.principal),
            Event::CredentialCreated(e) => self.credential_created(e),
            Event::CredentialRevoked(e) => self.credential_revoked(e.credential),
            Event::RoleGranted(e) => self.role_granted(e),
            Event::RoleRevoked(e) => self.role_revoked(e),

            Event::JoinTokenCreated(e) => self.join_token_created(e),
            Event::JoinTokenEnded(e) => self.join_token_ended(e.token),
            Event::HostJoined(e) => self.host_joined(e),
            Event::HostUp(e) => self.host_up(e),
            Event::HostDown(e) => self.host_down(e.host),
            Event::HostRebooted(e) => self.host_rebooted(e.host),
            Event::HostDraining(e) => self.host_draining(e),
            Event::HostGone(e) => self.host_gone(e.host),
            Event::HostOff(e) => self.host_off(e.host),
            Event::HostRejoined(e) => self.host_rejoined(e.host),
            Event::IncarnationAdmitted(e) => self.incarnation_admitted(e),
            Event::InventoryDiffers(e) => self.inventory_differs(e),

            Event::ResourceAdopted(e) => self.quarantine_ended(e.resource),
            Event::ResourceDiscarded(e) => self.resource_discarded(e.resource),

            Event::FaultArmed(e) => self.fault_armed(e),
            Event::FaultDisarmed(e) => self.fault_ended(e.fault),
            Event::FaultForgotten(e) => self.fault_ended(e.fault),
        }
    }
}
