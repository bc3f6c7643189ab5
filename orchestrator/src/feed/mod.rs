//! The public feed: every event of the journal as a CloudEvent on a JetStream stream of its own, for whoever builds on
//! this cell. Nothing in Windlass reads it.
//!
//! Invariant: the message at sequence n is the journal's n-th event, whoever published it and however often: so there is
//! no gap and no repeat, and a stream that is lost, cut or deleted is made again as it was (`ops/decisions/0007`).

mod event;
mod json;
mod nats;
mod publisher;
mod rebuild;
#[cfg(test)]
mod tests;

use std::time::Duration;

pub use event::{Message, Teller, place};
pub use nats::Nats;
pub use publisher::{End, Publisher, Sink, SinkError, Source};
pub use rebuild::{RebuildError, rebuild};
pub use windlass_journal::jetstream::FeedPlan;

/// Days that messages are kept in a stream that is made, where nothing else is said.
pub const KEEP_DAYS: u32 = 7;
/// The most days that can be asked for.
pub const KEEP_DAYS_MAX: u32 = 3650;
/// Messages that may be on their way to the stream at a time: under load a way there and back takes some tens of
/// milliseconds, and who falls behind what is kept in memory has to read the journal.
const WINDOW_MESSAGES: usize = 1024;
/// Bytes of them; one message may be over it.
const WINDOW_BYTES: usize = 2 * 1024 * 1024;
/// Commits asked of the history at a time.
const COMMITS_AT_ONCE: usize = 512;
/// The pause behind a window, in which more events come together for the next one.
const GATHER_PAUSE: Duration = Duration::from_millis(20);
/// While the cell commits, one part in so many of the time is the feed's: it may come later, the cell may not wait for it.
const SHARE: u32 = 12;
/// The longest pause by that; a window that hung says nothing of what the feed takes.
const REST_MAX: Duration = Duration::from_secs(1);
/// How long nothing has to happen until the stream's end is looked at.
const LOOK_PAUSE: Duration = Duration::from_secs(10);
/// The pause after a failure.
const RETRY_PAUSE: Duration = Duration::from_millis(500);
/// The same failure is told so often.
const TELL_PAUSE: Duration = Duration::from_secs(60);
/// How long the history may take until it holds what the feed has told.
const HISTORY_TIME_MAX: Duration = Duration::from_secs(10);
