//! What a driver is: it looks at the host, makes a step's change, removes it, and lists what it holds.
//!
//! Invariants for every driver: no retries and no rules; nothing there is success to an undo; a change, or its removal,
//! is durable before it is told; what is made is recognisable by its name from its first instant; nothing of a work
//! goes on once its future is dropped, which is how a deadline and the end of the agent kill it.

use std::pin::Pin;
use std::sync::Arc;

use tokio::sync::Notify;
use windlass_sagas::ids::{BootId, ServerId};
use windlass_sagas::protocol::ledger::{Op, Work, WorkResult};
use windlass_sagas::protocol::{InventoryItem, PlacedView};
use windlass_sagas::record::{Capacity, Refusal, RefusalCode, Role};

use crate::AgentError;

/// What a driver gives back: work that ends when it is polled to its end, and stops when it is dropped.
pub type Pending<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// The driver of one or more roles of a host.
pub trait Driver: Send + Sync {
    /// Does one piece of work, and ends as the work's `op` asks: looks how much of the step's change is there, by names
    /// alone; makes the change, or finishes it; or removes whatever of it is there.
    fn work(&self, role: Role, work: Work) -> Pending<WorkResult>;

    /// Everything that the role holds, partial things too.
    fn inventory(&self, role: Role) -> Pending<Result<Vec<InventoryItem>, Refusal>>;

    /// Wakes when something that a hypervisor holds has ended by itself, so that an inventory is told unasked; `None` for
    /// a driver that never sees such a thing.
    fn ended(&self) -> Option<Arc<Notify>> {
        None
    }

    /// Puts a view in force: all of it, and nothing else of its kind; the same one again changes nothing.
    fn apply(&self, view: PlacedView) -> Pending<Result<(), Refusal>>;

    /// What a guest wrote to its console last: at most so many bytes, oldest first. `Missing` where no such guest is known.
    fn console(&self, server: ServerId, bytes_max: u32) -> Pending<Result<Vec<u8>, Refusal>>;

    /// What the host offers in all.
    fn capacity(&self) -> Capacity;

    /// What the host can do, as words that flavors and images may ask for.
    fn traits(&self) -> Vec<String>;

    /// The current start of the host's kernel.
    ///
    /// # Errors
    /// Where the kernel does not tell.
    fn boot(&self) -> Result<BootId, AgentError> {
        kernel_boot()
    }
}

/// The current start of the running kernel, by its own word.
///
/// # Errors
/// Where `/proc` does not tell.
pub fn kernel_boot() -> Result<BootId, AgentError> {
    const PATH: &str = "/proc/sys/kernel/random/boot_id";
    let failed = |error| AgentError::File { path: PATH.into(), error };
    let text = std::fs::read_to_string(PATH).map_err(failed)?;
    text.trim().parse().map_err(|error| failed(std::io::Error::other(error)))
}

/// The end of work that a refusal ends.
pub(crate) const fn refused(op: Op, refusal: Refusal) -> WorkResult {
    match op {
        Op::Observe => WorkResult::Observed(Err(refusal)),
        Op::Execute => WorkResult::Executed(Err(refusal)),
        Op::Undo => WorkResult::Undone(Err(refusal)),
    }
}

/// The driver failed, and the same work may succeed later.
pub(crate) fn driver_failed(message: &str) -> Refusal {
    Refusal { code: RefusalCode::DriverFailed, retryable: true, message: message.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_tells_the_same_start_twice() {
        assert_eq!(kernel_boot().unwrap(), kernel_boot().unwrap());
    }
}
