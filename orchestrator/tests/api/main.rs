//! The public API over a real socket, with the leader's task on the memory journal: each test is named after the
//! promise of the design that it keeps. Hosts are scripted agents on the dispatcher's own channel.

#![allow(clippy::panic, reason = "a test's helper panics where the test fails")]

mod access;
mod bad_input;
mod deadlines;
mod faults;
mod history;
mod image_data;
mod lists;
mod mutations;
mod operations;
mod past;
mod power;
mod reads;
mod reasons;
mod refusals;
mod repeats;
mod support;
mod validate;
mod watches;
