//! A guest that says that it is another one.

use std::net::UdpSocket;

use windlass_sagas::record::{Direction, Protocol};

use super::cloud::{out_and, port, prepare, view};
use super::guest::Guest;
use super::host::Host;
use super::place::{Place, run, within};

fn ip(guest: &Guest, arguments: &[&str]) {
    run("ip", &[&["-n", &guest.space], arguments].concat());
}

#[test]
fn frames_that_are_not_the_guests_own_are_dropped() {
    let Some(mut place) = Place::new() else { return };
    let spaces = place.underlay(&["one"]);
    let host = Host::start(&spaces[0], place.directory.path(), 1);
    let (a, b) = (port(1, 7), port(1, 8));
    for setup in [&a, &b] {
        host.to_end(&prepare(setup), Direction::Forward);
    }
    host.apply(&view(&[&a, &b], &out_and(&[Protocol::Icmp]), &[]));
    let guest = Guest::addressed(&mut place, &host, &a, "a");
    let other = Guest::addressed(&mut place, &host, &b, "b");
    let can = || assert!(guest.reaches("10.0.0.8"), "the guest's own frames pass");
    can();
    let dropped = |comment: &str, attempt: &dyn Fn()| {
        let before = host.counted(comment);
        attempt();
        assert!(host.counted(comment) > before, "{comment}");
    };

    // Another address; the neighbour is known, so that the packet really leaves.
    let neighbour =
        ["neigh", "replace", "10.0.0.8", "lladdr", &b.mac.to_string(), "dev", "eth0", "nud", "permanent"];
    ip(&guest, &neighbour);
    ip(&guest, &["addr", "add", "10.0.0.99/24", "dev", "eth0"]);
    dropped("ip", &|| {
        let ping = ["busybox", "ping", "-c", "1", "-W", "1", "-I", "10.0.0.99", "10.0.0.8"];
        assert!(!guest.sh(&ping).status.success());
    });
    // Its neighbour is told of an address that is not the guest's.
    dropped("arp", &|| {
        guest.sh(&[
            "busybox",
            "arping",
            "-U",
            "-c",
            "1",
            "-w",
            "1",
            "-I",
            "eth0",
            "-s",
            "10.0.0.99",
            "10.0.0.99",
        ]);
    });
    let known = String::from_utf8(other.sh(&["ip", "neigh"]).stdout).unwrap();
    assert!(!known.contains("10.0.0.99"), "{known}");
    ip(&guest, &["addr", "del", "10.0.0.99/24", "dev", "eth0"]);
    can();

    // Another MAC.
    ip(&guest, &["link", "set", "eth0", "address", "fa:16:3e:ff:ff:ff"]);
    ip(&guest, &neighbour);
    dropped("mac", &|| assert!(!guest.pings("10.0.0.8")));
    ip(&guest, &["link", "set", "eth0", "address", &a.mac.to_string()]);
    can();

    // IPv6 has no rules yet.
    dropped("ip6", &|| {
        guest.sh(&["busybox", "ping", "-6", "-c", "1", "-W", "1", "ff02::1%eth0"]);
    });
    // A server of its own for addresses.
    dropped("dhcp-server", &|| {
        within(&guest.space, || {
            let server = UdpSocket::bind("0.0.0.0:67").unwrap();
            server.send_to(b"offer", "10.0.0.8:68").unwrap();
        });
    });
    // A tag of a VLAN in front of a packet: the guest's own kernel writes it over what follows the addresses.
    let table = "table netdev t { chain c { type filter hook egress device eth0 priority 0; ether type ip ether type set 8021q; }; }";
    assert!(guest.sh(&["nft", table]).status.success());
    dropped("tagged", &|| assert!(!guest.pings("10.0.0.8")));
    assert!(guest.sh(&["nft", "delete table netdev t"]).status.success());
    can();

    // A packet for nobody, put into the neighbour's frame: no rule of the neighbour's would have seen it.
    let nobody =
        ["neigh", "replace", "10.0.0.98", "lladdr", &b.mac.to_string(), "dev", "eth0", "nud", "permanent"];
    ip(&guest, &nobody);
    dropped("not-for-port", &|| assert!(!guest.pings("10.0.0.98")));
    can();

    // Looking whether an address is in use before it is taken is allowed: the sender has none yet.
    let probe = other.sh(&["busybox", "arping", "-D", "-c", "2", "-w", "3", "-I", "eth0", "10.0.0.7"]);
    let said = String::from_utf8_lossy(&probe.stdout).into_owned();
    assert!(said.to_lowercase().contains(&a.mac.to_string()), "the owner answers: {said}");
}
