//! Every bound of blobs in one place; reaching one is an error with a reason, never a truncation in silence.

use std::time::Duration;

/// The most bytes of a blob that one message carries.
pub const CHUNK_BYTES_MAX: usize = 256 * 1024;
/// Chunks that may wait for one reader.
pub const CHUNKS_QUEUE: usize = 4;
/// How long a reader may leave a chunk unread before it is cut off.
pub const READER_SILENCE_MAX: Duration = Duration::from_secs(30);
/// Blobs that may be sent to agents at a time.
pub const FETCHES_MAX: usize = 64;
