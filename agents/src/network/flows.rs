//! Connections that the kernel tracks: those that no rule allows any more are cut, for a rule that goes does not stop
//! what is established.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use windlass_sagas::cell::views::{HostView, PortView};
use windlass_sagas::record::{Protocol, Refusal, Remote, RuleDirection, SecurityRule};

use super::record::{Record, Records, v4};
use crate::linux::{Tool, complained};

/// More connections than this are not cut one by one.
const SINGLY_MAX: usize = 64;

/// A tracked connection, as its first packet went.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Flow {
    protocol: u8,
    from: Ipv4Addr,
    to: Ipv4Addr,
    ports: Option<(u16, u16)>,
}

/// Whether connections from or to the address are tracked in the zone.
pub(super) async fn any(zone: u16, address: Ipv4Addr) -> Result<bool, Refusal> {
    for end in ["-s", "-d"] {
        if !list(zone, &[end, &address.to_string()]).await?.is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
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
    let mut zones: BTreeMap<u16, Vec<&Record>> = BTreeMap::new();
    for record in records.values() {
        zones.entry(record.zone).or_default().push(record);
    }
    for (zone, records) in zones {
        let flows = list(zone, &[]).await?;
        for record in records {
            let shown = view.ports.get(&record.setup.port);
            let of = |flow: &&Flow| record.addresses().any(|ip| ip == flow.from || ip == flow.to);
            let bad: Vec<&Flow> =
                flows.iter().filter(of).filter(|flow| !allowed(flow, record, shown, view)).collect();
            if bad.len() > SINGLY_MAX {
                for address in record.addresses() {
                    cut(zone, address).await?;
                }
                continue;
            }
            for flow in bad {
                let mut arguments = vec!["-p".to_owned(), flow.protocol.to_string()];
                arguments.extend(["-s".into(), flow.from.to_string(), "-d".into(), flow.to.to_string()]);
                if let Some((from, to)) = flow.ports {
                    arguments.extend([format!("--sport={from}"), format!("--dport={to}")]);
                }
                let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
                delete(zone, &arguments).await?;
            }
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

async fn list(zone: u16, more: &[&str]) -> Result<Vec<Flow>, Refusal> {
    let tool =
        Tool::new("conntrack").args(["-L", "--family", "ipv4", "--zone"]).arg(zone.to_string()).args(more);
    let out = tool.succeed().await?;
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
    let (mut from, mut to, mut source, mut destination) = (None, None, None, None);
    for word in words {
        match word.split_once('=') {
            Some(("src", ip)) if from.is_none() => from = Some(ip.parse().ok()?),
            Some(("dst", ip)) if to.is_none() => to = Some(ip.parse().ok()?),
            Some(("sport", port)) if source.is_none() => source = Some(port.parse().ok()?),
            Some(("dport", port)) if destination.is_none() => destination = Some(port.parse().ok()?),
            Some(_) | None => {}
        }
    }
    Some(Flow { protocol, from: from?, to: to?, ports: source.zip(destination) })
}
