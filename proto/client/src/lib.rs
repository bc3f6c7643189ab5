//! The client of the public API for other people's Rust programs.
