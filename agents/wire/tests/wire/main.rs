//! The conversions between the agents' channel and the core's types.

mod garbage;
mod roundtrip;
mod samples;
