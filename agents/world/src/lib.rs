//! The pure simulated host: volumes and exports on a disk that may be unsynced, ports and guests that a reboot takes.
//!
//! It is the truth that simulations and the `sim` driver measure by: it names things by their ids alone, knows nothing
//! of step keys or ledgers, counts its own changes, and every operation is several sub-changes with room for a crash
//! between any two. It must never decide what a leader wants.
#![no_std]
extern crate alloc;

mod change;
mod count;
mod goal;
mod inventory;
mod operation;
mod stored;
mod world;

pub use change::Change;
pub use count::{Tally, Thing};
pub use operation::{Operation, Progress};
pub use stored::NotAWorld;
pub use world::{Device, Export, Guest, PortLink, VolumeFile, World};
