//! The doctor: compares what hosts say they hold with what the state says should be there, invariants 2, 3, 5 and 6.
//!
//! Pure. It never reads the fold's counters (claims on hosts, addresses in use) to find out what is there; a project's
//! usage it reads only as the number to be checked. A finding counts where it stands both with the state from before
//! the inventories were taken and with the one from after, so that what moved meanwhile is none.

mod state;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use windlass_sagas::cell::Cell;
use windlass_sagas::cell::state::{Lock, PortState, ServerState, VolumeState};
use windlass_sagas::ids::*;
use windlass_sagas::protocol::InventoryItem;
use windlass_sagas::record::{Amounts, Capacity, Mac, ResourceRef, Role};

use crate::api::inventories::Taken;

pub use state::check_state;

/// The invariants by their numbers, as the handbook states them.
pub const INVARIANTS: [(u32, &str); 11] = [
    (1, "every saga is terminal or says what it waits for"),
    (2, "no resource without an owner, no owner without its resource"),
    (3, "no volume attached twice"),
    (4, "no address or MAC twice in a network"),
    (5, "no host oversold"),
    (6, "usage equals the sum of what exists"),
    (7, "each dispatched step of a rolled-back saga has exactly one undo resolution"),
    (8, "the chain of hashes is whole"),
    (9, "fold of the journal = live state = fold image + tail"),
    (10, "every acknowledged request is in the journal"),
    (11, "every host's applied view is the fold's at its position"),
];

/// What came out for one invariant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// Its number.
    pub invariant: u32,
    /// Whether it holds.
    pub outcome: Outcome,
    /// What breaks it.
    pub findings: Vec<Finding>,
    /// How many things were looked at.
    pub looked_at: u64,
}

/// Whether an invariant holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It does, as far as all hosts can tell.
    Passed,
    /// It doesn't.
    Failed,
    /// It could not be looked at, and why; a failure to look is never a pass.
    NotChecked(String),
}

/// One breach.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// The resource.
    pub resource: Option<ResourceRef>,
    /// Where.
    pub host: Option<HostId>,
    /// What is wrong.
    pub message: String,
    /// What would help.
    pub hint: &'static str,
}

/// Whether a thing should be on its host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    Here,
    /// A saga, or the quarantine of one, may have it either way.
    Perhaps,
    Nowhere,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Thing {
    project: ProjectId,
    host: Option<HostId>,
    wanted: Wanted,
}

/// What the state says should be there, without its counters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Picture {
    things: BTreeMap<ResourceRef, Thing>,
    guests: BTreeMap<ServerId, Capacity>,
    /// Servers that nobody holds, and whose guest must not run.
    stopped: BTreeSet<ServerId>,
    volumes: BTreeMap<VolumeId, u64>,
    ports: BTreeMap<PortId, (NetworkId, Mac, Vec<IpAddr>)>,
    networks: BTreeMap<ProjectId, u64>,
    hosts: BTreeMap<HostId, Capacity>,
    usage: BTreeMap<ProjectId, Amounts>,
}

impl Picture {
    /// The picture of a fold.
    #[must_use]
    pub fn of(cell: &Cell) -> Self {
        let mut picture = Self::default();
        for host in cell.hosts.values().filter(|host| host.life.is_member()) {
            let vcpus = host.capacity.vcpus.saturating_mul(cell.settings.vcpu_overcommit_percent) / 100;
            picture.hosts.insert(host.id, Capacity { vcpus, ..host.capacity });
        }
        for server in cell.servers.values() {
            let wanted = match server.state {
                ServerState::Active(_) => settled(server.lock, Wanted::Here),
                ServerState::Building => settled(server.lock, Wanted::Nowhere),
                ServerState::Lost(_) | ServerState::Stopped(_) => Wanted::Perhaps,
                ServerState::Failed(_) => Wanted::Nowhere,
            };
            let (spec, gone) = (&server.spec, matches!(server.state, ServerState::Failed(_)));
            if matches!(server.state, ServerState::Stopped(_)) && server.lock == Lock::Free {
                picture.stopped.insert(spec.id);
            }
            if !gone {
                let size = Capacity { vcpus: u64::from(spec.vcpus), ram_mib: spec.ram_mib, disk_gib: 0 };
                picture.guests.insert(spec.id, size);
            }
            picture.thing(ResourceRef::Server(spec.id), spec.project, Some(spec.host), wanted);
        }
        for volume in cell.volumes.values() {
            let wanted = match volume.state {
                VolumeState::Ready(_) => settled(volume.lock, Wanted::Here),
                VolumeState::Creating => settled(volume.lock, Wanted::Nowhere),
                VolumeState::Failed(_) => Wanted::Nowhere,
            };
            let (spec, gone) = (&volume.spec, matches!(volume.state, VolumeState::Failed(_)));
            if !gone {
                picture.volumes.insert(spec.id, spec.size_gib);
            }
            picture.thing(ResourceRef::Volume(spec.id), spec.project, Some(spec.host), wanted);
        }
        picture.ports(cell);
        for network in cell.networks.values() {
            *picture.networks.entry(network.project).or_default() += 1;
        }
        picture.usage = cell.projects.values().map(|project| (project.id, project.usage)).collect();
        picture
    }

    fn ports(&mut self, cell: &Cell) {
        for port in cell.ports.values() {
            let lost = |server: &ServerId| {
                let state = cell.servers.get(server).map(|server| &server.state);
                matches!(state, Some(ServerState::Lost(_) | ServerState::Stopped(_)))
            };
            let (host, wanted) = match &port.state {
                PortState::Ready(server, host, _) if lost(server) => (Some(*host), Wanted::Perhaps),
                PortState::Ready(_, host, _) => (Some(*host), settled(port.lock, Wanted::Here)),
                PortState::Bound(_, host) => (Some(*host), settled(port.lock, Wanted::Nowhere)),
                PortState::Unbound => (None, Wanted::Nowhere),
            };
            let spec = &port.spec;
            let addresses = spec.addresses.iter().map(|address| address.ip).collect();
            self.ports.insert(spec.id, (spec.network, spec.mac, addresses));
            self.thing(ResourceRef::Port(spec.id), spec.project, host, wanted);
        }
    }

    fn thing(&mut self, id: ResourceRef, project: ProjectId, host: Option<HostId>, wanted: Wanted) {
        self.things.insert(id, Thing { project, host, wanted });
    }

    /// The project of a resource that the state knows.
    #[must_use]
    pub fn project_of(&self, resource: ResourceRef) -> Option<ProjectId> {
        self.things.get(&resource).map(|thing| thing.project)
    }
}

/// What a resource that nobody holds should be; one that a saga holds may be either way.
const fn settled(lock: Lock, wanted: Wanted) -> Wanted {
    match lock {
        Lock::Free => wanted,
        Lock::Held(_) | Lock::Quarantined(_) => Wanted::Perhaps,
    }
}

/// Everything that the inventories show, by host.
#[derive(Default)]
struct Shown {
    guests: BTreeMap<ServerId, Vec<(HostId, Capacity)>>,
    /// What is left of guests that have ended: no guest, but something that somebody must own.
    ended: BTreeMap<ServerId, BTreeSet<HostId>>,
    volumes: BTreeMap<VolumeId, Vec<(HostId, u64)>>,
    exports: BTreeMap<VolumeId, BTreeSet<HostId>>,
    ports: BTreeMap<PortId, Vec<(HostId, Mac)>>,
    devices: BTreeMap<VolumeId, BTreeSet<(HostId, ServerId)>>,
    count: u64,
}

impl Shown {
    fn of(taken: &[Taken]) -> Self {
        let mut shown = Self::default();
        for host in taken {
            let items = host.inventories.iter().flat_map(|inventory| inventory.items.iter());
            for item in items.collect::<BTreeSet<_>>() {
                shown.take(host.host, item);
            }
        }
        shown
    }

    fn take(&mut self, host: HostId, item: &InventoryItem) {
        self.count += 1;
        match item {
            InventoryItem::Volume { volume, size_gib } => {
                self.volumes.entry(*volume).or_default().push((host, *size_gib));
            }
            InventoryItem::Export { volume, host: to } => {
                self.exports.entry(*volume).or_default().insert(*to);
            }
            InventoryItem::Port { port, mac } => self.ports.entry(*port).or_default().push((host, *mac)),
            InventoryItem::Guest { server, vcpus, ram_mib } => {
                let size = Capacity { vcpus: u64::from(*vcpus), ram_mib: *ram_mib, disk_gib: 0 };
                self.guests.entry(*server).or_default().push((host, size));
            }
            InventoryItem::Ended { server, .. } => {
                self.ended.entry(*server).or_default().insert(host);
            }
            InventoryItem::Device { server, volume, .. } => {
                self.devices.entry(*volume).or_default().insert((host, *server));
            }
        }
    }

    /// Each guest, volume and port, and where it is.
    fn places(&self) -> BTreeMap<ResourceRef, BTreeSet<HostId>> {
        let guests = self
            .guests
            .iter()
            .map(|(id, at)| (ResourceRef::Server(*id), at.iter().map(|(host, _)| *host).collect()));
        let volumes = self
            .volumes
            .iter()
            .map(|(id, at)| (ResourceRef::Volume(*id), at.iter().map(|(host, _)| *host).collect()));
        let ports = self
            .ports
            .iter()
            .map(|(id, at)| (ResourceRef::Port(*id), at.iter().map(|(host, _)| *host).collect()));
        guests.chain(volumes).chain(ports).collect()
    }
}

/// What looks at one invariant.
type Look = fn(&Picture, &Shown, &[Taken]) -> Vec<Finding>;

/// Checks every invariant. `asked` are the hosts whose inventories were wanted, `taken` those that came.
#[must_use]
pub fn check(before: &Picture, after: &Picture, asked: &BTreeSet<HostId>, taken: &[Taken]) -> Vec<Check> {
    let came: BTreeSet<HostId> = taken.iter().map(|it| it.host).collect();
    let blind: Vec<String> = after
        .hosts
        .keys()
        .filter(|host| !came.contains(host))
        .map(|host| {
            format!("host {host} {}", if asked.contains(host) { "gave none" } else { "was not asked" })
        })
        .chain(taken.iter().flat_map(|it| {
            it.incomplete.iter().map(|(role, why)| format!("{} of host {}: {why}", role.name(), it.host))
        }))
        .collect();
    let shown = Shown::of(taken);
    INVARIANTS
        .iter()
        .map(|(number, _)| {
            let look: Look = match number {
                2 => ownership,
                3 => attached_once,
                4 => addressed_once,
                5 => oversold,
                6 => usage,
                _ => return not_from_inventories(*number),
            };
            let later: BTreeSet<Finding> = look(after, &shown, taken).into_iter().collect();
            let findings = look(before, &shown, taken).into_iter().filter(|it| later.contains(it));
            // The sum of a project is wrong where a host is not seen; what is found elsewhere is found all the same.
            let partial = *number == 6 && !blind.is_empty();
            let findings: Vec<Finding> = if partial { Vec::new() } else { findings.collect() };
            let outcome = if !findings.is_empty() {
                Outcome::Failed
            } else if !blind.is_empty() {
                Outcome::NotChecked(format!("not everywhere: {}", blind.join("; ")))
            } else {
                Outcome::Passed
            };
            Check { invariant: *number, outcome, findings, looked_at: shown.count }
        })
        .collect()
}

fn not_from_inventories(invariant: u32) -> Check {
    let why = "not told by inventories: `windlass replay check` and the simulation look at it";
    Check { invariant, outcome: Outcome::NotChecked(why.to_owned()), findings: Vec::new(), looked_at: 0 }
}

/// Invariant 2: what is on a host is known there, and what should be there is.
fn ownership(picture: &Picture, shown: &Shown, taken: &[Taken]) -> Vec<Finding> {
    let came: BTreeSet<HostId> = taken.iter().map(|it| it.host).collect();
    // A role that could not look everywhere shows no loss.
    let whole = |host: &HostId, role: Role| {
        taken.iter().any(|it| it.host == *host && !it.incomplete.contains_key(&role))
    };
    let places = shown.places();
    let mut findings = Vec::new();
    let ended = shown.ended.iter().map(|(server, hosts)| (ResourceRef::Server(*server), hosts));
    for (resource, hosts) in places.iter().map(|(resource, hosts)| (*resource, hosts)).chain(ended) {
        let thing = picture.things.get(&resource);
        for host in hosts {
            let known = thing.is_some_and(|it| it.wanted != Wanted::Nowhere && it.host == Some(*host));
            if !known {
                findings.push(Finding {
                    resource: Some(resource),
                    host: Some(*host),
                    message: format!("{resource} is on the host and nobody owns it there"),
                    hint: "look at the operation that made it; an operator removes it on the host",
                });
            }
        }
    }
    let running = shown.guests.iter().filter(|(server, _)| picture.stopped.contains(server));
    for (server, at) in running {
        findings.extend(at.iter().map(|(host, _)| Finding {
            resource: Some(ResourceRef::Server(*server)),
            host: Some(*host),
            message: "its guest runs on the host, and it is stopped".to_owned(),
            hint: "start it, which finds the guest; then stop it if it is not to run",
        }));
    }
    for (resource, thing) in picture.things.iter().filter(|(_, thing)| thing.wanted == Wanted::Here) {
        let Some(host) = thing.host.filter(|host| came.contains(host) && whole(host, role_of(*resource)))
        else {
            continue;
        };
        if !places.get(resource).is_some_and(|hosts| hosts.contains(&host)) {
            findings.push(Finding {
                resource: Some(*resource),
                host: Some(host),
                message: format!("{resource} should be on the host and is not"),
                hint: "start it, reboot it or delete it; a volume's bytes can't be made again",
            });
        }
    }
    findings
}

const fn role_of(resource: ResourceRef) -> Role {
    match resource {
        ResourceRef::Volume(_) => Role::Storage,
        ResourceRef::Port(_) => Role::Network,
        _ => Role::Hypervisor,
    }
}

/// Invariant 3: a volume is in one guest, and exported to one host.
fn attached_once(_: &Picture, shown: &Shown, _: &[Taken]) -> Vec<Finding> {
    let twice = |volume: &VolumeId, what: String| Finding {
        resource: Some(ResourceRef::Volume(*volume)),
        host: None,
        message: what,
        hint: "detach it from all but one at once: two writers destroy its data",
    };
    let devices = shown.devices.iter().filter(|(_, at)| at.len() > 1).map(|(volume, at)| {
        let guests: Vec<String> = at.iter().map(|(host, server)| format!("{server} on {host}")).collect();
        twice(volume, format!("it is in {} guests: {}", at.len(), guests.join(", ")))
    });
    let exports = shown
        .exports
        .iter()
        .filter(|(_, to)| to.len() > 1)
        .map(|(volume, to)| twice(volume, format!("it is exported to {} hosts", to.len())));
    devices.chain(exports).collect()
}

/// Invariant 4: among the ports that hosts show, no MAC and no address stands twice in a network.
fn addressed_once(picture: &Picture, shown: &Shown, _: &[Taken]) -> Vec<Finding> {
    let mut macs: BTreeMap<(NetworkId, Mac), BTreeSet<(PortId, HostId)>> = BTreeMap::new();
    let mut addresses: BTreeMap<(NetworkId, IpAddr), BTreeSet<PortId>> = BTreeMap::new();
    for (port, at) in &shown.ports {
        let Some((network, _, ips)) = picture.ports.get(port) else { continue };
        for (host, mac) in at {
            macs.entry((*network, *mac)).or_default().insert((*port, *host));
        }
        for ip in ips {
            addresses.entry((*network, *ip)).or_default().insert(*port);
        }
    }
    let finding = |port: PortId, host, message| Finding {
        resource: Some(ResourceRef::Port(port)),
        host,
        message,
        hint: "delete one of the ports",
    };
    let macs = macs.into_iter().filter(|(_, at)| at.len() > 1).filter_map(|((_, mac), at)| {
        let (port, host) = at.first()?;
        Some(finding(*port, Some(*host), format!("MAC {mac} stands {} times in its network", at.len())))
    });
    let addresses = addresses.into_iter().filter(|(_, at)| at.len() > 1).filter_map(|((_, ip), at)| {
        Some(finding(*at.first()?, None, format!("address {ip} stands {} times in its network", at.len())))
    });
    macs.chain(addresses).collect()
}

/// Invariant 5: what is on a host fits it.
fn oversold(picture: &Picture, shown: &Shown, _: &[Taken]) -> Vec<Finding> {
    let mut sums: BTreeMap<HostId, Capacity> = BTreeMap::new();
    for (host, size) in shown.guests.values().flatten() {
        let sum = sums.entry(*host).or_default();
        sum.vcpus = sum.vcpus.saturating_add(size.vcpus);
        sum.ram_mib = sum.ram_mib.saturating_add(size.ram_mib);
    }
    for (host, gib) in shown.volumes.values().flatten() {
        let sum = sums.entry(*host).or_default();
        sum.disk_gib = sum.disk_gib.saturating_add(*gib);
    }
    let mut findings = Vec::new();
    for (host, sum) in sums {
        let Some(room) = picture.hosts.get(&host) else { continue };
        let rows = [
            ("vCPUs", sum.vcpus, room.vcpus),
            ("MiB of memory", sum.ram_mib, room.ram_mib),
            ("GiB of disk", sum.disk_gib, room.disk_gib),
        ];
        findings.extend(rows.into_iter().filter(|(_, sum, room)| sum > room).map(|(what, sum, room)| {
            Finding {
                resource: Some(ResourceRef::Host(host)),
                host: Some(host),
                message: format!("it carries {sum} {what} and may carry {room}"),
                hint: "delete or move something that is on it",
            }
        }));
    }
    findings
}

/// Invariant 6: what a project is said to hold is the sum of what its hosts show, of what no host shows because a saga
/// is at it or its guest is stopped, and of what lives in the state alone.
fn usage(picture: &Picture, shown: &Shown, _: &[Taken]) -> Vec<Finding> {
    let mut sums: BTreeMap<ProjectId, Amounts> =
        picture.usage.keys().map(|project| (*project, Amounts::default())).collect();
    let perhaps = |resource: ResourceRef| {
        picture.things.get(&resource).is_some_and(|thing| thing.wanted == Wanted::Perhaps)
    };
    let mut add = |resource: ResourceRef, amount: Amounts| {
        if let Some(sum) = picture.project_of(resource).and_then(|project| sums.get_mut(&project)) {
            *sum = sum.plus(amount);
        }
    };
    let none = Amounts::default();
    for (server, size) in &picture.guests {
        let resource = ResourceRef::Server(*server);
        let seen = shown.guests.get(server).and_then(|at| at.first()).map(|(_, size)| *size);
        if let Some(size) = seen.or_else(|| perhaps(resource).then_some(*size)) {
            add(resource, Amounts { servers: 1, vcpus: size.vcpus, ram_mib: size.ram_mib, ..none });
        }
    }
    for (volume, gib) in &picture.volumes {
        let resource = ResourceRef::Volume(*volume);
        let seen = shown.volumes.get(volume).and_then(|at| at.first()).map(|(_, gib)| *gib);
        if let Some(gib) = seen.or_else(|| perhaps(resource).then_some(*gib)) {
            add(resource, Amounts { volumes: 1, gib, ..none });
        }
    }
    for port in picture.ports.keys() {
        add(ResourceRef::Port(*port), Amounts { ports: 1, ..none });
    }
    for (project, networks) in &picture.networks {
        if let Some(sum) = sums.get_mut(project) {
            sum.networks = *networks;
        }
    }
    let wrong = |(project, sum): (ProjectId, Amounts)| {
        let said = picture.usage.get(&project)?;
        (*said != sum).then(|| Finding {
            resource: Some(ResourceRef::Project(project)),
            host: None,
            message: format!("it is said to hold {said:?}, and {sum:?} is there"),
            hint: "look at the findings of invariant 2 first",
        })
    };
    sums.into_iter().filter_map(wrong).collect()
}

#[cfg(test)]
mod tests;
