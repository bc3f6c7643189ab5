//! The thread that owns the store: one request after another, so that the fence is one comparison.
//!
//! Invariant: it answers Ok to an append only after the sync, and shows a frame to readers only once it is durable. After
//! a failed write it trusts nothing in memory: the store is opened again before it serves anyone.

use std::fs;
use std::path::{Path, PathBuf};

use tokio::sync::{mpsc, oneshot, watch};
use windlass_sagas::protocol::{AppendError, Cursor};

use super::lock::{Lock, LockError};
use super::store::{Store, StoreError, sync_parent};
use super::witness::Witness;
use super::{OpenError, Settings};
use crate::error::{Damage, ReadError, check_not_shorter};
use crate::frame::Frame;

/// What the async side asks for.
#[derive(Debug)]
pub(super) enum Request {
    Append {
        after: Cursor,
        frame: Frame,
        answer: oneshot::Sender<Result<Cursor, AppendError>>,
    },
    Read {
        after: Cursor,
        frames_max: usize,
        answer: oneshot::Sender<Result<Vec<(Cursor, Frame)>, ReadError>>,
    },
    Last {
        answer: oneshot::Sender<Result<Cursor, ReadError>>,
    },
    Close {
        done: oneshot::Sender<()>,
    },
}

/// The owner of an open journal. The store is dropped before the claim on its directory.
pub(super) struct Worker {
    settings: Settings,
    /// None after a failed write, until it is opened again.
    store: Option<Store>,
    last: watch::Sender<Cursor>,
    /// The highest cursor that was acknowledged or shown; the store may never come back with less.
    seen: Cursor,
    witness: Witness,
    /// Whether the lack of space has been reported, so that it is once.
    full: bool,
    lock: Lock,
}

impl Worker {
    /// Claims the directory and opens what is in it.
    pub(super) fn open(settings: Settings) -> Result<(Self, watch::Receiver<Cursor>), OpenError> {
        let directory = settings.directory.clone();
        let io = |source| OpenError::Io { directory: directory.clone(), source };
        make_directory(&settings.directory).map_err(io)?;
        let lock = Lock::take(&directory.join("lock")).map_err(|error| match error {
            LockError::Held(pid) => OpenError::Locked { directory: directory.clone(), pid },
            LockError::Io(source) => io(source),
        })?;
        let witness = Witness::open(&directory.join("acknowledged")).map_err(io)?;
        let (store, last) =
            Store::open(&store_path(&settings.directory), settings.memtable_bytes).map_err(|error| {
                match error {
                    StoreError::Io(source) => io(source),
                    StoreError::Poisoned => io(std::io::Error::other(error)),
                    StoreError::Damaged(what) => OpenError::Damaged {
                        directory: directory.clone(),
                        cursor: Cursor::START,
                        what: Damage::Storage(what),
                    },
                }
            })?;
        let seen = witness.acknowledged().map_err(io)?;
        if seen > last && !settings.accept_lost_tail {
            let what = Damage::Shorter { seen };
            return Err(OpenError::Damaged { directory, cursor: last.next(), what });
        }
        witness.note(last);
        let (sender, receiver) = watch::channel(last);
        let store = Some(store);
        Ok((Self { settings, store, last: sender, seen: last, witness, full: false, lock }, receiver))
    }

    /// Serves requests until all senders are gone or one closes.
    pub(super) fn run(mut self, mut queue: mpsc::Receiver<Request>) {
        // Whoever asks may have given up; then nobody misses the answer.
        while let Some(request) = queue.blocking_recv() {
            match request {
                Request::Append { after, frame, answer } => drop(answer.send(self.append(after, &frame))),
                Request::Read { after, frames_max, answer } => {
                    drop(answer.send(self.read(after, frames_max)));
                }
                Request::Last { answer } => drop(answer.send(self.ready().map(|(_, last)| last))),
                Request::Close { done } => {
                    let Self { store, lock, .. } = self;
                    drop(store);
                    drop(lock);
                    // Whoever closes may have given up waiting for it.
                    done.send(()).ok();
                    return;
                }
            }
        }
    }

    fn append(&mut self, after: Cursor, frame: &Frame) -> Result<Cursor, AppendError> {
        if self.lacks_space(frame) {
            return Err(AppendError::Unavailable);
        }
        match self.write(after, frame)? {
            Some(cursor) => Ok(cursor),
            // Something behind an earlier append had failed, and nothing was written now: a store opened again may do it.
            None => self.write(after, frame)?.ok_or(AppendError::Unavailable),
        }
    }

    /// Writes `frame` behind `after`. None: the store refused before it wrote anything, and has been closed.
    fn write(&mut self, after: Cursor, frame: &Frame) -> Result<Option<Cursor>, AppendError> {
        let (store, last) = self.ready().map_err(|_| AppendError::Unavailable)?;
        if after != last {
            return Err(AppendError::Fenced);
        }
        let cursor = after.next();
        let Err(error) = store.append(cursor, frame) else {
            self.show(cursor);
            return Ok(Some(cursor));
        };
        tracing::error!(%error, cursor = cursor.0, "the journal could not write a frame");
        self.store = None;
        match error {
            StoreError::Poisoned => Ok(None),
            // What the disk holds now is open.
            StoreError::Io(_) | StoreError::Damaged(_) => Err(AppendError::Unknown),
        }
    }

    fn read(&mut self, after: Cursor, frames_max: usize) -> Result<Vec<(Cursor, Frame)>, ReadError> {
        let (store, last) = self.ready()?;
        check_not_shorter(last, after)?;
        store.read(after, last, frames_max)
    }

    /// The open store and its last cursor; opens it again after a failed write.
    fn ready(&mut self) -> Result<(&Store, Cursor), ReadError> {
        if self.store.is_none() {
            let opened = Store::open(&store_path(&self.settings.directory), self.settings.memtable_bytes);
            let (store, last) = opened.map_err(|error| {
                tracing::error!(%error, "the journal could not be opened again");
                match error {
                    StoreError::Damaged(what) => {
                        ReadError::Damaged { cursor: Cursor::START, what: Damage::Storage(what) }
                    }
                    StoreError::Io(_) | StoreError::Poisoned => ReadError::unavailable(&error),
                }
            })?;
            check_not_shorter(last, self.seen)?;
            tracing::info!(last = last.0, "the journal was opened again");
            self.store = Some(store);
            self.show(last);
        }
        let last = *self.last.borrow();
        let store = self.store.as_ref().expect("it was opened above if it was not open");
        Ok((store, last))
    }

    /// Makes a durable cursor visible.
    fn show(&mut self, cursor: Cursor) {
        self.seen = cursor;
        self.witness.note(cursor);
        self.last.send_if_modified(|last| std::mem::replace(last, cursor) != cursor);
    }

    /// Whether taking `frame` would leave less than the reserve. Asked before anything is written, so that a full disk
    /// is a clean refusal and never a half-written log.
    fn lacks_space(&mut self, frame: &Frame) -> bool {
        let needed = u64::try_from(frame.bytes().len()).unwrap_or(u64::MAX);
        let needed = needed.saturating_add(self.settings.disk_reserve_bytes);
        let full = match rustix::fs::statvfs(&self.settings.directory) {
            Ok(space) => space.f_bavail.saturating_mul(space.f_frsize) < needed,
            Err(error) => {
                tracing::warn!(%error, "the free space of the journal's disk is not known");
                false
            }
        };
        if full && !self.full {
            tracing::error!(reserve_bytes = self.settings.disk_reserve_bytes, "the journal's disk is full");
        }
        self.full = full;
        full
    }
}

/// Where the store of the journal in `directory` is.
pub(super) fn store_path(directory: &Path) -> PathBuf {
    directory.join("frames")
}

/// Makes the directory and those above it, and sees to it that they last.
fn make_directory(directory: &Path) -> std::io::Result<()> {
    if directory.as_os_str().is_empty() || directory.try_exists()? {
        return Ok(());
    }
    directory.parent().map_or(Ok(()), make_directory)?;
    fs::create_dir(directory)?;
    sync_parent(directory)
}
