//! The orchestrator: the shell that leads a cell and serves its API. It moves bytes; every rule is in `windlass-sagas`.

pub mod api;
pub mod blobs;
pub mod clock;
pub mod config;
pub mod dispatch;
pub mod doctor;
pub mod faults;
pub mod held;
pub mod history;
pub mod identity;
pub mod lead;
pub mod metrics;
pub mod process;
