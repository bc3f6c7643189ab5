//! What a host holds, as one role's inventory tells it.

use alloc::vec::Vec;

use windlass_sagas::protocol::InventoryItem;
use windlass_sagas::record::Role;

use crate::world::World;

impl World {
    /// Everything that the role's agent would find, partial things too.
    #[must_use]
    pub fn inventory(&self, role: Role) -> Vec<InventoryItem> {
        match role {
            Role::Storage => {
                let volumes = self
                    .disk
                    .volumes
                    .iter()
                    .map(|(volume, file)| InventoryItem::Volume { volume: *volume, size_gib: file.size_gib });
                let exports = self
                    .disk
                    .exports
                    .iter()
                    .map(|(volume, export)| InventoryItem::Export { volume: *volume, host: export.to });
                volumes.chain(exports).collect()
            }
            Role::Network => {
                let ports = self.kernel.ports.iter();
                ports.map(|(port, link)| InventoryItem::Port { port: *port, mac: link.mac }).collect()
            }
            Role::Hypervisor => {
                let guests = self.kernel.guests.iter().map(|(server, guest)| match self.has_ended(*server) {
                    Some(booted_by) => InventoryItem::Ended { server: *server, booted_by },
                    None => {
                        InventoryItem::Guest { server: *server, vcpus: guest.vcpus, ram_mib: guest.ram_mib }
                    }
                });
                let there =
                    self.kernel.guests.iter().filter(|(server, _)| self.has_ended(**server).is_none());
                let devices = there.flat_map(|(server, guest)| {
                    guest.devices.iter().map(move |(volume, device)| InventoryItem::Device {
                        attachment: device.attachment,
                        server: *server,
                        volume: *volume,
                    })
                });
                guests.chain(devices).collect()
            }
        }
    }
}
