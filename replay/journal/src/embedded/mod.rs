//! The journal in one directory, for a cell with one orchestrator: no server to install, a frame is one synced write.
//!
//! Invariant: after any crash the readable frames are a dense prefix that holds every acknowledged one; what can't be
//! given is named with its cursor, never skipped. One process at a time may have the directory, and no async task ever
//! waits for a disk: an OS thread owns the store.

mod lock;
mod store;
#[cfg(test)]
mod tests;
mod witness;
mod worker;

use std::io;
use std::path::{Path, PathBuf};

use tokio::sync::{mpsc, oneshot, watch};
use windlass_sagas::protocol::{AppendError, Cursor};

use crate::error::{Damage, ReadError, check_not_shorter};
use crate::frame::Frame;
use crate::limits::{DISK_RESERVE_BYTES, MEMTABLE_BYTES, QUEUE_REQUESTS_MAX};
use crate::{Append, Read};
use worker::{Request, Worker};

/// An open journal directory: the one appender, and a reader.
#[derive(Debug)]
pub struct Embedded {
    reader: Reader,
}

/// Reads an open journal directory; works as long as the [`Embedded`] is not closed.
#[derive(Clone, Debug)]
pub struct Reader {
    requests: mpsc::Sender<Request>,
    last: watch::Receiver<Cursor>,
}

/// Where and how a journal is kept.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The journal's own directory; made if it is missing.
    pub directory: PathBuf,
    /// Free space below which no frame is taken, bytes.
    pub disk_reserve_bytes: u64,
    /// The store's memtable, bytes; fixed when the directory is first made.
    pub memtable_bytes: u64,
    /// An operator's order: take a journal whose acknowledged tail is gone as it is now. Never set it otherwise.
    pub accept_lost_tail: bool,
}

impl Settings {
    /// The defaults of [`crate::limits`] for a journal in `directory`.
    #[must_use]
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
            disk_reserve_bytes: DISK_RESERVE_BYTES,
            memtable_bytes: MEMTABLE_BYTES,
            accept_lost_tail: false,
        }
    }
}

/// Why a journal directory can't be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process (or another part of this one) has it.
    #[error("the journal in {} is in use{}", .directory.display(), holder(.pid))]
    Locked {
        /// The journal's directory.
        directory: PathBuf,
        /// The process that holds it, if it has written its id yet.
        pid: Option<u32>,
    },
    /// What is there can't be read as a journal, or is less than was acknowledged.
    #[error("the journal in {} is damaged at cursor {}: {what}", .directory.display(), .cursor.0)]
    Damaged {
        /// The journal's directory.
        directory: PathBuf,
        /// The first cursor at fault; [`Cursor::START`] if the storage as a whole is.
        cursor: Cursor,
        /// What is wrong.
        what: Damage,
    },
    /// The disk or the file system refused, or it is full.
    #[error("the journal in {} can't be opened", .directory.display())]
    Io {
        /// The journal's directory.
        directory: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// Whether `directory` holds a journal. [`Embedded::open`] would make one where there is none; who only reads asks first.
///
/// # Errors
/// Where the directory can't be looked into.
pub fn is_there(directory: &Path) -> io::Result<bool> {
    worker::store_path(directory).try_exists()
}

fn holder(pid: &Option<u32>) -> String {
    pid.map(|pid| format!(" by process {pid}")).unwrap_or_default()
}

impl Embedded {
    /// Opens the journal, making it if there is none, and recovers it from whatever stopped its last process.
    ///
    /// # Errors
    /// [`OpenError`]; nothing is changed then, apart from what the storage does to recover itself.
    pub async fn open(settings: Settings) -> Result<Self, OpenError> {
        let (requests, queue) = mpsc::channel(QUEUE_REQUESTS_MAX);
        let (opened, answer) = oneshot::channel();
        let directory = settings.directory.clone();
        let io = |source| OpenError::Io { directory: directory.clone(), source };
        let run = move || match Worker::open(settings) {
            Ok((worker, last)) => {
                // The opener may be gone; then the queue is closed too and the loop ends at once.
                drop(opened.send(Ok(last)));
                worker.run(queue);
            }
            Err(error) => drop(opened.send(Err(error))),
        };
        std::thread::Builder::new().name("journal".to_owned()).spawn(run).map_err(io)?;
        let last = answer.await.map_err(|_| io(io::Error::other("the journal's thread ended")))??;
        Ok(Self { reader: Reader { requests, last } })
    }

    /// A reader of this journal.
    #[must_use]
    pub fn reader(&self) -> Reader {
        self.reader.clone()
    }

    /// Closes the journal and waits until its directory is free. Readers get [`ReadError::Unavailable`] from then on.
    pub async fn close(self) {
        let (done, closed) = oneshot::channel();
        if self.reader.requests.send(Request::Close { done }).await.is_ok() {
            // An error means that the thread is gone, and the directory with it free.
            drop(closed.await);
        }
    }
}

impl Append for Embedded {
    async fn append(&mut self, after: Cursor, frame: Frame) -> Result<Cursor, AppendError> {
        let (answer, appended) = oneshot::channel();
        let request = Request::Append { after, frame, answer };
        self.reader.requests.send(request).await.map_err(|_| AppendError::Unavailable)?;
        // No answer: the thread died at it, or closed; in the former case the frame may be written.
        appended.await.unwrap_or(Err(AppendError::Unknown))
    }
}

impl Read for Embedded {
    async fn read(&self, after: Cursor, frames_max: usize) -> Result<Vec<(Cursor, Frame)>, ReadError> {
        self.reader.read(after, frames_max).await
    }

    async fn last(&self) -> Result<Cursor, ReadError> {
        self.reader.last().await
    }

    async fn wait(&self, after: Cursor) -> Result<(), ReadError> {
        self.reader.wait(after).await
    }
}

impl Reader {
    async fn ask<T>(
        &self,
        request: impl FnOnce(oneshot::Sender<Result<T, ReadError>>) -> Request,
    ) -> Result<T, ReadError> {
        let closed = || ReadError::unavailable("the journal is closed");
        let (answer, answered) = oneshot::channel();
        self.requests.send(request(answer)).await.map_err(|_| closed())?;
        answered.await.unwrap_or_else(|_| Err(closed()))
    }
}

impl Read for Reader {
    async fn read(&self, after: Cursor, frames_max: usize) -> Result<Vec<(Cursor, Frame)>, ReadError> {
        self.ask(|answer| Request::Read { after, frames_max, answer }).await
    }

    async fn last(&self) -> Result<Cursor, ReadError> {
        self.ask(|answer| Request::Last { answer }).await
    }

    async fn wait(&self, after: Cursor) -> Result<(), ReadError> {
        let mut last = self.last.clone();
        check_not_shorter(*last.borrow_and_update(), after)?;
        match last.wait_for(|last| *last > after).await {
            Ok(_) => Ok(()),
            Err(_) => Err(ReadError::unavailable("the journal is closed")),
        }
    }
}
