//! The store of the embedded journal: frames under their big-endian cursor in a write-ahead-log store (fjall).
//!
//! Invariant: an append that returned Ok is synced; every value is checked against its stored SHA-256; a cursor that is
//! missing or altered is named, never skipped. What the library panics at is damage, not the end of the process.

use std::fs::{self, File};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use fjall::config::{BlockSizePolicy, FilterPolicy};
use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};
use windlass_sagas::protocol::Cursor;

use crate::error::{Damage, ReadError};
use crate::frame::{Frame, FrameId};
use crate::limits::{CACHE_BYTES, LOGS_BYTES_MAX, OPEN_FILES_MAX, READ_BYTES_MAX, READ_FRAMES_MAX};

/// What stands at the cursor before the first frame, so that a strange or half-made store is not taken for an empty journal.
const ABOUT: &[u8] = b"windlass journal, format 1";
const KEYSPACE: &str = "frames";
/// fjall's own mark of a complete store; without it, it would make a new one on top of what is there.
const COMPLETE: &str = "version";
const HASH_BYTES: usize = 32;

/// An open store. The keyspace is dropped before the database that it belongs to.
pub(super) struct Store {
    frames: Keyspace,
    database: Database,
}

/// Why the store did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub(super) enum StoreError {
    /// An earlier write failed, and nothing was written this time.
    #[error("an earlier write to the store failed")]
    Poisoned,
    /// The system refused.
    #[error("the system refused: {0}")]
    Io(io::Error),
    /// The store's files are not what they should be.
    #[error("the store is damaged: {0}")]
    Damaged(String),
}

impl Store {
    /// Opens the store in `directory`, making it if there is none, and gives the last cursor. What it finds is synced
    /// before it is shown: a frame that a killed process had written but not synced must not vanish after it was read.
    pub(super) fn open(directory: &Path, memtable_bytes: u64) -> Result<(Self, Cursor), StoreError> {
        if !directory.try_exists()? {
            Self::make(directory, memtable_bytes)?;
        }
        if !directory.join(COMPLETE).try_exists()? {
            return Err(StoreError::Damaged(format!("there is no file {COMPLETE:?}")));
        }
        let store = contained(|| Self::open_files(directory, memtable_bytes))?;
        contained(|| {
            store.database.persist(PersistMode::SyncAll)?;
            match store.frames.get(key(Cursor::START))? {
                Some(about) if *about == *ABOUT => {}
                Some(_) => return Err(StoreError::Damaged("it is of another format".to_owned())),
                None => return Err(StoreError::Damaged("it does not say what it is".to_owned())),
            }
            let last = store.frames.last_key_value().map(|entry| entry.key()).transpose()?;
            cursor(last.as_deref().unwrap_or_default())
        })
        .map(|last| (store, last))
    }

    /// Makes a store beside its place and moves it there whole: a crash on the way leaves no half of one.
    fn make(directory: &Path, memtable_bytes: u64) -> Result<(), StoreError> {
        let beside = directory.with_extension("new");
        if beside.try_exists()? {
            fs::remove_dir_all(&beside)?;
        }
        contained(|| {
            let store = Self::open_files(&beside, memtable_bytes)?;
            store.write(&key(Cursor::START), ABOUT)
        })?;
        fs::rename(&beside, directory)?;
        sync_parent(directory)?;
        Ok(())
    }

    fn open_files(directory: &Path, memtable_bytes: u64) -> Result<Self, StoreError> {
        let database = Database::builder(directory)
            .cache_size(CACHE_BYTES)
            .max_cached_files(Some(OPEN_FILES_MAX))
            .max_journaling_size(LOGS_BYTES_MAX)
            .worker_threads(1)
            .open()?;
        // Read in order and never by guess: no filters, larger blocks.
        let options = || {
            KeyspaceCreateOptions::default()
                .max_memtable_size(memtable_bytes)
                .data_block_size_policy(BlockSizePolicy::all(16 * 1024))
                .filter_policy(FilterPolicy::disabled())
                .expect_point_read_hits(true)
        };
        let frames = database.keyspace(KEYSPACE, options)?;
        Ok(Self { frames, database })
    }

    /// Writes `frame` at `cursor` and syncs it. After any error but [`StoreError::Poisoned`] it may be there or not, and
    /// the store must be opened again.
    pub(super) fn append(&self, cursor: Cursor, frame: &Frame) -> Result<(), StoreError> {
        let mut value = Vec::with_capacity(HASH_BYTES + frame.bytes().len());
        value.extend_from_slice(&frame.id().0);
        value.extend_from_slice(frame.bytes());
        contained(|| self.write(&key(cursor), &value))
    }

    fn write(&self, key: &[u8], value: &[u8]) -> Result<(), StoreError> {
        let mut batch = self.database.batch().durability(Some(PersistMode::SyncData));
        batch.insert(&self.frames, key, value);
        Ok(batch.commit()?)
    }

    /// The frames behind `after` up to `last`, bounded; those before a damaged place are given first.
    pub(super) fn read(
        &self,
        after: Cursor,
        last: Cursor,
        frames_max: usize,
    ) -> Result<Vec<(Cursor, Frame)>, ReadError> {
        let mut frames = Vec::new();
        let mut next = after.next();
        let end = catch_unwind(AssertUnwindSafe(|| self.collect(&mut next, last, frames_max, &mut frames)));
        match end.unwrap_or_else(|panic| Err(fault(next, StoreError::Damaged(said(&*panic))))) {
            Err(error) if frames.is_empty() => Err(error),
            Ok(()) | Err(_) => Ok(frames),
        }
    }

    /// `next` is the cursor that is being looked for, also when this fails.
    fn collect(
        &self,
        next: &mut Cursor,
        last: Cursor,
        frames_max: usize,
        frames: &mut Vec<(Cursor, Frame)>,
    ) -> Result<(), ReadError> {
        let mut entries = self.frames.range(key(*next)..=key(last));
        let mut bytes = 0;
        while *next <= last && frames.len() < frames_max.min(READ_FRAMES_MAX) && bytes < READ_BYTES_MAX {
            let missing = || ReadError::Damaged { cursor: *next, what: Damage::Missing };
            let entry = entries.next().ok_or_else(missing)?.into_inner();
            let (key, value) = entry.map_err(|error| fault(*next, error.into()))?;
            if cursor(&key).map_err(|error| fault(*next, error))? != *next {
                return Err(missing());
            }
            let altered = || ReadError::Damaged { cursor: *next, what: Damage::Altered };
            let frame = decode(&value).ok_or_else(altered)?;
            bytes += frame.bytes().len();
            frames.push((*next, frame));
            *next = next.next();
        }
        Ok(())
    }
}

/// Syncs the directory that `path` is an entry of.
pub(super) fn sync_parent(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => File::open(parent)?.sync_all(),
        Some(_) | None => File::open(".")?.sync_all(),
    }
}

const fn key(cursor: Cursor) -> [u8; 8] {
    cursor.0.to_be_bytes()
}

fn cursor(key: &[u8]) -> Result<Cursor, StoreError> {
    let bytes = key.try_into().map_err(|_| StoreError::Damaged(format!("strange key {key:02x?}")))?;
    Ok(Cursor(u64::from_be_bytes(bytes)))
}

fn decode(value: &[u8]) -> Option<Frame> {
    let (id, bytes) = value.split_first_chunk::<HASH_BYTES>()?;
    Frame::new(bytes).ok().filter(|frame| frame.id() == FrameId(*id))
}

fn fault(cursor: Cursor, error: StoreError) -> ReadError {
    match error {
        StoreError::Damaged(what) => ReadError::Damaged { cursor, what: Damage::Storage(what) },
        StoreError::Poisoned | StoreError::Io(_) => ReadError::unavailable(&error),
    }
}

/// Runs `f`; a panic of the library is a sign of files that it did not expect.
fn contained<T>(f: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
    catch_unwind(AssertUnwindSafe(f)).unwrap_or_else(|panic| Err(StoreError::Damaged(said(&*panic))))
}

fn said(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    format!("the storage library panicked: {}", text.unwrap_or_default())
}

/// Kinds that a sound file never causes: missing files, reads past the end, places that no file has.
impl From<io::Error> for StoreError {
    fn from(error: io::Error) -> Self {
        use io::ErrorKind::{InvalidData, InvalidInput, NotFound, UnexpectedEof};
        match error.kind() {
            UnexpectedEof | InvalidData | InvalidInput | NotFound => Self::Damaged(error.to_string()),
            _ => Self::Io(error),
        }
    }
}

impl From<fjall::Error> for StoreError {
    fn from(error: fjall::Error) -> Self {
        match error {
            fjall::Error::Io(error) | fjall::Error::Storage(fjall::LsmError::Io(error)) => error.into(),
            fjall::Error::Poisoned => Self::Poisoned,
            other => Self::Damaged(other.to_string()),
        }
    }
}
