//! What a host holds: a disk, what of it is synced, and what the running kernel holds besides.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};
use windlass_sagas::cell::views::HostView;
use windlass_sagas::ids::*;
use windlass_sagas::protocol::PlacedView;
use windlass_sagas::record::{Capacity, Endpoint, Mac, StepKey};

use crate::count::{Counts, Thing};

/// The first TCP port that exports use, and how many: far more than a host has volumes.
const EXPORT_PORT_FIRST: u16 = 10_809;
const EXPORT_PORTS: u16 = 30_000;

/// A volume's bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VolumeFile {
    /// Its size, GiB.
    pub size_gib: u64,
    /// The image that was written to it.
    pub image: Option<Hash>,
}

/// An export that the host serves, after a reboot too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Export {
    /// The one host that may dial it.
    pub to: HostId,
    /// Where it is dialled.
    pub endpoint: Endpoint,
}

/// A port's link and what belongs to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortLink {
    /// Its network.
    pub network: NetworkId,
    /// The guest's MAC.
    pub mac: Mac,
    /// Whether it is in the network's tunnel.
    pub tunnel: bool,
    /// Whether its rules stand.
    pub rules: bool,
    /// Whether DHCP knows it.
    pub reservation: bool,
}

/// A volume in a guest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// Its attachment; `None` for a volume that the guest booted with.
    pub attachment: Option<AttachmentId>,
    /// Its place in the guest.
    pub place: u8,
    /// Whether the guest sees it; before that it is only known to the host.
    pub plugged: bool,
    /// What it dials.
    pub endpoint: Endpoint,
}

/// A guest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Guest {
    /// Virtual CPUs.
    pub vcpus: u32,
    /// Memory, MiB.
    pub ram_mib: u64,
    /// Whether it runs.
    pub running: bool,
    /// Its ports.
    pub ports: Vec<PortId>,
    /// Its volumes.
    pub devices: BTreeMap<VolumeId, Device>,
}

/// What is on the disk.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Disk {
    pub(crate) volumes: BTreeMap<VolumeId, VolumeFile>,
    pub(crate) exports: BTreeMap<VolumeId, Export>,
}

/// What the running kernel holds besides.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Kernel {
    pub(crate) ports: BTreeMap<PortId, PortLink>,
    pub(crate) guests: BTreeMap<ServerId, Guest>,
    pub(crate) view: Option<ViewInForce>,
}

/// A view (A9) in force, as the running kernel holds it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ViewInForce {
    pub(crate) position: Position,
    pub(crate) hash: Hash,
    pub(crate) content: Vec<u8>,
}

/// A host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct World {
    pub(crate) name: String,
    pub(crate) capacity: Capacity,
    pub(crate) disk: Disk,
    pub(crate) synced: Disk,
    pub(crate) kernel: Kernel,
    pub(crate) counts: Counts,
    /// Starts of the kernel so far.
    pub(crate) boots: u64,
    /// The step that started each guest, for inventories alone: nothing that is done rests on it. A guest that stands here
    /// and does not run has ended by itself, or is being destroyed.
    pub(crate) booted_by: BTreeMap<ServerId, StepKey>,
}

impl World {
    /// An empty host that just started, reached by others under `name`.
    #[must_use]
    pub fn new(name: impl Into<String>, capacity: Capacity) -> Self {
        Self {
            name: name.into(),
            capacity,
            disk: Disk::default(),
            synced: Disk::default(),
            kernel: Kernel::default(),
            counts: Counts::default(),
            boots: 1,
            booted_by: BTreeMap::new(),
        }
    }

    /// What it offers.
    #[must_use]
    pub const fn capacity(&self) -> Capacity {
        self.capacity
    }

    /// Starts of its kernel so far, from 1.
    #[must_use]
    pub const fn boots(&self) -> u64 {
        self.boots
    }

    /// A volume's bytes.
    #[must_use]
    pub fn volume(&self, id: VolumeId) -> Option<&VolumeFile> {
        self.disk.volumes.get(&id)
    }

    /// A volume's export.
    #[must_use]
    pub fn export(&self, id: VolumeId) -> Option<&Export> {
        self.disk.exports.get(&id)
    }

    /// A port.
    #[must_use]
    pub fn port(&self, id: PortId) -> Option<&PortLink> {
        self.kernel.ports.get(&id)
    }

    /// A guest.
    #[must_use]
    pub fn guest(&self, id: ServerId) -> Option<&Guest> {
        self.kernel.guests.get(&id)
    }

    /// What a guest's console shows: one line, since nothing runs in it; `None` where there is no such guest.
    #[must_use]
    pub fn console(&self, id: ServerId) -> Option<String> {
        let guest = self.guest(id)?;
        let (vcpus, ram_mib, volumes, host) = (guest.vcpus, guest.ram_mib, guest.devices.len(), &self.name);
        let state = if guest.running { "runs" } else { "does not run" };
        Some(alloc::format!(
            "guest {id} is simulated and {state}: {vcpus} vCPUs, {ram_mib} MiB, {volumes} volumes, on {host} since its kernel's start {}\n",
            self.boots
        ))
    }

    /// The view in force, and the position that it is of.
    #[must_use]
    pub fn view(&self) -> Option<(Position, HostView)> {
        let view = self.kernel.view.as_ref()?;
        Some((view.position, HostView::decode(&view.content)?))
    }

    /// Puts a view in force, in place of the one before.
    pub fn apply_view(&mut self, view: &PlacedView) {
        let (position, hash) = (view.position, view.hash);
        self.kernel.view = Some(ViewInForce { position, hash, content: view.content.encode() });
    }

    /// Whether it holds nothing at all; a view is no thing of anybody's.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.disk.volumes.is_empty()
            && self.disk.exports.is_empty()
            && self.kernel.ports.is_empty()
            && self.kernel.guests.is_empty()
    }

    /// Makes what is on the disk durable.
    pub fn sync(&mut self) {
        self.synced.clone_from(&self.disk);
    }

    /// The agent's process died: what it did so far stays.
    pub fn process_crash(&self) {}

    /// An orderly new start of the kernel: the disk is synced first, what is volatile is lost.
    pub fn reboot(&mut self) {
        self.sync();
        self.start_anew();
    }

    /// The power went: what was not synced is lost (or back), and with it all that is volatile.
    pub fn power_cut(&mut self) {
        let before = self.things_on_disk();
        self.disk.clone_from(&self.synced);
        let after = self.things_on_disk();
        for thing in before.iter().filter(|thing| !after.contains(thing)) {
            self.counts.lost(*thing);
        }
        for thing in after.iter().filter(|thing| !before.contains(thing)) {
            self.counts.back(*thing);
        }
        self.start_anew();
    }

    /// The guests that run, in order.
    pub fn running(&self) -> impl Iterator<Item = ServerId> + '_ {
        self.kernel.guests.iter().filter(|(_, guest)| guest.running).map(|(server, _)| *server)
    }

    /// The guests that have ended by themselves, in order.
    pub fn ended(&self) -> impl Iterator<Item = ServerId> + '_ {
        self.kernel.guests.keys().copied().filter(|server| self.has_ended(*server).is_some())
    }

    /// A guest powers itself off, or its process dies: what is left of it is another step's.
    pub fn end_guest(&mut self, server: ServerId) {
        if let Some(guest) = self.kernel.guests.get_mut(&server) {
            guest.running = false;
        }
    }

    /// The step that started a guest which does not run any more.
    pub(crate) fn has_ended(&self, server: ServerId) -> Option<StepKey> {
        self.guest(server).filter(|guest| !guest.running)?;
        self.booted_by.get(&server).copied()
    }

    /// The machine is set up anew: nothing of it is left but the count of what was.
    pub fn wipe(&mut self) {
        for thing in self.things_on_disk() {
            self.counts.lost(thing);
        }
        (self.disk, self.synced) = (Disk::default(), Disk::default());
        self.start_anew();
    }

    fn start_anew(&mut self) {
        for port in self.kernel.ports.keys() {
            self.counts.lost(Thing::Port(*port));
        }
        for (server, guest) in &self.kernel.guests {
            self.counts.lost(Thing::Guest(*server));
            for volume in guest.devices.keys() {
                self.counts.lost(Thing::Device(*server, *volume));
            }
        }
        self.kernel = Kernel::default();
        self.booted_by.clear();
        self.boots += 1;
    }

    fn things_on_disk(&self) -> Vec<Thing> {
        let volumes = self.disk.volumes.keys().map(|volume| Thing::Volume(*volume));
        let exports = self.disk.exports.keys().map(|volume| Thing::Export(*volume));
        volumes.chain(exports).collect()
    }

    /// Free memory, MiB, and free disk, GiB.
    pub(crate) fn free(&self) -> (u64, u64) {
        let ram: u64 = self.kernel.guests.values().map(|guest| guest.ram_mib).sum();
        let disk: u64 = self.disk.volumes.values().map(|volume| volume.size_gib).sum();
        (self.capacity.ram_mib.saturating_sub(ram), self.capacity.disk_gib.saturating_sub(disk))
    }

    /// Where this host will serve a volume: at the port that its id derives, or the next one that no other export has.
    /// The export remembers it.
    pub(crate) fn endpoint(&self, volume: VolumeId) -> Endpoint {
        let [.., a, b] = volume.0;
        let first = u16::from_be_bytes([a, b]) % EXPORT_PORTS;
        let taken = |port: u16| {
            self.disk.exports.iter().any(|(other, export)| *other != volume && export.endpoint.port == port)
        };
        let port = (0..EXPORT_PORTS)
            .map(|offset| EXPORT_PORT_FIRST + (first + offset) % EXPORT_PORTS)
            .find(|port| !taken(*port))
            .unwrap_or(EXPORT_PORT_FIRST + first);
        Endpoint { host: self.name.clone(), port }
    }
}
