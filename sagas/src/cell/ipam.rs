//! Addresses and MACs: given in one order, never twice, and not again before they have rested (L2).

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::rejection::{Reason, Rejection};
use super::state::{Cell, Network, Rest, Subnet};
use crate::ids::{PortId, Time};
use crate::record::{Cidr, FixedAddress, Mac, ResourceRef};

/// What one decision has given so far, so that it gives nothing twice.
#[derive(Default)]
pub(super) struct Given {
    addresses: BTreeSet<(crate::ids::NetworkId, IpAddr)>,
    macs: BTreeSet<(crate::ids::NetworkId, Mac)>,
}

/// Finds a free address of the network, or takes the wanted one.
pub(super) fn address(
    cell: &Cell,
    network: &Network,
    wanted: Option<IpAddr>,
    given: &mut Given,
    now: Time,
) -> Result<FixedAddress, Rejection> {
    let subnets: Vec<&Subnet> = network.subnets.iter().filter_map(|id| cell.subnets.get(id)).collect();
    let found = match wanted {
        Some(ip) => wanted_address(network, &subnets, ip, given, now)?,
        None => subnets
            .iter()
            .find_map(|subnet| free_address(network, subnet, given, now))
            .ok_or_else(|| exhausted(network, subnets.is_empty()))?,
    };
    given.addresses.insert((network.id, found.ip));
    Ok(found)
}

fn wanted_address(
    network: &Network,
    subnets: &[&Subnet],
    ip: IpAddr,
    given: &Given,
    now: Time,
) -> Result<FixedAddress, Rejection> {
    let refuse = |why: &str| {
        Rejection::new(
            Reason::AddressUnavailable,
            format!("{ip} {why}"),
            "leave the address out, or choose another",
        )
        .of_field("ip")
        .of(ResourceRef::Network(network.id))
    };
    let subnet =
        subnets.iter().find(|subnet| contains(subnet.cidr, ip)).ok_or_else(|| refuse("is of no subnet"))?;
    if subnet.gateway == Some(ip) || reserved(subnet.cidr, ip) {
        return Err(refuse("is the subnet's own"));
    }
    if network.addresses.contains_key(&ip) || given.addresses.contains(&(network.id, ip)) {
        return Err(refuse("is in use"));
    }
    if rests(network.resting.get(&ip), now) {
        return Err(refuse("was released a short time ago and rests"));
    }
    Ok(FixedAddress { subnet: subnet.id, ip })
}

fn exhausted(network: &Network, no_subnet: bool) -> Rejection {
    let (message, hint) = if no_subnet {
        (format!("network {} has no subnet", network.name), "make a subnet first")
    } else {
        (
            format!("no address of network {} is free", network.name),
            "delete ports, wait for released addresses, or add a subnet",
        )
    };
    Rejection::new(Reason::AddressPoolExhausted, message, hint).of(ResourceRef::Network(network.id))
}

/// The first free address from where the search last ended, round the pools once.
fn free_address(network: &Network, subnet: &Subnet, given: &Given, now: Time) -> Option<FixedAddress> {
    let free = |ip: &u128| {
        let ip = from_number(*ip, subnet.cidr);
        let taken = network.addresses.contains_key(&ip)
            || given.addresses.contains(&(network.id, ip))
            || subnet.gateway == Some(ip)
            || rests(network.resting.get(&ip), now);
        !taken
    };
    let start = subnet.next.map_or(0, number);
    let pools = || subnet.pools.iter().map(|(first, last)| (number(*first), number(*last)));
    let ahead = pools().flat_map(|(first, last)| first.max(start)..=last).find(free);
    let found = ahead.or_else(|| pools().flat_map(|(first, last)| first..=last.min(start)).find(free))?;
    Some(FixedAddress { subnet: subnet.id, ip: from_number(found, subnet.cidr) })
}

fn rests(rest: Option<&Rest>, now: Time) -> bool {
    match rest {
        None => false,
        Some(Rest::Until(until)) => now < *until,
        Some(Rest::WhileGone(_)) => true,
    }
}

/// A MAC for a port: locally administered, derived from the port's id; the next one where that is in use.
pub(super) fn mac(
    network: &Network,
    port: PortId,
    wanted: Option<Mac>,
    given: &mut Given,
    now: Time,
) -> Result<Mac, Rejection> {
    let taken = |mac: Mac, given: &Given| {
        network.macs.contains_key(&mac)
            || given.macs.contains(&(network.id, mac))
            || rests(network.resting_macs.get(&mac), now)
    };
    let found = match wanted {
        Some(mac) if mac.0[0] & 1 == 1 => {
            return Err(Rejection::field("mac", "a port's MAC is not a group address"));
        }
        Some(mac) if taken(mac, given) => {
            return Err(Rejection::new(
                Reason::AddressUnavailable,
                format!("MAC {mac} is in use or rests"),
                "leave the MAC out, or choose another",
            )
            .of_field("mac"));
        }
        Some(mac) => mac,
        None => derived_macs(port)
            .find(|mac| !taken(*mac, given))
            .ok_or_else(|| Rejection::new(Reason::AddressPoolExhausted, "no MAC is free", "delete ports"))?,
    };
    given.macs.insert((network.id, found));
    Ok(found)
}

/// `fa:16:3e` and three bytes of the port's id, then the ones after it; bounded.
fn derived_macs(port: PortId) -> impl Iterator<Item = Mac> {
    let base = u32::from_be_bytes([0, port.0[13], port.0[14], port.0[15]]);
    (0..4096_u32).map(move |more| {
        let [_, a, b, c] = base.wrapping_add(more).to_be_bytes();
        Mac([0xfa, 0x16, 0x3e, a, b, c])
    })
}

/// Whether `ip` lies in `cidr`.
pub(super) fn contains(cidr: Cidr, ip: IpAddr) -> bool {
    ipnet::IpNet::new(cidr.address, cidr.prefix_bits).is_ok_and(|net| net.contains(&ip))
}

/// Whether the address is the range's own: its network or its broadcast address.
pub(super) fn reserved(cidr: Cidr, ip: IpAddr) -> bool {
    let Ok(net) = ipnet::IpNet::new(cidr.address, cidr.prefix_bits) else { return true };
    let small = net.max_prefix_len() - net.prefix_len() <= 1;
    !small && (net.network() == ip || (ip.is_ipv4() && net.broadcast() == ip))
}

/// An address as a number.
pub(super) fn number(ip: IpAddr) -> u128 {
    match ip {
        IpAddr::V4(v4) => u128::from(u32::from(v4)),
        IpAddr::V6(v6) => u128::from(v6),
    }
}

fn from_number(number: u128, cidr: Cidr) -> IpAddr {
    match cidr.address {
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::from(u32::try_from(number).unwrap_or(u32::MAX))),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::from(number)),
    }
}

/// The first usable addresses of a range: the gateway by default, and the pool behind it.
pub(super) fn usable(cidr: Cidr) -> Option<(IpAddr, IpAddr)> {
    let net = ipnet::IpNet::new(cidr.address, cidr.prefix_bits).ok()?;
    let (first, last) = (number(net.network()), number(net.broadcast()));
    let host_bits = net.max_prefix_len() - net.prefix_len();
    if host_bits < 2 {
        return None;
    }
    let last = if net.addr().is_ipv4() { last - 1 } else { last };
    Some((from_number(first + 1, cidr), from_number(last, cidr)))
}

/// The address behind `ip`, where the next search begins.
pub(super) fn after(ip: IpAddr, cidr: Cidr) -> IpAddr {
    from_number(number(ip).saturating_add(1), cidr)
}
