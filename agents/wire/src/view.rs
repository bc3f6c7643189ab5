//! A host's view, down, and what of it is in force, up.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;
use windlass_proto::agent::v1;
use windlass_proto::agent::v1::security_rule::Remote as WireRemote;
use windlass_sagas::cell::views::{HostView, NetworkView, PortView, SubnetView};
use windlass_sagas::ids::{HostId, NetworkId, PortId, Position, SecurityGroupId};
use windlass_sagas::protocol::{PlacedView, ViewApplied};
use windlass_sagas::record::{Cidr, Mac, Protocol, Remote, RuleDirection, SecurityRule};

use crate::limits::VERSION;
use crate::{WireError, address, address_out, bad, hash, id};

pub(crate) fn view(m: &v1::View) -> Result<PlacedView, WireError> {
    let content = m.content.as_ref().ok_or(bad("content"))?;
    Ok(PlacedView {
        position: Position(m.position),
        hash: hash(&m.hash, "hash")?,
        content: HostView {
            networks: content.networks.iter().map(network).collect::<Result<_, _>>()?,
            ports: content.ports.iter().map(port).collect::<Result<_, _>>()?,
            groups: content.groups.iter().map(group).collect::<Result<_, _>>()?,
        },
    })
}

pub(crate) fn view_out(view: &PlacedView) -> v1::View {
    let HostView { networks, ports, groups } = &view.content;
    v1::View {
        position: view.position.0,
        hash: view.hash.0.to_vec().into(),
        content: Some(v1::HostView {
            networks: networks.iter().map(|(network, view)| network_out(network.0, view)).collect(),
            ports: ports.iter().map(|(port, view)| port_out(port.0, view)).collect(),
            groups: groups.iter().map(|(group, members)| group_out(group.0, members)).collect(),
        }),
        ..Default::default()
    }
}

pub(crate) fn applied(host: HostId, m: &v1::ViewApplied) -> ViewApplied {
    let failure = (!m.failure.is_empty()).then(|| m.failure.clone());
    ViewApplied { host, position: Position(m.position), failure }
}

pub(crate) fn applied_out(applied: &ViewApplied) -> v1::ViewApplied {
    v1::ViewApplied { position: applied.position.0, failure: applied.failure.clone().unwrap_or_default() }
}

fn network(m: &v1::NetworkView) -> Result<(NetworkId, NetworkView), WireError> {
    let view = NetworkView {
        vni: m.vni,
        mtu: u16::try_from(m.mtu).map_err(|_| bad("networks.mtu"))?,
        peers: addresses(&m.peers, "networks.peers")?,
        subnets: m.subnets.iter().map(subnet).collect::<Result<_, _>>()?,
    };
    Ok((id(&m.network, "networks.network")?, view))
}

fn network_out(network: [u8; 16], view: &NetworkView) -> v1::NetworkView {
    v1::NetworkView {
        network: network.to_vec().into(),
        vni: view.vni,
        mtu: u32::from(view.mtu),
        peers: view.peers.iter().copied().map(address_out).collect(),
        subnets: view.subnets.iter().map(subnet_out).collect(),
    }
}

fn subnet(m: &v1::SubnetView) -> Result<SubnetView, WireError> {
    let gateway = m.gateway.as_ref().map(|it| address(Some(it), "networks.subnets.gateway"));
    Ok(SubnetView {
        cidr: prefix(m.range.as_ref().ok_or(bad("networks.subnets.range"))?, "networks.subnets.range")?,
        gateway: gateway.transpose()?,
        dns: addresses(&m.dns, "networks.subnets.dns")?,
        dhcp: m.dhcp,
    })
}

fn subnet_out(view: &SubnetView) -> v1::SubnetView {
    v1::SubnetView {
        range: Some(prefix_out(view.cidr)),
        gateway: view.gateway.map(address_out),
        dns: view.dns.iter().copied().map(address_out).collect(),
        dhcp: view.dhcp,
    }
}

fn prefix(m: &v1::IpPrefix, field: &'static str) -> Result<Cidr, WireError> {
    let address = address(m.address.as_ref(), field)?;
    let bits = u8::try_from(m.prefix_bits).map_err(|_| bad(field))?;
    let net = IpNet::new(address, bits).map_err(|_| bad(field))?;
    if net.network() != address {
        return Err(bad(field));
    }
    Ok(Cidr { address, prefix_bits: bits })
}

fn prefix_out(cidr: Cidr) -> v1::IpPrefix {
    v1::IpPrefix { address: Some(address_out(cidr.address)), prefix_bits: u32::from(cidr.prefix_bits) }
}

fn port(m: &v1::PortView) -> Result<(PortId, PortView), WireError> {
    let view = PortView {
        network: id(&m.network, "ports.network")?,
        mac: Mac(m.mac.as_ref().try_into().map_err(|_| bad("ports.mac"))?),
        addresses: addresses(&m.addresses, "ports.addresses")?,
        rules: m.rules.iter().filter_map(|m| rule(m).transpose()).collect::<Result<_, _>>()?,
    };
    Ok((id(&m.port, "ports.port")?, view))
}

fn port_out(port: [u8; 16], view: &PortView) -> v1::PortView {
    v1::PortView {
        port: port.to_vec().into(),
        network: view.network.0.to_vec().into(),
        mac: view.mac.0.to_vec().into(),
        addresses: view.addresses.iter().copied().map(address_out).collect(),
        rules: view.rules.iter().map(rule_out).collect(),
    }
}

fn group(m: &v1::GroupView) -> Result<(SecurityGroupId, BTreeSet<IpAddr>), WireError> {
    Ok((id(&m.group, "groups.group")?, addresses(&m.members, "groups.members")?))
}

fn group_out(group: [u8; 16], members: &BTreeSet<IpAddr>) -> v1::GroupView {
    v1::GroupView {
        group: group.to_vec().into(),
        members: members.iter().copied().map(address_out).collect(),
    }
}

/// `None` for a rule that only a newer leader knows: what it would allow stays denied.
fn rule(m: &v1::SecurityRule) -> Result<Option<SecurityRule>, WireError> {
    if m.version_min > VERSION {
        return Ok(None);
    }
    let protocol = match m.protocol {
        0 => Protocol::Any,
        1 => Protocol::Icmp,
        6 => Protocol::Tcp,
        17 => Protocol::Udp,
        _ => return Ok(None),
    };
    let direction = match v1::RuleDirection::try_from(m.direction) {
        Ok(v1::RuleDirection::Ingress) => RuleDirection::Ingress,
        Ok(v1::RuleDirection::Egress) => RuleDirection::Egress,
        Ok(v1::RuleDirection::Unspecified) => return Err(bad("rules.direction")),
        Err(_) => return Ok(None),
    };
    let remote = match &m.remote {
        Some(WireRemote::Anybody(v1::Anybody {})) => Remote::Any,
        Some(WireRemote::Range(range)) => Remote::Range(prefix(range, "rules.range")?),
        Some(WireRemote::Group(group)) => Remote::Group(id(group, "rules.group")?),
        None => return Ok(None),
    };
    let number = |port: u32| u16::try_from(port).map_err(|_| bad("rules.ports"));
    let ports = |range: &v1::PortRange| Ok((number(range.first)?, number(range.last)?));
    Ok(Some(SecurityRule { direction, protocol, ports: m.ports.as_ref().map(ports).transpose()?, remote }))
}

fn rule_out(rule: &SecurityRule) -> v1::SecurityRule {
    v1::SecurityRule {
        direction: match rule.direction {
            RuleDirection::Ingress => v1::RuleDirection::Ingress,
            RuleDirection::Egress => v1::RuleDirection::Egress,
        } as i32,
        protocol: u32::from(rule.protocol as u8),
        ports: rule
            .ports
            .map(|(first, last)| v1::PortRange { first: u32::from(first), last: u32::from(last) }),
        remote: match rule.remote {
            Remote::Any => Some(WireRemote::Anybody(v1::Anybody {})),
            Remote::Range(cidr) => Some(WireRemote::Range(prefix_out(cidr))),
            Remote::Group(group) => Some(WireRemote::Group(group.0.to_vec().into())),
        },
        version_min: 0,
    }
}

fn addresses<T: FromIterator<IpAddr>>(all: &[v1::IpAddress], field: &'static str) -> Result<T, WireError> {
    all.iter().map(|one| address(Some(one), field)).collect()
}
