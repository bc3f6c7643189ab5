//! Who reaches whom: across the tunnel, by rules, and not at all.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};

use windlass_sagas::ids::SecurityGroupId;
use windlass_sagas::record::{Direction, Protocol, Remote, RuleDirection, SecurityRule};

use super::cloud::{out_and, port, prepare, rule, view, with_group};
use super::guest::Guest;
use super::host::Host;
use super::place::{Place, until};
use super::remains::remains;

#[test]
fn guests_reach_each_other_across_hosts_and_tenants_do_not() {
    let Some(mut place) = Place::new() else { return };
    let spaces = place.underlay(&["one", "two"]);
    let one = Host::start(&spaces[0], place.directory.path(), 1);
    let two = Host::start(&spaces[1], place.directory.path(), 2);
    // Two tenants with the same addresses, each on both hosts.
    let (a, b, x, y) = (port(1, 7), port(1, 8), port(2, 7), port(2, 8));
    for (host, ports) in [(&one, [&a, &x]), (&two, [&b, &y])] {
        for setup in ports {
            host.to_end(&prepare(setup), Direction::Forward);
        }
    }
    let guest_a = Guest::addressed(&mut place, &one, &a, "a");
    let guest_b = Guest::addressed(&mut place, &two, &b, "b");
    let guest_x = Guest::addressed(&mut place, &one, &x, "x");
    assert!(!guest_a.pings("10.0.0.8"), "without a view all is denied");
    let rules = out_and(&[Protocol::Icmp]);
    one.apply(&view(&[&a, &x], &rules, &[2]));
    two.apply(&view(&[&b, &y], &rules, &[1]));
    assert!(guest_a.reaches("10.0.0.8"));
    assert!(guest_b.reaches("10.0.0.7"));
    // All of the tunnel's room, and no more.
    let large = |bytes: &str| guest_a.sh(&["busybox", "ping", "-c", "1", "-W", "2", "-s", bytes, "10.0.0.8"]);
    assert!(large("1422").status.success());
    assert!(!guest_x.pings("10.0.0.8"), "nobody has 10.0.0.8 in that network");
    let guest_y = Guest::addressed(&mut place, &two, &y, "y");
    assert!(guest_x.reaches("10.0.0.8"), "now somebody has");
    assert!(guest_a.reaches("10.0.0.8"));
    drop(guest_y);
    assert!(!guest_x.pings("10.0.0.8") && guest_a.reaches("10.0.0.8"));
    // A host that is no peer is not heard.
    let before = two.counted("no-peer");
    two.apply(&view(&[&b, &y], &rules, &[]));
    assert!(!guest_a.pings("10.0.0.8"));
    assert!(two.counted("no-peer") > before);
    two.apply(&view(&[&b, &y], &rules, &[1]));
    assert!(guest_a.reaches("10.0.0.8"));
    drop((guest_a, guest_b, guest_x));
    for (host, ports) in [(&one, [&a, &x]), (&two, [&b, &y])] {
        for setup in ports {
            host.to_end(&prepare(setup), Direction::Undo);
        }
        assert_eq!(remains(host), Vec::<String>::new());
    }
}

/// A server on TCP port 8080 that says back each line.
fn echo(guest: &Guest) -> Child {
    let arguments = ["netns", "exec", &guest.space, "busybox", "nc", "-ll", "-p", "8080", "-e", "/bin/cat"];
    let server = Command::new("ip").args(arguments).stdin(Stdio::null()).spawn().unwrap();
    until("the server listens", || {
        let listening = guest.sh(&["busybox", "netstat", "-lnt"]);
        String::from_utf8_lossy(&listening.stdout).contains(":8080 ")
    });
    server
}

/// Whether a connection to port 8080 there is answered.
fn answered(guest: &Guest, address: &str) -> bool {
    let script = format!("echo hello | busybox timeout 2 busybox nc -w 1 {address} 8080");
    String::from_utf8_lossy(&guest.sh(&["busybox", "sh", "-c", &script]).stdout).contains("hello")
}

#[test]
fn a_rule_opens_and_its_end_cuts_what_is_established() {
    let Some(mut place) = Place::new() else { return };
    let spaces = place.underlay(&["one"]);
    let host = Host::start(&spaces[0], place.directory.path(), 1);
    let (client, server) = (port(1, 7), port(1, 8));
    for setup in [&client, &server] {
        host.to_end(&prepare(setup), Direction::Forward);
    }
    let mut open = view(&[&client, &server], &out_and(&[Protocol::Icmp]), &[]);
    let closed = open.clone();
    let tcp = SecurityRule { ports: Some((8000, 8080)), ..rule(RuleDirection::Ingress, Protocol::Tcp) };
    open.ports.get_mut(&server.port).unwrap().rules.push(tcp);
    let guest_client = Guest::addressed(&mut place, &host, &client, "c");
    let guest_server = Guest::addressed(&mut place, &host, &server, "s");
    let mut serving = echo(&guest_server);
    host.apply(&closed);
    assert!(guest_client.reaches("10.0.0.8") && !answered(&guest_client, "10.0.0.8"), "icmp alone");
    host.apply(&open);
    assert!(answered(&guest_client, "10.0.0.8"));

    let mut talk = Command::new("ip")
        .args(["netns", "exec", &guest_client.space, "busybox", "nc", "10.0.0.8", "8080"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut say, hear) = (talk.stdin.take().unwrap(), talk.stdout.take().unwrap());
    let (heard, lines) = std::sync::mpsc::channel();
    let listener = std::thread::spawn(move || {
        BufReader::new(hear).lines().map_while(Result::ok).for_each(|line| heard.send(line).unwrap_or(()));
    });
    let wait = std::time::Duration::from_secs(5);
    writeln!(say, "one").unwrap();
    assert_eq!(lines.recv_timeout(wait).unwrap(), "one");
    // A rule that comes or goes beside it, and another agent, leave it alone.
    let mut wider = open.clone();
    let udp = rule(RuleDirection::Ingress, Protocol::Udp);
    wider.ports.get_mut(&server.port).unwrap().rules.push(udp);
    host.apply(&wider);
    host.apply(&open);
    host.restart();
    writeln!(say, "two").unwrap();
    assert_eq!(lines.recv_timeout(wait).unwrap(), "two");
    // Its own rule goes.
    host.apply(&closed);
    let before = host.counted("cut");
    writeln!(say, "three").unwrap();
    until("its packets are dropped", || host.counted("cut") > before);
    assert!(lines.try_recv().is_err(), "nothing comes back");
    assert!(guest_client.reaches("10.0.0.8"), "and the path is there");
    drop(say);
    for process in [&mut talk, &mut serving] {
        process.kill().unwrap();
        process.wait().unwrap();
    }
    listener.join().unwrap();
}

#[test]
fn a_rule_for_a_group_is_for_its_members() {
    let Some(mut place) = Place::new() else { return };
    let spaces = place.underlay(&["one"]);
    let host = Host::start(&spaces[0], place.directory.path(), 1);
    let (member, stranger, target) = (port(1, 7), port(1, 8), port(1, 9));
    for setup in [&member, &stranger, &target] {
        host.to_end(&prepare(setup), Direction::Forward);
    }
    let group = SecurityGroupId([5; 16]);
    let mut rules = out_and(&[]);
    let remote = Remote::Group(group);
    rules.push(SecurityRule { remote, ..rule(RuleDirection::Ingress, Protocol::Any) });
    let shown = view(&[&member, &stranger, &target], &rules, &[]);
    host.apply(&with_group(shown.clone(), group, &[&member]));
    let guest_member = Guest::addressed(&mut place, &host, &member, "m");
    let guest_stranger = Guest::addressed(&mut place, &host, &stranger, "s");
    let _guest_target = Guest::addressed(&mut place, &host, &target, "t");
    assert!(guest_member.reaches("10.0.0.9") && !guest_stranger.pings("10.0.0.9"));
    host.apply(&with_group(shown, group, &[&stranger]));
    assert!(!guest_member.pings("10.0.0.9") && guest_stranger.reaches("10.0.0.9"));
}

#[test]
fn a_guest_does_not_reach_its_host() {
    let Some(mut place) = Place::new() else { return };
    let spaces = place.underlay(&["one"]);
    let host = Host::start(&spaces[0], place.directory.path(), 1);
    let (a, b) = (port(1, 7), port(1, 8));
    for setup in [&a, &b] {
        host.to_end(&prepare(setup), Direction::Forward);
    }
    host.apply(&view(&[&a, &b], &out_and(&[Protocol::Icmp]), &[]));
    let guest = Guest::addressed(&mut place, &host, &a, "a");
    let _other = Guest::addressed(&mut place, &host, &b, "b");
    assert!(guest.reaches("10.0.0.8"));
    // Its address on the underlay, and the one that it answers DHCP from: by the bridge's own MAC.
    let bridge = super::super::names::bridge(a.vni);
    let mac = host.sh(&["cat", &format!("/sys/class/net/{bridge}/address")]);
    for address in ["192.0.2.1", "169.254.169.254"] {
        assert!(host.sh(&["busybox", "ping", "-c", "1", address]).contains("1 packets received"));
        super::place::run("ip", &["-n", &guest.space, "route", "add", address, "dev", "eth0"]);
        let neighbour =
            ["neigh", "replace", address, "lladdr", mac.trim(), "dev", "eth0", "nud", "permanent"];
        super::place::run("ip", &[&["-n", &guest.space], &neighbour[..]].concat());
        let before = host.counted("host");
        assert!(!guest.pings(address), "{address}");
        assert!(host.counted("host") > before, "{address}");
    }
    assert!(guest.reaches("10.0.0.8"));
}

#[test]
fn what_somebody_else_takes_away_comes_back() {
    const BRIDGED: &str = "net.bridge.bridge-nf-call-iptables";
    let Some(mut place) = Place::new() else { return };
    let spaces = place.underlay(&["one"]);
    let host = Host::start(&spaces[0], place.directory.path(), 1);
    let (a, b) = (port(1, 7), port(1, 8));
    for setup in [&a, &b] {
        host.to_end(&prepare(setup), Direction::Forward);
    }
    host.apply(&view(&[&a], &out_and(&[]), &[]));
    let guest = Guest::addressed(&mut place, &host, &a, "a");
    let _other = Guest::addressed(&mut place, &host, &b, "b");
    assert!(!guest.pings("10.0.0.8"), "no rule lets it in");
    let bridged = || host.sh(&["busybox", "sysctl", "-n", BRIDGED]).trim().to_owned();
    let ruleset = || host.sh(&["nft", "list", "ruleset"]);
    assert!(bridged() == "1" && ruleset().contains("in_"));
    host.sh(&["busybox", "sysctl", "-w", &format!("{BRIDGED}=0")]);
    until("bridged packets are seen again", || bridged() == "1");
    // A service of the host that is started anew does this to rules that are not its own.
    host.sh(&["nft", "flush", "ruleset"]);
    until("the rules are back", || ruleset().contains("in_"));
    assert!(!guest.pings("10.0.0.8"));
    host.apply(&view(&[&a, &b], &out_and(&[Protocol::Icmp]), &[]));
    assert!(guest.reaches("10.0.0.8"));
}
