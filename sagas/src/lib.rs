//! The pure core of Windlass: the rules of the cloud and of the protocol, as state machines over recorded facts.
//!
//! Invariant: no I/O, clock, randomness, hash map, async or float; the same inputs give the same outputs on every
//! machine and in every build that replays a journal. It must never depend on another crate of ours.
//!
//! fact → [`cell::decide`] (pure) → events → frame → journal → [`cell::Cell::apply`] → [`cell::effects`]; the order of
//! these arrows is kept by the machines in [`protocol`].
#![no_std]
extern crate alloc;

#[macro_use]
mod macros;

pub mod cell;
pub mod fault;
pub mod ids;
pub mod limits;
pub mod plan;
pub mod planted;
pub mod protocol;
pub mod record;
