//! The `windlass` command: one file a subcommand.
fn main() {}
