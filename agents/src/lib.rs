//! The agents: one process is one host in one or more roles; it dials every orchestrator, drives a ledger a role, and
//! lets drivers work on the host.
//!
//! Rules live in `windlass_sagas::protocol::ledger`; this crate moves bytes between that machine, the disk, the streams
//! and the drivers. It must never answer a call itself, retry driver work, or depend on an orchestrator's crates.
//!
//! [`run`] is an agent, in a process of its own or inside another one; [`join::join`] makes a machine a host.

pub mod blobs;
pub mod clock;
pub mod config;
pub mod driver;
mod error;
pub mod faults;
mod files;
mod hypervisor;
pub mod identity;
pub mod join;
pub mod limits;
mod linux;
pub mod logs;
mod network;
pub mod null;
mod random;
pub mod runtime;
pub mod sim;
mod storage;
mod store;
mod strike;

pub use config::Config;
pub use error::AgentError;
pub use runtime::{Ended, Fall, run};
pub use store::SharedLedgers;
/// What `run` is told to stop by.
pub use tokio_util::sync::CancellationToken;
