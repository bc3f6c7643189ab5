//! Networks, subnets, ports and security groups as messages.

use windlass_proto::v1;
use windlass_sagas::cell::state::{Network, Port, SecurityGroup, Subnet};
use windlass_sagas::cell::{PortStatus, port_status};
use windlass_sagas::ids::ProjectId;
use windlass_sagas::record::{PortSpec, Protocol, Remote, ResourceRef, RuleDirection, SecurityRule};

use crate::api::fields::stamp;
use crate::api::names;
use crate::api::view::{View, quarantined};

impl View<'_> {
    pub(in crate::api) fn network(&self, network: &Network) -> v1::Network {
        let subnets = network.subnets.iter();
        v1::Network {
            name: names::within(network.project, "networks", network.id),
            uid: network.id.to_string(),
            display_name: network.name.clone(),
            create_time: stamp(network.created),
            update_time: stamp(network.created),
            position: self.position(),
            operation: String::new(),
            state: v1::network::State::Active.into(),
            mtu: u32::from(network.mtu),
            vni: if self.operator { network.vni } else { 0 },
            subnets: subnets.map(|id| self.name(ResourceRef::Subnet(*id), network.project)).collect(),
        }
    }

    pub(in crate::api) fn subnet(&self, subnet: &Subnet) -> v1::Subnet {
        let pool = |(start, end): &(std::net::IpAddr, std::net::IpAddr)| v1::subnet::AllocationPool {
            start: start.to_string(),
            end: end.to_string(),
        };
        v1::Subnet {
            name: names::within(subnet.project, "subnets", subnet.id),
            uid: subnet.id.to_string(),
            display_name: subnet.name.clone(),
            create_time: stamp(subnet.created),
            update_time: stamp(subnet.created),
            position: self.position(),
            operation: String::new(),
            network: self.name(ResourceRef::Network(subnet.network), subnet.project),
            cidr: subnet.cidr.to_string(),
            gateway_ip: subnet.gateway.map(|ip| ip.to_string()).unwrap_or_default(),
            allocation_pools: subnet.pools.iter().map(pool).collect(),
            dns_nameservers: subnet.dns.iter().map(ToString::to_string).collect(),
            enable_dhcp: Some(subnet.dhcp),
            ip_version: if subnet.cidr.address.is_ipv4() { 4 } else { 6 },
        }
    }

    pub(in crate::api) fn port(&self, port: &Port) -> v1::Port {
        let spec = &port.spec;
        let user = port.user();
        let server = user.map(|(server, _)| self.name(ResourceRef::Server(server), spec.project));
        let host = user.filter(|_| self.operator).map(|(_, host)| names::host(host));
        v1::Port {
            name: names::within(spec.project, "ports", spec.id),
            uid: spec.id.to_string(),
            display_name: spec.name.clone(),
            create_time: stamp(port.created),
            update_time: stamp(port.updated),
            position: self.position(),
            operation: Self::holder(port.lock),
            state: port_state(port_status(port)).into(),
            network: self.name(ResourceRef::Network(spec.network), spec.project),
            mac_address: spec.mac.to_string(),
            fixed_ips: self.fixed_ips(spec),
            security_groups: self.groups(spec),
            server: server.unwrap_or_default(),
            host: host.unwrap_or_default(),
            owned_by_server: spec.server.is_some(),
            quarantined: quarantined(port.lock),
        }
    }

    pub(in crate::api) fn fixed_ips(&self, spec: &PortSpec) -> Vec<v1::FixedIp> {
        let address = |address: &windlass_sagas::record::FixedAddress| v1::FixedIp {
            subnet: self.name(ResourceRef::Subnet(address.subnet), spec.project),
            ip_address: address.ip.to_string(),
        };
        spec.addresses.iter().map(address).collect()
    }

    pub(in crate::api) fn groups(&self, spec: &PortSpec) -> Vec<String> {
        let groups = spec.groups.iter();
        groups.map(|id| self.name(ResourceRef::SecurityGroup(*id), spec.project)).collect()
    }

    pub(in crate::api) fn security_group(&self, group: &SecurityGroup) -> v1::SecurityGroup {
        let project = self.cell.projects.get(&group.project);
        v1::SecurityGroup {
            name: names::within(group.project, "securityGroups", group.id),
            uid: group.id.to_string(),
            display_name: group.name.clone(),
            create_time: stamp(group.created),
            update_time: stamp(group.created),
            position: self.position(),
            operation: String::new(),
            rules: group.rules.iter().map(|rule| self.rule(rule, group.project)).collect(),
            is_default: project.is_some_and(|project| project.default_group == group.id),
        }
    }

    fn rule(&self, rule: &SecurityRule, project: ProjectId) -> v1::SecurityRule {
        use v1::security_rule::Remote as Shown;
        let (port_min, port_max) = rule.ports.unwrap_or_default();
        v1::SecurityRule {
            direction: match rule.direction {
                RuleDirection::Ingress => v1::security_rule::Direction::Ingress,
                RuleDirection::Egress => v1::security_rule::Direction::Egress,
            }
            .into(),
            protocol: match rule.protocol {
                Protocol::Any => v1::security_rule::Protocol::Any,
                Protocol::Icmp => v1::security_rule::Protocol::Icmp,
                Protocol::Tcp => v1::security_rule::Protocol::Tcp,
                Protocol::Udp => v1::security_rule::Protocol::Udp,
            }
            .into(),
            port_min: u32::from(port_min),
            port_max: u32::from(port_max),
            remote: match rule.remote {
                Remote::Any => None,
                Remote::Range(cidr) => Some(Shown::RemoteCidr(cidr.to_string())),
                Remote::Group(id) => {
                    Some(Shown::RemoteGroup(self.name(ResourceRef::SecurityGroup(id), project)))
                }
            },
        }
    }
}

/// The words of a port's status.
pub(in crate::api) const fn port_state(status: PortStatus) -> v1::port::State {
    match status {
        PortStatus::Down => v1::port::State::Down,
        PortStatus::Build => v1::port::State::Build,
        PortStatus::Active => v1::port::State::Active,
    }
}
