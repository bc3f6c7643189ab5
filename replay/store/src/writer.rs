//! The one thread that writes a store: takes deltas in order, one synced transaction each, and tries again what failed.
//!
//! It must never make the leader wait: with its queue full, the caller keeps its delta.

use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::Duration;

use windlass_sagas::ids::Position;

use crate::database::Store;
use crate::delta::Delta;
use crate::error::StoreError;
use crate::limits::{KEPT_EVERY, WRITE_RETRY_MS, WRITER_QUEUE_MAX};

/// The writer of a store. Dropping it writes what waits, or gives it up where the disk fails, and ends the thread.
#[derive(Debug)]
pub struct Writer {
    queue: Option<SyncSender<Delta>>,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// The queue is full, or the thread has given up: here is the delta back.
#[derive(Debug)]
pub struct Busy(pub Box<Delta>);

#[derive(Debug, Default)]
struct Shared {
    progress: Mutex<Progress>,
    /// Wakes the thread from its pause when the writer is dropped.
    closed: Condvar,
}

#[derive(Debug, Default)]
struct Progress {
    written: Position,
    fault: Option<String>,
    closing: bool,
}

impl Writer {
    /// Starts the thread.
    ///
    /// # Errors
    /// Where the system gives no thread, or the store can't be read.
    pub fn start(store: Store) -> Result<Self, StoreError> {
        let written = store.position()?;
        let shared = Arc::new(Shared::default());
        shared.look().written = written;
        let (queue, deltas) = sync_channel(WRITER_QUEUE_MAX);
        let told = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || run(&store, &deltas, &told))
            .map_err(|error| StoreError::Storage(Box::new(redb::Error::Io(error))))?;
        Ok(Self { queue: Some(queue), shared, thread: Some(thread) })
    }

    /// Hands over a delta whose frame is durable.
    ///
    /// # Errors
    /// `Busy`, with the delta: hand it over later, and capture nothing before.
    pub fn write(&self, delta: Delta) -> Result<(), Busy> {
        let Some(queue) = &self.queue else { return Err(Busy(Box::new(delta))) };
        queue.try_send(delta).map_err(|error| match error {
            TrySendError::Full(delta) | TrySendError::Disconnected(delta) => Busy(Box::new(delta)),
        })
    }

    /// The position of the last image written.
    #[must_use]
    pub fn written(&self) -> Position {
        self.shared.look().written
    }

    /// Why the last write failed, while it does: images grow old, nothing is lost.
    #[must_use]
    pub fn fault(&self) -> Option<String> {
        self.shared.look().fault.clone()
    }

    /// Writes what waits and ends the thread.
    pub fn close(self) {}
}

impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.queue.take());
        self.shared.look().closing = true;
        self.shared.closed.notify_all();
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the store's thread panicked; the stored image may be old");
        }
    }
}

impl Shared {
    fn look(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().expect("no code panics while it holds the progress")
    }

    /// Remembers how a write ended; a fault is logged when it begins and when it ends.
    fn note(&self, position: Position, result: &Result<(), StoreError>) {
        let mut progress = self.look();
        match result {
            Ok(()) => {
                progress.written = position;
                if progress.fault.take().is_some() {
                    tracing::info!(position = position.0, "the store is written again");
                }
            }
            Err(error) => {
                let fault = std::error::Error::source(error).map_or_else(String::new, |it| format!(": {it}"));
                let fault = format!("{error}{fault}");
                if progress.fault.as_ref() != Some(&fault) {
                    tracing::warn!(
                        position = position.0,
                        fault,
                        "the store can't be written; images grow old"
                    );
                }
                progress.fault = Some(fault);
            }
        }
    }

    /// Waits before the next try; `false`: there is none, the writer is being dropped.
    fn pause(&self) -> bool {
        let pause = Duration::from_millis(WRITE_RETRY_MS);
        let waited = self.closed.wait_timeout_while(self.look(), pause, |progress| !progress.closing);
        waited.is_ok_and(|(progress, _)| !progress.closing)
    }
}

fn run(store: &Store, deltas: &Receiver<Delta>, shared: &Shared) {
    let mut keeper = Keeper::default();
    while let Ok(delta) = deltas.recv() {
        loop {
            let result = store.write(&delta);
            shared.note(delta.position(), &result);
            match result {
                Ok(()) => {
                    keeper.keep(store, delta.position(), shared);
                    break;
                }
                Err(StoreError::Storage(_)) if shared.pause() => {}
                // Later deltas rest on this one: none of them can ever be written.
                Err(StoreError::Storage(_) | StoreError::OutOfOrder { .. } | StoreError::Row(_)) => return,
            }
        }
    }
}

/// Keeps images of the past. Where that fails, nothing but time is lost: it is tried again later, and later each time.
#[derive(Debug, Default)]
struct Keeper {
    not_before: Position,
    failed: u32,
}

impl Keeper {
    fn keep(&mut self, store: &Store, position: Position, shared: &Shared) {
        // At the end of a process nobody waits for it.
        if position < self.not_before || shared.look().closing {
            return;
        }
        match store.keep_stored() {
            Ok(_) => self.failed = 0,
            Err(error) => {
                let source = std::error::Error::source(&error).map(ToString::to_string);
                tracing::warn!(position = position.0, %error, source, "the image is not kept for later");
                self.not_before.0 = position.0.saturating_add(KEPT_EVERY << self.failed.min(16));
                self.failed += 1;
            }
        }
    }
}
