//! Guests on the network: across hosts, apart by project, held to their own addresses, closed but for what is allowed.

use crate::site::Site;

/// How many packets the anti-spoofing rules of a host have dropped.
fn dropped(site: &Site, host: &str) -> u64 {
    let rules = site.on(host, &["nft", "list", "table", "bridge", "windlass"]);
    let counted = rules.lines().filter(|line| line.contains("drop") && line.contains("counter packets"));
    let numbers = counted
        .filter_map(|line| line.split("packets ").nth(1)?.split_whitespace().next()?.parse::<u64>().ok());
    numbers.sum()
}

fn pings(site: &Site, from: &str, address: &str) -> bool {
    let said = site.inside(from, &format!("ping -c 2 -W 1 {address}"));
    assert!(said.contains("packets transmitted"), "{said}");
    !said.contains(" 0 packets received")
}

#[test]
fn guests_reach_their_own_network_across_hosts_and_nobody_elses() {
    let Some(site) = Site::start("guests_reach_their_own_network_across_hosts_and_nobody_elses") else {
        return;
    };
    site.server("a", "h1", &[]);
    site.server("b", "h2", &[]);
    let (a, b) = (site.address("a"), site.address("b"));
    assert!(pings(&site, "a", &b), "across the tunnel");
    let mtu = site.inside("a", "cat /sys/class/net/eth0/mtu");
    assert_eq!(mtu.trim(), "1450", "the tunnel's overhead is accounted for");
    // 1,450 bytes in one packet: 1,422 of payload behind the headers of IP and ICMP.
    let large = site.inside("a", &format!("ping -c 1 -W 2 -s 1422 {b}"));
    assert!(large.contains("1 packets received"), "{large}");

    // Another project with the same range, on b's host, and with a's address.
    site.ok(&["project", "create", "other"]);
    site.ok(&["--project", "other", "network", "create", "net"]);
    site.ok(&["--project", "other", "subnet", "create", "net", "--network", "net", "--cidr", "10.10.0.0/16"]);
    let create = ["--project", "other", "server", "create", "c", "--flavor", "small"];
    site.ok(&[
        &create[..],
        &["--image", "projects/demo/images/guest", "--network", "net", "--on-host", "h2"],
    ]
    .concat());
    let shown = site.json(&["--project", "other", "server", "get", "c"]);
    assert_eq!(
        shown["interfaces"][0]["fixedIps"][0]["ipAddress"],
        a.as_str(),
        "the same address twice, in two networks"
    );
    let id = shown["uid"].as_str().unwrap();
    let console =
        std::fs::read_to_string(site.run("h2").join("guests").join(id).join("console.log")).unwrap();
    assert!(console.contains(&a), "{console}");
    let inside = |command: &str| site.inside_guest(&site.run("h2").join("guests").join(id), command);
    let said = inside(&format!("ping -c 2 -W 1 {b}"));
    assert!(said.contains(" 0 packets received"), "another tenant's guest is reached: {said}");
    assert!(pings(&site, "a", &b), "and the own one is still reached");
    site.is_well();
    for server in ["a", "b"] {
        site.ok(&["server", "delete", server]);
    }
    site.ok(&["--project", "other", "server", "delete", "c"]);
    site.is_well();
    site.is_empty();
}

#[test]
fn a_guest_speaks_for_itself_alone_and_is_closed_until_a_rule_opens_it() {
    let Some(site) = Site::start("a_guest_speaks_for_itself_alone_and_is_closed_until_a_rule_opens_it")
    else {
        return;
    };
    site.server("a", "h1", &[]);
    site.server("b", "h2", &[]);
    let (a, b) = (site.address("a"), site.address("b"));
    assert!(pings(&site, "a", &b));
    let mac = site.inside("b", "cat /sys/class/net/eth0/address");

    // Another source address, with the neighbour set by hand so that the packet leaves.
    let before = dropped(&site, "h1");
    site.inside(
        "a",
        &format!("ip neigh replace {b} lladdr {mac} dev eth0; ip addr add 10.10.9.9/16 dev eth0"),
    );
    let said = site.inside("a", &format!("ping -c 2 -W 1 -I 10.10.9.9 {b}"));
    assert!(said.contains(" 0 packets received"), "{said}");
    let after_ip = dropped(&site, "h1");
    assert!(after_ip >= before + 2, "the wrong address was dropped by the rule: {before} {after_ip}");
    // Another MAC.
    site.inside(
        "a",
        "ip link set eth0 down; ip link set eth0 address 02:00:00:00:00:09; ip link set eth0 up",
    );
    site.inside("a", &format!("ip neigh replace {b} lladdr {mac} dev eth0"));
    let said = site.inside("a", &format!("ping -c 2 -W 1 {b}"));
    assert!(!said.contains(" 2 packets received"), "{said}");
    assert!(dropped(&site, "h1") > after_ip, "the wrong MAC was dropped by the rule");

    // The own network's group lets its members in; a group of its own lets nobody in until a rule says so.
    site.ok(&["security-group", "create", "closed", "--rule", "egress:any::"]);
    site.ok(&["port", "create", "p", "--network", "net", "--security-group", "closed"]);
    let create = ["server", "create", "c", "--flavor", "small", "--image", "guest", "--port", "p"];
    site.ok(&[&create[..], &["--on-host", "h1"]].concat());
    let c = site.address("c");
    assert!(!pings(&site, "b", &c), "closed");
    // The other end's group lets everybody ask.
    let asked = ["--rule", "egress:any::", "--rule", "ingress:any::group=self", "--rule", "ingress:icmp::"];
    site.ok(&[&["security-group", "set-rules", "default"], &asked[..]].concat());
    crate::site::until("the other end is open", || pings(&site, "c", &b));
    assert!(!pings(&site, "b", &c), "answers are let in, and nothing else");
    site.ok(&[
        "security-group",
        "set-rules",
        "closed",
        "--rule",
        "egress:any::",
        "--rule",
        &format!("ingress:icmp::{b}/32"),
    ]);
    crate::site::until("the rule opens the guest", || pings(&site, "b", &c));
    site.ok(&["security-group", "set-rules", "closed", "--rule", "egress:any::"]);
    crate::site::until("the rule is gone again", || !pings(&site, "b", &c));
    // The host itself is closed to its guests.
    let host = site.on("h1", &["sh", "-c", "ip -o -4 addr show underlay | awk '{print $4}' | cut -d/ -f1"]);
    assert!(!pings(&site, "c", host.trim()), "a guest reaches its host");
    assert!(!a.is_empty());
    for server in ["a", "b", "c"] {
        site.ok(&["server", "delete", server]);
    }
    site.ok(&["port", "delete", "p"]);
    site.is_empty();
}
