//! The protocol's state machines: leader, follower, dispatcher and ledger, and the vocabulary they share with the
//! shells that drive them. Production and simulation run these and no others.

mod call;
pub mod dispatcher;
mod fold;
mod journal;
pub mod orchestrator;
#[cfg(test)]
mod testing;

pub mod ledger;

pub use call::*;
pub use dispatcher::Dispatcher;
pub use fold::{Absorbed, Fold, PoisonError, Poisoned};
pub use journal::{AppendError, Cursor};
pub use orchestrator::Orchestrator;
