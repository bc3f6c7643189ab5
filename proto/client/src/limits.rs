//! Every bound of the client.

use std::time::Duration;

/// How long connecting to one orchestrator may take.
pub const CONNECT_TIME_MAX: Duration = Duration::from_secs(5);
/// How often an HTTP/2 ping goes out while a call waits, so that a peer that is silent, or stands still, is noticed.
pub const KEEP_ALIVE_EVERY: Duration = Duration::from_secs(2);
/// How long a ping may stay unanswered before the connection counts as lost.
pub const KEEP_ALIVE_TIME_MAX: Duration = Duration::from_secs(2);
/// How long one call may take with all its tries; the default of [`crate::Config::deadline`].
pub const CALL_TIME_MAX: Duration = Duration::from_secs(60);
/// How long a watch may be silent before its stream counts as lost; bookmarks come at least every 10 s.
pub const WATCH_SILENCE_MAX: Duration = Duration::from_secs(30);
/// The first pause between two tries; it doubles, and a random part of up to itself is added.
pub const RETRY_PAUSE_FIRST: Duration = Duration::from_millis(50);
/// The longest pause between two tries, before the random part.
pub const RETRY_PAUSE_MAX: Duration = Duration::from_millis(400);
/// The most tries after the first: they outlast a take-over (under 12 s when the broker's leader dies hard).
pub const RETRIES_MAX: usize = 60;
/// The longest pause that a server may ask for.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(10);
/// The largest answer, bytes.
pub const ANSWER_BYTES_MAX: usize = 32 * 1024 * 1024;
/// The bytes of an image that one message of an upload carries; a request has at most 256 KiB.
pub const UPLOAD_CHUNK_BYTES: usize = 128 * 1024;
/// Chunks of an upload that are read ahead.
pub const UPLOAD_CHUNKS_QUEUE: usize = 4;
/// How long a download may be silent before it counts as lost.
pub const DOWNLOAD_SILENCE_MAX: Duration = Duration::from_secs(30);
/// The most orchestrators in a configuration.
pub const ENDPOINTS_MAX: usize = 16;
/// Random bytes in a new secret.
pub const SECRET_BYTES: usize = 32;
/// How long an export or a verification may be silent: much may be folded before the first byte of a part leaves.
pub const EXPORT_SILENCE_MAX: Duration = Duration::from_secs(600);
