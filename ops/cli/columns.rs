//! What each kind of thing shows in a table, and which other things it refers to by name.

use windlass_client::v1;

use crate::names::Names;
use crate::output::{Row, lower, short, time, word};

macro_rules! rows {
    ($($type:ty [$refers:expr] { $($column:literal => $value:expr),* $(,)? })*) => {$(
        impl Row for $type {
            const COLUMNS: &'static [&'static str] = &[$($column),*];
            fn cells(&self, names: &Names) -> Vec<String> {
                vec![$({
                    let value: fn(&Self, &Names) -> String = $value;
                    value(self, names)
                }),*]
            }
            fn refers(&self) -> Vec<&str> {
                let refers: fn(&Self) -> Vec<&str> = $refers;
                refers(self)
            }
        }
    )*};
}

fn addresses<'a>(ips: impl IntoIterator<Item = &'a v1::FixedIp>) -> String {
    ips.into_iter().map(|ip| ip.ip_address.clone()).collect::<Vec<_>>().join(",")
}

/// Amounts of a project, as `servers 3, vcpus 6`.
pub(crate) fn amounts(amounts: Option<&v1::Amounts>) -> String {
    let Some(a) = amounts else { return String::new() };
    let all = [
        ("servers", a.servers),
        ("vcpus", a.vcpus),
        ("ram_mib", a.ram_mib),
        ("volumes", a.volumes),
        ("gib", a.gib),
        ("networks", a.networks),
        ("ports", a.ports),
    ];
    let told = all.iter().filter_map(|(name, value)| Some(format!("{name} {}", (*value)?)));
    told.collect::<Vec<_>>().join(", ")
}

fn host_amounts(amounts: Option<&v1::HostAmounts>) -> String {
    amounts.map(|a| format!("{} vcpus, {} MiB, {} GiB", a.vcpus, a.ram_mib, a.disk_gib)).unwrap_or_default()
}

/// A role of a host, as `hypervisor`.
pub(crate) fn roles(roles: impl Iterator<Item = v1::host::Role>) -> String {
    roles.map(|role| lower(role.as_str_name())).collect::<Vec<_>>().join(",")
}

/// A grant, as `member in web`.
fn grant(grant: &v1::RoleGrant, names: &Names) -> String {
    let role = lower(grant.role().as_str_name());
    if grant.scope.is_empty() {
        format!("{role} of the cell")
    } else {
        format!("{role} in {}", names.show(&grant.scope))
    }
}

/// A resource with its kind, as `server web-1`.
pub(crate) fn kind_and_name(name: &str, names: &Names) -> String {
    let mut parts = name.rsplit('/').skip(1);
    let collection = parts.next().unwrap_or_default();
    let kind: String = collection
        .strip_suffix('s')
        .unwrap_or(collection)
        .chars()
        .flat_map(|c| if c.is_uppercase() { vec![' ', c.to_ascii_lowercase()] } else { vec![c] })
        .collect();
    if kind.is_empty() { name.to_string() } else { format!("{kind} {}", names.show(name)) }
}

const fn saga(operation: &v1::Operation) -> Option<&v1::Saga> {
    operation.metadata.as_ref()
}

/// The name of a thing, or whose it is where a server made it without one.
fn own(name: &str, server: &str, what: &str, names: &Names) -> String {
    if name.is_empty() && !server.is_empty() {
        format!("({what} of {})", names.show(server))
    } else {
        name.to_string()
    }
}

/// The group at the other end of a rule.
fn group_of(rule: &v1::SecurityRule) -> Option<&str> {
    match &rule.remote {
        Some(v1::security_rule::Remote::RemoteGroup(group)) => Some(group),
        Some(v1::security_rule::Remote::RemoteCidr(_)) | None => None,
    }
}

fn rule(rule: &v1::SecurityRule, names: &Names) -> String {
    use v1::security_rule::Remote;
    let ports = match (rule.port_min, rule.port_max) {
        (0, 0) => String::new(),
        (min, max) if min == max => min.to_string(),
        (min, max) => format!("{min}-{max}"),
    };
    let remote = match &rule.remote {
        Some(Remote::RemoteCidr(cidr)) => cidr.clone(),
        Some(Remote::RemoteGroup(group)) => format!("group={}", names.show(group)),
        None => String::new(),
    };
    let (direction, protocol) = (lower(rule.direction().as_str_name()), lower(rule.protocol().as_str_name()));
    format!("{direction}:{protocol}:{ports}:{remote}")
}

/// How often a fault has struck, and may.
fn strikes(fault: &v1::PlannedFault) -> String {
    if fault.times == 0 { fault.strikes.to_string() } else { format!("{} of {}", fault.strikes, fault.times) }
}

/// Where a fault strikes, as `boot_vm undo of hypervisor on rack1-07`.
fn place(fault: &v1::PlannedFault, names: &Names) -> String {
    let mut words = Vec::new();
    if !fault.step.is_empty() {
        words.push(fault.step.clone());
    }
    if fault.direction() != v1::event::Direction::Unspecified {
        words.push(lower(fault.direction().as_str_name()));
    }
    if fault.role() != v1::host::Role::Unspecified {
        words.push(format!("of {}", lower(fault.role().as_str_name())));
    }
    if !fault.host.is_empty() {
        words.push(format!("on {}", names.show(&fault.host)));
    }
    if words.is_empty() { "anywhere".into() } else { words.join(" ") }
}

rows! {
    v1::Server [|s| {
        let volumes = s.volumes.iter().map(|it| it.volume.as_str());
        volumes.chain([s.host.as_str(), &s.flavor]).collect()
    }] {
        "NAME" => |s, _| s.display_name.clone(),
        "STATE" => |s, _| word(s.state().as_str_name()),
        "FLAVOR" => |s, names| names.show(&s.flavor),
        "HOST" => |s, names| names.show(&s.host),
        "ADDRESSES" => |s, _| addresses(s.interfaces.iter().flat_map(|i| &i.fixed_ips)),
        "VOLUMES" => |s, names| names.all(s.volumes.iter().map(|a| &a.volume)),
        "FAULT" => |s, _| s.fault.as_ref().map(|f| f.message.clone()).unwrap_or_default(),
        "ID" => |s, _| s.uid.clone(),
    }
    v1::Volume [|v| {
        let servers = v.attachments.iter().map(|it| it.server.as_str());
        servers.chain([v.host.as_str(), &v.root_of]).collect()
    }] {
        "NAME" => |v, names| own(&v.display_name, &v.root_of, "root", names),
        "STATE" => |v, _| word(v.state().as_str_name()),
        "GIB" => |v, _| v.size_gib.to_string(),
        "HOST" => |v, names| names.show(&v.host),
        "ATTACHED TO" => |v, names| names.all(v.attachments.iter().map(|a| &a.server)),
        "FAULT" => |v, _| v.fault.as_ref().map(|f| f.message.clone()).unwrap_or_default(),
        "ID" => |v, _| v.uid.clone(),
    }
    v1::Network [|n| n.subnets.iter().map(String::as_str).collect()] {
        "NAME" => |n, _| n.display_name.clone(),
        "VNI" => |n, _| if n.vni == 0 { String::new() } else { n.vni.to_string() },
        "MTU" => |n, _| n.mtu.to_string(),
        "SUBNETS" => |n, names| names.all(&n.subnets),
        "ID" => |n, _| n.uid.clone(),
    }
    v1::Subnet [|s| vec![&s.network]] {
        "NAME" => |s, _| s.display_name.clone(),
        "CIDR" => |s, _| s.cidr.clone(),
        "GATEWAY" => |s, _| s.gateway_ip.clone(),
        "NETWORK" => |s, names| names.show(&s.network),
        "ID" => |s, _| s.uid.clone(),
    }
    v1::Port [|p| vec![&p.server, &p.network]] {
        "NAME" => |p, names| own(&p.display_name, &p.server, "port", names),
        "STATE" => |p, _| word(p.state().as_str_name()),
        "MAC" => |p, _| p.mac_address.clone(),
        "ADDRESSES" => |p, _| addresses(&p.fixed_ips),
        "NETWORK" => |p, names| names.show(&p.network),
        "SERVER" => |p, names| names.show(&p.server),
        "ID" => |p, _| p.uid.clone(),
    }
    v1::SecurityGroup [|g| g.rules.iter().filter_map(group_of).collect()] {
        "NAME" => |g, _| g.display_name.clone(),
        "RULES" => |g, names| g.rules.iter().map(|it| rule(it, names)).collect::<Vec<_>>().join(" "),
        "DEFAULT" => |g, _| g.is_default.to_string(),
        "ID" => |g, _| g.uid.clone(),
    }
    v1::Flavor [|_| Vec::new()] {
        "NAME" => |f, _| f.display_name.clone(),
        "VCPUS" => |f, _| f.vcpus.to_string(),
        "RAM MIB" => |f, _| f.ram_mib.to_string(),
        "ROOT GIB" => |f, _| f.root_gib.to_string(),
        "ID" => |f, _| f.uid.clone(),
    }
    v1::Image [|_| Vec::new()] {
        "NAME" => |i, _| i.display_name.clone(),
        "FORMAT" => |i, _| lower(i.format().as_str_name()),
        "BYTES" => |i, _| i.size_bytes.to_string(),
        "SHA-256" => |i, _| i.sha256.chars().take(12).collect(),
        "VISIBILITY" => |i, _| lower(i.visibility().as_str_name()),
        "DATA" => |i, _| if i.data_present { "here".into() } else { "missing".into() },
        "ID" => |i, _| i.uid.clone(),
    }
    v1::KeyPair [|_| Vec::new()] {
        "NAME" => |k, _| k.display_name.clone(),
        "FINGERPRINT" => |k, _| k.fingerprint.clone(),
        "ID" => |k, _| k.uid.clone(),
    }
    v1::Project [|_| Vec::new()] {
        "NAME" => |p, _| p.display_name.clone(),
        "QUOTA" => |p, _| amounts(p.quota.as_ref()),
        "ID" => |p, _| p.uid.clone(),
    }
    v1::Quota [|_| Vec::new()] {
        "LIMITS" => |q, _| amounts(q.limits.as_ref()),
        "USED" => |q, _| amounts(q.used.as_ref()),
    }
    v1::Host [|_| Vec::new()] {
        "NAME" => |h, _| h.display_name.clone(),
        "STATE" => |h, _| match (&h.drain, word(h.state().as_str_name())) {
            (None, state) => state,
            (Some(drain), state) if drain.quiet => format!("{state}, drained"),
            (Some(_), state) => format!("{state}, draining"),
        },
        "CONNECTED" => |h, _| if h.connected { "yes" } else { "no" }.to_string(),
        "ROLES" => |h, _| roles(h.roles()),
        "ZONE" => |h, _| h.zone.clone(),
        "CAPACITY" => |h, _| host_amounts(h.capacity.as_ref()),
        "CLAIMED" => |h, _| host_amounts(h.claimed.as_ref()),
        "ID" => |h, _| h.uid.clone(),
    }
    v1::JoinToken [|t| vec![&t.host]] {
        "HOST" => |t, _| t.display_name.clone(),
        "STATE" => |t, _| word(t.state().as_str_name()),
        "ROLES" => |t, _| roles(t.roles()),
        "ZONE" => |t, _| t.zone.clone(),
        "ENDS" => |t, _| time(t.expire_time.as_ref()),
        "USED BY" => |t, names| names.show(&t.host),
        "ID" => |t, _| t.uid.clone(),
    }
    v1::PlannedFault [|f| {
        let holders = f.holders.iter().map(|it| it.host.as_str());
        holders.chain([f.host.as_str(), &f.armed_by]).collect()
    }] {
        "KIND" => |f, _| lower(f.kind().as_str_name()),
        "STATE" => |f, _| word(f.state().as_str_name()),
        "WHERE" => |f, names| place(f, names),
        "LEFT" => |f, _| format!("{} s", f.remaining_ms.div_ceil(1000)),
        "STRIKES" => |f, _| strikes(f),
        "HELD BY" => |f, names| names.all(f.holders.iter().map(|it| &it.host)),
        "ARMED BY" => |f, names| names.show(&f.armed_by),
        "REASON" => |f, _| f.reason.clone(),
        "ID" => |f, _| short(&f.name),
    }
    v1::Principal [|p| p.grants.iter().map(|it| it.scope.as_str()).collect()] {
        "NAME" => |p, _| p.display_name.clone(),
        "ROLES" => |p, names| p.grants.iter().map(|it| grant(it, names)).collect::<Vec<_>>().join("; "),
        "ID" => |p, _| p.uid.clone(),
    }
    v1::ApiToken [|t| vec![t.name.split("/apiTokens/").next().unwrap_or_default()]] {
        "NAME" => |t, _| t.display_name.clone(),
        "PRINCIPAL" => |t, names| names.show(t.name.split("/apiTokens/").next().unwrap_or_default()),
        "ENDS" => |t, _| if t.expire_time.is_some() { time(t.expire_time.as_ref()) } else { "never".into() },
        "ID" => |t, _| t.uid.clone(),
    }
    v1::Operation [|o| saga(o).map(|s| vec![s.subject.as_str()]).unwrap_or_default()] {
        "ID" => |o, _| short(&o.name),
        "KIND" => |o, _| saga(o).map(|s| s.kind.clone()).unwrap_or_default(),
        "STATE" => |o, _| saga(o).map(|s| {
            let state = word(s.state().as_str_name());
            if s.overdue { format!("{state}, overdue") } else { state }
        }).unwrap_or_default(),
        "SUBJECT" => |o, names| saga(o).map(|s| kind_and_name(&s.subject, names)).unwrap_or_default(),
        "STARTED" => |o, _| saga(o).map(|s| time(s.create_time.as_ref())).unwrap_or_default(),
        "REASON" => |o, _| saga(o).map(|s| s.reason.clone()).unwrap_or_default(),
    }
    v1::QuarantinedResource [|q| q.hosts.iter().map(String::as_str).chain([q.resource.as_str()]).collect()] {
        "KIND" => |q, _| q.kind.clone(),
        "NAME" => |q, names| names.show(&q.resource),
        "HOSTS" => |q, names| names.all(&q.hosts),
        "OPERATION" => |q, _| short(&q.operation),
        "SINCE" => |q, _| time(q.since.as_ref()),
        "REASON" => |q, _| q.reason.clone(),
        "RESOURCE" => |q, _| q.resource.clone(),
    }
    v1::Cell [|_| Vec::new()] {
        "NAME" => |c, _| c.display_name.clone(),
        "ID" => |c, _| c.uid.clone(),
        "SINCE" => |c, _| time(c.create_time.as_ref()),
        "POSITION" => |c, _| format!("{}, {}", c.position, time(c.position_time.as_ref())),
        "HASH" => |c, _| c.hash.clone(),
        "FORMAT" => |c, _| format!("level {}", c.format_level),
        "LEADER" => |c, _| c.leader.as_ref().map_or_else(|| "nobody that is known".into(), |leader| {
            let address = if leader.address.is_empty() { "elsewhere" } else { &leader.address };
            format!("{address}, term {}.{}, since {}", leader.generation, leader.elected, time(leader.since.as_ref()))
        }),
        "BUILD" => |c, _| c.build.clone(),
        "JOURNAL" => |c, _| c.journal.clone(),
        "OPERATIONS" => |c, _| format!("{} open, {} of them stuck", c.operations_open, c.operations_stuck),
        "WARNINGS" => |c, _| c.warnings.join("; "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resource_is_told_by_kind_and_name() {
        let names = Names::from([("projects/p/securityGroups/1", "web")]);
        assert_eq!(kind_and_name("projects/p/securityGroups/1", &names), "security group web");
        assert_eq!(kind_and_name("hosts/2", &names), "host 2");
        assert_eq!(kind_and_name("", &names), "");
    }
}
