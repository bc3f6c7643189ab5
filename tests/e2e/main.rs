//! The real binary, end to end: an orchestrator and agents as processes on loopback, driven through the public API,
//! killed, cut and started again. What hosts hold is counted at their worlds on disk, outside every ledger.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that can't go on says where")]

mod armed;
mod create;
mod down;
mod drain;
#[path = "../ended/mod.rs"]
mod ended;
mod feed;
mod fence;
mod handbook;
mod history;
mod image;
mod kill;
mod network;
mod orphan;
mod recover;
mod refuse;
mod start;
mod support;
mod take_over;
mod up;
mod upgrade;
mod verify;
