//! What the API asks of the agents' side of the process: what hosts really hold, and who is connected. Nothing of it
//! is journaled.

use std::collections::BTreeMap;
use std::time::Duration;

use windlass_sagas::ids::{FaultId, HostId, ServerId, Time};
use windlass_sagas::protocol::Inventory;
use windlass_sagas::record::{Capacity, Refusal, Role};

/// What one host holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// The host.
    pub host: HostId,
    /// One inventory a role.
    pub inventories: Vec<Inventory>,
    /// Roles whose driver could not look everywhere, and why.
    pub incomplete: BTreeMap<Role, String>,
}

/// An agent's open stream, as this orchestrator sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contact {
    /// When it was last heard.
    pub last_seen: Time,
    /// What its host reported to use; `None`: not reported yet.
    pub used: Option<Capacity>,
    /// The build of the agent.
    pub build: String,
    /// Calls sent and not ended, by role; empty where this orchestrator does not lead.
    pub calls_in_flight: BTreeMap<Role, u32>,
}

/// The agents' side.
#[tonic::async_trait]
pub trait Inventories: Send + Sync {
    /// Asks these hosts what they hold and waits at most so long; the hosts that answered, each with all of its roles.
    async fn take(&self, hosts: Vec<HostId>, wait: Duration) -> Vec<Taken>;

    /// Asks a host for what a server's guest wrote to its console last, at most so many bytes; the caller bounds the wait.
    /// `None`: it is not connected here, or no longer.
    async fn console(
        &self,
        host: HostId,
        server: ServerId,
        bytes_max: u32,
    ) -> Option<Result<Vec<u8>, Refusal>>;

    /// A host's open stream; `None`: it is not connected here. Called on the leader's thread: it must not wait.
    fn contact(&self, host: HostId) -> Option<Contact>;

    /// How often a planned fault has struck: on each host whose agent says that it holds it or held it, and at this
    /// process itself. As `contact`, it must not wait.
    fn strikes(&self, fault: FaultId) -> (Vec<(HostId, u64)>, u64);

    /// Whether this process leads and was not started with `--faults allow`.
    fn refuses_faults(&self) -> bool;
}

/// A process without agents: nothing is connected and nothing is taken.
pub struct NoAgents;

#[tonic::async_trait]
impl Inventories for NoAgents {
    async fn take(&self, _: Vec<HostId>, _: Duration) -> Vec<Taken> {
        Vec::new()
    }

    async fn console(&self, _: HostId, _: ServerId, _: u32) -> Option<Result<Vec<u8>, Refusal>> {
        None
    }

    fn contact(&self, _: HostId) -> Option<Contact> {
        None
    }

    fn strikes(&self, _: FaultId) -> (Vec<(HostId, u64)>, u64) {
        (Vec::new(), 0)
    }

    fn refuses_faults(&self) -> bool {
        true
    }
}
