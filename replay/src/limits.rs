//! Every bound of replay in one place; what passes one is counted, never forgotten.

/// Frames of one read.
pub const READ_FRAMES: usize = 256;
/// Findings of one verification that are listed; more are counted.
pub const FINDINGS_MAX: usize = 100;
/// Commits of one check that could not be decided and are listed; more are counted.
pub const UNCHECKED_MAX: usize = 100;
/// Entries of one saga's timeline; a saga with more is told by its first ones, which is said.
pub const TIMELINE_ENTRIES_MAX: usize = 100_000;
/// Bytes of frames in a block of an exported file, before it is packed: a look at one frame reads so much.
pub const BLOCK_BYTES: usize = 256 * 1024;
/// The largest index of an exported file, bytes; it is for some hundred million commits.
pub const INDEX_BYTES_MAX: usize = 64 * 1024 * 1024;
/// An operation's file begins with the journal's first commit where the operation's own is no later: such a file needs no
/// image, whose format is no promise.
pub const NEAR_GENESIS: u64 = 1024;
