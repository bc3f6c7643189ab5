//! Folding networks, subnets, ports and security groups; an address that a port gives back rests first (L2).

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use crate::cell::ipam;
use crate::cell::state::*;
use crate::ids::*;
use crate::limits::VNI_MIN;
use crate::planted::{self, Bug};
use crate::record::*;

/// How many resting addresses each release looks at.
const RESTS_LOOKED_AT: usize = 4;

impl Cell {
    pub(super) fn network_created(&mut self, e: &NetworkCreated) {
        self.name_taken(e.project, "network", &e.name, e.id.0);
        self.use_quota(e.project, Amounts { networks: 1, ..Amounts::default() }, 1);
        self.next_vni = e.vni.saturating_add(1).max(VNI_MIN);
        let network = Network {
            id: e.id,
            project: e.project,
            name: e.name.clone(),
            vni: e.vni,
            mtu: e.mtu,
            subnets: BTreeSet::new(),
            addresses: BTreeMap::new(),
            macs: BTreeMap::new(),
            hosts: BTreeMap::new(),
            resting: BTreeMap::new(),
            resting_macs: BTreeMap::new(),
            created: self.time,
        };
        self.networks.insert(e.id, network);
    }

    pub(super) fn network_deleted(&mut self, id: NetworkId) {
        if let Some(network) = self.networks.remove(&id) {
            self.name_freed(network.project, "network", &network.name);
            self.use_quota(network.project, Amounts { networks: 1, ..Amounts::default() }, -1);
        }
    }

    pub(super) fn subnet_created(&mut self, e: &SubnetCreated) {
        self.name_taken(e.project, "subnet", &e.name, e.id.0);
        if let Some(network) = self.networks.get_mut(&e.network) {
            network.subnets.insert(e.id);
        }
        let SubnetCreated { id, project, name, network, cidr, gateway, pools, dns, dhcp } = e.clone();
        let (next, created) = (None, self.time);
        self.subnets.insert(
            id,
            Subnet { id, project, name, network, cidr, gateway, pools, dns, dhcp, next, created },
        );
    }

    pub(super) fn subnet_deleted(&mut self, id: SubnetId) {
        if let Some(subnet) = self.subnets.remove(&id) {
            self.name_freed(subnet.project, "subnet", &subnet.name);
            if let Some(network) = self.networks.get_mut(&subnet.network) {
                network.subnets.remove(&id);
            }
        }
    }

    pub(super) fn security_group_created(&mut self, e: &SecurityGroupCreated) {
        self.name_taken(e.project, "security group", &e.name, e.id.0);
        let SecurityGroupCreated { id, project, name, rules } = e.clone();
        self.rules_known(id, &rules);
        self.security_groups.insert(id, SecurityGroup { id, project, name, rules, created: self.time });
    }

    pub(super) fn security_rules_set(&mut self, e: &SecurityRulesSet) {
        let Some(group) = self.security_groups.get_mut(&e.group) else { return };
        let before = core::mem::replace(&mut group.rules, e.rules.clone());
        self.rules_forgotten(e.group, &before);
        self.rules_known(e.group, &e.rules);
    }

    pub(super) fn security_group_deleted(&mut self, id: SecurityGroupId) {
        if let Some(group) = self.security_groups.remove(&id) {
            self.name_freed(group.project, "security group", &group.name);
            self.rules_forgotten(id, &group.rules);
        }
    }

    pub(super) fn port_claimed(&mut self, spec: &PortSpec) {
        self.name_taken(spec.project, "port", &spec.name, spec.id.0);
        self.use_quota(spec.project, Amounts { ports: 1, ..Amounts::default() }, 1);
        if let Some(network) = self.networks.get_mut(&spec.network) {
            network.macs.insert(spec.mac, spec.id);
            network.resting_macs.remove(&spec.mac);
            for address in &spec.addresses {
                network.addresses.insert(address.ip, spec.id);
                network.resting.remove(&address.ip);
                if let Some(subnet) = self.subnets.get_mut(&address.subnet) {
                    subnet.next = Some(ipam::after(address.ip, subnet.cidr));
                }
            }
        }
        let (created, updated) = (self.time, self.time);
        let port = Port { spec: spec.clone(), state: PortState::Unbound, lock: Lock::Free, created, updated };
        self.ports.insert(spec.id, port);
        self.ports_in.extend(spec.groups.iter().map(|group| (*group, spec.id)));
    }

    pub(super) fn port_bound(&mut self, e: &PortBound) {
        self.port_leaves(e.port);
        self.change_port(e.port, |port| port.state = PortState::Bound(e.server, e.host));
        self.port_comes(e.port);
    }

    pub(super) fn port_ready(&mut self, e: &PortReady) {
        self.change_port(e.port, |port| {
            if let Some((server, host)) = port.user() {
                port.state = PortState::Ready(server, host, e.prepared_by);
            }
        });
    }

    pub(super) fn port_unbound(&mut self, id: PortId) {
        self.port_leaves(id);
        if let Some(port) = self.ports.get(&id).filter(|_| planted::on(Bug::AddressFreedTwice)) {
            let network = self.networks.get_mut(&port.spec.network);
            network.into_iter().for_each(|it| it.addresses.retain(|_, of| *of != id));
        }
        self.change_port(id, |port| port.state = PortState::Unbound);
    }

    pub(super) fn port_deleted(&mut self, id: PortId) {
        self.port_leaves(id);
        let Some(port) = self.ports.remove(&id) else { return };
        for group in &port.spec.groups {
            self.ports_in.remove(&(*group, id));
        }
        self.name_freed(port.spec.project, "port", &port.spec.name);
        self.use_quota(port.spec.project, Amounts { ports: 1, ..Amounts::default() }, -1);
        let rest = self.rest_of(&port);
        let now = self.time;
        if let Some(network) = self.networks.get_mut(&port.spec.network) {
            network.macs.remove(&port.spec.mac);
            network.resting_macs.insert(port.spec.mac, rest);
            let_go(&mut network.resting_macs, port.spec.mac, now);
            for address in &port.spec.addresses {
                network.addresses.remove(&address.ip);
                network.resting.insert(address.ip, rest);
                let_go(&mut network.resting, address.ip, now);
            }
        }
    }

    /// A port is on its host from now on.
    fn port_comes(&mut self, id: PortId) {
        let Some((host, network)) = self.place_of(id) else { return };
        self.ports_on.insert((host, id));
        if let Some(network) = self.networks.get_mut(&network) {
            *network.hosts.entry(host).or_default() += 1;
        }
    }

    /// A port is about to leave its host, if it is on one.
    fn port_leaves(&mut self, id: PortId) {
        let Some((host, network)) = self.place_of(id) else { return };
        self.ports_on.remove(&(host, id));
        let Some(network) = self.networks.get_mut(&network) else { return };
        if let Some(ports) = network.hosts.get_mut(&host) {
            *ports = ports.saturating_sub(1);
            if *ports == 0 {
                network.hosts.remove(&host);
            }
        }
    }

    fn place_of(&self, id: PortId) -> Option<(HostId, NetworkId)> {
        let port = self.ports.get(&id)?;
        port.user().map(|(_, host)| (host, port.spec.network))
    }

    fn rules_known(&mut self, group: SecurityGroupId, rules: &[SecurityRule]) {
        self.groups_naming.extend(named(rules).map(|named| (named, group)));
    }

    fn rules_forgotten(&mut self, group: SecurityGroupId, rules: &[SecurityRule]) {
        for named in named(rules) {
            self.groups_naming.remove(&(named, group));
        }
    }

    /// One lease time; on a gone host, until that host is back or affirmed to be off.
    fn rest_of(&self, port: &Port) -> Rest {
        let until = Rest::Until(self.time.plus_ms(self.settings.address_rest_ms));
        let Some((_, host)) = port.user() else { return until };
        match self.hosts.get(&host).map(|host| host.life) {
            Some(HostLife::Gone { off: false }) => Rest::WhileGone(host),
            Some(HostLife::Gone { off: true } | HostLife::Joined | HostLife::Up | HostLife::Down) | None => {
                until
            }
        }
    }

    /// The addresses of a gone host begin their rest.
    pub(super) fn rest_begins(&mut self, host: HostId) {
        let until = Rest::Until(self.time.plus_ms(self.settings.address_rest_ms));
        for network in self.networks.values_mut() {
            let rests = network.resting.values_mut().chain(network.resting_macs.values_mut());
            for rest in rests.filter(|rest| **rest == Rest::WhileGone(host)) {
                *rest = until;
            }
        }
    }

    fn change_port(&mut self, id: PortId, change: impl FnOnce(&mut Port)) {
        let time = self.time;
        if let Some(port) = self.ports.get_mut(&id) {
            change(port);
            port.updated = time;
        }
    }
}

/// Lets go of a few that have rested: those that follow `from`, round the end. So each release costs the same, and what
/// has rested is gone after as many releases.
fn let_go<K: Ord + Copy>(resting: &mut BTreeMap<K, Rest>, from: K, now: Time) {
    let next = resting.range(from..).chain(resting.range(..from)).take(RESTS_LOOKED_AT);
    let rested = next.filter(|(_, rest)| !still_rests(**rest, now)).map(|(key, _)| *key);
    for key in rested.collect::<Vec<_>>() {
        resting.remove(&key);
    }
}

fn still_rests(rest: Rest, now: Time) -> bool {
    match rest {
        Rest::Until(until) => now < until,
        Rest::WhileGone(_) => true,
    }
}
