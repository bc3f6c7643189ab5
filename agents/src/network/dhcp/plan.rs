//! What a network's DHCP server is told, as text. Pure.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::Ipv4Addr;
use std::path::Path;

use super::LEASE_S;
use crate::network::names;
use crate::network::record::{Record, v4};
use crate::network::rules::SERVER;

/// A subnet, as its ports tell of it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Subnet {
    prefix_bits: u8,
    gateway: Option<Ipv4Addr>,
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

/// The plan for a network's ports, on the bridge with this index; `None`: none has an address to serve.
pub(in crate::network) fn plan<'a>(records: impl Iterator<Item = &'a Record>, link: u32) -> Option<Plan> {
    let mut plan = Plan { bridge: String::new(), link, mtu: u16::MAX, subnets: BTreeMap::new() };
    for record in records {
        plan.bridge = names::bridge(record.setup.vni);
        plan.mtu = plan.mtu.min(record.setup.mtu);
        for address in &record.setup.addresses {
            let Some(ip) = v4(address.ip) else { continue };
            let first = Ipv4Addr::from_bits(ip.to_bits() & mask(address.prefix_bits).to_bits());
            let gateway = address.gateway.and_then(v4);
            plan.subnets.entry(first).or_insert(Subnet { prefix_bits: address.prefix_bits, gateway });
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
        let directory = directory.display();
        writeln!(text, "dhcp-option=26,{}\ndhcp-hostsdir={directory}/hosts", self.mtu).ok();
        writeln!(text, "dhcp-leasefile={directory}/leases\npid-file={directory}/pid\nuser=nobody").ok();
        text
    }
}

/// The line that reserves the port's address; `None`: it has none. A guest's interface gets one address by DHCP.
pub(super) fn reservation(record: &Record) -> Option<String> {
    let address = record.addresses().next()?;
    Some(format!("{},{address},{LEASE_S}\n", record.setup.mac))
}

fn mask(prefix_bits: u8) -> Ipv4Addr {
    Ipv4Addr::from_bits(u32::MAX.checked_shl(32 - u32::from(prefix_bits.min(32))).unwrap_or(0))
}
