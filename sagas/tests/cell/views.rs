//! A9: what hosts are told beside steps. That every host whose view changes is told is checked after every commit of
//! every test here; these give it something to see.

use windlass_sagas::cell::views::{HostView, host_view};
use windlass_sagas::ids::*;
use windlass_sagas::record::*;

use crate::support::*;

fn rule(remote_group: Option<&str>) -> RuleAsked {
    RuleAsked {
        direction: RuleDirection::Ingress,
        protocol: Protocol::Tcp,
        ports: Some((80, 80)),
        remote: None,
        remote_group: remote_group.map(Into::into),
    }
}

/// Three hosts, and the groups `web`, `db` (which lets `web` in) and `own` (which lets itself in).
fn grouped() -> World {
    let mut world = World::ready(3);
    let group = |name: &str, rules| CreateSecurityGroup { name: name.into(), rules };
    world.ask(group("web", vec![rule(None)])).expect("made");
    world.ask(group("db", vec![rule(Some("web"))])).expect("made");
    world.ask(group("own", vec![rule(Some("self"))])).expect("made");
    world
}

fn server(world: &mut World, name: &str, groups: &[&str]) -> HostId {
    let groups = groups.iter().map(|group| (*group).into()).collect();
    let nics = vec![Nic::Network { network: "net".into(), ip: None, groups }];
    world.ask(CreateServer { nics, ..create_server(name, &[]) }).expect("made");
    world.run();
    let server = world.server(name).spec.id;
    world
        .cell
        .ports
        .values()
        .filter_map(|port| port.user())
        .find(|(user, _)| *user == server)
        .expect("bound")
        .1
}

fn delete(world: &mut World, name: &str) {
    world.ask(DeleteServer { server: name.into() }).expect("begun");
    world.run();
}

#[test]
fn a9_members_and_peers_of_a_server_that_is_deleted_vanish_from_every_view() {
    let mut world = grouped();
    let db = server(&mut world, "db", &["db"]);
    let before = host_view(&world.cell, db);
    let web = server(&mut world, "web", &["web"]);
    let with = host_view(&world.cell, db);
    assert_eq!(with.groups.values().map(std::collections::BTreeSet::len).sum::<usize>(), 1);
    if web != db {
        assert_eq!(with.networks.values().map(|network| network.peers.len()).sum::<usize>(), 1);
    }
    delete(&mut world, "web");
    assert_eq!(host_view(&world.cell, db), before);
    delete(&mut world, "db");
    assert_eq!(host_view(&world.cell, db), HostView::default());
}

#[test]
fn a9_rules_that_are_replaced_reach_the_hosts_of_their_group() {
    let mut world = grouped();
    let web = server(&mut world, "web", &["web", "own"]);
    let before = host_view(&world.cell, web).content_hash();
    let rules = vec![rule(Some("db")), rule(None)];
    world.ask(SetSecurityRules { group: "web".into(), rules }).expect("set");
    assert_ne!(host_view(&world.cell, web).content_hash(), before);
    server(&mut world, "db", &["db"]);
    delete(&mut world, "db");
    world.ask(SetSecurityRules { group: "web".into(), rules: vec![rule(None)] }).expect("set");
    assert_eq!(host_view(&world.cell, web).content_hash(), before);
}

#[test]
fn a9_subnets_of_a_network_reach_the_hosts_of_its_ports() {
    let mut world = grouped();
    let host = server(&mut world, "web", &["web"]);
    let before = host_view(&world.cell, host);
    assert_eq!(before.networks.values().map(|network| network.subnets.len()).collect::<Vec<_>>(), [1]);
    let cidr = Cidr { address: "10.1.0.0".parse().expect("an address"), prefix_bits: 24 };
    let dns: Vec<std::net::IpAddr> = vec!["10.1.0.53".parse().expect("an address")];
    let subnet = CreateSubnet {
        name: "more".into(),
        network: "net".into(),
        cidr,
        gateway: None,
        pools: vec![],
        dns: dns.clone(),
        dhcp: false,
    };
    world.ask(subnet).expect("made");
    let with = host_view(&world.cell, host);
    let subnets: Vec<_> = with.networks.values().flat_map(|network| network.subnets.clone()).collect();
    let more = subnets.iter().find(|subnet| subnet.cidr == cidr).expect("the new one");
    assert_eq!((more.dns.clone(), more.dhcp, subnets.len()), (dns, false, 2));
    world.ask(DeleteSubnet { subnet: "more".into() }).expect("no address in use");
    assert_eq!(host_view(&world.cell, host), before);
}
