//! Sub-changes: the smallest things that a driver does, and what each does to the host.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use windlass_sagas::ids::*;
use windlass_sagas::record::{Endpoint, Mac, StepKey};

use crate::count::Thing;
use crate::world::{Device, Export, Guest, PortLink, VolumeFile, World};

/// One sub-change. A crash may come between any two.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Make the volume's file. Overwrites one that is there.
    Allocate { volume: VolumeId, size_gib: u64 },
    /// Write the image to it.
    Fill { volume: VolumeId, image: Hash },
    /// Serve it to one host.
    OpenExport { volume: VolumeId, to: HostId },
    /// Serve it no more.
    CloseExport { volume: VolumeId },
    /// Delete the volume's file.
    DeleteVolume { volume: VolumeId },
    /// Make the port's link.
    MakeLink { port: PortId, network: NetworkId, mac: Mac },
    /// Put it into the network's tunnel, or take it out.
    Tunnel { port: PortId, on: bool },
    /// Set its rules, or remove them.
    Rules { port: PortId, on: bool },
    /// Tell DHCP, or make it forget.
    Reservation { port: PortId, on: bool },
    /// Remove the port's link.
    RemoveLink { port: PortId },
    /// Define a guest with the volumes that it boots with. Replaces one that is there.
    Define {
        server: ServerId,
        vcpus: u32,
        ram_mib: u64,
        ports: Vec<PortId>,
        volumes: Vec<(VolumeId, Endpoint)>,
    },
    /// Start it.
    Start { server: ServerId },
    /// Write down whose it is.
    Own { server: ServerId, by: StepKey },
    /// Stop it.
    Stop { server: ServerId },
    /// Forget it, with its devices; whether it may be made again.
    Undefine { server: ServerId, stopped: bool },
    /// Make a volume known to the guest's process.
    AddNode { server: ServerId, volume: VolumeId, attachment: AttachmentId, place: u8, endpoint: Endpoint },
    /// Show it to the guest.
    Plug { server: ServerId, volume: VolumeId },
    /// Take it from the guest.
    Unplug { server: ServerId, volume: VolumeId },
    /// Forget it in the guest's process.
    RemoveNode { server: ServerId, volume: VolumeId },
}

impl World {
    /// Makes one sub-change. What it rests on is there: `next_change` chose it.
    pub fn apply(&mut self, change: &Change) {
        self.counts.changed();
        match change {
            Change::Allocate { volume, size_gib } => self.allocate(*volume, *size_gib),
            Change::Fill { volume, image } => {
                if let Some(file) = self.disk.volumes.get_mut(volume) {
                    file.image = Some(*image);
                }
            }
            Change::OpenExport { volume, to } => self.open_export(*volume, *to),
            Change::CloseExport { volume } => {
                let gone = self.disk.exports.remove(volume).is_some();
                self.counts.removed(Thing::Export(*volume), gone);
            }
            Change::DeleteVolume { volume } => {
                let gone = self.disk.volumes.remove(volume).is_some();
                self.counts.removed(Thing::Volume(*volume), gone);
            }
            Change::MakeLink { port, network, mac } => self.make_link(*port, *network, *mac),
            Change::Tunnel { port, on } => self.on_link(*port, |link| link.tunnel = *on),
            Change::Rules { port, on } => self.on_link(*port, |link| link.rules = *on),
            Change::Reservation { port, on } => self.on_link(*port, |link| link.reservation = *on),
            Change::RemoveLink { port } => {
                let gone = self.kernel.ports.remove(port).is_some();
                self.counts.removed(Thing::Port(*port), gone);
            }
            Change::Define { server, vcpus, ram_mib, ports, volumes } => {
                let (vcpus, ram_mib, ports) = (*vcpus, *ram_mib, ports.clone());
                let guest = Guest { vcpus, ram_mib, running: false, ports, devices: BTreeMap::new() };
                self.define(*server, guest, volumes);
            }
            Change::Own { server, by } => {
                self.booted_by.insert(*server, *by);
            }
            Change::Start { server } => self.on_guest(*server, |guest| guest.running = true),
            Change::Stop { server } => self.on_guest(*server, |guest| guest.running = false),
            Change::Undefine { server, stopped } => self.undefine(*server, *stopped),
            Change::AddNode { server, volume, attachment, place, endpoint } => {
                let (attachment, place) = (Some(*attachment), *place);
                let device = Device { attachment, place, plugged: false, endpoint: endpoint.clone() };
                self.add_node(*server, *volume, device);
            }
            Change::Plug { server, volume } => {
                self.on_device(*server, *volume, |device| device.plugged = true);
            }
            Change::Unplug { server, volume } => {
                self.on_device(*server, *volume, |device| device.plugged = false);
            }
            Change::RemoveNode { server, volume } => self.remove_node(*server, *volume),
        }
    }

    fn allocate(&mut self, volume: VolumeId, size_gib: u64) {
        let there = self.disk.volumes.insert(volume, VolumeFile { size_gib, image: None }).is_some();
        self.counts.made(Thing::Volume(volume), there);
    }

    fn open_export(&mut self, volume: VolumeId, to: HostId) {
        let export = Export { to, endpoint: self.endpoint(volume) };
        let there = self.disk.exports.insert(volume, export).is_some();
        self.counts.made(Thing::Export(volume), there);
    }

    fn make_link(&mut self, port: PortId, network: NetworkId, mac: Mac) {
        let link = PortLink { network, mac, tunnel: false, rules: false, reservation: false };
        let there = self.kernel.ports.insert(port, link).is_some();
        self.counts.made(Thing::Port(port), there);
    }

    fn on_link(&mut self, port: PortId, change: impl FnOnce(&mut PortLink)) {
        if let Some(link) = self.kernel.ports.get_mut(&port) {
            change(link);
        }
    }

    /// The guest, with the volumes that it boots with.
    fn define(&mut self, server: ServerId, mut guest: Guest, volumes: &[(VolumeId, Endpoint)]) {
        let device = |(place, (volume, endpoint)): (usize, &(VolumeId, Endpoint))| {
            let place = u8::try_from(place).unwrap_or(u8::MAX);
            (*volume, Device { attachment: None, place, plugged: true, endpoint: endpoint.clone() })
        };
        guest.devices = volumes.iter().enumerate().map(device).collect();
        let there = self.kernel.guests.insert(server, guest).is_some();
        self.counts.made(Thing::Guest(server), there);
        for (volume, _) in volumes {
            self.counts.made(Thing::Device(server, *volume), false);
        }
    }

    fn undefine(&mut self, server: ServerId, stopped: bool) {
        self.booted_by.remove(&server);
        if let Some(guest) = self.kernel.guests.remove(&server) {
            if stopped {
                self.counts.lost(Thing::Guest(server));
            } else {
                self.counts.removed(Thing::Guest(server), true);
            }
            for volume in guest.devices.keys() {
                self.counts.removed(Thing::Device(server, *volume), true);
            }
        }
    }

    fn add_node(&mut self, server: ServerId, volume: VolumeId, device: Device) {
        let Some(guest) = self.kernel.guests.get_mut(&server) else { return };
        let there = guest.devices.insert(volume, device).is_some();
        self.counts.made(Thing::Device(server, volume), there);
    }

    fn remove_node(&mut self, server: ServerId, volume: VolumeId) {
        let Some(guest) = self.kernel.guests.get_mut(&server) else { return };
        let gone = guest.devices.remove(&volume).is_some();
        self.counts.removed(Thing::Device(server, volume), gone);
    }

    fn on_guest(&mut self, server: ServerId, change: impl FnOnce(&mut Guest)) {
        if let Some(guest) = self.kernel.guests.get_mut(&server) {
            change(guest);
        }
    }

    fn on_device(&mut self, server: ServerId, volume: VolumeId, change: impl FnOnce(&mut Device)) {
        self.on_guest(server, |guest| {
            if let Some(device) = guest.devices.get_mut(&volume) {
                change(device);
            }
        });
    }
}
