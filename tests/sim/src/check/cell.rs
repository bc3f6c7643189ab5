//! The invariants that a fold alone shows (1 to 6), computed from what exists and not from its counters.

use std::collections::{BTreeMap, BTreeSet};

use windlass_sagas::cell::state::*;
use windlass_sagas::record::*;

use super::Findings;

/// Checks all of them.
pub(super) fn check(cell: &Cell, found: &mut Findings) {
    sagas_say_what_they_wait_for(cell, found);
    locks_have_holders(cell, found);
    no_volume_attached_twice(cell, found);
    no_address_twice(cell, found);
    no_host_oversold(cell, found);
    usage_is_the_sum(cell, found);
}

fn sagas_say_what_they_wait_for(cell: &Cell, found: &mut Findings) {
    for saga in cell.sagas.values() {
        let out = |step: &StepState| matches!(step, StepState::Forward { .. } | StepState::Undoing { .. });
        let waits = saga.steps.iter().any(out) || matches!(saga.state, SagaState::Stuck(_));
        found.require(waits, "invariant 1", || format!("saga {} waits for nothing", saga.id));
    }
}

/// Every lock of a cell.
pub(super) fn locks(cell: &Cell) -> impl Iterator<Item = (ResourceRef, Lock)> + '_ {
    let servers = cell.servers.values().map(|server| (ResourceRef::Server(server.spec.id), server.lock));
    let volumes = cell.volumes.values().map(|volume| (ResourceRef::Volume(volume.spec.id), volume.lock));
    let ports = cell.ports.values().map(|port| (ResourceRef::Port(port.spec.id), port.lock));
    servers.chain(volumes).chain(ports)
}

fn locks_have_holders(cell: &Cell, found: &mut Findings) {
    for (resource, lock) in locks(cell) {
        if let Lock::Held(id) = lock {
            let says = cell.sagas.get(&id).is_some_and(|saga| saga.holds.contains(&resource));
            found.require(says, "lock L1", || {
                format!("{resource} is held by saga {id}, which does not say so")
            });
        }
    }
    for saga in cell.sagas.values() {
        for held in &saga.holds {
            let lock = locks(cell).find(|(resource, _)| resource == held).map(|(_, lock)| lock);
            let ours = lock.is_none_or(|lock| lock == Lock::Held(saga.id));
            found.require(ours, "lock L1", || {
                format!("saga {} holds {held}, whose lock is {lock:?}", saga.id)
            });
        }
    }
    let building = cell.servers.values().filter(|server| matches!(server.state, ServerState::Building));
    for server in building {
        let half = server.lock.is_free();
        found.require(!half, "invariant 2", || format!("server {} is half made and free", server.spec.id));
    }
    let creating = cell.volumes.values().filter(|volume| matches!(volume.state, VolumeState::Creating));
    for volume in creating {
        let half = volume.lock.is_free();
        found.require(!half, "invariant 2", || format!("volume {} is half made and free", volume.spec.id));
    }
}

fn no_volume_attached_twice(cell: &Cell, found: &mut Findings) {
    for volume in cell.volumes.values() {
        let id = volume.spec.id;
        let once = volume.attachments.len() <= 1;
        found.require(once, "invariant 3", || format!("volume {id} is attached twice"));
        for attachment in &volume.attachments {
            let server = cell.servers.get(&attachment.server);
            let known = server.is_some_and(|server| server.attached.contains(&id));
            found.require(known, "invariant 2", || {
                format!("volume {id} is attached to a server that lacks it")
            });
        }
    }
    for server in cell.servers.values() {
        let attached = server.attached.iter().filter_map(|id| cell.volumes.get(id));
        let places: BTreeSet<u8> = attached
            .flat_map(|volume| &volume.attachments)
            .filter(|attachment| attachment.server == server.spec.id)
            .map(|attachment| attachment.device)
            .collect();
        let apart = places.len() == server.attached.len();
        found.require(apart, "invariant 3", || format!("two volumes in one place of {}", server.spec.id));
    }
}

fn no_address_twice(cell: &Cell, found: &mut Findings) {
    let mut addresses = BTreeMap::new();
    let mut macs = BTreeMap::new();
    for port in cell.ports.values() {
        let network = port.spec.network;
        for address in &port.spec.addresses {
            let other = addresses.insert((network, address.ip), port.spec.id);
            found.require(other.is_none(), "invariant 4", || format!("{} is given twice", address.ip));
        }
        let other = macs.insert((network, port.spec.mac), port.spec.id);
        found.require(other.is_none(), "invariant 4", || format!("{} is given twice", port.spec.mac));
    }
    for network in cell.networks.values() {
        let given: BTreeMap<_, _> =
            network.addresses.iter().map(|(ip, port)| ((network.id, *ip), *port)).collect();
        let exist: BTreeMap<_, _> = addresses
            .iter()
            .filter(|((id, _), _)| *id == network.id)
            .map(|(key, port)| (*key, *port))
            .collect();
        let same = given == exist;
        found.require(same, "claims L2", || format!("addresses of network {} leaked", network.name));
    }
}

/// Whether a server still claims room.
const fn claims(state: &ServerState) -> bool {
    match state {
        ServerState::Building | ServerState::Active(_) | ServerState::Lost(_) | ServerState::Stopped(_) => {
            true
        }
        ServerState::Failed(_) => false,
    }
}

const fn holds_bytes(state: &VolumeState) -> bool {
    match state {
        VolumeState::Creating | VolumeState::Ready(_) => true,
        VolumeState::Failed(_) => false,
    }
}

fn no_host_oversold(cell: &Cell, found: &mut Findings) {
    for host in cell.hosts.values() {
        let servers =
            cell.servers.values().filter(|server| server.spec.host == host.id && claims(&server.state));
        let volumes =
            cell.volumes.values().filter(|volume| volume.spec.host == host.id && holds_bytes(&volume.state));
        let claimed = Capacity {
            vcpus: servers.clone().map(|server| u64::from(server.spec.vcpus)).sum(),
            ram_mib: servers.map(|server| server.spec.ram_mib).sum(),
            disk_gib: volumes.map(|volume| volume.spec.size_gib).sum(),
        };
        let (name, has) = (&host.name, host.capacity);
        found.require(host.claimed == claimed, "claims L2", || {
            format!("host {name} counts {:?}, placed there is {claimed:?}", host.claimed)
        });
        let vcpus_max = has.vcpus * cell.settings.vcpu_overcommit_percent / 100;
        let fits =
            claimed.vcpus <= vcpus_max && claimed.ram_mib <= has.ram_mib && claimed.disk_gib <= has.disk_gib;
        // A host that has just joined again has not said yet what it offers; nothing is placed on it before.
        let known = !matches!(host.life, HostLife::Joined);
        found.require(fits || !known, "invariant 5", || {
            format!("host {name} is oversold: {claimed:?} of {has:?}")
        });
    }
}

fn usage_is_the_sum(cell: &Cell, found: &mut Findings) {
    for project in cell.projects.values() {
        let id = project.id;
        let servers =
            cell.servers.values().filter(|server| server.spec.project == id && claims(&server.state));
        let volumes =
            cell.volumes.values().filter(|volume| volume.spec.project == id && holds_bytes(&volume.state));
        let usage = Amounts {
            servers: count(servers.clone()),
            vcpus: servers.clone().map(|server| u64::from(server.spec.vcpus)).sum(),
            ram_mib: servers.map(|server| server.spec.ram_mib).sum(),
            volumes: count(volumes.clone()),
            gib: volumes.map(|volume| volume.spec.size_gib).sum(),
            networks: count(cell.networks.values().filter(|network| network.project == id)),
            ports: count(cell.ports.values().filter(|port| port.spec.project == id)),
        };
        found.require(project.usage == usage, "invariant 6", || {
            format!("project {} counts {:?}, has {usage:?}", project.name, project.usage)
        });
    }
}

fn count<T>(things: impl Iterator<Item = T>) -> u64 {
    things.fold(0, |count, _| count + 1)
}
