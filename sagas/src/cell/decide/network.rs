//! Networks, subnets, ports and security groups: sagas of zero steps, since hosts learn of them through ports and views.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;

use super::{Asked, Preview, at_most, server};
use crate::cell::ipam::{self, Given};
use crate::cell::rejection::{Decline, Reason, Rejection};
use crate::cell::state::*;
use crate::cell::{lookup, quota};
use crate::ids::*;
use crate::limits::*;
use crate::record::*;

pub(super) fn create(asked: Asked<'_>, body: &CreateNetwork) -> Result<Preview, Decline> {
    let cell = asked.cell;
    lookup::new_name(cell, asked.project, "network", &body.name)?;
    let mtu = body.mtu.unwrap_or(cell.settings.default_mtu);
    if !(1280..=9000).contains(&mtu) {
        return Err(Rejection::field("mtu", format!("an MTU of 1280 to 9000 bytes, got {mtu}")).into());
    }
    quota::admit(lookup::own_project(cell, asked.project)?, &Amounts { networks: 1, ..Amounts::default() })?;
    let id = NetworkId::derived(asked.id(), 0);
    let (project, name, vni) = (asked.project, body.name.clone(), free_vni(cell)?);
    let event = NetworkCreated { id, project, name, vni, mtu };
    asked.at_once(SagaKind::NetworkCreate, ResourceRef::Network(id), alloc::vec![event.into()])
}

/// The next identifier that no network has.
fn free_vni(cell: &Cell) -> Result<u32, Rejection> {
    let used: alloc::collections::BTreeSet<u32> = cell.networks.values().map(|network| network.vni).collect();
    let start = cell.next_vni.clamp(VNI_MIN, VNI_MAX);
    (start..=VNI_MAX).chain(VNI_MIN..start).find(|vni| !used.contains(vni)).ok_or_else(|| {
        Rejection::new(Reason::AddressPoolExhausted, "no VXLAN identifier is free", "delete networks")
    })
}

pub(super) fn delete(asked: Asked<'_>, body: &DeleteNetwork) -> Result<Preview, Decline> {
    let network = lookup::network(asked.cell, asked.project, "network", &body.network)?;
    let resource = ResourceRef::Network(network.id);
    in_use(resource, network.addresses.len().max(network.macs.len()), "ports", "delete its ports first")?;
    in_use(resource, network.subnets.len(), "subnets", "delete its subnets first")?;
    let event = NetworkDeleted { network: network.id };
    asked.at_once(SagaKind::NetworkDelete, resource, alloc::vec![event.into()])
}

fn in_use(resource: ResourceRef, users: usize, what: &str, hint: &str) -> Result<(), Rejection> {
    if users == 0 {
        return Ok(());
    }
    let message = format!("{resource} still has {users} {what}");
    Err(Rejection::new(Reason::ResourceInUse, message, hint).of(resource))
}

pub(super) fn create_subnet(asked: Asked<'_>, body: &CreateSubnet) -> Result<Preview, Decline> {
    let cell = asked.cell;
    lookup::new_name(cell, asked.project, "subnet", &body.name)?;
    let network = lookup::network(cell, asked.project, "network", &body.network)?;
    at_most("pools", body.pools.len(), SUBNET_POOLS_MAX)?;
    at_most("dns", body.dns.len(), SUBNET_DNS_MAX)?;
    let (first, last) = range(cell, network, body.cidr)?;
    let gateway = body.gateway.unwrap_or(first);
    if !ipam::contains(body.cidr, gateway) || ipam::reserved(body.cidr, gateway) {
        return Err(
            Rejection::field("gateway", format!("{gateway} is not a host address of {}", body.cidr)).into()
        );
    }
    let pools = if body.pools.is_empty() { alloc::vec![(first, last)] } else { body.pools.clone() };
    check_pools(body.cidr, &pools)?;
    let id = SubnetId::derived(asked.id(), 0);
    let event = SubnetCreated {
        id,
        project: asked.project,
        name: body.name.clone(),
        network: network.id,
        cidr: body.cidr,
        gateway: Some(gateway),
        pools,
        dns: body.dns.clone(),
        dhcp: body.dhcp,
    };
    asked.at_once(SagaKind::SubnetCreate, ResourceRef::Subnet(id), alloc::vec![event.into()])
}

/// Checks that the range is a network, has room for hosts and overlaps no other subnet of the network.
fn range(cell: &Cell, network: &Network, cidr: Cidr) -> Result<(IpAddr, IpAddr), Rejection> {
    let bad = |message: String| Rejection::field("cidr", message);
    let net = ipnet::IpNet::new(cidr.address, cidr.prefix_bits)
        .map_err(|_| bad(format!("{cidr} is not a range")))?;
    if net.addr() != net.network() {
        return Err(bad(format!("{cidr} has host bits; the range is {}", net.trunc())));
    }
    let usable = ipam::usable(cidr).ok_or_else(|| bad(format!("{cidr} has no room for hosts")))?;
    let overlaps =
        network.subnets.iter().filter_map(|id| cell.subnets.get(id)).find(|other| {
            ipam::contains(other.cidr, cidr.address) || ipam::contains(cidr, other.cidr.address)
        });
    match overlaps {
        Some(other) => Err(bad(format!("{cidr} overlaps subnet {} ({})", other.name, other.cidr))),
        None => Ok(usable),
    }
}

fn check_pools(cidr: Cidr, pools: &[(IpAddr, IpAddr)]) -> Result<(), Rejection> {
    let mut sorted: Vec<(u128, u128)> = Vec::with_capacity(pools.len());
    for (first, last) in pools {
        let inside = |ip: &IpAddr| ipam::contains(cidr, *ip) && !ipam::reserved(cidr, *ip);
        if !inside(first) || !inside(last) || ipam::number(*first) > ipam::number(*last) {
            return Err(Rejection::field("pools", format!("{first} to {last} is not a pool of {cidr}")));
        }
        sorted.push((ipam::number(*first), ipam::number(*last)));
    }
    sorted.sort_unstable();
    let overlap = sorted.windows(2).any(|pair| matches!(pair, [(_, last), (first, _)] if first <= last));
    if overlap { Err(Rejection::field("pools", "pools overlap")) } else { Ok(()) }
}

pub(super) fn delete_subnet(asked: Asked<'_>, body: &DeleteSubnet) -> Result<Preview, Decline> {
    let subnet = lookup::subnet(asked.cell, asked.project, "subnet", &body.subnet)?;
    let resource = ResourceRef::Subnet(subnet.id);
    let used =
        asked.cell.networks.get(&subnet.network).map_or(0, |network| {
            network.addresses.keys().filter(|ip| ipam::contains(subnet.cidr, **ip)).count()
        });
    in_use(resource, used, "addresses in use", "delete the ports that use them first")?;
    let event = SubnetDeleted { subnet: subnet.id };
    asked.at_once(SagaKind::SubnetDelete, resource, alloc::vec![event.into()])
}

pub(super) fn create_port(asked: Asked<'_>, body: &CreatePort) -> Result<Preview, Decline> {
    let cell = asked.cell;
    lookup::new_name(cell, asked.project, "port", &body.name)?;
    let network = lookup::network(cell, asked.project, "network", &body.network)?;
    at_most("ips", body.ips.len(), PORT_ADDRESSES_MAX)?;
    quota::admit(lookup::own_project(cell, asked.project)?, &Amounts { ports: 1, ..Amounts::default() })?;
    let id = PortId::derived(asked.id(), 0);
    let mut given = Given::default();
    let mut address = |wanted| ipam::address(cell, network, wanted, &mut given, asked.now);
    let addresses: Vec<FixedAddress> = if body.ips.is_empty() {
        alloc::vec![address(None)?]
    } else {
        body.ips.iter().map(|ip| address(Some(*ip))).collect::<Result<_, _>>()?
    };
    let mac = ipam::mac(network, id, body.mac, &mut given, asked.now)?;
    let groups = server::group_ids(asked, &body.groups)?;
    let (project, name, network, server) = (asked.project, body.name.clone(), network.id, None);
    let event = PortSpec { id, project, name, network, mac, addresses, groups, server };
    asked.at_once(SagaKind::PortCreate, ResourceRef::Port(id), alloc::vec![event.into()])
}

pub(super) fn delete_port(asked: Asked<'_>, body: &DeletePort) -> Result<Preview, Decline> {
    let port = lookup::port(asked.cell, asked.project, "port", &body.port)?;
    let resource = ResourceRef::Port(port.spec.id);
    lookup::free(port.lock, resource)?;
    if let Some((server, _)) = port.user() {
        let message = format!("{resource} is used by server {server}");
        return Err(Rejection::new(Reason::ResourceInUse, message, "delete the server first")
            .of(resource)
            .into());
    }
    let event = PortDeleted { port: port.spec.id };
    asked.at_once(SagaKind::PortDelete, resource, alloc::vec![event.into()])
}

pub(super) fn create_group(asked: Asked<'_>, body: &CreateSecurityGroup) -> Result<Preview, Decline> {
    lookup::new_name(asked.cell, asked.project, "security group", &body.name)?;
    let id = SecurityGroupId::derived(asked.id(), 0);
    let rules = rules(asked, id, &body.rules)?;
    let (project, name) = (lookup::own_project(asked.cell, asked.project)?.id, body.name.clone());
    let event = SecurityGroupCreated { id, project, name, rules };
    asked.at_once(SagaKind::SecurityGroupCreate, ResourceRef::SecurityGroup(id), alloc::vec![event.into()])
}

pub(super) fn set_rules(asked: Asked<'_>, body: &SetSecurityRules) -> Result<Preview, Decline> {
    let group = lookup::security_group(asked.cell, asked.project, "group", &body.group)?.id;
    let rules = rules(asked, group, &body.rules)?;
    let event = SecurityRulesSet { group, rules };
    asked.at_once(
        SagaKind::SecurityGroupSetRules,
        ResourceRef::SecurityGroup(group),
        alloc::vec![event.into()],
    )
}

fn rules(
    asked: Asked<'_>,
    own: SecurityGroupId,
    rules: &[RuleAsked],
) -> Result<Vec<SecurityRule>, Rejection> {
    at_most("rules", rules.len(), SECURITY_RULES_MAX)?;
    rules.iter().map(|rule| resolve(asked, own, rule)).collect()
}

fn resolve(asked: Asked<'_>, own: SecurityGroupId, rule: &RuleAsked) -> Result<SecurityRule, Rejection> {
    let has_ports = matches!(rule.protocol, Protocol::Tcp | Protocol::Udp);
    if rule.ports.is_some_and(|(first, last)| !has_ports || first > last) {
        return Err(Rejection::field("rules.ports", "ports go from first to last, for TCP and UDP only"));
    }
    let remote = match (rule.remote, rule.remote_group.as_deref()) {
        (None, None) => Remote::Any,
        (Some(cidr), None) => {
            ipnet::IpNet::new(cidr.address, cidr.prefix_bits)
                .map_err(|_| Rejection::field("rules.remote", format!("{cidr} is not a range")))?;
            Remote::Range(cidr)
        }
        (None, Some("self")) => Remote::Group(own),
        (None, Some(name)) => {
            Remote::Group(lookup::security_group(asked.cell, asked.project, "rules.remote_group", name)?.id)
        }
        (Some(_), Some(_)) => return Err(Rejection::field("rules.remote", "a range or a group, not both")),
    };
    Ok(SecurityRule { direction: rule.direction, protocol: rule.protocol, ports: rule.ports, remote })
}

pub(super) fn delete_group(asked: Asked<'_>, body: &DeleteSecurityGroup) -> Result<Preview, Decline> {
    let cell = asked.cell;
    let group = lookup::security_group(cell, asked.project, "group", &body.group)?;
    let resource = ResourceRef::SecurityGroup(group.id);
    if cell.projects.get(&group.project).is_some_and(|project| project.default_group == group.id) {
        let message = format!("{resource} is its project's default");
        return Err(Rejection::new(Reason::ResourceInUse, message, "change its rules instead")
            .of(resource)
            .into());
    }
    let ports = cell.ports.values().filter(|port| port.spec.groups.contains(&group.id)).count();
    in_use(resource, ports, "ports", "take it from them first")?;
    let names = |other: &&SecurityGroup| {
        other.id != group.id && other.rules.iter().any(|rule| rule.remote == Remote::Group(group.id))
    };
    let rules = cell.security_groups.values().filter(names).count();
    in_use(resource, rules, "groups whose rules name it", "change their rules first")?;
    let event = SecurityGroupDeleted { group: group.id };
    asked.at_once(SagaKind::SecurityGroupDelete, resource, alloc::vec![event.into()])
}
