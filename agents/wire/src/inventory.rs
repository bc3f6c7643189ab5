//! Inventories, a page a message: bounded messages, and a whole that counts only once its last page is there.

use windlass_proto::agent::v1;
use windlass_proto::agent::v1::inventory_item::Detail;
use windlass_sagas::ids::{HostId, StepIndex};
use windlass_sagas::protocol::{Inventory, InventoryItem};
use windlass_sagas::record::{LedgerId, Mac, StepKey};

use crate::limits::{INVENTORY_ITEMS_MAX, PAGE_ITEMS};
use crate::{WireError, bad, id, id_or_none, role, role_out};

/// The pages of an inventory; at least one.
#[must_use]
pub fn pages(inventory: &Inventory) -> Vec<v1::AgentMessage> {
    let (Some(ledger), Some(incarnation)) = (inventory.ledger, inventory.incarnation) else {
        return Vec::new();
    };
    let chunks: Vec<&[InventoryItem]> = inventory.items.chunks(PAGE_ITEMS).collect();
    let chunks = if chunks.is_empty() { vec![&[][..]] } else { chunks };
    let last = chunks.len() - 1;
    let page = |(number, items): (usize, &[InventoryItem])| v1::InventoryPage {
        role: role_out(ledger.role),
        incarnation: incarnation.0.to_vec().into(),
        page: u32::try_from(number).unwrap_or(u32::MAX),
        last: number == last,
        items: items.iter().map(item_out).collect(),
    };
    let message = |page| v1::AgentMessage { kind: Some(v1::agent_message::Kind::Inventory(page)) };
    chunks.into_iter().enumerate().map(page).map(message).collect()
}

/// Collects the pages of one stream.
#[derive(Debug, Default)]
pub struct Collector(Vec<Inventory>);

impl Collector {
    /// Takes a page; gives the whole with its last page. A first page begins anew.
    ///
    /// # Errors
    /// The field at fault.
    pub fn page(&mut self, host: HostId, m: &v1::InventoryPage) -> Result<Option<Inventory>, WireError> {
        let ledger = LedgerId { host, role: role(m.role)? };
        let incarnation = id(&m.incarnation, "incarnation")?;
        let items = m.items.iter().map(item).collect::<Result<Vec<_>, _>>()?;
        let begun = self.0.iter().position(|inventory| inventory.ledger == Some(ledger));
        let mut whole = match begun.map(|place| self.0.swap_remove(place)) {
            Some(inventory) if m.page > 0 => inventory,
            Some(_) | None if m.page == 0 => {
                Inventory { ledger: Some(ledger), incarnation: Some(incarnation), items: Vec::new() }
            }
            Some(_) | None => return Err(bad("page")),
        };
        if whole.items.len() + items.len() > INVENTORY_ITEMS_MAX {
            return Err(bad("items"));
        }
        whole.items.extend(items);
        if m.last {
            return Ok(Some(whole));
        }
        self.0.push(whole);
        Ok(None)
    }
}

fn item(m: &v1::InventoryItem) -> Result<InventoryItem, WireError> {
    Ok(match m.detail.as_ref().ok_or(bad("items.detail"))? {
        Detail::Volume(d) => InventoryItem::Volume { volume: id(&m.id, "items.id")?, size_gib: d.size_gib },
        Detail::Export(d) => InventoryItem::Export {
            volume: id(&m.id, "items.id")?,
            host: id(&d.export_to, "items.export_to")?,
        },
        Detail::Port(d) => InventoryItem::Port {
            port: id(&m.id, "items.id")?,
            mac: Mac(d.mac.as_ref().try_into().map_err(|_| bad("items.mac"))?),
        },
        Detail::Guest(d) if !d.running => {
            let owner = m.owner.as_ref().ok_or(bad("items.owner"))?;
            let step = u16::try_from(owner.step).map_err(|_| bad("items.owner.step"))?;
            let booted_by = StepKey { saga: id(&owner.saga, "items.owner.saga")?, step: StepIndex(step) };
            InventoryItem::Ended { server: id(&m.id, "items.id")?, booted_by }
        }
        Detail::Guest(d) => {
            InventoryItem::Guest { server: id(&m.id, "items.id")?, vcpus: d.vcpus, ram_mib: d.ram_mib }
        }
        Detail::Device(d) => InventoryItem::Device {
            attachment: id_or_none(&m.id, "items.id")?,
            server: id(&d.server, "items.server")?,
            volume: id(&d.volume, "items.volume")?,
        },
    })
}

fn item_out(item: &InventoryItem) -> v1::InventoryItem {
    let mut owner = None;
    let (id, detail) = match item {
        InventoryItem::Volume { volume, size_gib } => {
            (volume.0.to_vec(), Detail::Volume(v1::VolumeDetail { size_gib: *size_gib }))
        }
        InventoryItem::Export { volume, host } => {
            let detail = v1::ExportDetail { export_to: host.0.to_vec().into() };
            (volume.0.to_vec(), Detail::Export(detail))
        }
        InventoryItem::Port { port, mac } => {
            let detail = v1::PortDetail { mac: mac.0.to_vec().into() };
            (port.0.to_vec(), Detail::Port(detail))
        }
        InventoryItem::Guest { server, vcpus, ram_mib } => {
            let detail = v1::GuestDetail { vcpus: *vcpus, ram_mib: *ram_mib, running: true };
            (server.0.to_vec(), Detail::Guest(detail))
        }
        InventoryItem::Ended { server, booted_by: StepKey { saga, step } } => {
            let (saga, step) = (saga.0.to_vec().into(), step.0.into());
            owner = Some(v1::OwnerTags { saga, step });
            (server.0.to_vec(), Detail::Guest(v1::GuestDetail::default()))
        }
        InventoryItem::Device { attachment, server, volume } => {
            let (server, volume) = (server.0.to_vec().into(), volume.0.to_vec().into());
            let detail = v1::DeviceDetail { server, volume };
            let id = attachment.map(|attachment| attachment.0.to_vec()).unwrap_or_default();
            (id, Detail::Device(detail))
        }
    };
    v1::InventoryItem { id: id.into(), owner, detail: Some(detail) }
}
