//! What must hold once everything has ended: every saga terminal, and each host's world holding exactly what the fold
//! says, counted by the world itself (invariants 1, 2, 3, 5, 6).

use std::collections::{BTreeMap, BTreeSet};

use windlass_sagas::cell::reconcile;
use windlass_sagas::cell::state::*;
use windlass_sagas::ids::*;
use windlass_sagas::protocol::{Inventory, InventoryItem};
use windlass_sagas::record::*;
use windlass_world::World;

/// One thing on a host, without what the fold can't know of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Item {
    Volume(VolumeId, u64),
    Export(VolumeId, HostId),
    Port(PortId, Mac),
    Guest(ServerId, u32, u64),
    Ended(ServerId),
    Device(ServerId, VolumeId),
}

impl Item {
    const fn of(item: &InventoryItem) -> Self {
        match item {
            InventoryItem::Volume { volume, size_gib } => Self::Volume(*volume, *size_gib),
            InventoryItem::Export { volume, host } => Self::Export(*volume, *host),
            InventoryItem::Port { port, mac } => Self::Port(*port, *mac),
            InventoryItem::Guest { server, vcpus, ram_mib } => Self::Guest(*server, *vcpus, *ram_mib),
            InventoryItem::Ended { server, .. } => Self::Ended(*server),
            InventoryItem::Device { server, volume, .. } => Self::Device(*server, *volume),
        }
    }
}

impl Item {
    /// Everything that a host holds.
    #[must_use]
    pub(crate) fn all(world: &World) -> BTreeSet<Self> {
        let roles = [Role::Storage, Role::Network, Role::Hypervisor];
        roles.iter().flat_map(|role| world.inventory(*role)).map(|item| Self::of(&item)).collect()
    }

    /// Whether a part of the resource is there by name and not whole.
    #[must_use]
    pub(crate) fn is_half_made(world: &World, resource: ResourceRef) -> bool {
        let ResourceRef::Server(server) = resource else { return false };
        let guest = world.guest(server);
        guest.is_some_and(|guest| !guest.running || guest.devices.values().any(|device| !device.plugged))
    }

    /// Everything that the fold has on a host.
    #[must_use]
    pub(crate) fn expected(cell: &Cell, host: HostId) -> BTreeSet<Self> {
        expected(cell, host)
    }

    /// Whether it is a part of something, which a ledger's comparison names only with the whole: an export that a lost tail
    /// opened for a volume that is known is listed nowhere.
    const fn is_a_part(&self) -> bool {
        matches!(self, Self::Export(..) | Self::Device(..))
    }

    /// Whether it is, or belongs to, a resource.
    #[must_use]
    pub(crate) fn is_about(&self, resource: ResourceRef) -> bool {
        let volume = match self {
            Self::Device(_, volume) => resource == ResourceRef::Volume(*volume),
            Self::Volume(..) | Self::Export(..) | Self::Port(..) | Self::Guest(..) | Self::Ended(_) => false,
        };
        volume || self.resource() == resource
    }

    /// The resource that an inventory's comparison names for it.
    const fn resource(&self) -> ResourceRef {
        match self {
            Self::Volume(id, _) | Self::Export(id, _) => ResourceRef::Volume(*id),
            Self::Port(id, _) => ResourceRef::Port(*id),
            Self::Guest(id, ..) | Self::Ended(id) | Self::Device(id, _) => ResourceRef::Server(*id),
        }
    }
}

/// What each open saga waits for, for a run that does not end.
#[must_use]
pub(crate) fn waiting(cell: &Cell) -> Vec<String> {
    let sagas = cell.sagas.values().map(|saga| {
        let steps = saga.indexes().filter_map(|index| {
            let step = saga.step(index)?;
            let name = step.input.name();
            let host = cell.hosts.get(&step.ledger.host).map_or("an unknown host", |host| &host.name);
            match saga.at(index) {
                StepState::Forward { attempt, .. } => Some(format!("+{name} (attempt {attempt}) on {host}")),
                StepState::Undoing { attempt, .. } => Some(format!("-{name} (attempt {attempt}) on {host}")),
                StepState::UndoRefused { refusal, .. } => {
                    Some(format!("an operator, at -{name} on {host}: {}", refusal.message))
                }
                StepState::Waiting
                | StepState::Done { .. }
                | StepState::Refused { .. }
                | StepState::Undone { .. } => None,
            }
        });
        let steps: Vec<String> = steps.collect();
        let stuck = saga.stuck.as_ref().map(|(_, reason)| format!(", stuck: {reason}")).unwrap_or_default();
        let (kind, id, state) = (saga.kind.name(), saga.id, saga.state);
        format!("{kind} {id} ({state:?}{stuck}) waits for {}", steps.join(", "))
    });
    sagas.collect()
}

/// What the hosts hold and the fold does not know, and the other way; empty where they agree. Hosts that were declared
/// gone, and what stands in quarantine, are left out; where an acknowledged tail was lost, so are the orphans and losses that a
/// comparison names for people to decide about, and what was on a host when it was wiped (`wiped`): its loss is an operator's affair.
#[must_use]
pub(crate) fn left_over<'a>(
    cell: &Cell,
    hosts: impl Iterator<Item = (HostId, &'a World)>,
    tail_was_lost: bool,
    wiped: &BTreeMap<HostId, BTreeSet<Item>>,
) -> Vec<String> {
    let mut found = Vec::new();
    for (id, world) in hosts {
        let Some(host) = cell.hosts.get(&id).filter(|host| host.life.is_member()) else { continue };
        let expected = expected(cell, id);
        let held = Item::all(world);
        let judged = |item: &&Item| !excused(cell, item);
        let named = if tail_was_lost { doctor(cell, id, world) } else { BTreeSet::new() };
        let told = |item: &&Item| tail_was_lost && (item.is_a_part() || named.contains(&item.resource()));
        for item in held.difference(&expected).filter(judged).filter(|item| !told(item)) {
            found.push(format!("host {} holds {item:?}, which the fold does not know", host.name));
        }
        let mourned = |item: &&Item| wiped.get(&id).is_some_and(|lost| lost.contains(item));
        for item in expected.difference(&held).filter(judged).filter(|item| !mourned(item) && !told(item)) {
            found.push(format!("host {} lacks {item:?}, which the fold has there", host.name));
        }
        let partial = half_made(cell, world);
        found.extend(partial.into_iter().map(|what| format!("host {}: {what}", host.name)));
    }
    found
}

/// What a comparison of everything that a host holds names once all is quiet, as operators are told to have it made
/// after a lost tail: what an open saga held before was nobody's finding.
fn doctor(cell: &Cell, host: HostId, world: &World) -> BTreeSet<ResourceRef> {
    let compared = Role::ALL.iter().filter_map(|role| {
        let ledger = Some(LedgerId { host, role: *role });
        // As of a ledger that is not admitted: all of it is compared.
        let incarnation = Some(Incarnation([0xff; 16]));
        reconcile(cell, &Inventory { ledger, incarnation, items: world.inventory(*role) })
    });
    compared.flat_map(|it| it.orphans.into_iter().chain(it.losses)).collect()
}

/// What must be on a host.
fn expected(cell: &Cell, host: HostId) -> BTreeSet<Item> {
    let mut all = BTreeSet::new();
    for volume in cell.volumes.values() {
        let id = volume.spec.id;
        if volume.spec.host == host && matches!(volume.state, VolumeState::Ready(_)) {
            all.insert(Item::Volume(id, volume.spec.size_gib));
        }
        for server in volume.attachments.iter().filter_map(|attachment| cell.servers.get(&attachment.server))
        {
            if volume.spec.host == host {
                all.insert(Item::Export(id, server.spec.host));
            }
            if server.spec.host == host && matches!(server.state, ServerState::Active(_)) {
                all.insert(Item::Device(server.spec.id, id));
            }
        }
    }
    for server in cell.servers.values().filter(|server| server.spec.host == host) {
        if matches!(server.state, ServerState::Active(_)) {
            all.insert(Item::Guest(server.spec.id, server.spec.vcpus, server.spec.ram_mib));
        }
    }
    for port in cell.ports.values() {
        if matches!(port.state, PortState::Ready(_, on, _) if on == host) {
            all.insert(Item::Port(port.spec.id, port.spec.mac));
        }
    }
    all
}

/// Whether nothing can be said of it: it is in quarantine, or of a server whose guest is not made again.
fn excused(cell: &Cell, item: &Item) -> bool {
    let set_apart = |lock: Option<Lock>| matches!(lock, Some(Lock::Quarantined(_)));
    let server = |id: &ServerId| set_apart(cell.servers.get(id).map(|server| server.lock));
    let volume = |id: &VolumeId| set_apart(cell.volumes.get(id).map(|volume| volume.lock));
    match item {
        Item::Volume(id, _) | Item::Export(id, _) => volume(id),
        Item::Guest(id, ..) => server(id),
        // What is left of a guest that has ended stays until its server is started or deleted.
        Item::Ended(id) => {
            let still = |it: &Server| matches!(it.state, ServerState::Stopped(_) | ServerState::Lost(_));
            server(id) || cell.servers.get(id).is_some_and(still)
        }
        Item::Device(guest, id) => server(guest) || volume(id),
        Item::Port(id, _) => {
            let Some(port) = cell.ports.get(id) else { return false };
            let stopped = port
                .user()
                .and_then(|(user, _)| cell.servers.get(&user))
                .is_some_and(|server| matches!(server.state, ServerState::Lost(_) | ServerState::Stopped(_)));
            stopped || set_apart(Some(port.lock))
        }
    }
}

/// What is there by name and not whole.
fn half_made(cell: &Cell, world: &World) -> Vec<String> {
    let mut found = Vec::new();
    for server in cell.servers.values().filter(|server| matches!(server.state, ServerState::Active(_))) {
        let Some(guest) = world.guest(server.spec.id) else { continue };
        if !guest.running && server.lock.is_free() {
            found.push(format!("guest {} is ACTIVE and does not run", server.spec.id));
        }
        for (volume, device) in &guest.devices {
            if !device.plugged && server.lock.is_free() {
                found.push(format!("volume {volume} is known to guest {} and not plugged", server.spec.id));
            }
        }
    }
    found
}
