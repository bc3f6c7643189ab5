//! A guest that says that it is another one.

use std::net::UdpSocket;

use windlass_sagas::record::{Direction, PortSetup, Protocol};

use super::cloud::{out_and, port, prepare, view};
use super::guest::Guest;
use super::host::Host;
use super::place::{Place, run, within};

fn ip(guest: &Guest, arguments: &[&str]) {
    run("ip", &[&["-n", &guest.space], arguments].concat());
}

/// How often an attempt is made until the rule has seen it; a bound against hanging.
const TRIES_MAX: u32 = 50;

/// Two guests on one host that may ping each other; the first one is up to no good.
struct Two {
    guest: Guest,
    other: Guest,
    a: PortSetup,
    b: PortSetup,
    host: Host,
    _place: Place,
}

impl Two {
    fn new() -> Option<Self> {
        let mut place = Place::new()?;
        let spaces = place.underlay(&["one"]);
        let host = Host::start(&spaces[0], place.directory.path(), 1);
        let (a, b) = (port(1, 7), port(1, 8));
        for setup in [&a, &b] {
            host.to_end(&prepare(setup), Direction::Forward);
        }
        host.apply(&view(&[&a, &b], &out_and(&[Protocol::Icmp]), &[]));
        let guest = Guest::addressed(&mut place, &host, &a, "a");
        let other = Guest::addressed(&mut place, &host, &b, "b");
        let two = Self { guest, other, a, b, host, _place: place };
        two.can();
        Some(two)
    }

    /// The path is there.
    fn can(&self) {
        assert!(self.guest.reaches("10.0.0.8"), "the guest's own frames pass");
    }

    /// An attempt is seen and dropped.
    fn dropped(&self, comment: &str, attempt: impl Fn()) {
        let before = self.host.counted(comment);
        // Some frames leave in the guest's own time (a neighbour is asked first, an address is tried out).
        for _ in 0..TRIES_MAX {
            attempt();
            if self.host.counted(comment) > before {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        panic!("nothing was counted: {comment}");
    }

    /// The guest knows the other one's MAC by this address, so that its packets really leave.
    fn knows(&self, address: &str) {
        let mac = self.b.mac.to_string();
        ip(&self.guest, &["neigh", "replace", address, "lladdr", &mac, "dev", "eth0", "nud", "permanent"]);
    }
}

#[test]
fn another_address_or_mac_is_dropped() {
    let Some(two) = Two::new() else { return };
    // Another address; the neighbour is known, so that the packet really leaves.
    two.knows("10.0.0.8");
    ip(&two.guest, &["addr", "add", "10.0.0.99/24", "dev", "eth0"]);
    two.dropped("ip", || {
        let ping = ["busybox", "ping", "-c", "1", "-W", "1", "-I", "10.0.0.99", "10.0.0.8"];
        assert!(!two.guest.sh(&ping).status.success());
    });
    // Its neighbour is told of an address that is not the guest's.
    two.dropped("arp", || {
        two.guest.sh(&[
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
    let known = String::from_utf8(two.other.sh(&["ip", "neigh"]).stdout).unwrap();
    assert!(!known.contains("10.0.0.99"), "{known}");
    ip(&two.guest, &["addr", "del", "10.0.0.99/24", "dev", "eth0"]);
    two.can();

    // Another MAC.
    ip(&two.guest, &["link", "set", "eth0", "address", "fa:16:3e:ff:ff:ff"]);
    two.knows("10.0.0.8");
    two.dropped("mac", || assert!(!two.guest.pings("10.0.0.8")));
    ip(&two.guest, &["link", "set", "eth0", "address", &two.a.mac.to_string()]);
    two.can();
}

#[test]
fn what_no_guest_should_send_is_dropped() {
    let Some(two) = Two::new() else { return };
    // IPv6 has no rules yet.
    two.dropped("ip6", || {
        two.guest.sh(&["busybox", "ping", "-6", "-c", "1", "-W", "1", "ff02::1%eth0"]);
    });
    // A server of its own for addresses.
    two.dropped("dhcp-server", || {
        within(&two.guest.space, || {
            let server = UdpSocket::bind("0.0.0.0:67").unwrap();
            server.send_to(b"offer", "10.0.0.8:68").unwrap();
        });
    });
    // A tag of a VLAN in front of a packet: the guest's own kernel writes it over what follows the addresses.
    let table = "table netdev t { chain c { type filter hook egress device eth0 priority 0; ether type ip ether type set 8021q; }; }";
    assert!(two.guest.sh(&["nft", table]).status.success());
    two.dropped("tagged", || assert!(!two.guest.pings("10.0.0.8")));
    assert!(two.guest.sh(&["nft", "delete table netdev t"]).status.success());
    two.can();

    // A packet for nobody, put into the neighbour's frame: no rule of the neighbour's would have seen it.
    two.knows("10.0.0.98");
    two.dropped("not-for-port", || assert!(!two.guest.pings("10.0.0.98")));
    two.can();
}

#[test]
fn a_guest_may_ask_whether_an_address_is_in_use() {
    let Some(two) = Two::new() else { return };
    // Looking whether an address is in use before it is taken is allowed: the sender has none yet.
    let probe = two.other.sh(&["busybox", "arping", "-D", "-c", "2", "-w", "3", "-I", "eth0", "10.0.0.7"]);
    let said = String::from_utf8_lossy(&probe.stdout).into_owned();
    assert!(said.to_lowercase().contains(&two.a.mac.to_string()), "the owner answers: {said}");
}
