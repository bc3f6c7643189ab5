//! Moves bytes between the machine and a journal: one task appends, one reads. Neither looks inside a frame, and
//! neither ever sends two appends at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use windlass_journal::{Append, Damage, Frame, Read, ReadError};
use windlass_sagas::protocol::{AppendError, Cursor};

use crate::metrics;

/// Frames asked for in one read.
const READ_FRAMES: usize = 256;
/// The pause after a read that failed.
const READ_PAUSE: Duration = Duration::from_millis(200);
/// What may wait for the leader's task.
const QUEUE: usize = 1024;

/// What the journal says.
#[derive(Debug)]
pub(super) enum Told {
    /// How an append ended.
    Appended { append: u64, result: Result<Cursor, AppendError> },
    /// A frame.
    Tail { cursor: Cursor, bytes: Vec<u8> },
    /// The read delivered everything up to here.
    TailEnd { cursor: Cursor, read: u64 },
    /// A read failed; it is tried again unless the journal is damaged.
    ReadFailed(ReadError),
}

/// The two tasks; they end when this is dropped.
pub(super) struct Pump {
    appends: mpsc::Sender<(u64, Cursor, Vec<u8>)>,
    reads: watch::Sender<Option<(Cursor, u64)>>,
    follow: bool,
    /// Whether to go on delivering behind the end of a read.
    follows: Arc<AtomicBool>,
    tasks: [JoinHandle<()>; 2],
}

impl Pump {
    /// Starts the tasks. `follow`: go on delivering what others append after a read reached the end.
    pub(super) fn start<A, R>(journal: A, reader: R, follow: bool) -> (Self, mpsc::Receiver<Told>)
    where
        A: Append + 'static,
        R: Read + 'static,
    {
        let (told, heard) = mpsc::channel(QUEUE);
        let (appends, to_append) = mpsc::channel(2);
        let (reads, to_read) = watch::channel(None);
        let follows = Arc::new(AtomicBool::new(follow));
        let tasks = [
            tokio::spawn(append_all(journal, to_append, told.clone())),
            tokio::spawn(read_all(reader, to_read, told, Arc::clone(&follows))),
        ];
        (Self { appends, reads, follow, follows, tasks }, heard)
    }

    /// Sends an append; `false` where one is still under way (the machine sends the same again later).
    pub(super) fn append(&self, append: u64, after: Cursor, frame: Vec<u8>) -> bool {
        self.appends.try_send((append, after, frame)).is_ok()
    }

    /// Begins a read; a newer one replaces older ones.
    pub(super) fn read(&self, after: Cursor, read: u64) {
        self.reads.send_replace(Some((after, read)));
    }

    /// Who leads need not be told of its own frames; what it asks for is read all the same.
    pub(super) fn rest(&self) {
        if self.follow {
            self.follows.store(false, Ordering::Relaxed);
            self.reads.send_replace(None);
        }
    }

    /// Who no longer leads follows again.
    pub(super) fn go_on(&self) {
        self.follows.store(self.follow, Ordering::Relaxed);
    }
}

impl Drop for Pump {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

async fn append_all<A: Append>(
    mut journal: A,
    mut appends: mpsc::Receiver<(u64, Cursor, Vec<u8>)>,
    told: mpsc::Sender<Told>,
) {
    while let Some((append, after, bytes)) = appends.recv().await {
        let length = bytes.len();
        let result = match Frame::new(bytes) {
            Ok(frame) => {
                let result = journal.append(after, frame).await;
                if result.is_ok() {
                    metrics::appended(length);
                }
                result
            }
            Err(error) => {
                tracing::error!(%error, "a frame is over its bound; nothing was written");
                Err(AppendError::Unavailable)
            }
        };
        if result == Err(AppendError::Fenced) {
            metrics::fenced();
        }
        if told.send(Told::Appended { append, result }).await.is_err() {
            return;
        }
    }
}

async fn read_all<R: Read>(
    reader: R,
    mut wanted: watch::Receiver<Option<(Cursor, u64)>>,
    told: mpsc::Sender<Told>,
    follows: Arc<AtomicBool>,
) {
    let mut place: Option<(Cursor, u64)> = None;
    loop {
        let Some((after, read)) = place else {
            if wanted.changed().await.is_err() {
                return;
            }
            place = *wanted.borrow_and_update();
            continue;
        };
        let step = tokio::select! {
            biased;
            changed = wanted.changed() => match changed {
                Ok(()) => Step::Anew(*wanted.borrow_and_update()),
                Err(_) => return,
            },
            step = deliver(&reader, after, read, &told, &follows) => step,
        };
        place = match step {
            Step::Anew(wanted) => wanted,
            Step::Gone => return,
        };
    }
}

enum Step {
    /// Go on here; `None`: wait until somebody asks.
    Anew(Option<(Cursor, u64)>),
    /// Nobody listens any more.
    Gone,
}

/// Delivers a batch, or the end and the wait behind it.
async fn deliver<R: Read>(
    reader: &R,
    after: Cursor,
    read: u64,
    told: &mpsc::Sender<Told>,
    follows: &AtomicBool,
) -> Step {
    let frames = match reader.read(after, READ_FRAMES).await {
        Ok(frames) => frames,
        // A journal that ends before what its reader holds: what that means is the machine's to say.
        Err(ReadError::Damaged { cursor, what: Damage::Shorter { seen } }) if seen == after => {
            let cursor = Cursor(cursor.0.saturating_sub(1));
            if told.send(Told::TailEnd { cursor, read }).await.is_err() {
                return Step::Gone;
            }
            return Step::Anew(None);
        }
        Err(error) => {
            if told.send(Told::ReadFailed(error)).await.is_err() {
                return Step::Gone;
            }
            tokio::time::sleep(READ_PAUSE).await;
            return Step::Anew(Some((after, read)));
        }
    };
    let mut last = after;
    for (cursor, frame) in &frames {
        last = *cursor;
        if told.send(Told::Tail { cursor: *cursor, bytes: frame.bytes().to_vec() }).await.is_err() {
            return Step::Gone;
        }
    }
    if !frames.is_empty() {
        return Step::Anew(Some((last, read)));
    }
    if told.send(Told::TailEnd { cursor: after, read }).await.is_err() {
        return Step::Gone;
    }
    if !follows.load(Ordering::Relaxed) {
        return Step::Anew(None);
    }
    match reader.wait(after).await {
        Ok(()) => Step::Anew(Some((after, read))),
        Err(error) => {
            if told.send(Told::ReadFailed(error)).await.is_err() {
                return Step::Gone;
            }
            tokio::time::sleep(READ_PAUSE).await;
            Step::Anew(Some((after, read)))
        }
    }
}
