//! Our two nftables tables as text, whole, from the records of the ports and the view in force. Pure.
//!
//! `table bridge windlass` holds guests to their own addresses, and hosts and guests apart; `table ip windlass` holds the
//! stateful security rules, for only there the kernel knows connections. What nothing allows is dropped.
//!
//! Invariant: the text is made of typed ids, addresses and numbers alone; nothing in it is a word that a user chose.

mod frames;
mod packets;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::net::Ipv4Addr;

use sha2::{Digest as _, Sha256};
use windlass_sagas::cell::views::HostView;
use windlass_sagas::ids::{NetworkId, PortId};

use super::names;
use super::record::{Record, v4};

/// The address that a network's DHCP server has on every host.
pub(super) const SERVER: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 254);

/// The tables, as `nft` reads them, with the chain that says which text is in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tables {
    pub(super) text: String,
    pub(super) marker: String,
}

/// The tables for these ports and this view.
pub(super) fn render<'a>(records: impl Iterator<Item = &'a Record>, view: &HostView) -> Tables {
    let (ports, networks) = host(records, view);
    let frames = frames::chains(&ports);
    let packets = packets::chains(&ports, &networks, view);
    let digest = Sha256::new_with_prefix(&frames).chain_update(&packets).finalize();
    let marker = format!("is_{}", names::hex(&digest[..8]));
    let mut text = String::new();
    for (family, chains) in [("bridge", frames), ("ip", packets)] {
        // Its first line makes sure that there is one to delete; all is one transaction.
        let table = format!("table {family} windlass");
        write!(text, "{table}\ndelete {table}\n{table} {{\n\tchain {marker} {{ }}\n{chains}}}\n").ok();
    }
    Tables { text, marker }
}

/// A port, as the rules see it.
struct Port<'a> {
    id: PortId,
    tap: String,
    bridge: String,
    record: &'a Record,
    /// What it may send from.
    addresses: BTreeSet<Ipv4Addr>,
}

/// A network, as the rules see it.
struct Network {
    id: NetworkId,
    bridge: String,
    vni: u32,
    zone: u16,
}

fn host<'a>(
    records: impl Iterator<Item = &'a Record>,
    view: &HostView,
) -> (Vec<Port<'a>>, BTreeMap<u32, Network>) {
    let (mut ports, mut networks) = (Vec::new(), BTreeMap::new());
    for record in records {
        let (id, vni) = (record.setup.port, record.setup.vni);
        let bridge = names::bridge(vni);
        let network = || Network { id: record.setup.network, bridge: bridge.clone(), vni, zone: record.zone };
        networks.entry(vni).or_insert_with(network);
        let addresses = match view.ports.get(&id) {
            Some(shown) => shown.addresses.iter().copied().filter_map(v4).collect(),
            None => record.addresses().collect(),
        };
        ports.push(Port { id, tap: names::tap(id), bridge, record, addresses });
    }
    (ports, networks)
}

/// A named set or map with its elements.
fn set(text: &mut String, kind: &str, name: &str, of: &str, elements: &[String]) {
    write!(text, "\t{kind} {name} {{\n\t\ttype {of}\n").ok();
    if !elements.is_empty() {
        writeln!(text, "\t\telements = {{ {} }}", elements.join(",\n\t\t\t")).ok();
    }
    text.push_str("\t}\n");
}
