//! Tests of the record: what its bytes are (golden), that they read back, that nothing else reads, and which commits
//! count. They see the crate as a reader of journals does, through its public surface only.
#![expect(clippy::panic, reason = "what a helper misses is the failure of its test")]

mod chain;
mod entropy;
mod golden;
mod hostile;
mod layout;
mod limits;
mod page;
mod roundtrip;
mod samples;
mod terms;
