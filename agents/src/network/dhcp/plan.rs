//! What a network's DHCP server is told, as text. Pure.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::Ipv4Addr;
use std::path::Path;

use windlass_sagas::cell::views::SubnetView;
use windlass_sagas::record::Cidr;

use super::LEASE_S;
use crate::network::names;
use crate::network::record::{Record, v4};
use crate::network::rules::SERVER;

/// A subnet, as its ports tell of it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Subnet {
    prefix_bits: u8,
    gateway: Option<Ipv4Addr>,
    dns: Vec<Ipv4Addr>,
}

/// What a server is to serve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::network) struct Plan {
    bridge: String,
    /// The bridge's index: a server that was bound to one that is gone hears nothing.
    link: u32,
    mtu: u16,
    /// By the subnet's first address.
    subnets: BTreeMap<Ipv4Addr, Subnet>,
}

/// The plan for a network's ports on the bridge with this index, with what the view shows of its subnets, where it does
/// already; `None`: there is nothing to serve.
pub(in crate::network) fn plan<'a>(
    records: impl Iterator<Item = &'a Record>,
    shown: &[SubnetView],
    link: u32,
) -> Option<Plan> {
    let mut plan = Plan { bridge: String::new(), link, mtu: u16::MAX, subnets: BTreeMap::new() };
    for record in records {
        plan.bridge = names::bridge(record.setup.vni);
        plan.mtu = plan.mtu.min(record.setup.mtu);
        for address in &record.setup.addresses {
            let Some(ip) = v4(address.ip) else { continue };
            let first = Ipv4Addr::from_bits(ip.to_bits() & mask(address.prefix_bits).to_bits());
            let cidr = Cidr { address: first.into(), prefix_bits: address.prefix_bits };
            let shown = shown.iter().find(|subnet| subnet.cidr == cidr);
            if shown.is_some_and(|subnet| !subnet.dhcp) {
                continue;
            }
            let dns =
                shown.into_iter().flat_map(|subnet| subnet.dns.iter().copied().filter_map(v4)).collect();
            let gateway = address.gateway.and_then(v4);
            plan.subnets.entry(first).or_insert(Subnet { prefix_bits: address.prefix_bits, gateway, dns });
        }
    }
    (!plan.subnets.is_empty()).then_some(plan)
}

impl Plan {
    /// The server's configuration. Ranges are static: who has no reservation gets nothing. The guest reaches the server
    /// without a gateway, so that it can renew its lease.
    pub(super) fn text(&self, directory: &Path) -> String {
        let mut text = format!(
            "# link {}\nport=0\nno-hosts\nno-resolv\nno-ping\nquiet-dhcp\nbind-interfaces\ninterface={}\n\
             except-interface=lo\ndhcp-authoritative\ndhcp-lease-max=65536\n",
            self.link, self.bridge
        );
        for (number, (first, subnet)) in self.subnets.iter().enumerate() {
            let mask = mask(subnet.prefix_bits);
            let tag = format!("tag:s{number}");
            writeln!(text, "shared-network={},{first}", self.bridge).ok();
            writeln!(text, "dhcp-range=set:s{number},{first},static,{mask},{LEASE_S}").ok();
            let to_server = format!("{SERVER}/32,0.0.0.0");
            match subnet.gateway {
                Some(gateway) => {
                    writeln!(text, "dhcp-option={tag},option:router,{gateway}").ok();
                    writeln!(text, "dhcp-option={tag},121,{to_server},0.0.0.0/0,{gateway}").ok();
                }
                None => {
                    writeln!(text, "dhcp-option={tag},option:router").ok();
                    writeln!(text, "dhcp-option={tag},121,{to_server}").ok();
                }
            }
        }
        for (number, subnet) in self.subnets.values().enumerate().filter(|(_, subnet)| !subnet.dns.is_empty())
        {
            let servers: Vec<String> = subnet.dns.iter().map(Ipv4Addr::to_string).collect();
            writeln!(text, "dhcp-option=tag:s{number},option:dns-server,{}", servers.join(",")).ok();
        }
        let directory = directory.display();
        writeln!(text, "dhcp-option=26,{}\ndhcp-hostsdir={directory}/hosts", self.mtu).ok();
        writeln!(text, "dhcp-leasefile={directory}/leases\npid-file={directory}/pid\nuser=nobody").ok();
        text
    }
}

/// The lines that reserve the port's addresses; `None`: it has none. The guest gets the first one whose subnet is served:
/// by DHCP an interface has one address.
pub(super) fn reservation(record: &Record) -> Option<String> {
    let mac = record.setup.mac;
    let lines: String = record.addresses().map(|address| format!("{mac},{address},{LEASE_S}\n")).collect();
    (!lines.is_empty()).then_some(lines)
}

fn mask(prefix_bits: u8) -> Ipv4Addr {
    Ipv4Addr::from_bits(u32::MAX.checked_shl(32 - u32::from(prefix_bits.min(32))).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::tests::cloud::{port, record};

    fn text(shown: &[SubnetView]) -> Option<String> {
        let (first, second) = (port(1, 7), port(1, 8));
        plan([record(&first), record(&second)].iter(), shown, 12).map(|plan| plan.text(Path::new("/run/x")))
    }

    #[test]
    fn a_subnet_is_served_as_its_ports_and_the_view_tell() {
        let cidr = Cidr { address: Ipv4Addr::new(10, 0, 0, 0).into(), prefix_bits: 24 };
        let dns = vec![Ipv4Addr::new(9, 9, 9, 9).into(), std::net::Ipv6Addr::LOCALHOST.into()];
        let mut shown = SubnetView { cidr, gateway: None, dns, dhcp: true };
        let before = text(&[]).unwrap();
        for line in [
            "# link 12",
            "interface=wlb11206657",
            "shared-network=wlb11206657,10.0.0.0",
            "dhcp-range=set:s0,10.0.0.0,static,255.255.255.0,600",
            "dhcp-option=tag:s0,option:router,10.0.0.1",
            "dhcp-option=26,1450",
            "dhcp-leasefile=/run/x/leases",
            "user=nobody",
        ] {
            assert_eq!(before.lines().filter(|it| *it == line).count(), 1, "{line}: {before}");
        }
        assert!(!before.contains("dns-server"));
        let with_names = text(std::slice::from_ref(&shown)).unwrap();
        assert!(with_names.contains("\ndhcp-option=tag:s0,option:dns-server,9.9.9.9\n"), "{with_names}");
        shown.dhcp = false;
        assert_eq!(text(std::slice::from_ref(&shown)), None);
        shown.cidr.prefix_bits = 25;
        assert_eq!(text(&[shown]), Some(before), "that is another subnet");
    }

    #[test]
    fn a_mask_has_as_many_bits_as_the_prefix() {
        for (bits, expected) in
            [(0, "0.0.0.0"), (8, "255.0.0.0"), (31, "255.255.255.254"), (32, "255.255.255.255")]
        {
            assert_eq!(mask(bits).to_string(), expected);
        }
    }
}
