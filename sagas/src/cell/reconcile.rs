//! What a host's inventory shows against the fold: orphans (there, but not known) and losses (known, but not there).
//!
//! What an open saga may be making or removing is neither: its own steps settle it. A ledger is compared whole before it is
//! admitted, while nobody calls it. An inventory that comes later may be older than what was made since: all that it adds is
//! what says of itself that it has ended.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use super::state::{Cell, Lock, PortState, Server, ServerState, VolumeState};
use crate::ids::{HostId, ServerId};
use crate::limits::INVENTORY_FINDINGS_MAX;
use crate::planted::{self, Bug};
use crate::protocol::{Inventory, InventoryItem};
use crate::record::{LedgerId, LedgerReported, Maker, ResourceRef, Role, StepKey};

/// The comparison, as the fact that a leader reports; `None` for an inventory without a ledger.
pub type Reconciled = Option<LedgerReported>;

/// Compares one ledger's inventory with the fold, or an admitted one's with what was found before. At most `INVENTORY_FINDINGS_MAX` findings are named, orphans first.
#[must_use]
pub fn reconcile(cell: &Cell, inventory: &Inventory) -> Reconciled {
    let (ledger, incarnation) = (inventory.ledger?, inventory.incarnation?);
    let host = cell.hosts.get(&ledger.host);
    let admitted = host.filter(|host| host.incarnations.get(&ledger.role) == Some(&incarnation));
    let (mut orphans, mut losses) = match admitted {
        Some(host) => host.findings.get(&ledger.role).cloned().unwrap_or_default(),
        None => compare(cell, ledger, &inventory.items),
    };
    for ended in inventory.items.iter().filter_map(|item| ended(cell, ledger, item)) {
        if !losses.contains(&ended) {
            losses.push(ended);
        }
    }
    orphans.truncate(INVENTORY_FINDINGS_MAX);
    losses.truncate(INVENTORY_FINDINGS_MAX - orphans.len());
    Some(LedgerReported { host: ledger.host, role: ledger.role, incarnation, orphans, losses })
}

fn compare(cell: &Cell, ledger: LedgerId, items: &[InventoryItem]) -> (Vec<ResourceRef>, Vec<ResourceRef>) {
    let shown: BTreeSet<ResourceRef> = items.iter().map(resource).collect();
    let expected = |resource: &ResourceRef| expected(cell, ledger.host, ledger.role, *resource);
    let runs_on: BTreeSet<ResourceRef> = items.iter().filter_map(|item| runs_on(cell, item)).collect();
    let orphan = |shown: &&ResourceRef| expected(shown) == Expected::Nowhere || runs_on.contains(shown);
    let orphans = shown.iter().filter(orphan).copied().collect();
    let losses = all(cell, ledger.host, ledger.role)
        .filter(|resource| expected(resource) == Expected::Here && !shown.contains(resource))
        .collect();
    (orphans, losses)
}

/// The server that is stopped, and of which a guest runs nevertheless: some lost commit has started it.
fn runs_on(cell: &Cell, item: &InventoryItem) -> Option<ResourceRef> {
    let InventoryItem::Guest { server, .. } = item else { return None };
    let stopped = |it: &&Server| matches!(it.state, ServerState::Stopped(_)) && it.lock == Lock::Free;
    cell.servers.get(server).filter(stopped).map(|_| ResourceRef::Server(*server))
}

/// The server whose guest has ended by itself: the one that the fold says it runs, and nobody holds it.
fn ended(cell: &Cell, ledger: LedgerId, item: &InventoryItem) -> Option<ResourceRef> {
    let InventoryItem::Ended { server, booted_by } = item else { return None };
    let runs = is_running(cell, ledger.host, ledger.role, *server)?;
    let its_own = StepKey { saga: runs.saga, step: runs.step } == *booted_by;
    (its_own || planted::on(Bug::EndOfAnyBoot)).then_some(ResourceRef::Server(*server))
}

/// What booted the guest that must be on this host, unless a saga has to do with it.
pub(super) fn is_running(cell: &Cell, host: HostId, role: Role, server: ServerId) -> Option<Maker> {
    let server = cell.servers.get(&server).filter(|it| role == Role::Hypervisor && it.spec.host == host)?;
    match (&server.state, server.lock) {
        (ServerState::Active(maker), Lock::Free) => Some(*maker),
        _ => None,
    }
}

const fn resource(item: &InventoryItem) -> ResourceRef {
    match item {
        InventoryItem::Volume { volume, .. } | InventoryItem::Export { volume, .. } => {
            ResourceRef::Volume(*volume)
        }
        InventoryItem::Port { port, .. } => ResourceRef::Port(*port),
        InventoryItem::Guest { server, .. }
        | InventoryItem::Ended { server, .. }
        | InventoryItem::Device { server, .. } => ResourceRef::Server(*server),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Expected {
    /// It must be on the host.
    Here,
    /// It may be.
    Perhaps,
    /// It must not.
    Nowhere,
}

fn all(cell: &Cell, host: HostId, role: Role) -> impl Iterator<Item = ResourceRef> + '_ {
    let servers =
        cell.servers.values().filter(move |server| role == Role::Hypervisor && server.spec.host == host);
    let volumes =
        cell.volumes.values().filter(move |volume| role == Role::Storage && volume.spec.host == host);
    let ports = cell
        .ports
        .values()
        .filter(move |port| role == Role::Network && port.user().is_some_and(|(_, on)| on == host));
    servers
        .map(|server| ResourceRef::Server(server.spec.id))
        .chain(volumes.map(|volume| ResourceRef::Volume(volume.spec.id)))
        .chain(ports.map(|port| ResourceRef::Port(port.spec.id)))
}

fn expected(cell: &Cell, host: HostId, role: Role, resource: ResourceRef) -> Expected {
    let here = |free: bool, exists: bool| match (free, exists) {
        (false, _) => Expected::Perhaps,
        (true, true) => Expected::Here,
        (true, false) => Expected::Nowhere,
    };
    let free = |lock: Lock| lock == Lock::Free;
    match (resource, role) {
        (ResourceRef::Server(id), Role::Hypervisor) => match cell.servers.get(&id) {
            Some(server) if server.spec.host == host => match server.state {
                ServerState::Active(_) => here(free(server.lock), true),
                ServerState::Lost(_) | ServerState::Stopped(_) => Expected::Perhaps,
                ServerState::Building => here(free(server.lock), false),
                ServerState::Failed(_) => Expected::Nowhere,
            },
            Some(_) | None => Expected::Nowhere,
        },
        (ResourceRef::Volume(id), Role::Storage) => match cell.volumes.get(&id) {
            Some(volume) if volume.spec.host == host => match volume.state {
                VolumeState::Ready(_) => here(free(volume.lock), true),
                VolumeState::Creating => here(free(volume.lock), false),
                VolumeState::Failed(_) => Expected::Nowhere,
            },
            Some(_) | None => Expected::Nowhere,
        },
        (ResourceRef::Port(id), Role::Network) => match cell.ports.get(&id) {
            Some(port) => match port.state {
                PortState::Ready(server, on, _) if on == host => {
                    let lost = cell.servers.get(&server).is_some_and(|server| {
                        matches!(server.state, ServerState::Lost(_) | ServerState::Stopped(_))
                    });
                    if lost { Expected::Perhaps } else { here(free(port.lock), true) }
                }
                PortState::Bound(_, on) if on == host => here(free(port.lock), false),
                PortState::Ready(..) | PortState::Bound(..) | PortState::Unbound => Expected::Nowhere,
            },
            None => Expected::Nowhere,
        },
        _ => Expected::Nowhere,
    }
}
