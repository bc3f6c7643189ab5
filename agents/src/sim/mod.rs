//! The `sim` driver: works on a world on disk, sub-change by sub-change, for all roles of a host. Latencies and planned
//! faults come between the small steps; what those are is the world's affair, and the same as in the simulator.

mod keeper;

use std::path::Path;
use std::sync::Arc;

use windlass_sagas::ids::{BootId, HostId, ServerId};
use windlass_sagas::protocol::ledger::{Op, Work, WorkResult};
use windlass_sagas::protocol::{InventoryItem, PlacedView};
use windlass_sagas::record::{Capacity, Direction, Refusal, Role};
use windlass_world::{Operation, Progress};

use crate::AgentError;
use crate::config::SimConfig;
use crate::driver::{Driver, Pending, refused};
use crate::faults::{Place, Point};
use crate::strike::{Striker, Struck};
use keeper::Keeper;

pub use keeper::read_world;

/// The driver.
#[derive(Clone)]
pub(crate) struct Sim(Arc<Inner>);

struct Inner {
    keeper: Keeper,
    config: SimConfig,
    capacity: Capacity,
    boot: BootId,
    striker: Striker,
}

impl Sim {
    /// Opens the world in `directory`, or makes an empty one that others reach under `name`.
    pub(crate) fn open(
        directory: &Path,
        host: HostId,
        name: &str,
        config: SimConfig,
        striker: Striker,
    ) -> Result<Self, AgentError> {
        let (keeper, world) = Keeper::open(directory, name, config.capacity)?;
        let (capacity, boots) = (world.capacity(), world.boots());
        if capacity != config.capacity {
            tracing::warn!("the world on disk keeps the capacity that it was made with, {capacity:?}");
        }
        let boot = BootId::derived(&host.0, u32::try_from(boots).unwrap_or(u32::MAX));
        Ok(Self(Arc::new(Inner { keeper, config, capacity, boot, striker })))
    }

    /// Closes the world and gives its directory free; bounded.
    pub(crate) async fn close(&self) {
        self.0.keeper.close().await;
    }

    async fn drive(self, role: Role, work: Work) -> WorkResult {
        let (op, step) = (work.op, work.input.name());
        let direction = match op {
            Op::Observe | Op::Execute => Direction::Forward,
            Op::Undo => Direction::Undo,
        };
        let place = |point, changes| Place { point, changes, step, key: work.key, direction, role };
        let pause = if op == Op::Observe { Default::default() } else { self.0.config.latency_of(step) };
        let mut operation = Operation::of(&work);
        let mut changes = 0;
        if let Some(result) = self.at(op, &place(Point::Before, 0)).await {
            return result;
        }
        loop {
            if !pause.is_zero() {
                tokio::time::sleep(pause).await;
            }
            let progress = match self.0.keeper.step(operation).await {
                Ok((next, progress)) => {
                    operation = next;
                    progress
                }
                Err(refusal) => return refused(op, refusal),
            };
            let here = match &progress {
                Progress::Changed(_) | Progress::Synced => {
                    changes += 1;
                    place(Point::Between, changes)
                }
                Progress::Finished(_) => place(Point::After, changes),
            };
            match (self.at(op, &here).await, progress) {
                (Some(result), _) | (None, Progress::Finished(result)) => return result,
                (None, Progress::Changed(_) | Progress::Synced) => {}
            }
        }
    }

    /// What a planned fault makes of the work here; `None`: it goes on.
    async fn at(&self, op: Op, place: &Place) -> Option<WorkResult> {
        let Inner { keeper, striker, .. } = &*self.0;
        match striker.at(op, place).await {
            Struck::Nothing => None,
            Struck::Ended(result) => Some(result),
            Struck::Power(power) => match striker.fall(power, keeper.power(power)).await {},
        }
    }
}

impl Driver for Sim {
    fn work(&self, role: Role, work: Work) -> Pending<WorkResult> {
        Box::pin(self.clone().drive(role, work))
    }

    fn inventory(&self, role: Role) -> Pending<Result<Vec<InventoryItem>, Refusal>> {
        let inner = Arc::clone(&self.0);
        Box::pin(async move { inner.keeper.inventory(role).await })
    }

    fn apply(&self, view: PlacedView) -> Pending<Result<(), Refusal>> {
        let inner = Arc::clone(&self.0);
        Box::pin(async move { inner.keeper.apply(view).await })
    }

    fn console(&self, server: ServerId, bytes_max: u32) -> Pending<Result<Vec<u8>, Refusal>> {
        let inner = Arc::clone(&self.0);
        Box::pin(async move {
            let mut text = inner.keeper.console(server).await?.into_bytes();
            let most = usize::try_from(bytes_max).unwrap_or(usize::MAX);
            text.drain(..text.len().saturating_sub(most));
            Ok(text)
        })
    }

    fn capacity(&self) -> Capacity {
        self.0.capacity
    }

    fn traits(&self) -> Vec<String> {
        self.0.config.traits.clone()
    }

    fn boot(&self) -> Result<BootId, AgentError> {
        Ok(self.0.boot)
    }
}

#[cfg(test)]
mod tests;
