//! Samples of the events of ports, networks, subnets and security groups.

use windlass_sagas::ids::*;
use windlass_sagas::record::*;

use super::*;

pub(crate) fn all() -> Vec<Event> {
    let mut all = ports();
    all.extend(networks());
    all.extend(groups());
    all
}

fn ports() -> Vec<Event> {
    let port = PortId(hex(1));
    vec![
        Event::PortClaimed(PortSpec {
            id: port,
            project: ProjectId(hex(2)),
            name: "port-7".into(),
            network: NetworkId(hex(3)),
            mac: Mac([2, 0, 0, 0x12, 0x34, 0x56]),
            addresses: vec![
                FixedAddress { subnet: SubnetId(hex(4)), ip: v4(17) },
                FixedAddress { subnet: SubnetId(hex(5)), ip: v6(0x17) },
            ],
            groups: vec![SecurityGroupId(hex(6))],
            server: Some(ServerId(hex(7))),
        }),
        Event::PortBound(PortBound { port, server: ServerId(hex(2)), host: HostId(hex(3)) }),
        Event::PortReady(PortReady { port, prepared_by: maker(2) }),
        Event::PortUnbound(PortUnbound { port }),
        Event::PortDeleted(PortDeleted { port }),
    ]
}

fn networks() -> Vec<Event> {
    let network = NetworkId(hex(1));
    let subnet = SubnetId(hex(2));
    vec![
        Event::NetworkCreated(NetworkCreated {
            id: network,
            project: ProjectId(hex(3)),
            name: "front".into(),
            vni: 70_001,
            mtu: 1400,
        }),
        Event::NetworkDeleted(NetworkDeleted { network }),
        Event::SubnetCreated(SubnetCreated {
            id: subnet,
            project: ProjectId(hex(3)),
            name: "front-v4".into(),
            network,
            cidr: cidr(100, 24),
            gateway: Some(v4(1)),
            pools: vec![(v4(10), v4(99)), (v6(0x10), v6(0x99))],
            dns: vec![v4(53), v6(53)],
            dhcp: true,
        }),
        Event::SubnetDeleted(SubnetDeleted { subnet }),
    ]
}

fn groups() -> Vec<Event> {
    let group = SecurityGroupId(hex(1));
    vec![
        Event::SecurityGroupCreated(SecurityGroupCreated {
            id: group,
            project: ProjectId(hex(2)),
            name: "web".into(),
            rules: rules(),
        }),
        Event::SecurityRulesSet(SecurityRulesSet { group, rules: rules() }),
        Event::SecurityGroupDeleted(SecurityGroupDeleted { group }),
    ]
}

fn rules() -> Vec<SecurityRule> {
    vec![
        SecurityRule {
            direction: RuleDirection::Ingress,
            protocol: Protocol::Udp,
            ports: Some((53, 5353)),
            remote: Remote::Range(cidr(7, 25)),
        },
        SecurityRule {
            direction: RuleDirection::Egress,
            protocol: Protocol::Icmp,
            ports: None,
            remote: Remote::Group(SecurityGroupId(hex(3))),
        },
    ]
}
