//! A host: what it is, whether it may be placed on, what is claimed on it.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::ids::*;
use crate::record::{Capacity, ResourceRef, Role};

/// Where a host stands in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum HostLife {
    /// It has joined and not shown itself yet.
    Joined,
    /// Its agent answers.
    Up,
    /// Silent beyond the grace period; nothing is concluded about its steps.
    Down,
    /// Declared gone by an operator; final until it is wiped and rejoins.
    Gone {
        /// Whether an operator affirmed that it is powered off.
        off: bool,
    },
}

impl HostLife {
    /// Whether the host counts: it may be called, and what is on it exists.
    #[must_use]
    pub const fn is_member(self) -> bool {
        match self {
            Self::Joined | Self::Up | Self::Down => true,
            Self::Gone { .. } => false,
        }
    }
}

/// A host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Host {
    /// Its id.
    pub id: HostId,
    /// Its name, unique in the cell.
    pub name: String,
    /// What its agent does.
    pub roles: BTreeSet<Role>,
    /// The zone that it is in.
    pub zone: String,
    /// Where other hosts reach it.
    pub address: Option<IpAddr>,
    /// SHA-256 of the certificate request that was signed for it; none once its certificates are revoked.
    pub certificate_sha256: Option<Hash>,
    /// Where it stands.
    pub life: HostLife,
    /// Whether nothing more is placed on it.
    pub draining: bool,
    /// The start of its kernel that it last showed.
    pub boot: Option<BootId>,
    /// The position at which its last reboot was recorded.
    pub rebooted: Option<Position>,
    /// What it offers.
    pub capacity: Capacity,
    /// What is claimed on it: the sum over what is placed there.
    pub claimed: Capacity,
    /// What it can do.
    pub traits: Vec<String>,
    /// The ids of its ledgers that calls may name.
    pub incarnations: BTreeMap<Role, Incarnation>,
    /// Ids of ledgers that were admitted before an operator's order went on without a lost tail: what that tail had made
    /// there is not known, so no call names them before their inventories are compared anew.
    pub unconfirmed: BTreeMap<Role, Incarnation>,
    /// Ids of ledgers that no call may ever name again.
    pub retired: BTreeSet<Incarnation>,
    /// What the last inventory of each role showed that the fold does not know, and what it lacked.
    pub findings: BTreeMap<Role, (Vec<ResourceRef>, Vec<ResourceRef>)>,
}
