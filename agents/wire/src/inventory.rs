//! Inventories, a page a message: bounded messages, and a whole that counts only once its last page is there.

use windlass_proto::agent::v1;
use windlass_proto::agent::v1::inventory_item::Detail;
use windlass_sagas::ids::{CellId, HostId};
use windlass_sagas::protocol::{Inventory, InventoryItem};
use windlass_sagas::record::{LedgerId, Mac};

use crate::call::{key, key_out};
use crate::limits::{INVENTORY_ITEMS_MAX, PAGE_ITEMS, PAGE_ITEMS_MAX};
use crate::{WireError, bad, id, id_or_none, known_role, role_out};

/// The pages of an inventory; at least one.
#[must_use]
pub fn pages(cell: CellId, inventory: &Inventory) -> Vec<v1::AgentMessage> {
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
        items: items.iter().map(|item| item_out(cell, item)).collect(),
    };
    let message = |page| v1::AgentMessage { kind: Some(v1::agent_message::Kind::Inventory(page)) };
    chunks.into_iter().enumerate().map(page).map(message).collect()
}

/// Collects the pages of one stream.
#[derive(Debug, Default)]
pub struct Collector(Vec<Begun>);

/// An inventory whose last page has not come.
#[derive(Debug)]
struct Begun {
    whole: Inventory,
    /// How many pages have.
    pages: u32,
    /// Whether it shows something of a kind that only a newer agent knows. What this build can't see it would take for
    /// lost: such an inventory says nothing.
    unknown: bool,
}

impl Collector {
    /// Takes a page; gives the whole with its last page, where all of it is understood. A first page begins anew.
    ///
    /// # Errors
    /// The field at fault.
    pub fn page(&mut self, host: HostId, m: &v1::InventoryPage) -> Result<Option<Inventory>, WireError> {
        let Some(role) = known_role(m.role)? else { return Ok(None) };
        let ledger = LedgerId { host, role };
        let incarnation = id(&m.incarnation, "incarnation")?;
        let begun = self.0.iter().position(|begun| begun.whole.ledger == Some(ledger));
        let mut begun = match begun.map(|place| self.0.swap_remove(place)) {
            Some(begun) if m.page == begun.pages => begun,
            Some(_) | None if m.page == 0 => Begun {
                whole: Inventory { ledger: Some(ledger), incarnation: Some(incarnation), items: Vec::new() },
                pages: 0,
                unknown: false,
            },
            Some(_) | None => return Err(bad("page")),
        };
        if begun.whole.incarnation != Some(incarnation) {
            return Err(bad("incarnation"));
        }
        if m.items.len() > PAGE_ITEMS_MAX || begun.whole.items.len() + m.items.len() > INVENTORY_ITEMS_MAX {
            return Err(bad("items"));
        }
        for m in &m.items {
            match item(m)? {
                Some(item) => begun.whole.items.push(item),
                None => begun.unknown = true,
            }
        }
        if m.last {
            return Ok(Some(begun.whole).filter(|_| !begun.unknown));
        }
        begun.pages += 1;
        self.0.push(begun);
        Ok(None)
    }
}

/// `None` for a thing of a kind that only a newer agent knows.
fn item(m: &v1::InventoryItem) -> Result<Option<InventoryItem>, WireError> {
    let Some(detail) = &m.detail else { return Ok(None) };
    Ok(Some(match detail {
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
            let (_, booted_by) = key(d.booted_by.as_ref())?;
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
    }))
}

fn item_out(cell: CellId, item: &InventoryItem) -> v1::InventoryItem {
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
            let detail = v1::GuestDetail { vcpus: *vcpus, ram_mib: *ram_mib, running: true, booted_by: None };
            (server.0.to_vec(), Detail::Guest(detail))
        }
        InventoryItem::Ended { server, booted_by } => {
            let booted_by = Some(key_out(cell, *booted_by));
            (server.0.to_vec(), Detail::Guest(v1::GuestDetail { booted_by, ..Default::default() }))
        }
        InventoryItem::Device { attachment, server, volume } => {
            let (server, volume) = (server.0.to_vec().into(), volume.0.to_vec().into());
            let detail = v1::DeviceDetail { server, volume };
            let id = attachment.map(|attachment| attachment.0.to_vec()).unwrap_or_default();
            (id, Detail::Device(detail))
        }
    };
    v1::InventoryItem { id: id.into(), detail: Some(detail) }
}
