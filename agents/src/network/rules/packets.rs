//! Which packets may leave a guest and reach one, by the security rules; and which the tunnels take.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::Ipv4Addr;

use windlass_sagas::cell::views::HostView;
use windlass_sagas::record::{Protocol, Remote, RuleDirection, SecurityRule};

use super::{Network, Port, SERVER, set};
use crate::network::links::TUNNEL_PORT;
use crate::network::names::{BRIDGE, hex};
use crate::network::record::v4;

/// The sets, maps and chains of the `ip` family.
pub(super) fn chains(ports: &[Port<'_>], networks: &BTreeMap<u32, Network>, view: &HostView) -> String {
    let mut text = String::new();
    for (group, members) in &view.groups {
        let members: Vec<String> = members.iter().copied().filter_map(v4).map(|ip| ip.to_string()).collect();
        set(&mut text, "set", &format!("group_{}", hex(&group.0)), "ipv4_addr", &members);
    }
    for port in ports {
        for (direction, word) in [(RuleDirection::Egress, "out"), (RuleDirection::Ingress, "in")] {
            port_chain(&mut text, port, direction, word, view);
        }
    }
    let ends = |value: &dyn Fn(&Port<'_>) -> String| -> Vec<String> {
        let of = |port: &Port<'_>| {
            let value = value(port);
            port.addresses.iter().map(|ip| format!("\"{}\" . {ip}{value}", port.bridge)).collect::<Vec<_>>()
        };
        ports.iter().flat_map(of).collect()
    };
    set(&mut text, "set", "local", "ifname . ipv4_addr", &ends(&|_| String::new()));
    let jump = |word: &'static str| move |port: &Port<'_>| format!(" : jump {word}_{}", hex(&port.id.0));
    set(&mut text, "map", "egress", "ifname . ipv4_addr : verdict", &ends(&jump("out")));
    set(&mut text, "map", "ingress", "ifname . ipv4_addr : verdict", &ends(&jump("in")));
    raw(&mut text, networks);
    tunnels(&mut text, networks, view);
    write!(text, "{}", fixed()).ok();
    text
}

/// What a port's own rules allow in a direction; the rest is dropped.
fn port_chain(text: &mut String, port: &Port<'_>, direction: RuleDirection, word: &str, view: &HostView) {
    writeln!(text, "\tchain {word}_{} {{", hex(&port.id.0)).ok();
    let rules = view.ports.get(&port.id).map_or(&[][..], |port| &port.rules);
    let verdict = if direction == RuleDirection::Egress { "return" } else { "accept" };
    for rule in rules.iter().filter(|rule| rule.direction == direction) {
        if let Some(condition) = condition(rule, view) {
            writeln!(text, "\t\t{condition}{verdict}").ok();
        }
    }
    writeln!(text, "\t\tcounter drop comment \"wl:rules\"\n\t}}").ok();
}

/// When a rule lets a packet pass; `None`: never, as one that names IPv6 addresses alone.
fn condition(rule: &SecurityRule, view: &HostView) -> Option<String> {
    let end = if rule.direction == RuleDirection::Egress { "daddr" } else { "saddr" };
    let remote = match rule.remote {
        Remote::Any => String::new(),
        Remote::Range(range) => match (v4(range.address)?, range.prefix_bits) {
            (_, 0) => String::new(),
            (address, bits) => format!("ip {end} {address}/{bits} "),
        },
        Remote::Group(group) => {
            view.groups.get(&group)?;
            format!("ip {end} @group_{} ", hex(&group.0))
        }
    };
    let protocol = match (rule.protocol, rule.ports) {
        (Protocol::Any, None) => String::new(),
        (Protocol::Icmp, None) => "ip protocol icmp ".to_owned(),
        (Protocol::Tcp, None) => "ip protocol tcp ".to_owned(),
        (Protocol::Udp, None) => "ip protocol udp ".to_owned(),
        (Protocol::Tcp, Some((first, last))) if first <= last => format!("tcp dport {first}-{last} "),
        (Protocol::Udp, Some((first, last))) if first <= last => format!("udp dport {first}-{last} "),
        // No such rule can be made; one that is there all the same allows nothing.
        (Protocol::Any | Protocol::Icmp | Protocol::Tcp | Protocol::Udp, Some(_)) => return None,
    };
    Some(remote + &protocol)
}

/// Each network's connections are tracked apart; the tunnels' own packets and DHCP are not tracked (and must not come to
/// a zone then, which would have them tracked after all).
fn raw(text: &mut String, networks: &BTreeMap<u32, Network>) {
    writeln!(text, "\tchain raw {{\n\t\ttype filter hook prerouting priority raw; policy accept;").ok();
    writeln!(text, "\t\tiifname != \"{BRIDGE}*\" udp dport {TUNNEL_PORT} notrack accept").ok();
    writeln!(text, "\t\tiifname \"{BRIDGE}*\" udp dport 67 notrack accept").ok();
    for network in networks.values() {
        writeln!(text, "\t\tiifname \"{}\" ct zone set {}", network.bridge, network.zone).ok();
    }
    writeln!(text, "\t}}\n\tchain raw_out {{\n\t\ttype filter hook output priority raw; policy accept;").ok();
    writeln!(text, "\t\tudp dport {TUNNEL_PORT} notrack").ok();
    writeln!(text, "\t\toifname \"{BRIDGE}*\" udp sport 67 notrack\n\t}}").ok();
}

/// A network's packets are taken from its peers alone: 24 bits at 96 of the UDP header are the VXLAN identifier.
fn tunnels(text: &mut String, networks: &BTreeMap<u32, Network>, view: &HostView) {
    writeln!(text, "\tchain tunnels {{").ok();
    for network in networks.values() {
        let peers = view.networks.get(&network.id).filter(|shown| shown.vni == network.vni);
        let peers = peers.into_iter().flat_map(|shown| shown.peers.iter().copied().filter_map(v4));
        let peers: Vec<String> = peers.map(|peer: Ipv4Addr| peer.to_string()).collect();
        let from = match peers.as_slice() {
            [] => String::new(),
            peers => format!("ip saddr != {{ {} }} ", peers.join(", ")),
        };
        writeln!(text, "\t\t@th,96,24 {} {from}counter drop comment \"wl:no-peer\"", network.vni).ok();
    }
    writeln!(text, "\t}}").ok();
}

/// What is the same for all ports. A connection is known from its first packet on, so that one that was cut stays cut.
fn fixed() -> String {
    format!(
        r#"	chain input {{
		type filter hook input priority 0; policy accept;
		udp dport {TUNNEL_PORT} jump tunnels
		iifname "{BRIDGE}*" ip daddr {{ 255.255.255.255, {SERVER} }} udp dport 67 accept
		iifname "{BRIDGE}*" counter drop comment "wl:host"
	}}
	chain output {{
		type filter hook output priority 0; policy accept;
		oifname "{BRIDGE}*" udp sport 67 udp dport 68 accept
		oifname "{BRIDGE}*" counter drop comment "wl:from-host"
	}}
	chain forward {{
		type filter hook forward priority 0; policy accept;
		iifname "{BRIDGE}*" jump bridged
		oifname "{BRIDGE}*" counter drop comment "wl:routed"
	}}
	chain bridged {{
		ct state established,related accept
		ct state invalid counter drop comment "wl:invalid"
		ip protocol tcp tcp flags & (fin | syn | rst | ack) != syn counter drop comment "wl:cut"
		iifname . ip saddr vmap @egress
		iifname . ip daddr vmap @ingress
		iifname . ip saddr @local accept
		counter drop comment "wl:unknown"
	}}
"#
    )
}
