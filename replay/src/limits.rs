//! Every bound of replay in one place; what passes one is counted, never forgotten.

/// Frames of one read.
pub const READ_FRAMES: usize = 256;
/// Findings of one verification that are listed; more are counted.
pub const FINDINGS_MAX: usize = 100;
/// Commits of one check that could not be decided and are listed; more are counted.
pub const UNCHECKED_MAX: usize = 100;
/// Entries of one saga's timeline; a saga with more is told by its first ones, which is said.
pub const TIMELINE_ENTRIES_MAX: usize = 100_000;
