//! The protocol's state machines: leader, follower, dispatcher and ledger, and the vocabulary they share with the
//! shells that drive them. Production and simulation run these and no others.

mod journal;

pub use journal::{AppendError, Cursor};
