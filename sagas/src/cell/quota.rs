//! Quota: what a project may hold, claimed in the commit that decides it and given back in the one that ends its use.

use alloc::format;

use super::rejection::{Reason, Rejection, Shortage};
use super::state::Project;
use crate::record::{Amounts, ResourceRef};

/// Refuses where `project` would hold more than it may.
pub(super) fn admit(project: &Project, more: &Amounts) -> Result<(), Rejection> {
    let rows = rows(&project.quota, &project.usage, more);
    for (what, limit, used, asked) in rows {
        if asked > 0 && used.saturating_add(asked) > limit {
            let mut rejection = Rejection::new(
                Reason::QuotaExceeded,
                format!(
                    "project {} may hold {limit} {what}, holds {used}, asked for {asked} more",
                    project.name
                ),
                "delete something, or ask an operator to raise the quota",
            )
            .of_field(what)
            .of(ResourceRef::Project(project.id));
            rejection.shortage = Some(Shortage { limit, used, asked });
            return Err(rejection);
        }
    }
    Ok(())
}

fn rows<'a>(limit: &Amounts, used: &Amounts, more: &Amounts) -> [(&'a str, u64, u64, u64); 7] {
    [
        ("servers", limit.servers, used.servers, more.servers),
        ("vcpus", limit.vcpus, used.vcpus, more.vcpus),
        ("ram_mib", limit.ram_mib, used.ram_mib, more.ram_mib),
        ("volumes", limit.volumes, used.volumes, more.volumes),
        ("gib", limit.gib, used.gib, more.gib),
        ("networks", limit.networks, used.networks, more.networks),
        ("ports", limit.ports, used.ports, more.ports),
    ]
}

impl Amounts {
    /// The sum.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            servers: self.servers.saturating_add(other.servers),
            vcpus: self.vcpus.saturating_add(other.vcpus),
            ram_mib: self.ram_mib.saturating_add(other.ram_mib),
            volumes: self.volumes.saturating_add(other.volumes),
            gib: self.gib.saturating_add(other.gib),
            networks: self.networks.saturating_add(other.networks),
            ports: self.ports.saturating_add(other.ports),
        }
    }

    /// The difference, not below zero.
    #[must_use]
    pub const fn minus(self, other: Self) -> Self {
        Self {
            servers: self.servers.saturating_sub(other.servers),
            vcpus: self.vcpus.saturating_sub(other.vcpus),
            ram_mib: self.ram_mib.saturating_sub(other.ram_mib),
            volumes: self.volumes.saturating_sub(other.volumes),
            gib: self.gib.saturating_sub(other.gib),
            networks: self.networks.saturating_sub(other.networks),
            ports: self.ports.saturating_sub(other.ports),
        }
    }
}
