//! Networks, subnets, ports and security groups, and the addresses that are given or rest.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::lock::Lock;
use crate::ids::*;
use crate::record::{Cidr, Mac, Maker, PortSpec, Remote, SecurityRule};

/// Why an address may not be given yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Rest {
    /// Until this commit time.
    Until(Time),
    /// Until this host, which was declared gone, is back or affirmed to be powered off.
    WhileGone(HostId),
}

/// A network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    /// Its id.
    pub id: NetworkId,
    /// Its project.
    pub project: ProjectId,
    /// Its name.
    pub name: String,
    /// VXLAN network identifier, unique in the cell.
    pub vni: u32,
    /// MTU inside the tunnel, bytes.
    pub mtu: u16,
    /// Its subnets.
    pub subnets: BTreeSet<SubnetId>,
    /// Addresses that ports hold.
    pub addresses: BTreeMap<IpAddr, PortId>,
    /// MACs that ports hold.
    pub macs: BTreeMap<Mac, PortId>,
    /// How many of its ports are on each host.
    pub hosts: BTreeMap<HostId, usize>,
    /// Addresses that rest.
    pub resting: BTreeMap<IpAddr, Rest>,
    /// MACs that rest.
    pub resting_macs: BTreeMap<Mac, Rest>,
    /// When it was made.
    pub created: Time,
}

/// A subnet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subnet {
    /// Its id.
    pub id: SubnetId,
    /// Its project.
    pub project: ProjectId,
    /// Its name.
    pub name: String,
    /// Its network.
    pub network: NetworkId,
    /// Its range.
    pub cidr: Cidr,
    /// Its gateway.
    pub gateway: Option<IpAddr>,
    /// First and last address of each pool.
    pub pools: Vec<(IpAddr, IpAddr)>,
    /// Name servers.
    pub dns: Vec<IpAddr>,
    /// Whether DHCP answers.
    pub dhcp: bool,
    /// Where the search for a free address goes on, so that a released one comes round late.
    pub next: Option<IpAddr>,
    /// When it was made.
    pub created: Time,
}

/// Where a port stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PortState {
    /// Nobody uses it.
    Unbound,
    /// Given to a server on a host; being prepared.
    Bound(ServerId, HostId),
    /// Ready for its server; the step that prepared it.
    Ready(ServerId, HostId, Maker),
}

/// A port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Port {
    /// As it was made.
    pub spec: PortSpec,
    /// Where it stands.
    pub state: PortState,
    /// Who holds it.
    pub lock: Lock,
    /// When it was made.
    pub created: Time,
    /// When it last changed.
    pub updated: Time,
}

impl Port {
    /// The server and the host that use it.
    #[must_use]
    pub const fn user(&self) -> Option<(ServerId, HostId)> {
        match self.state {
            PortState::Unbound => None,
            PortState::Bound(server, host) | PortState::Ready(server, host, _) => Some((server, host)),
        }
    }
}

/// The groups that rules name.
pub fn named(rules: &[SecurityRule]) -> impl Iterator<Item = SecurityGroupId> + '_ {
    rules.iter().filter_map(|rule| match rule.remote {
        Remote::Group(group) => Some(group),
        Remote::Any | Remote::Range(_) => None,
    })
}

/// A security group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecurityGroup {
    /// Its id.
    pub id: SecurityGroupId,
    /// Its project.
    pub project: ProjectId,
    /// Its name.
    pub name: String,
    /// Its rules.
    pub rules: Vec<SecurityRule>,
    /// When it was made.
    pub created: Time,
}
