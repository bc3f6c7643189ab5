//! Connections that the kernel tracks: those that no rule allows any more are cut, for a rule that goes does not stop
//! what is established.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use windlass_sagas::cell::views::{HostView, PortView};
use windlass_sagas::record::{Protocol, Refusal, Remote, RuleDirection, SecurityRule};

use super::record::{Record, Records, v4};
use crate::limits::FLOWS_CUT_SINGLY_MAX;
use crate::linux::{Tool, complained};

/// A tracked connection, as its first packet went.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Flow {
    zone: u16,
    protocol: u8,
    from: Ipv4Addr,
    to: Ipv4Addr,
    ports: Option<(u16, u16)>,
}

/// Whether connections from or to the address are tracked in the zone.
pub(super) async fn any(zone: u16, address: Ipv4Addr) -> Result<bool, Refusal> {
    let flows = list(&["--zone", &zone.to_string()]).await?;
    Ok(flows.iter().any(|flow| flow.from == address || flow.to == address))
}

/// Cuts all connections from and to the address in the zone.
pub(super) async fn cut(zone: u16, address: Ipv4Addr) -> Result<(), Refusal> {
    for end in ["-s", "-d"] {
        delete(zone, &[end, &address.to_string()]).await?;
    }
    Ok(())
}

/// Cuts the connections of these ports that the view does not allow.
pub(super) async fn sweep(records: &Records, view: &HostView) -> Result<(), Refusal> {
    if records.is_empty() {
        return Ok(());
    }
    let mut zones: BTreeMap<u16, Vec<Flow>> = BTreeMap::new();
    for flow in list(&[]).await? {
        zones.entry(flow.zone).or_default().push(flow);
    }
    for record in records.values() {
        let flows = zones.get(&record.zone).map_or(&[][..], Vec::as_slice);
        let shown = view.ports.get(&record.setup.port);
        let of = |flow: &&Flow| record.addresses().any(|ip| ip == flow.from || ip == flow.to);
        let denied = |flow: &&Flow| !allowed(flow, record, shown, view);
        let denied: Vec<&Flow> = flows.iter().filter(of).filter(denied).collect();
        if denied.len() > FLOWS_CUT_SINGLY_MAX {
            for address in record.addresses() {
                cut(record.zone, address).await?;
            }
            continue;
        }
        for flow in denied {
            flow.cut().await?;
        }
    }
    Ok(())
}

/// Whether the rules that `before` showed allow anything that those of `after` don't.
pub(super) fn lost(before: &HostView, after: &HostView) -> bool {
    before.ports.iter().any(|(id, old)| {
        let Some(new) = after.ports.get(id) else { return true };
        let kept = |rule: &SecurityRule| new.rules.contains(rule);
        let members = |rule: &SecurityRule| match rule.remote {
            Remote::Group(group) => match (before.groups.get(&group), after.groups.get(&group)) {
                (Some(old), Some(new)) => old.is_subset(new),
                (old, _) => old.is_none_or(|old| old.is_empty()),
            },
            Remote::Any | Remote::Range(_) => true,
        };
        !old.rules.iter().all(|rule| kept(rule) && members(rule))
    })
}

/// Whether the port's rules would let the connection's first packet pass.
fn allowed(flow: &Flow, record: &Record, shown: Option<&PortView>, view: &HostView) -> bool {
    let rules = shown.map_or(&[][..], |port| &port.rules);
    let is_local = |ip| record.addresses().any(|address| address == ip);
    let passes = |direction, remote| {
        let mut rules = rules.iter().filter(|rule| rule.direction == direction);
        rules.any(|rule| matches(rule, flow, remote, view))
    };
    (!is_local(flow.from) || passes(RuleDirection::Egress, flow.to))
        && (!is_local(flow.to) || passes(RuleDirection::Ingress, flow.from))
}

fn matches(rule: &SecurityRule, flow: &Flow, remote: Ipv4Addr, view: &HostView) -> bool {
    let there = match rule.remote {
        Remote::Any => true,
        Remote::Range(range) => v4(range.address).is_some_and(|first| {
            let shift = 32 - u32::from(range.prefix_bits.min(32));
            let prefix = |ip: Ipv4Addr| ip.to_bits().checked_shr(shift).unwrap_or(0);
            prefix(first) == prefix(remote)
        }),
        Remote::Group(group) => view.groups.get(&group).is_some_and(|it| it.contains(&IpAddr::V4(remote))),
    };
    let protocol = rule.protocol == Protocol::Any || rule.protocol as u8 == flow.protocol;
    let ports = match (rule.ports, flow.ports) {
        (None, _) => true,
        (Some((first, last)), Some((_, to))) => {
            (first..=last).contains(&to) && rule.protocol != Protocol::Any
        }
        (Some(_), None) => false,
    };
    there && protocol && ports
}

impl Flow {
    async fn cut(&self) -> Result<(), Refusal> {
        let mut arguments = vec!["-p".to_owned(), self.protocol.to_string()];
        arguments.extend(["-s".into(), self.from.to_string(), "-d".into(), self.to.to_string()]);
        if let Some((from, to)) = self.ports {
            arguments.extend([format!("--sport={from}"), format!("--dport={to}")]);
        }
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        delete(self.zone, &arguments).await
    }
}

async fn list(more: &[&str]) -> Result<Vec<Flow>, Refusal> {
    let out = Tool::new("conntrack").args(["-L", "--family", "ipv4"]).args(more).succeed().await?;
    Ok(String::from_utf8_lossy(&out).lines().filter_map(parse).collect())
}

/// Deletes what fits; its status tells whether anything did, so only a complaint is one.
async fn delete(zone: u16, more: &[&str]) -> Result<(), Refusal> {
    let tool =
        Tool::new("conntrack").args(["-D", "--family", "ipv4", "--zone"]).arg(zone.to_string()).args(more);
    let ended = tool.run().await?;
    if ended.success || ended.complaint.contains("0 flow entries") {
        return Ok(());
    }
    Err(complained("conntrack", &ended.complaint))
}

/// A line of the list: a protocol by name and number, words, then the first packet's ends.
fn parse(line: &str) -> Option<Flow> {
    let mut words = line.split_whitespace();
    let protocol = words.nth(1)?.parse().ok()?;
    let (mut zone, mut from, mut to, mut source, mut destination) = (0, None, None, None, None);
    for word in words {
        match word.split_once('=') {
            Some(("src", ip)) if from.is_none() => from = Some(ip.parse().ok()?),
            Some(("dst", ip)) if to.is_none() => to = Some(ip.parse().ok()?),
            Some(("sport", port)) if source.is_none() => source = Some(port.parse().ok()?),
            Some(("dport", port)) if destination.is_none() => destination = Some(port.parse().ok()?),
            Some(("zone", number)) => zone = number.parse().ok()?,
            Some(_) | None => {}
        }
    }
    Some(Flow { zone, protocol, from: from?, to: to?, ports: source.zip(destination) })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::network::tests::cloud::{out_and, port, record, rule, view, with_group};
    use windlass_sagas::ids::SecurityGroupId;
    use windlass_sagas::record::Cidr;

    fn ip(last: u8) -> Ipv4Addr {
        Ipv4Addr::new(10, 0, 0, last)
    }

    fn flow(protocol: u8, from: u8, to: u8, ports: Option<(u16, u16)>) -> Flow {
        Flow { zone: 1, protocol, from: ip(from), to: ip(to), ports }
    }

    #[test]
    fn lines_of_the_list_are_read_by_their_first_packet() {
        let tcp = "tcp      6 431999 ESTABLISHED src=10.0.0.7 dst=10.0.0.8 sport=4000 dport=80 \
                   src=10.0.0.8 dst=10.0.0.7 sport=80 dport=4000 [ASSURED] mark=0 zone=1 use=1";
        assert_eq!(parse(tcp), Some(flow(6, 7, 8, Some((4000, 80)))));
        let icmp = "icmp     1 29 src=10.0.0.7 dst=10.0.0.8 type=8 code=0 id=5 src=10.0.0.8 dst=10.0.0.7 \
                    type=0 code=0 id=5 mark=0 zone=1 use=1";
        assert_eq!(parse(icmp), Some(flow(1, 7, 8, None)));
        for other in ["", "conntrack v1.4.7", "tcp 6 10 ESTABLISHED src=x"] {
            assert_eq!(parse(other), None, "{other}");
        }
    }

    #[test]
    fn a_connection_is_cut_unless_a_rule_lets_its_first_packet_pass() {
        let setup = port(1, 7);
        let record = record(&setup);
        let group = SecurityGroupId([5; 16]);
        let range = Remote::Range(Cidr { address: ip(16).into(), prefix_bits: 28 });
        let ingress = |protocol, ports, remote| SecurityRule {
            ports,
            remote,
            ..rule(RuleDirection::Ingress, protocol)
        };
        let cases = [
            (ingress(Protocol::Tcp, Some((80, 90)), Remote::Any), flow(6, 1, 7, Some((4000, 85))), true),
            (ingress(Protocol::Tcp, Some((80, 90)), Remote::Any), flow(6, 1, 7, Some((85, 91))), false),
            (ingress(Protocol::Tcp, Some((80, 90)), Remote::Any), flow(17, 1, 7, Some((4000, 85))), false),
            (ingress(Protocol::Any, None, range), flow(1, 31, 7, None), true),
            (ingress(Protocol::Any, None, range), flow(1, 32, 7, None), false),
            (ingress(Protocol::Any, None, Remote::Group(group)), flow(1, 9, 7, None), true),
            (ingress(Protocol::Any, None, Remote::Group(group)), flow(1, 8, 7, None), false),
            (ingress(Protocol::Any, None, Remote::Any), flow(6, 7, 9, Some((1, 2))), false),
            (rule(RuleDirection::Egress, Protocol::Any), flow(6, 7, 9, Some((1, 2))), true),
        ];
        for (rule, flow, passes) in cases {
            let view = with_group(view(&[&setup], &[rule], &[]), group, &[&port(1, 9)]);
            let shown = view.ports.get(&setup.port);
            assert_eq!(allowed(&flow, &record, shown, &view), passes, "{rule:?} {flow:?}");
            assert!(!allowed(&flow, &record, None, &HostView::default()), "without a view nothing passes");
        }
    }

    #[test]
    fn what_takes_rules_members_or_ports_away_is_noticed() {
        let setup = port(1, 7);
        let group = SecurityGroupId([5; 16]);
        let grouped =
            SecurityRule { remote: Remote::Group(group), ..rule(RuleDirection::Ingress, Protocol::Any) };
        let rules = [out_and(&[]), vec![grouped]].concat();
        let two = with_group(view(&[&setup], &rules, &[]), group, &[&port(1, 8), &port(1, 9)]);
        let one = with_group(view(&[&setup], &rules, &[]), group, &[&port(1, 8)]);
        let fewer = view(&[&setup], &out_and(&[]), &[]);
        assert!(!lost(&one, &two) && lost(&two, &one));
        assert!(!lost(&fewer, &one) && lost(&one, &fewer));
        assert!(lost(&fewer, &HostView::default()) && !lost(&HostView::default(), &fewer));
        let mut none = one.clone();
        none.groups = BTreeMap::from([(group, BTreeSet::new())]);
        assert!(lost(&one, &none) && !lost(&none, &one));
    }
}
