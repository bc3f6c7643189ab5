//! What each kind of thing shows in a table.

use windlass_client::v1;

use crate::output::{Row, short, time, word};

macro_rules! rows {
    ($($type:ty { $($column:literal => $value:expr),* $(,)? })*) => {$(
        impl Row for $type {
            const COLUMNS: &'static [&'static str] = &[$($column),*];
            fn cells(&self) -> Vec<String> {
                vec![$({
                    let value: fn(&Self) -> String = $value;
                    value(self)
                }),*]
            }
        }
    )*};
}

fn joined<'a>(names: impl IntoIterator<Item = &'a String>) -> String {
    names.into_iter().map(|name| short(name)).collect::<Vec<_>>().join(",")
}

fn addresses<'a>(ips: impl IntoIterator<Item = &'a v1::FixedIp>) -> String {
    ips.into_iter().map(|ip| ip.ip_address.clone()).collect::<Vec<_>>().join(",")
}

fn amounts(amounts: Option<&v1::Amounts>) -> String {
    let Some(a) = amounts else { return String::new() };
    let n = |value: Option<u64>| value.map_or_else(|| "-".to_string(), |value| value.to_string());
    format!(
        "servers {} vcpus {} ram_mib {} volumes {} gib {} networks {} ports {}",
        n(a.servers),
        n(a.vcpus),
        n(a.ram_mib),
        n(a.volumes),
        n(a.gib),
        n(a.networks),
        n(a.ports)
    )
}

fn host_amounts(amounts: Option<&v1::HostAmounts>) -> String {
    amounts.map(|a| format!("{} vcpus, {} MiB, {} GiB", a.vcpus, a.ram_mib, a.disk_gib)).unwrap_or_default()
}

rows! {
    v1::Server {
        "NAME" => |s| s.display_name.clone(),
        "STATE" => |s| word(s.state().as_str_name()),
        "HOST" => |s| short(&s.host),
        "ADDRESSES" => |s| addresses(s.interfaces.iter().flat_map(|i| &i.fixed_ips)),
        "VOLUMES" => |s| joined(s.volumes.iter().map(|a| &a.volume)),
        "FAULT" => |s| s.fault.as_ref().map(|f| f.message.clone()).unwrap_or_default(),
        "ID" => |s| s.uid.clone(),
    }
    v1::Volume {
        "NAME" => |v| v.display_name.clone(),
        "STATE" => |v| word(v.state().as_str_name()),
        "GIB" => |v| v.size_gib.to_string(),
        "HOST" => |v| short(&v.host),
        "ATTACHED TO" => |v| joined(v.attachments.iter().map(|a| &a.server)),
        "ID" => |v| v.uid.clone(),
    }
    v1::Network {
        "NAME" => |n| n.display_name.clone(),
        "VNI" => |n| n.vni.to_string(),
        "MTU" => |n| n.mtu.to_string(),
        "SUBNETS" => |n| joined(&n.subnets),
        "ID" => |n| n.uid.clone(),
    }
    v1::Subnet {
        "NAME" => |s| s.display_name.clone(),
        "CIDR" => |s| s.cidr.clone(),
        "GATEWAY" => |s| s.gateway_ip.clone(),
        "NETWORK" => |s| short(&s.network),
        "ID" => |s| s.uid.clone(),
    }
    v1::Port {
        "NAME" => |p| p.display_name.clone(),
        "STATE" => |p| word(p.state().as_str_name()),
        "MAC" => |p| p.mac_address.clone(),
        "ADDRESSES" => |p| addresses(&p.fixed_ips),
        "SERVER" => |p| short(&p.server),
        "ID" => |p| p.uid.clone(),
    }
    v1::SecurityGroup {
        "NAME" => |g| g.display_name.clone(),
        "RULES" => |g| g.rules.len().to_string(),
        "DEFAULT" => |g| g.is_default.to_string(),
        "ID" => |g| g.uid.clone(),
    }
    v1::Flavor {
        "NAME" => |f| f.display_name.clone(),
        "VCPUS" => |f| f.vcpus.to_string(),
        "RAM MIB" => |f| f.ram_mib.to_string(),
        "ROOT GIB" => |f| f.root_gib.to_string(),
        "ID" => |f| f.uid.clone(),
    }
    v1::Image {
        "NAME" => |i| i.display_name.clone(),
        "FORMAT" => |i| word(i.format().as_str_name()),
        "BYTES" => |i| i.size_bytes.to_string(),
        "SHA-256" => |i| i.sha256.chars().take(12).collect(),
        "ID" => |i| i.uid.clone(),
    }
    v1::KeyPair {
        "NAME" => |k| k.display_name.clone(),
        "FINGERPRINT" => |k| k.fingerprint.clone(),
        "ID" => |k| k.uid.clone(),
    }
    v1::Project {
        "NAME" => |p| p.display_name.clone(),
        "QUOTA" => |p| amounts(p.quota.as_ref()),
        "ID" => |p| p.uid.clone(),
    }
    v1::Quota {
        "LIMITS" => |q| amounts(q.limits.as_ref()),
        "USED" => |q| amounts(q.used.as_ref()),
    }
    v1::Host {
        "NAME" => |h| h.display_name.clone(),
        "STATE" => |h| word(h.state().as_str_name()),
        "ROLES" => |h| h.roles().map(|role| word(role.as_str_name()).to_lowercase()).collect::<Vec<_>>().join(","),
        "ZONE" => |h| h.zone.clone(),
        "CAPACITY" => |h| host_amounts(h.capacity.as_ref()),
        "CLAIMED" => |h| host_amounts(h.claimed.as_ref()),
        "ID" => |h| h.uid.clone(),
    }
    v1::Operation {
        "ID" => |o| short(&o.name),
        "KIND" => |o| o.metadata.as_ref().map(|s| s.kind.clone()).unwrap_or_default(),
        "STATE" => |o| o.metadata.as_ref().map(|s| s.state().as_str_name().to_string()).unwrap_or_default(),
        "SUBJECT" => |o| o.metadata.as_ref().map(|s| s.subject.clone()).unwrap_or_default(),
        "STARTED" => |o| o.metadata.as_ref().map(|s| time(s.create_time.as_ref())).unwrap_or_default(),
        "REASON" => |o| o.metadata.as_ref().map(|s| s.reason.clone()).unwrap_or_default(),
    }
    v1::Event {
        "POSITION" => |e| e.position.to_string(),
        "TIME" => |e| time(e.time.as_ref()),
        "TERM" => |e| format!("{}.{}", e.term_generation, e.term_elected),
        "HOST" => |e| short(&e.host),
        "EVENT" => |e| e.summary.clone(),
    }
}
