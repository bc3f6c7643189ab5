//! Every bound of the store in one place.

/// The store's page cache, bytes (the library's default would be 1 GiB).
pub const CACHE_BYTES: usize = 64 * 1024 * 1024;
/// Deltas that may wait at the writer's thread; with more the caller keeps its own and captures later.
pub const WRITER_QUEUE_MAX: usize = 2;
/// How long the writer waits before it tries a failed write again, milliseconds.
pub const WRITE_RETRY_MS: u64 = 5_000;
/// Commits after which a new image is due.
pub const IMAGE_COMMITS: u64 = 8_192;
/// Commits that a tracker remembers without a capture before it gives up: the stored image then only grows old.
pub const TRACKED_COMMITS_MAX: u64 = 1 << 18;
/// The most rows of one list or one reading of positions.
pub const LIST_ROWS_MAX: usize = 1_000;
/// Positions after which the index notes the next place (position, cursor, time) of the journal.
pub const PLACE_EVERY_COMMITS: u64 = 256;
/// Commit time after which the index notes the next place, milliseconds.
pub const PLACE_EVERY_MS: u64 = 1_000;
/// Commits from one kept image to the next, while the journal is short.
pub const KEPT_EVERY: u64 = 32_768;
/// The most kept images; the longer the journal, the wider they stand.
pub const KEPT_MAX: u64 = 64;
/// The most bytes of all kept images together; the larger each is, the fewer there are.
pub const KEPT_BYTES_MAX: u64 = 8 * 1024 * 1024 * 1024;
/// Bytes of a kept image that are compressed together.
pub const KEPT_BLOCK_BYTES: usize = 256 * 1024;
/// The most bytes that a block of a kept image is believed to have: one row alone may be longer than a block.
pub const KEPT_BLOCK_BYTES_MAX: usize = 64 * 1024 * 1024;
