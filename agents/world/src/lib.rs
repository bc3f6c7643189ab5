//! The pure simulated host.
