//! Every bound of the journal in one place; reaching one is an error or a shorter answer, never a lost byte.

/// The largest frame, bytes.
pub use windlass_sagas::limits::FRAME_BYTES_MAX;

/// The most frames of one read.
pub const READ_FRAMES_MAX: usize = 1024;
/// A read ends with the frame that reaches this many bytes.
pub const READ_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Requests that may wait at the embedded journal's thread; more wait at their senders.
pub const QUEUE_REQUESTS_MAX: usize = 16;
/// The embedded store's memtable, bytes: what is written to a table at once, and the memory of the newest frames.
pub const MEMTABLE_BYTES: u64 = 16 * 1024 * 1024;
/// The embedded store's block cache, bytes. A journal is read in order and once, so it needs little.
pub const CACHE_BYTES: u64 = 8 * 1024 * 1024;
/// File descriptors that the embedded store may keep open for its tables.
pub const OPEN_FILES_MAX: usize = 128;
/// Write-ahead logs on disk before the embedded store flushes to drop one, bytes.
pub const LOGS_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// Free space below which the embedded journal takes no more frames, bytes: room for the store to finish its own work.
pub const DISK_RESERVE_BYTES: u64 = 64 * 1024 * 1024;

/// How long the memory broker remembers message ids, milliseconds (JetStream's default window).
pub const DUPLICATE_WINDOW_MS: u64 = 120_000;
