//! Every bound of blobs in one place; reaching one is an error with a reason, never a truncation in silence.

use std::time::Duration;

/// The most bytes of a blob that one message carries.
pub const CHUNK_BYTES_MAX: usize = 256 * 1024;
/// Chunks that may wait for one reader.
pub const CHUNKS_QUEUE: usize = 4;
/// How long a reader may leave a chunk unread before it is cut off.
pub const READER_SILENCE_MAX: Duration = Duration::from_secs(30);
/// The largest image that is taken in, bytes.
pub const IMAGE_BYTES_MAX: u64 = 16 * 1024 * 1024 * 1024;
/// Free space that an upload leaves on the disk, bytes: the journal may be on the same one.
pub const DISK_RESERVE_BYTES: u64 = 1024 * 1024 * 1024;
/// An upload looks at the free space again after so many bytes.
pub const DISK_LOOK_BYTES: u64 = 64 * 1024 * 1024;
/// How long an upload may be silent.
pub const UPLOAD_SILENCE_MAX: Duration = Duration::from_secs(30);
/// How long an upload may take in all.
pub const UPLOAD_TIME_MAX: Duration = Duration::from_secs(6 * 3600);
/// Uploads that may go on at a time.
pub const UPLOADS_MAX: usize = 8;
/// Downloads of images that may go on at a time.
pub const DOWNLOADS_MAX: usize = 16;
/// Blobs that may be sent to agents at a time.
pub const FETCHES_MAX: usize = 64;
