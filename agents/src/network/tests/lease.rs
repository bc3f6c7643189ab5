//! DHCP: who gets which address from whom.

use std::fs;
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;

use windlass_sagas::cell::views::SubnetView;
use windlass_sagas::record::{Cidr, Direction, Mac};

use super::cloud::{port, prepare, remove, view};
use super::guest::Guest;
use super::host::Host;
use super::place::{Place, run, until};
use super::remains::remains;

/// A client's script that keeps what it was told.
fn script(place: &Place) -> PathBuf {
    let path = place.directory.path().join("keep");
    fs::write(&path, "#!/bin/sh\n[ \"$1\" = bound ] && env\nexit 0\n").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

/// What the guest is told; nothing, where nobody answers.
fn ask(place: &Place, guest: &Guest) -> Option<Vec<String>> {
    let script = script(place);
    let client = ["busybox", "udhcpc", "-i", "eth0", "-n", "-q", "-f", "-t", "3", "-T", "1"];
    let options = ["-O", "mtu", "-O", "staticroutes", "-s", script.to_str().unwrap()];
    let output = guest.sh(&[&client[..], &options].concat());
    let told = String::from_utf8(output.stdout).unwrap();
    output.status.success().then(|| told.lines().map(str::to_owned).collect())
}

#[test]
fn a_guest_gets_its_address_and_nobody_else_does() {
    let Some(mut place) = Place::new() else { return };
    let spaces = place.underlay(&["one"]);
    let host = Host::start(&spaces[0], place.directory.path(), 1);
    let (setup, other) = (port(1, 7), port(2, 7));
    for setup in [&setup, &other] {
        host.to_end(&prepare(setup), Direction::Forward);
    }
    let guest = Guest::plug(&mut place, &host, &setup, "a");
    assert!(!host.leased_since(setup.port, 0));
    let told = ask(&place, &guest).expect("without any view a guest gets its lease");
    for fact in ["ip=10.0.0.7", "mask=24", "router=10.0.0.1", "mtu=1450", "lease=600"] {
        assert!(told.iter().any(|line| line == fact), "{fact}: {told:?}");
    }
    assert!(!told.iter().any(|line| line.starts_with("dns=")), "{told:?}");
    assert!(host.leased_since(setup.port, 0));
    let ends: i64 = leases(&host, &setup).split_whitespace().next().unwrap().parse().unwrap();
    assert!(host.leased_since(setup.port, ends - 600) && !host.leased_since(setup.port, ends - 599));
    assert!(!host.leased_since(other.port, 0), "another network has servers of its own");

    // The same tap with another MAC, held by nothing but the server: the rule that drops it is taken away.
    host.sh(&["nft", "delete", "table", "bridge", "windlass"]);
    run("ip", &["-n", &guest.space, "link", "set", "eth0", "address", "fa:16:3e:ff:ff:ff"]);
    assert_eq!(ask(&place, &guest), None);
    run("ip", &["-n", &guest.space, "link", "set", "eth0", "address", &setup.mac.to_string()]);
    assert!(ask(&place, &guest).is_some());
}

fn leases(host: &Host, setup: &windlass_sagas::record::PortSetup) -> String {
    fs::read_to_string(host.run.join("dhcp").join(setup.network.to_string()).join("leases")).unwrap()
}

#[test]
fn an_address_goes_to_another_port_after_its_first_one() {
    let Some(mut place) = Place::new() else { return };
    let spaces = place.underlay(&["one"]);
    let host = Host::start(&spaces[0], place.directory.path(), 1);
    let (first, neighbour) = (port(1, 7), port(1, 8));
    for setup in [&first, &neighbour] {
        host.to_end(&prepare(setup), Direction::Forward);
    }
    let guest = Guest::plug(&mut place, &host, &first, "a");
    let guest_neighbour = Guest::plug(&mut place, &host, &neighbour, "n");
    assert!(ask(&place, &guest).is_some() && ask(&place, &guest_neighbour).is_some());
    drop(guest);
    host.to_end(&remove(&first), Direction::Forward);
    assert!(!leases(&host, &first).contains("10.0.0.7 "), "its lease is gone");
    assert!(leases(&host, &first).contains("10.0.0.8 "), "and no other");
    let mut second = port(1, 9);
    second.addresses.clone_from(&first.addresses);
    second.mac = Mac([0xfa, 0x16, 0x3e, 9, 9, 9]);
    host.to_end(&prepare(&second), Direction::Forward);
    let guest = Guest::plug(&mut place, &host, &second, "b");
    let told = ask(&place, &guest).expect("the address is free for another MAC");
    assert!(told.iter().any(|line| line == "ip=10.0.0.7"), "{told:?}");
    drop((guest, guest_neighbour));
    for setup in [&second, &neighbour] {
        host.to_end(&remove(setup), Direction::Forward);
    }
    assert_eq!(remains(&host), Vec::<String>::new());
}

#[test]
fn a_server_that_dies_comes_back_and_outlives_the_agent() {
    let Some(mut place) = Place::new() else { return };
    let spaces = place.underlay(&["one"]);
    let host = Host::start(&spaces[0], place.directory.path(), 1);
    let setup = port(1, 7);
    host.to_end(&prepare(&setup), Direction::Forward);
    let servers = || run("ip", &["netns", "pids", &host.space]).trim().to_owned();
    let server = servers();
    host.restart();
    assert_eq!(servers(), server, "the same process");
    run("kill", &["-9", &server]);
    until("another server runs", || !servers().is_empty() && servers() != server);
    // A process is no server yet: it is one once it listens on port 67 (hexadecimal in this table).
    let sockets = || run("ip", &["netns", "exec", &host.space, "cat", "/proc/net/udp"]);
    until("it listens", || sockets().contains(":0043 "));
    let guest = Guest::plug(&mut place, &host, &setup, "a");
    assert!(ask(&place, &guest).is_some());
}

#[test]
fn a_guest_renews_its_lease_by_asking_its_server_alone() {
    let Some(mut place) = Place::new() else { return };
    let spaces = place.underlay(&["one"]);
    let host = Host::start(&spaces[0], place.directory.path(), 1);
    let setup = port(1, 7);
    host.to_end(&prepare(&setup), Direction::Forward);
    let guest = Guest::plug(&mut place, &host, &setup, "a");
    let (script, heard) = (place.directory.path().join("obey"), place.directory.path().join("heard"));
    // The route to the server is the option's: 169.254.169.254/32 by 0.0.0.0.
    let text = format!(
        "#!/bin/sh\necho $1 $staticroutes >>{}\n[ $1 = bound ] || exit 0\n\
         ip addr add $ip/$mask dev eth0\nip route add 169.254.169.254/32 dev eth0\n",
        heard.display()
    );
    fs::write(&script, text).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let client =
        ["netns", "exec", &guest.space, "busybox", "udhcpc", "-i", "eth0", "-f", "-O", "staticroutes"];
    let mut client = Command::new("ip").args(client).arg("-s").arg(&script).spawn().unwrap();
    let heard = |word: &str| fs::read_to_string(&heard).unwrap_or_default().contains(word);
    until("the guest has its lease", || heard("bound 169.254.169.254/32 0.0.0.0 0.0.0.0/0 10.0.0.1"));
    until("it has renewed it", || {
        run("kill", &["-USR1", &client.id().to_string()]);
        heard("renew")
    });
    client.kill().unwrap();
    client.wait().unwrap();
}

#[test]
fn the_view_gives_name_servers_and_turns_dhcp_off() {
    let Some(mut place) = Place::new() else { return };
    let spaces = place.underlay(&["one"]);
    let host = Host::start(&spaces[0], place.directory.path(), 1);
    let setup = port(1, 7);
    let cidr = Cidr { address: Ipv4Addr::new(10, 0, 0, 0).into(), prefix_bits: 24 };
    let gateway = setup.addresses[0].gateway;
    let mut subnet = SubnetView { cidr, gateway, dns: vec![Ipv4Addr::new(9, 9, 9, 9).into()], dhcp: true };
    let with = |subnet: &SubnetView| {
        let mut shown = view(&[&setup], &[], &[]);
        shown.networks.get_mut(&setup.network).unwrap().subnets.push(subnet.clone());
        shown
    };
    // Prepared while it is off.
    subnet.dhcp = false;
    host.apply(&with(&subnet));
    host.to_end(&prepare(&setup), Direction::Forward);
    let guest = Guest::plug(&mut place, &host, &setup, "a");
    assert_eq!(ask(&place, &guest), None);
    subnet.dhcp = true;
    host.apply(&with(&subnet));
    let told = ask(&place, &guest).unwrap();
    assert!(told.iter().any(|line| line == "dns=9.9.9.9"), "{told:?}");
    subnet.dhcp = false;
    host.apply(&with(&subnet));
    assert_eq!(ask(&place, &guest), None);
    assert!(host.to_end(&prepare(&setup), Direction::Forward).is_empty(), "the port is ready all the same");
    subnet.dhcp = true;
    host.apply(&with(&subnet));
    assert!(ask(&place, &guest).is_some());
    drop(guest);
    host.to_end(&remove(&setup), Direction::Forward);
    assert_eq!(remains(&host), Vec::<String>::new());
}
