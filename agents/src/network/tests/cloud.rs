//! Networks, ports and views, as a cell would ask for them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use windlass_sagas::cell::views::{HostView, NetworkView, PortView};
use windlass_sagas::ids::{CellId, NetworkId, PortId, ProjectId, SagaId, SecurityGroupId, StepIndex};
use windlass_sagas::protocol::Owner;
use windlass_sagas::record::{
    Mac, PortAddress, PortSetup, Protocol, Remote, RuleDirection, SecurityRule, StepInput, StepKey,
};

use crate::network::record::Record;

/// Port `number` of network `network`: 10.0.0.`number`/24, whatever the network.
pub(in crate::network) fn port(network: u8, number: u8) -> PortSetup {
    let mut id = [network; 16];
    id[15] = number;
    PortSetup {
        port: PortId(id),
        network: NetworkId([network; 16]),
        // Beyond what a zone can hold.
        vni: 0x00ab_0000 + u32::from(network),
        mtu: 1450,
        mac: Mac([0xfa, 0x16, 0x3e, 0, network, number]),
        addresses: vec![PortAddress {
            ip: Ipv4Addr::new(10, 0, 0, number).into(),
            prefix_bits: 24,
            gateway: Some(Ipv4Addr::new(10, 0, 0, 1).into()),
        }],
    }
}

pub(in crate::network) fn prepare(setup: &PortSetup) -> StepInput {
    StepInput::PreparePort(setup.clone())
}

pub(in crate::network) fn remove(setup: &PortSetup) -> StepInput {
    StepInput::RemovePort { port: setup.port, network: setup.network }
}

/// A view of these ports, all with these rules; peers by their number on the underlay.
pub(in crate::network) fn view(ports: &[&PortSetup], rules: &[SecurityRule], peers: &[u8]) -> HostView {
    let mut view = HostView::default();
    for setup in ports {
        let peers = peers.iter().map(|peer| Ipv4Addr::new(192, 0, 2, *peer).into()).collect();
        view.networks.insert(
            setup.network,
            NetworkView { vni: setup.vni, mtu: setup.mtu, peers, subnets: Vec::new() },
        );
        let addresses = setup.addresses.iter().map(|address| address.ip).collect();
        let shown = PortView { network: setup.network, mac: setup.mac, addresses, rules: rules.to_vec() };
        view.ports.insert(setup.port, shown);
    }
    view
}

/// With a group of these addresses.
pub(in crate::network) fn with_group(
    mut view: HostView,
    group: SecurityGroupId,
    members: &[&PortSetup],
) -> HostView {
    let members: BTreeSet<_> = members.iter().map(|setup| setup.addresses[0].ip).collect();
    view.groups = BTreeMap::from([(group, members)]);
    view
}

pub(in crate::network) const fn rule(direction: RuleDirection, protocol: Protocol) -> SecurityRule {
    SecurityRule { direction, protocol, ports: None, remote: Remote::Any }
}

/// All out, and these in.
pub(in crate::network) fn out_and(ingress: &[Protocol]) -> Vec<SecurityRule> {
    let mut rules = vec![rule(RuleDirection::Egress, Protocol::Any)];
    rules.extend(ingress.iter().map(|protocol| rule(RuleDirection::Ingress, *protocol)));
    rules
}

/// A port's record, as the tests' steps write it.
pub(in crate::network) fn record(setup: &PortSetup) -> Record {
    let owner = Owner { cell: CellId([1; 16]), project: ProjectId([2; 16]) };
    let key = StepKey { saga: SagaId([9; 16]), step: StepIndex(3) };
    let zone = setup.network.0[0].into();
    Record { setup: setup.clone(), owner, key, zone }
}
