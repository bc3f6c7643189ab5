//! The rules of the cloud, by given/when/then: given these commits, when this fact, then those events.

#![allow(clippy::panic, reason = "a test's helper panics where the test fails")]

mod access;
mod boots;
mod checks;
mod faults;
mod generation;
mod images;
mod inventories;
mod joins;
mod leaks;
mod power;
mod quiet;
mod random;
mod servers;
mod support;
mod views;
mod volumes;
