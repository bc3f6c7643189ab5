//! The `linux` driver: the machine that the agent runs on. Each role is a hand of its own, in `hypervisor`, `storage`
//! and `network`; what they share stands here: the loop of small steps, tools as processes, the run directory.
//!
//! Invariant: no two pieces of work touch one volume, port or guest at the same time.

mod fetched;
mod hand;
mod locks;
mod machine;
mod owner;
pub(crate) mod process;
mod run;
#[cfg(test)]
pub(crate) mod tests;
pub(crate) mod tls;
mod tool;
mod users;

pub(crate) use fetched::fetched;
pub(crate) use hand::Hand;
pub(crate) use owner::owner;
pub(crate) use run::Run;
pub(crate) use tool::{Tool, complained};
pub(crate) use users::ids_of;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::Notify;
use windlass_sagas::ids::{BootId, HostId, ServerId};
use windlass_sagas::protocol::ledger::{Work, WorkResult};
use windlass_sagas::protocol::{InventoryItem, PlacedView};
use windlass_sagas::record::{Capacity, Refusal, Role};

use crate::AgentError;
use crate::blobs::Blobs;
use crate::config::LinuxConfig;
use crate::driver::{Driver, Pending, driver_failed, refused};
use crate::hypervisor::Hypervisor;
use crate::network::Network;
use crate::storage::Storage;
use crate::strike::Striker;
use locks::Locks;

/// What every role of a host knows of it.
#[derive(Clone, Debug)]
pub(crate) struct Host {
    /// The host.
    pub(crate) id: HostId,
    /// Where other hosts reach it.
    pub(crate) address: IpAddr,
    /// What lasts.
    pub(crate) state: PathBuf,
    /// What is lost when the kernel starts anew.
    pub(crate) run: Run,
}

/// The driver.
#[derive(Clone)]
pub(crate) struct Linux(Arc<Inner>);

struct Inner {
    boot: BootId,
    hypervisor: Option<Hypervisor>,
    storage: Option<Storage>,
    network: Option<Network>,
    capacity: Capacity,
    traits: Vec<String>,
    locks: Locks,
    striker: Striker,
}

impl Linux {
    /// Looks at the machine, finds again what earlier processes made, and puts up what must stand beside steps.
    pub(crate) async fn open(
        state: &Path,
        id: HostId,
        roles: &BTreeSet<Role>,
        config: &LinuxConfig,
        striker: Striker,
        blobs: &Arc<Blobs>,
    ) -> Result<Self, AgentError> {
        let default = || Path::new("/run/windlass").join(id.to_string());
        let run = Run::open(&config.run.clone().unwrap_or_else(default))?;
        let no_address = || AgentError::Setting("linux.address is missing".into());
        let address = config.address.ok_or_else(no_address)?;
        let host = Host { id, address, state: state.to_path_buf(), run };
        let mut traits = config.traits.clone();
        let mut hypervisor = None;
        if roles.contains(&Role::Hypervisor) {
            let opened = Hypervisor::open(host.clone(), &config.hypervisor, Arc::clone(blobs)).await?;
            traits.extend(opened.traits());
            hypervisor = Some(opened);
        }
        let mut storage = None;
        if roles.contains(&Role::Storage) {
            storage = Some(Storage::open(host.clone(), &config.storage, Arc::clone(blobs)).await?);
        }
        let mut network = None;
        if roles.contains(&Role::Network) {
            network = Some(Network::open(host.clone()).await?);
        }
        let pool = storage.as_ref().map(Storage::pool);
        let capacity = machine::capacity(config, pool)?;
        let (boot, locks) = (host.run.boot(), Locks::default());
        Ok(Self(Arc::new(Inner { boot, hypervisor, storage, network, capacity, traits, locks, striker })))
    }

    async fn drive(self, role: Role, work: Work) -> WorkResult {
        let inner = &*self.0;
        let _held = inner.locks.hold(&work.input).await;
        let striker = &inner.striker;
        match (role, &inner.hypervisor, &inner.storage, &inner.network) {
            (Role::Hypervisor, Some(hand), _, _) => hand::drive(hand, striker, role, &work).await,
            (Role::Storage, _, Some(hand), _) => hand::drive(hand, striker, role, &work).await,
            (Role::Network, _, _, Some(hand)) => hand::drive(hand, striker, role, &work).await,
            (Role::Hypervisor | Role::Storage | Role::Network, ..) => refused(work.op, not_served(role)),
        }
    }
}

impl Driver for Linux {
    fn work(&self, role: Role, work: Work) -> Pending<WorkResult> {
        Box::pin(self.clone().drive(role, work))
    }

    fn inventory(&self, role: Role) -> Pending<Result<Vec<InventoryItem>, Refusal>> {
        let inner = Arc::clone(&self.0);
        Box::pin(async move {
            match (role, &inner.hypervisor, &inner.storage, &inner.network) {
                (Role::Hypervisor, Some(hand), _, _) => hand.inventory().await,
                (Role::Storage, _, Some(hand), _) => hand.inventory().await,
                (Role::Network, _, _, Some(hand)) => hand.inventory().await,
                (Role::Hypervisor | Role::Storage | Role::Network, ..) => Err(not_served(role)),
            }
        })
    }

    fn ended(&self) -> Option<Arc<Notify>> {
        self.0.hypervisor.as_ref().map(Hypervisor::ended)
    }

    fn apply(&self, view: PlacedView) -> Pending<Result<(), Refusal>> {
        let inner = Arc::clone(&self.0);
        Box::pin(async move {
            match &inner.network {
                Some(network) => network.apply(view).await,
                None => Ok(()),
            }
        })
    }

    fn console(&self, server: ServerId, bytes_max: u32) -> Pending<Result<Vec<u8>, Refusal>> {
        let inner = Arc::clone(&self.0);
        Box::pin(async move {
            match &inner.hypervisor {
                Some(hypervisor) => hypervisor.console(server, bytes_max),
                None => Err(not_served(Role::Hypervisor)),
            }
        })
    }

    fn capacity(&self) -> Capacity {
        self.0.capacity
    }

    fn traits(&self) -> Vec<String> {
        self.0.traits.clone()
    }

    fn boot(&self) -> Result<BootId, AgentError> {
        Ok(self.0.boot)
    }
}

fn not_served(role: Role) -> Refusal {
    driver_failed(&format!("this agent does not serve the role {}", role.name()))
}
