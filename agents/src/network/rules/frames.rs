//! What guests' frames must look like, and who may talk to the host.

use std::fmt::Write as _;

use super::{Port, SERVER, set};
use crate::network::names::{TAP, TUNNEL};

/// The sets and chains of the bridge family.
pub(super) fn chains(ports: &[Port<'_>]) -> String {
    let mut text = String::new();
    let taps: Vec<String> = ports.iter().map(|port| format!("\"{}\"", port.tap)).collect();
    set(&mut text, "set", "taps", "ifname", &taps);
    let macs: Vec<String> =
        ports.iter().map(|port| format!("\"{}\" . {}", port.tap, port.record.setup.mac)).collect();
    set(&mut text, "set", "macs", "ifname . ether_addr", &macs);
    let address =
        |port: &Port<'_>, address| format!("\"{}\" . {} . {address}", port.tap, port.record.setup.mac);
    let addresses: Vec<String> =
        ports.iter().flat_map(|port| port.addresses.iter().map(move |ip| address(port, ip))).collect();
    set(&mut text, "set", "addresses", "ifname . ether_addr . ipv4_addr", &addresses);
    write!(text, "{}", fixed()).ok();
    text
}

/// What is the same for all ports. A tag of a VLAN would hide a packet from the rules of the `ip` family.
fn fixed() -> String {
    format!(
        r#"	chain prerouting {{
		type filter hook prerouting priority -310; policy accept;
		iifname @taps jump from_port
		iifname "{TAP}*" counter drop comment "wl:unknown"
		iifname "{TUNNEL}*" jump from_tunnel
	}}
	chain from_port {{
		ether type {{ 8021q, 8021ad }} counter drop comment "wl:tagged"
		iifname . ether saddr != @macs counter drop comment "wl:mac"
		ether type arp jump arp_from_port
		ether type ip udp sport 67 counter drop comment "wl:dhcp-server"
		ether type ip ip saddr 0.0.0.0 ip daddr 255.255.255.255 udp sport 68 udp dport 67 accept
		ether type ip iifname . ether saddr . ip saddr @addresses accept
		ether type ip counter drop comment "wl:ip"
		ether type ip6 counter drop comment "wl:ip6"
		counter drop comment "wl:other"
	}}
	chain arp_from_port {{
		arp htype 1 arp ptype ip iifname . arp saddr ether . arp saddr ip @addresses accept
		arp operation request arp saddr ip 0.0.0.0 iifname . arp saddr ether @macs accept
		counter drop comment "wl:arp"
	}}
	chain from_tunnel {{
		ether type arp arp daddr ip {SERVER} counter drop comment "wl:tunnel-server"
		ether type arp arp saddr ip {SERVER} counter drop comment "wl:tunnel-server"
		ether type arp accept
		ether type ip udp dport 67 counter drop comment "wl:tunnel-dhcp"
		ether type ip accept
		counter drop comment "wl:tunnel-other"
	}}
	chain input {{
		type filter hook input priority 0; policy accept;
		iifname "{TAP}*" jump to_host
		iifname "{TUNNEL}*" counter drop comment "wl:tunnel-host"
	}}
	chain to_host {{
		ether type arp arp daddr ip {SERVER} accept
		ether type ip ip daddr {{ 255.255.255.255, {SERVER} }} udp dport 67 accept
		counter drop comment "wl:host"
	}}
	chain forward {{
		type filter hook forward priority -310; policy accept;
		iifname "{TAP}*" jump onward
		oifname "{TAP}*" jump to_port
	}}
	chain onward {{
		ether type ip udp dport 67 drop
		ether type arp arp daddr ip {SERVER} drop
	}}
	chain to_port {{
		ether type arp accept
		ether type ip oifname . ether daddr . ip daddr @addresses accept
		counter drop comment "wl:not-for-port"
	}}
"#
    )
}
