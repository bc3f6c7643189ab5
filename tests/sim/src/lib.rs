//! Deterministic simulation of whole cells on the product's own state machines.
