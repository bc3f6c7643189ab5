//! Deterministic simulation of whole cells on the product's own state machines: orchestrators, dispatchers, ledgers and
//! worlds over a simulated journal, disks and network, with numbered faults and checkers beside them.
//!
//! Invariant: one thread, no I/O, no clock, no hash order; the same scenario, seed and faults give the same trace. There
//! is no second model of the protocol here, and nothing in the product knows that it is simulated.

mod about;
mod agenda;
mod agent;
mod check;
mod client;
mod disk;
mod draw;
mod fault;
mod founding;
mod journal;
mod lab;
pub mod limits;
pub mod named;
mod net;
mod operator;
mod orchestrator;
mod pairs;
mod report;
mod rng;
mod scenario;
mod shrink;
mod sim;
mod trace;
pub mod workload;

pub use about::About;
pub use agenda::Instant;
pub use check::{Told, Violation};
pub use draw::Drawing;
pub use fault::{Asked, Choice, FaultId, Fired, Lane, NotAChoice, Place, Plan, Rates, Rule};
pub use founding::Topology;
pub use lab::{Bounds, Lab};
pub use report::{Failure, Outcome, Tally};
pub use scenario::{ClockJump, Portfolio, Scenario, TailLoss};
pub use sim::Seen;
