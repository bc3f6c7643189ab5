//! The conversions between the agents' channel and the core's types.

mod bounds;
mod garbage;
mod newer;
mod roundtrip;
mod samples;
