//! The invariants of `semantics.md` that a fold alone shows, computed from what exists and not from its counters.

use std::collections::{BTreeMap, BTreeSet};

use windlass_sagas::cell::Effect;
use windlass_sagas::cell::state::*;
use windlass_sagas::ids::*;
use windlass_sagas::record::*;

/// Checks all of them.
pub(crate) fn all(cell: &Cell, commits: &[Commit]) {
    sagas_say_what_they_wait_for(cell);
    locks_have_holders(cell);
    no_volume_attached_twice(cell);
    no_address_twice(cell);
    no_host_oversold(cell);
    usage_is_the_sum(cell);
    guests_to_be_made_are_indexed(cell);
    if let Some(commit) = commits.last() {
        rolled_back_steps_are_undone_once(commits, commit);
    }
}

/// What decisions ask an index for, it says.
fn guests_to_be_made_are_indexed(cell: &Cell) {
    let of = |wanted: fn(&ServerState) -> bool| -> BTreeSet<(HostId, ServerId)> {
        let servers = cell.servers.values().filter(|server| wanted(&server.state));
        servers.map(|server| (server.spec.host, server.spec.id)).collect()
    };
    assert_eq!(cell.building, of(|state| matches!(state, ServerState::Building)));
    assert_eq!(cell.lost_servers, of(|state| matches!(state, ServerState::Lost(_))));
}

/// 1: an open saga has an open call, or is stuck.
fn sagas_say_what_they_wait_for(cell: &Cell) {
    for saga in cell.sagas.values() {
        let waits = saga
            .steps
            .iter()
            .any(|step| matches!(step, StepState::Forward { .. } | StepState::Undoing { .. }));
        assert!(waits || matches!(saga.state, SagaState::Stuck(_)), "saga {} waits for nothing", saga.id);
    }
}

/// 2: what is held is held by an open saga that says so; what a saga holds and exists is locked by it.
fn locks_have_holders(cell: &Cell) {
    let locks = cell
        .servers
        .values()
        .map(|s| (ResourceRef::Server(s.spec.id), s.lock))
        .chain(cell.volumes.values().map(|v| (ResourceRef::Volume(v.spec.id), v.lock)))
        .chain(cell.ports.values().map(|p| (ResourceRef::Port(p.spec.id), p.lock)));
    for (resource, lock) in locks {
        if let Lock::Held(id) = lock {
            let saga = cell.sagas.get(&id).unwrap_or_else(|| panic!("{resource} is held by nobody"));
            assert!(saga.holds.contains(&resource), "{resource} is held by a saga that does not say so");
        }
    }
    let building = cell.servers.values().filter(|s| matches!(s.state, ServerState::Building));
    for server in building {
        assert!(!server.lock.is_free(), "server {} is half made and free", server.spec.id);
    }
    let creating = cell.volumes.values().filter(|v| matches!(v.state, VolumeState::Creating));
    for volume in creating {
        assert!(!volume.lock.is_free(), "volume {} is half made and free", volume.spec.id);
    }
}

/// 3.
fn no_volume_attached_twice(cell: &Cell) {
    for volume in cell.volumes.values() {
        assert!(volume.attachments.len() <= 1, "volume {} is attached twice", volume.spec.id);
        for attachment in &volume.attachments {
            let server = cell.servers.get(&attachment.server).expect("an attachment's server exists");
            assert!(server.attached.contains(&volume.spec.id));
        }
    }
    for server in cell.servers.values() {
        let places: BTreeSet<u8> = server
            .attached
            .iter()
            .flat_map(|id| &cell.volumes[id].attachments)
            .filter(|a| a.server == server.spec.id)
            .map(|a| a.device)
            .collect();
        assert_eq!(places.len(), server.attached.len(), "two volumes in one place of {}", server.spec.id);
    }
}

/// 4.
fn no_address_twice(cell: &Cell) {
    let mut seen = BTreeMap::new();
    let mut macs = BTreeMap::new();
    for port in cell.ports.values() {
        for address in &port.spec.addresses {
            let other = seen.insert((port.spec.network, address.ip), port.spec.id);
            assert_eq!(other, None, "{} is given twice", address.ip);
            assert_eq!(cell.networks[&port.spec.network].addresses.get(&address.ip), Some(&port.spec.id));
        }
        let other = macs.insert((port.spec.network, port.spec.mac), port.spec.id);
        assert_eq!(other, None, "{} is given twice", port.spec.mac);
    }
    let given: usize = cell.networks.values().map(|network| network.addresses.len()).sum();
    assert_eq!(given, seen.len(), "an address leaked");
}

/// 5.
fn no_host_oversold(cell: &Cell) {
    for host in cell.hosts.values() {
        let servers = || cell.servers.values().filter(|s| s.spec.host == host.id && holds_room(&s.state));
        let volumes = || {
            cell.volumes
                .values()
                .filter(|v| v.spec.host == host.id && !matches!(v.state, VolumeState::Failed(_)))
        };
        let claimed = Capacity {
            vcpus: servers().map(|s| u64::from(s.spec.vcpus)).sum(),
            ram_mib: servers().map(|s| s.spec.ram_mib).sum(),
            disk_gib: volumes().map(|v| v.spec.size_gib).sum(),
        };
        assert_eq!(host.claimed, claimed, "host {}", host.name);
        assert!(claimed.vcpus <= host.capacity.vcpus * 4, "host {} is oversold", host.name);
        assert!(claimed.ram_mib <= host.capacity.ram_mib && claimed.disk_gib <= host.capacity.disk_gib);
    }
}

fn holds_room(state: &ServerState) -> bool {
    !matches!(state, ServerState::Failed(_))
}

/// 6.
fn usage_is_the_sum(cell: &Cell) {
    for project in cell.projects.values() {
        let servers =
            || cell.servers.values().filter(|s| s.spec.project == project.id && holds_room(&s.state));
        let volumes = || {
            let of = |v: &&Volume| v.spec.project == project.id && !matches!(v.state, VolumeState::Failed(_));
            cell.volumes.values().filter(of)
        };
        let count = |n: usize| u64::try_from(n).expect("small");
        let usage = Amounts {
            servers: count(servers().count()),
            vcpus: servers().map(|s| u64::from(s.spec.vcpus)).sum(),
            ram_mib: servers().map(|s| s.spec.ram_mib).sum(),
            volumes: count(volumes().count()),
            gib: volumes().map(|v| v.spec.size_gib).sum(),
            networks: count(cell.networks.values().filter(|n| n.project == project.id).count()),
            ports: count(cell.ports.values().filter(|p| p.spec.project == project.id).count()),
        };
        assert_eq!(project.usage, usage, "project {}", project.name);
    }
}

/// 7: each dispatched step of a rolled back saga has exactly one undo resolution, after those that come first.
fn rolled_back_steps_are_undone_once(commits: &[Commit], last: &Commit) {
    for event in &last.events {
        let Event::SagaRolledBack(ended) = event else { continue };
        let events: Vec<&Event> = commits.iter().flat_map(|commit| &commit.events).collect();
        let plan = events
            .iter()
            .find_map(|e| match e {
                Event::SagaStarted(e) if e.saga == ended.saga => Some(&e.plan),
                _ => None,
            })
            .expect("it started");
        let dispatched: BTreeSet<StepIndex> = events
            .iter()
            .filter_map(|e| match e {
                Event::StepDispatched(e) if e.saga == ended.saga && e.direction == Direction::Forward => {
                    Some(e.step)
                }
                _ => None,
            })
            .collect();
        let undone: Vec<StepIndex> = events
            .iter()
            .filter_map(|e| match e {
                Event::StepUndone(e) if e.saga == ended.saga => Some(e.step),
                _ => None,
            })
            .collect();
        assert_eq!(
            undone.iter().copied().collect::<BTreeSet<_>>(),
            dispatched,
            "each dispatched step, and no other"
        );
        assert_eq!(undone.len(), dispatched.len(), "each once");
        for (index, step) in plan.steps.iter().enumerate() {
            let Undo::Call { after, .. } = &step.undo else { continue };
            let place = |wanted: usize| undone.iter().position(|step| usize::from(step.0) == wanted);
            for first in after {
                if let (Some(own), Some(first)) = (place(index), place(usize::from(first.0))) {
                    assert!(first < own, "undo out of order");
                }
            }
        }
    }
}

/// The law of `pending`: all effects less the settled ones.
pub(crate) fn pending_is_what_is_open(pending: &[Effect], open: &[Effect]) {
    let calls = |effects: &[Effect]| -> BTreeMap<StepKey, (Direction, Attempt, Hash)> {
        effects
            .iter()
            .filter_map(|effect| match effect {
                Effect::Call(call) => Some((call.key, (call.direction, call.attempt, call.body.hash()))),
                _ => None,
            })
            .collect()
    };
    let sagas = |effects: &[Effect]| -> BTreeSet<SagaId> {
        effects
            .iter()
            .filter_map(|effect| match effect {
                Effect::SagaOpen { saga, .. } => Some(*saga),
                _ => None,
            })
            .collect()
    };
    let faults = |effects: &[Effect]| -> BTreeSet<FaultId> {
        effects
            .iter()
            .filter_map(|effect| match effect {
                Effect::FaultArmed(fault) => Some(fault.id),
                _ => None,
            })
            .collect()
    };
    assert_eq!(calls(pending), calls(open));
    assert_eq!(faults(pending), faults(open));
    assert!(sagas(pending).is_subset(&sagas(open)));
}
