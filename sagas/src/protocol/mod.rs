//! The protocol's state machines: leader, follower, dispatcher and ledger, and the vocabulary they share with the
//! shells that drive them. Production and simulation run these and no others.

mod call;
mod journal;

pub use call::*;
pub use journal::{AppendError, Cursor};
