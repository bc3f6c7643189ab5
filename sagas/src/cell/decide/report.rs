//! What the cell itself reports: genesis, leaders, outcomes, deadlines, hosts, ledgers.

use alloc::vec::Vec;

use crate::cell::engine::Draft;
use crate::cell::reconcile::is_running;
use crate::cell::rejection::{Decline, Rejection};
use crate::cell::state::{Cell, Host, HostLife, Saga};
use crate::ids::*;
use crate::limits::INVENTORY_FINDINGS_MAX;
use crate::record::*;

pub(super) fn decide(cell: &Cell, report: &Report, now: Time) -> Result<Vec<Event>, Decline> {
    match report {
        Report::Genesis(genesis) if cell.position == Position(0) => Ok(alloc::vec![genesis.clone().into()]),
        Report::Genesis(_) => Err(Decline::Stale),
        Report::Campaign(campaign) => Ok(alloc::vec![campaign.clone().into()]),
        Report::RaiseFormat(raise) if raise.level > cell.level && raise.level <= FORMAT_LEVEL => {
            Ok(alloc::vec![(*raise).into()])
        }
        Report::RaiseFormat(_) => Err(Decline::Stale),
        Report::Step(step) => Ok(Draft::new(cell, saga(cell, step.saga)?.clone(), now).report(step)),
        Report::Overdue(overdue) => Ok(Draft::new(cell, saga(cell, overdue.saga)?.clone(), now).overdue()),
        Report::HostSeen(seen) => host_seen(cell, seen),
        Report::HostSilent(silent) => match cell.hosts.get(&silent.host).map(|host| host.life) {
            Some(HostLife::Up) => Ok(alloc::vec![HostDown { host: silent.host }.into()]),
            Some(HostLife::Joined | HostLife::Down | HostLife::Gone { .. }) | None => Err(Decline::Stale),
        },
        Report::Ledger(ledger) => ledger_reported(cell, ledger),
    }
}

fn saga(cell: &Cell, id: SagaId) -> Result<&Saga, Decline> {
    cell.sagas.get(&id).ok_or(Decline::Stale)
}

/// Whether a host is a member with a certificate. One that was gone and may join again has none yet: what an old stream
/// still says of it would take the place of its joining.
fn has_joined(host: &Host) -> bool {
    host.life.is_member() && host.certificate_sha256.is_some()
}

fn host_seen(cell: &Cell, seen: &HostSeen) -> Result<Vec<Event>, Decline> {
    let Some(host) = cell.hosts.get(&seen.host).filter(|host| has_joined(host)) else {
        return Err(Decline::Stale);
    };
    let same = host.life == HostLife::Up && host.boot == Some(seen.boot);
    if same && host.capacity == seen.capacity && host.traits == seen.traits {
        return Err(Decline::Stale);
    }
    let mut events = Vec::new();
    if host.boot.is_some_and(|boot| boot != seen.boot) {
        events.push(HostRebooted { host: seen.host }.into());
    }
    let HostSeen { host, boot, capacity, traits } = seen.clone();
    events.push(HostUp { host, boot, capacity, traits }.into());
    Ok(events)
}

/// An incarnation is admitted with its inventory compared; a retired one never is (A8).
fn ledger_reported(cell: &Cell, ledger: &LedgerReported) -> Result<Vec<Event>, Decline> {
    let Some(host) = cell.hosts.get(&ledger.host).filter(|host| has_joined(host)) else {
        return Err(Decline::Stale);
    };
    if host.retired.contains(&ledger.incarnation) || !host.roles.contains(&ledger.role) {
        return Err(Decline::Stale);
    }
    if ledger.orphans.len() + ledger.losses.len() > INVENTORY_FINDINGS_MAX {
        return Err(Rejection::field("inventory", "an inventory names too many differences").into());
    }
    let mut events = Vec::new();
    let (id, role) = (ledger.host, ledger.role);
    if host.incarnations.get(&role) != Some(&ledger.incarnation) {
        events.push(IncarnationAdmitted { host: id, role, incarnation: ledger.incarnation }.into());
    }
    // A guest that should run and does not is a server that stands still: it is as it was, and can be started.
    let ended = |lost: &ResourceRef| match lost {
        ResourceRef::Server(server) => is_running(cell, id, role, *server).map(|_| *server),
        _ => None,
    };
    let losses: Vec<ResourceRef> =
        ledger.losses.iter().filter(|lost| ended(lost).is_none()).copied().collect();
    let before = host.findings.get(&role).cloned().unwrap_or_default();
    if before != (ledger.orphans.clone(), losses.clone()) {
        let orphans = ledger.orphans.clone();
        events.push(InventoryDiffers { host: id, role, orphans, losses }.into());
    }
    events.extend(ledger.losses.iter().filter_map(ended).map(|server| ServerStopped { server }.into()));
    if events.is_empty() { Err(Decline::Stale) } else { Ok(events) }
}
