//! Hosts and join tokens as messages: the fold's word, and beside it what this orchestrator hears of the host's agent.

use windlass_proto::v1;
use windlass_sagas::cell::state::{Host, HostLife, JoinToken};
use windlass_sagas::ids::{HostId, Position, SagaId, StepIndex, Time};
use windlass_sagas::record::{Capacity, LedgerId, ResourceRef, Role};

use super::role;
use crate::api::fields::stamp;
use crate::api::limits::BLOCKERS_MAX;
use crate::api::names;
use crate::api::view::View;

impl View<'_> {
    /// The fold does not keep when a host joined or changed.
    pub(in crate::api) fn host(&self, host: &Host) -> v1::Host {
        let contact = self.inventories.contact(host.id);
        let in_flight = |role: &Role| contact.as_ref().and_then(|it| it.calls_in_flight.get(role)).copied();
        v1::Host {
            name: names::host(host.id),
            uid: host.id.to_string(),
            display_name: host.name.clone(),
            create_time: None,
            update_time: None,
            position: self.position(),
            operation: String::new(),
            state: state(host.life).into(),
            drain: host.draining.then(|| self.drain(host)),
            roles: host.roles.iter().map(|it| role(*it).into()).collect(),
            zone: host.zone.clone(),
            address: host.address.map(|address| address.to_string()).unwrap_or_default(),
            capacity: Some(amounts(&host.capacity)),
            claimed: Some(amounts(&host.claimed)),
            used: contact.as_ref().and_then(|contact| contact.used.as_ref()).map(amounts),
            traits: host.traits.clone(),
            ledgers: host
                .roles
                .iter()
                .map(|it| self.ledger(host, *it, in_flight(it).unwrap_or_default()))
                .collect(),
            boot_id: host.boot.map(|boot| boot.to_string()).unwrap_or_default(),
            build: contact.as_ref().map(|contact| contact.build.clone()).unwrap_or_default(),
            connected: contact.is_some(),
            last_seen_time: contact.and_then(|contact| stamp(contact.last_seen)),
            powered_off: matches!(host.life, HostLife::Gone { off: true }),
        }
    }

    fn ledger(&self, host: &Host, of: Role, calls_in_flight: u32) -> v1::host::Ledger {
        let id = LedgerId { host: host.id, role: of };
        let incarnation = host.incarnations.get(&of);
        let shown = incarnation.or_else(|| host.unconfirmed.get(&of));
        let held = self.cell.open_dispatches.get(&id).and_then(|open| open.first());
        v1::host::Ledger {
            role: role(of).into(),
            incarnation: shown.map(|it| it.to_string()).unwrap_or_default(),
            admitted: incarnation.is_some(),
            calls_in_flight,
            low_water: self.cell.low_water(id).0,
            low_water_held_since: held.and_then(|held| self.dispatched_at(held)).and_then(stamp),
        }
    }

    /// When an open step was dispatched, or its saga began.
    fn dispatched_at(&self, (_, saga, step): &(Position, SagaId, StepIndex)) -> Option<Time> {
        let saga = self.cell.sagas.get(saga)?;
        Some(saga.at(*step).since().unwrap_or(saga.started))
    }

    fn drain(&self, host: &Host) -> v1::host::Drain {
        let mut blockers: Vec<(Time, v1::host::Blocker)> = self.blockers(host.id).collect();
        blockers.sort_by(|(a, one), (b, other)| a.cmp(b).then_with(|| one.resource.cmp(&other.resource)));
        let quiet = blockers.is_empty();
        blockers.truncate(BLOCKERS_MAX);
        let blockers = blockers.into_iter().map(|(_, blocker)| blocker).collect();
        v1::host::Drain { start_time: None, quiet, blockers }
    }

    /// What is still on a host: guests, volumes, and operations with a step there.
    fn blockers(&self, host: HostId) -> impl Iterator<Item = (Time, v1::host::Blocker)> + '_ {
        let blocker = |resource: String, since: Time, hint: &str| {
            (since, v1::host::Blocker { resource, since: stamp(since), hint: hint.to_owned() })
        };
        let servers = self.cell.servers.values().filter(move |server| {
            let failed = matches!(server.state, windlass_sagas::cell::state::ServerState::Failed(_));
            server.spec.host == host && !failed
        });
        let servers = servers.map(move |server| {
            let name = self.name(ResourceRef::Server(server.spec.id), server.spec.project);
            blocker(name, server.created, "delete the server")
        });
        let volumes = self.cell.volumes.values().filter(move |volume| {
            let failed = matches!(volume.state, windlass_sagas::cell::state::VolumeState::Failed(_));
            volume.spec.host == host && !failed
        });
        let volumes = volumes.map(move |volume| {
            let name = self.name(ResourceRef::Volume(volume.spec.id), volume.spec.project);
            blocker(name, volume.created, "delete the volume")
        });
        let sagas = self
            .cell
            .sagas
            .values()
            .filter(move |saga| saga.plan.steps.iter().any(|step| step.ledger.host == host));
        let sagas = sagas.map(move |saga| {
            blocker(names::operation(saga.id), saga.started, "wait for the operation to end")
        });
        servers.chain(volumes).chain(sagas)
    }

    /// A token that the fold still has is open or expired; used and revoked ones are forgotten.
    pub(in crate::api) fn join_token(&self, token: &JoinToken) -> v1::JoinToken {
        v1::JoinToken {
            name: format!("joinTokens/{}", token.id),
            uid: token.id.to_string(),
            display_name: token.host.clone(),
            create_time: None,
            update_time: None,
            position: self.position(),
            roles: token.roles.iter().map(|it| role(*it).into()).collect(),
            zone: token.zone.clone(),
            secret_sha256: token.secret_sha256.to_string(),
            expire_time: stamp(token.expires),
            state: self.join_token_state(token).into(),
            host: String::new(),
        }
    }

    pub(in crate::api) fn join_token_state(&self, token: &JoinToken) -> v1::join_token::State {
        if token.expires <= self.now { v1::join_token::State::Expired } else { v1::join_token::State::Open }
    }
}

/// The words of a host's life.
pub(in crate::api) const fn state(life: HostLife) -> v1::host::State {
    match life {
        HostLife::Joined => v1::host::State::Joined,
        HostLife::Up => v1::host::State::Up,
        HostLife::Down => v1::host::State::Down,
        HostLife::Gone { .. } => v1::host::State::Gone,
    }
}

const fn amounts(capacity: &Capacity) -> v1::HostAmounts {
    v1::HostAmounts { vcpus: capacity.vcpus, ram_mib: capacity.ram_mib, disk_gib: capacity.disk_gib }
}
