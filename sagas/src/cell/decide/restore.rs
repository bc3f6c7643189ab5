//! What follows by itself from a reboot: lost servers are made again, a few at a time on each host.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::{begun, server};
use crate::cell::state::{Cell, Lock, ServerState, under};
use crate::ids::*;
use crate::limits::RESTORES_AT_ONCE;
use crate::plan::server_restore;
use crate::record::*;

/// The sagas that follow from what was decided: restores after a reboot, and the next one after any saga ended.
pub(super) fn follow_ups(cell: &Cell, events: &[Event], now: Time) -> Vec<Event> {
    let mut out = Vec::new();
    let mut ordinal = 0;
    for (host, count) in wanted(cell, events) {
        let lost: Vec<ServerId> = lost(cell, events, host).collect();
        let boots = lost.len().min(RESTORES_AT_ONCE).saturating_sub(1);
        for id in lost.into_iter().take(count) {
            let saga = SagaId::of_commit(cell.id, cell.position.next(), ordinal);
            ordinal += 1;
            out.extend(restore(cell, events, saga, id, boots, now));
        }
    }
    out
}

/// Hosts to look at, and how many restores may start there.
fn wanted(cell: &Cell, events: &[Event]) -> Vec<(HostId, usize)> {
    let rebooted = events.iter().filter_map(|event| match event {
        Event::HostRebooted(e) => Some((e.host, RESTORES_AT_ONCE)),
        _ => None,
    });
    let ended = ended(events).filter_map(|saga| {
        let saga = cell.sagas.get(&saga)?;
        let server = saga.holds.iter().find_map(|held| match held {
            ResourceRef::Server(id) => cell.servers.get(id),
            _ => None,
        })?;
        Some((server.spec.host, 1))
    });
    rebooted.chain(ended).collect()
}

fn ended(events: &[Event]) -> impl Iterator<Item = SagaId> + '_ {
    events.iter().filter_map(|event| match event {
        Event::SagaCompleted(e) => Some(e.saga),
        Event::SagaRolledBack(e) => Some(e.saga),
        _ => None,
    })
}

/// Servers of the host that are lost once the events are folded, and that nobody holds then.
fn lost<'a>(cell: &'a Cell, events: &'a [Event], host: HostId) -> impl Iterator<Item = ServerId> + 'a {
    let rebooted = events.iter().any(|event| matches!(event, Event::HostRebooted(e) if e.host == host));
    let settled = move |id: ServerId| {
        events.iter().any(|event| match event {
            Event::ServerDeleted(e) => e.server == id,
            Event::ServerActivated(e) => e.server == id,
            Event::ServerStopped(e) => e.server == id,
            _ => false,
        })
    };
    let free = move |lock: Lock| match lock {
        Lock::Free => true,
        Lock::Held(saga) => ended(events).any(|ended| ended == saga),
        Lock::Quarantined(_) => false,
    };
    // Only a reboot makes a walk over all servers; after a saga's end the index of lost ones is enough.
    let all = rebooted.then(|| cell.servers.keys().copied()).into_iter().flatten();
    let known = (!rebooted).then(|| under(&cell.lost_servers, host)).into_iter().flatten();
    all.chain(known).filter(move |id| {
        cell.servers.get(id).is_some_and(|server| {
            let gone = match server.state {
                ServerState::Lost(_) => true,
                ServerState::Active(_) => rebooted,
                ServerState::Building | ServerState::Stopped(_) | ServerState::Failed(_) => false,
            };
            server.spec.host == host && gone && free(server.lock) && !settled(*id)
        })
    })
}

/// A restore beside `boots` others, as it must be once the events are folded: what they detach the guest does not boot
/// with.
fn restore(cell: &Cell, events: &[Event], saga: SagaId, id: ServerId, boots: usize, now: Time) -> Vec<Event> {
    let detached = |attachment: AttachmentId| {
        events.iter().any(|event| matches!(event, Event::VolumeDetached(e) if e.attachment == attachment))
    };
    let Some(server) = cell.servers.get(&id) else { return Vec::new() };
    let ports = server.spec.ports.iter().filter_map(|port| cell.ports.get(port));
    let setups = ports.clone().map(|port| server::setup(cell, &port.spec)).collect();
    let mut holds = alloc::vec![ResourceRef::Server(id)];
    holds.extend(ports.map(|port| ResourceRef::Port(port.spec.id)));
    let boots = cell.boots_beside(&server.spec).max(boots);
    let plan = server_restore::plan(cell, server, setups, boots, detached);
    let (kind, project, subject) = (SagaKind::ServerRestore, server.spec.project, ResourceRef::Server(id));
    begun(cell, SagaStarted { saga, kind, project, subject, holds, plan: Arc::new(plan) }, now)
}
