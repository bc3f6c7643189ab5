//! Views: what a host should know beside the steps that run on it, as pure functions of the fold (A9).
//!
//! Versioned by position, idempotent, late but never unsafe: what a view does not allow is denied.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::net::IpAddr;

use sha2::{Digest, Sha256};

use super::state::{Cell, Port};
use crate::ids::*;
use crate::record::{Commit, Event, Mac, Remote, SecurityRule};

/// What the network agent of a host should know.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostView {
    /// Each network that has a port on the host.
    pub networks: BTreeMap<NetworkId, NetworkView>,
    /// Each port on the host.
    pub ports: BTreeMap<PortId, PortView>,
    /// The members of each group that a rule on the host names.
    pub groups: BTreeMap<SecurityGroupId, BTreeSet<IpAddr>>,
}

/// A network, as a host sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NetworkView {
    /// VXLAN network identifier.
    pub vni: u32,
    /// MTU inside the tunnel, bytes.
    pub mtu: u16,
    /// Addresses of the other hosts with ports of the network.
    pub peers: BTreeSet<IpAddr>,
}

/// A port, as its host sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortView {
    /// Its network.
    pub network: NetworkId,
    /// Its MAC.
    pub mac: Mac,
    /// Its addresses: the DHCP reservations, and all that it may send from.
    pub addresses: Vec<IpAddr>,
    /// What is allowed; all else is denied.
    pub rules: Vec<SecurityRule>,
}

impl HostView {
    /// The hash by which an agent knows that it has this view.
    #[must_use]
    pub fn content_hash(&self) -> Hash {
        let network = |(id, view): (&NetworkId, &NetworkView)| (*id, view.vni, view.mtu, view.peers.clone());
        let port = |(id, view): (&PortId, &PortView)| {
            (*id, view.network, view.mac, view.addresses.clone(), view.rules.clone())
        };
        let networks: Vec<_> = self.networks.iter().map(network).collect();
        let ports: Vec<_> = self.ports.iter().map(port).collect();
        let bytes = postcard::to_allocvec(&(networks, ports, &self.groups)).unwrap_or_default();
        Hash(Sha256::new_with_prefix(b"windlass view 1\0").chain_update(bytes).finalize().into())
    }
}

/// The view of one host.
#[must_use]
pub fn host_view(cell: &Cell, host: HostId) -> HostView {
    let mut view = HostView::default();
    for port in cell.ports.values().filter(|port| on(port) == Some(host)) {
        let rules: Vec<SecurityRule> = port
            .spec
            .groups
            .iter()
            .filter_map(|group| cell.security_groups.get(group))
            .flat_map(|group| group.rules.iter().copied())
            .collect();
        for rule in &rules {
            if let Remote::Group(group) = rule.remote {
                view.groups.entry(group).or_insert_with(|| members(cell, group));
            }
        }
        let network = port.spec.network;
        view.networks.entry(network).or_insert_with(|| network_view(cell, network, host));
        let addresses = port.spec.addresses.iter().map(|address| address.ip).collect();
        view.ports.insert(port.spec.id, PortView { network, mac: port.spec.mac, addresses, rules });
    }
    view
}

fn on(port: &Port) -> Option<HostId> {
    port.user().map(|(_, host)| host)
}

fn members(cell: &Cell, group: SecurityGroupId) -> BTreeSet<IpAddr> {
    let ports = cell.ports.values().filter(|port| port.spec.groups.contains(&group));
    ports.flat_map(|port| port.spec.addresses.iter().map(|address| address.ip)).collect()
}

fn network_view(cell: &Cell, id: NetworkId, host: HostId) -> NetworkView {
    let Some(network) = cell.networks.get(&id) else { return NetworkView::default() };
    let ports = network.macs.values().filter_map(|port| cell.ports.get(port));
    let others = ports.filter_map(on).filter(|other| *other != host).collect::<BTreeSet<_>>();
    let peers =
        others.iter().filter_map(|other| cell.hosts.get(other).and_then(|host| host.address)).collect();
    NetworkView { vni: network.vni, mtu: network.mtu, peers }
}

/// The hosts whose view a commit may have changed: those of ports that share a network or a group with what changed.
#[must_use]
pub fn touched(cell: &Cell, commit: &Commit) -> BTreeSet<HostId> {
    let mut networks = BTreeSet::new();
    let mut groups = BTreeSet::new();
    for event in &commit.events {
        match event {
            Event::PortClaimed(e) => {
                groups.extend(e.groups.iter().copied());
            }
            Event::PortBound(e) => {
                if let Some(port) = cell.ports.get(&e.port) {
                    networks.insert(port.spec.network);
                    groups.extend(port.spec.groups.iter().copied());
                }
            }
            Event::SecurityRulesSet(e) => {
                groups.insert(e.group);
            }
            _ => {}
        }
    }
    if networks.is_empty() && groups.is_empty() {
        return BTreeSet::new();
    }
    let concerned = |port: &&Port| {
        networks.contains(&port.spec.network)
            || port.spec.groups.iter().any(|group| groups.contains(group) || names_any(cell, *group, &groups))
    };
    cell.ports.values().filter(concerned).filter_map(on).collect()
}

fn names_any(cell: &Cell, group: SecurityGroupId, groups: &BTreeSet<SecurityGroupId>) -> bool {
    let named = |rule: &SecurityRule| matches!(rule.remote, Remote::Group(id) if groups.contains(&id));
    cell.security_groups.get(&group).is_some_and(|group| group.rules.iter().any(named))
}
