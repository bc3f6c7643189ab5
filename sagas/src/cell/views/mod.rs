//! Views: what a host should know beside the steps that run on it, as pure functions of the fold (A9).
//!
//! Versioned by position, idempotent, late but never unsafe: what a view does not allow is denied.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::net::IpAddr;

use sha2::{Digest, Sha256};

use super::state::{Cell, Port, Subnet, under};
use crate::ids::*;
use crate::record::{Cidr, Commit, Event, Mac, Remote, ResourceRef, SecurityRule, whole};

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

/// A view, as stored: networks, ports, groups.
type Stored = (
    Vec<(NetworkId, u32, u16, BTreeSet<IpAddr>)>,
    Vec<(PortId, NetworkId, Mac, Vec<IpAddr>, Vec<SecurityRule>)>,
    BTreeMap<SecurityGroupId, BTreeSet<IpAddr>>,
);
/// A view with subnets, as stored: behind the rest, so that a view without any has the bytes that it always had, and one
/// layout's bytes are never the other's.
type StoredWithSubnets = (Stored, BTreeMap<NetworkId, Vec<StoredSubnet>>);
type StoredSubnet = (Cidr, Option<IpAddr>, Vec<IpAddr>, bool);

/// A network, as a host sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NetworkView {
    /// VXLAN network identifier.
    pub vni: u32,
    /// MTU inside the tunnel, bytes.
    pub mtu: u16,
    /// Addresses of the other hosts with ports of the network.
    pub peers: BTreeSet<IpAddr>,
    /// Its subnets, in the order of their ids.
    pub subnets: Vec<SubnetView>,
}

/// A subnet, as a host that answers its DHCP needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubnetView {
    /// Its range.
    pub cidr: Cidr,
    /// Its gateway.
    pub gateway: Option<IpAddr>,
    /// Name servers.
    pub dns: Vec<IpAddr>,
    /// Whether DHCP answers.
    pub dhcp: bool,
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
        Hash(Sha256::new_with_prefix(b"windlass view 1\0").chain_update(self.encode()).finalize().into())
    }

    /// Its bytes, as an agent stores them.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let network = |(id, view): (&NetworkId, &NetworkView)| (*id, view.vni, view.mtu, view.peers.clone());
        let port = |(id, view): (&PortId, &PortView)| {
            (*id, view.network, view.mac, view.addresses.clone(), view.rules.clone())
        };
        let networks: Vec<_> = self.networks.iter().map(network).collect();
        let ports: Vec<_> = self.ports.iter().map(port).collect();
        let rest = (networks, ports, &self.groups);
        let subnet = |view: &SubnetView| (view.cidr, view.gateway, view.dns.clone(), view.dhcp);
        let with_some = self.networks.iter().filter(|(_, view)| !view.subnets.is_empty());
        let subnets: BTreeMap<NetworkId, Vec<StoredSubnet>> =
            with_some.map(|(id, view)| (*id, view.subnets.iter().map(subnet).collect())).collect();
        if subnets.is_empty() {
            postcard::to_allocvec(&rest)
        } else {
            postcard::to_allocvec(&(rest, subnets))
        }
        .unwrap_or_default()
    }

    /// Reads bytes that `encode` wrote; total. `None` where they are none.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let old = || Some((whole::<Stored>(bytes).ok()?, BTreeMap::new()));
        let (rest, mut subnets) = whole::<StoredWithSubnets>(bytes).ok().or_else(old)?;
        let (networks, ports, groups) = rest;
        let subnet = |(cidr, gateway, dns, dhcp)| SubnetView { cidr, gateway, dns, dhcp };
        let network = |(id, vni, mtu, peers)| {
            let subnets = subnets.remove(&id).unwrap_or_default().into_iter().map(subnet).collect();
            (id, NetworkView { vni, mtu, peers, subnets })
        };
        let port = |(id, network, mac, addresses, rules)| (id, PortView { network, mac, addresses, rules });
        let networks = networks.into_iter().map(network).collect();
        Some(Self { networks, ports: ports.into_iter().map(port).collect(), groups })
    }
}

/// The view of one host.
#[must_use]
pub fn host_view(cell: &Cell, host: HostId) -> HostView {
    host_views(cell, &BTreeSet::from([host])).remove(&host).unwrap_or_default()
}

/// The views of these hosts: a new leader sends those of all hosts.
#[must_use]
pub fn host_views(cell: &Cell, hosts: &BTreeSet<HostId>) -> BTreeMap<HostId, HostView> {
    let mut known = Known { cell, members: BTreeMap::new() };
    let mut view = |host: &HostId| {
        let mut view = HostView::default();
        for port in ports_on(cell, *host) {
            known.show(port, *host, &mut view);
        }
        (*host, view)
    };
    hosts.iter().map(&mut view).collect()
}

fn ports_on(cell: &Cell, host: HostId) -> impl Iterator<Item = &Port> {
    under(&cell.ports_on, host).filter_map(|port| cell.ports.get(&port))
}

fn ports_in(cell: &Cell, group: SecurityGroupId) -> impl Iterator<Item = &Port> {
    under(&cell.ports_in, group).filter_map(|port| cell.ports.get(&port))
}

/// What several ports' views share, looked up once.
struct Known<'a> {
    cell: &'a Cell,
    members: BTreeMap<SecurityGroupId, BTreeSet<IpAddr>>,
}

impl Known<'_> {
    /// Adds a port of a host to the host's view.
    fn show(&mut self, port: &Port, host: HostId, view: &mut HostView) {
        let cell = self.cell;
        let groups = port.spec.groups.iter().filter_map(|group| cell.security_groups.get(group));
        let rules: Vec<SecurityRule> = groups.flat_map(|group| group.rules.iter().copied()).collect();
        for rule in &rules {
            if let Remote::Group(group) = rule.remote {
                view.groups.entry(group).or_insert_with(|| self.members(group));
            }
        }
        let network = port.spec.network;
        view.networks.entry(network).or_insert_with(|| self.network(network, host));
        let addresses = port.spec.addresses.iter().map(|address| address.ip).collect();
        view.ports.insert(port.spec.id, PortView { network, mac: port.spec.mac, addresses, rules });
    }

    fn members(&mut self, group: SecurityGroupId) -> BTreeSet<IpAddr> {
        let members = self.members.entry(group).or_insert_with(|| {
            let ports = ports_in(self.cell, group);
            ports.flat_map(|port| port.spec.addresses.iter().map(|address| address.ip)).collect()
        });
        members.clone()
    }

    fn network(&self, id: NetworkId, host: HostId) -> NetworkView {
        let Some(network) = self.cell.networks.get(&id) else { return NetworkView::default() };
        let others = network.hosts.keys().filter(|other| **other != host);
        let peers = others.filter_map(|other| self.cell.hosts.get(other)?.address).collect();
        let subnets = network.subnets.iter().filter_map(|id| self.cell.subnets.get(id));
        let subnet = |subnet: &Subnet| SubnetView {
            cidr: subnet.cidr,
            gateway: subnet.gateway,
            dns: subnet.dns.clone(),
            dhcp: subnet.dhcp,
        };
        let subnets = subnets.map(subnet).collect();
        NetworkView { vni: network.vni, mtu: network.mtu, peers, subnets }
    }
}

fn on(port: &Port) -> Option<HostId> {
    port.user().map(|(_, host)| host)
}

/// The hosts whose view a commit changes by what it takes away; `cell` is the fold before it. With those of `touched`
/// these are all.
#[must_use]
pub fn left(cell: &Cell, commit: &Commit) -> BTreeSet<HostId> {
    let mut changed = Changed::default();
    for event in &commit.events {
        match event {
            Event::PortUnbound(e) => changed.place(cell, e.port),
            Event::PortDeleted(e) => changed.member(cell, e.port),
            Event::SubnetDeleted(e) => {
                changed.networks.extend(cell.subnets.get(&e.subnet).map(|it| it.network));
            }
            Event::ResourceDiscarded(e) => {
                if let ResourceRef::Port(port) = e.resource {
                    changed.member(cell, port);
                }
            }
            _ => {}
        }
    }
    changed.hosts(cell)
}

/// The hosts whose view a commit changes by what it brings; `cell` is the fold with it applied.
#[must_use]
pub fn touched(cell: &Cell, commit: &Commit) -> BTreeSet<HostId> {
    let mut changed = Changed::default();
    for event in &commit.events {
        match event {
            Event::PortClaimed(e) => changed.members.extend(&e.groups),
            Event::PortBound(e) => changed.place(cell, e.port),
            Event::SubnetCreated(e) => {
                changed.networks.insert(e.network);
            }
            Event::SecurityRulesSet(e) => {
                changed.rules.insert(e.group);
            }
            // It may have come to another address.
            Event::HostJoined(e) => {
                changed.networks.extend(ports_on(cell, e.id).map(|port| port.spec.network));
            }
            _ => {}
        }
    }
    changed.hosts(cell)
}

/// What changed.
#[derive(Default)]
struct Changed {
    /// How many ports came to a host in a network, or left it.
    places: BTreeMap<(NetworkId, HostId), usize>,
    /// Networks whose hosts have other peers or subnets.
    networks: BTreeSet<NetworkId>,
    /// Groups that have other members.
    members: BTreeSet<SecurityGroupId>,
    /// Groups that have other rules.
    rules: BTreeSet<SecurityGroupId>,
}

impl Changed {
    fn place(&mut self, cell: &Cell, port: PortId) {
        if let Some((port, host)) = cell.ports.get(&port).and_then(|port| Some((port, on(port)?))) {
            *self.places.entry((port.spec.network, host)).or_default() += 1;
        }
    }

    fn member(&mut self, cell: &Cell, port: PortId) {
        self.place(cell, port);
        let groups = cell.ports.get(&port).map(|port| port.spec.groups.as_slice());
        self.members.extend(groups.unwrap_or_default());
    }

    /// The hosts with a port that sees any of it.
    fn hosts(mut self, cell: &Cell) -> BTreeSet<HostId> {
        let mut hosts = BTreeSet::new();
        for ((id, host), ports) in core::mem::take(&mut self.places) {
            hosts.insert(host);
            // All that the host has there: it is a new peer of the others, or no longer one.
            let all = cell.networks.get(&id).and_then(|network| network.hosts.get(&host));
            if all.is_none_or(|all| *all <= ports) {
                self.networks.insert(id);
            }
        }
        let networks = self.networks.iter().filter_map(|network| cell.networks.get(network));
        hosts.extend(networks.flat_map(|network| network.hosts.keys()));
        for group in self.groups(cell) {
            hosts.extend(ports_in(cell, group).filter_map(on));
        }
        hosts
    }

    /// The groups whose ports see any of it.
    fn groups(&self, cell: &Cell) -> BTreeSet<SecurityGroupId> {
        let naming = |named: &SecurityGroupId| under(&cell.groups_naming, *named);
        self.members.iter().flat_map(naming).chain(self.rules.iter().copied()).collect()
    }
}
