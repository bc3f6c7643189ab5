//! The agents' promises, named in their tests, over real loopback TLS with an orchestrator of the tests' own. What a
//! host holds is counted by its world, which knows nothing of ledgers.

mod armed;
mod authority;
mod blobs;
mod calls;
mod console;
mod disk;
mod faults;
mod garbage;
mod host;
mod joining;
mod orchestrator;
mod restart;
mod session;
mod steps;
mod terms;
mod views;
