//! Agents' streams: who is at the other end, what it says, what is sent to it. No rule stands here: the dispatcher's
//! machine decides, the leader's task drives it.

mod bare;
mod blobs;
mod consoles;
mod contacts;
mod join;
mod peer;
mod streams;
mod strikes;

pub use bare::Bare;
pub use blobs::Fetching;
pub use contacts::{Agents, Contacts};
pub use join::Joining;
pub use streams::{AgentEvent, Link, Streams};
