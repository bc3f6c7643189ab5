//! Placement: filters remove hosts, weights order what is left, ties go by id; every decision can be explained.
//!
//! It reads claims and journaled capacity only, so that a replay places the same (A7).

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::rejection::{Reason, Rejection};
use super::state::{Cell, Host, HostLife};
use crate::ids::HostId;
use crate::record::{Capacity, Role};

/// What is to be placed.
pub(super) struct Demand<'a> {
    /// The role that the host must have.
    pub(super) role: Role,
    /// What it takes.
    pub(super) needs: Capacity,
    /// Only in this zone.
    pub(super) zone: Option<&'a str>,
    /// Only on this host.
    pub(super) host: Option<HostId>,
    /// Only on one of these, where any is named.
    pub(super) same: BTreeSet<HostId>,
    /// Not on these.
    pub(super) different: BTreeSet<HostId>,
    /// Only with these traits.
    pub(super) traits: Vec<&'a str>,
    /// The guest's network agent lives on the same host.
    pub(super) with_network: bool,
}

/// How many hosts a filter removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilterCount {
    /// The filter.
    pub filter: &'static str,
    /// Hosts that it removed, of those that the filters before it left.
    pub removed: usize,
}

/// Why a host was chosen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Explanation {
    /// The filters in their order.
    pub filters: Vec<FilterCount>,
    /// What was left, best first, each with its weight.
    pub weighed: Vec<(HostId, u64)>,
}

/// A chosen host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    /// The host.
    pub host: HostId,
    /// Why.
    pub explanation: Explanation,
}

type Filter = (&'static str, fn(&Cell, &Host, &Demand<'_>) -> bool);

const FILTERS: [Filter; 11] = [
    ("role", |_, host, demand| {
        host.roles.contains(&demand.role) && (!demand.with_network || host.roles.contains(&Role::Network))
    }),
    ("up", |_, host, _| matches!(host.life, HostLife::Up)),
    ("enabled", |_, host, _| !host.draining),
    ("admitted", |_, host, demand| host.incarnations.contains_key(&demand.role)),
    ("zone", |_, host, demand| demand.zone.is_none_or(|zone| zone == host.zone)),
    ("host", |_, host, demand| demand.host.is_none_or(|id| id == host.id)),
    ("same host", |_, host, demand| demand.same.is_empty() || demand.same.contains(&host.id)),
    ("different host", |_, host, demand| !demand.different.contains(&host.id)),
    ("traits", |_, host, demand| {
        demand.traits.iter().all(|wanted| host.traits.iter().any(|has| has == wanted))
    }),
    ("vcpus and ram", |cell, host, demand| {
        let free = free(cell, host);
        free.vcpus >= demand.needs.vcpus && free.ram_mib >= demand.needs.ram_mib
    }),
    ("disk", |cell, host, demand| free(cell, host).disk_gib >= demand.needs.disk_gib),
];

/// What is left on a host: its capacity, with the cell's overcommit of vCPUs, less its claims.
pub(super) fn free(cell: &Cell, host: &Host) -> Capacity {
    let vcpus = host.capacity.vcpus.saturating_mul(cell.settings.vcpu_overcommit_percent) / 100;
    Capacity {
        vcpus: vcpus.saturating_sub(host.claimed.vcpus),
        ram_mib: host.capacity.ram_mib.saturating_sub(host.claimed.ram_mib),
        disk_gib: host.capacity.disk_gib.saturating_sub(host.claimed.disk_gib),
    }
}

/// Chooses a host.
pub(super) fn place(cell: &Cell, demand: &Demand<'_>) -> Result<Placed, Rejection> {
    let mut left: Vec<&Host> = cell.hosts.values().collect();
    let mut filters = Vec::with_capacity(FILTERS.len());
    for (filter, keeps) in FILTERS {
        let before = left.len();
        left.retain(|host| keeps(cell, host, demand));
        filters.push(FilterCount { filter, removed: before - left.len() });
    }
    let mut weighed: Vec<(HostId, u64)> =
        left.iter().map(|host| (host.id, weight(cell, host, demand.role))).collect();
    weighed.sort_by(|(a, wa), (b, wb)| wb.cmp(wa).then(a.cmp(b)));
    match weighed.first() {
        Some((host, _)) => Ok(Placed { host: *host, explanation: Explanation { filters, weighed } }),
        None => Err(no_host(cell, filters)),
    }
}

/// Free room in thousandths of the whole, or its opposite where the cell packs.
fn weight(cell: &Cell, host: &Host, role: Role) -> u64 {
    let free = free(cell, host);
    let (part, whole) = match role {
        Role::Storage => (free.disk_gib, host.capacity.disk_gib),
        Role::Hypervisor | Role::Network => (free.ram_mib, host.capacity.ram_mib),
    };
    let share = part.saturating_mul(1000).checked_div(whole).unwrap_or(0);
    if cell.settings.pack { 1000_u64.saturating_sub(share) } else { share }
}

fn no_host(cell: &Cell, filters: Vec<FilterCount>) -> Rejection {
    let named: Vec<String> = filters
        .iter()
        .filter(|count| count.removed > 0)
        .map(|count| format!("{} removed {}", count.filter, count.removed))
        .collect();
    let message = format!("none of {} hosts fits: {}", cell.hosts.len(), named.join(", "));
    let mut rejection = Rejection::new(
        Reason::NoHostFits,
        message,
        "ask for less, drop a hint, or add, undrain or bring back a host",
    );
    rejection.filters = filters;
    rejection
}
