//! A ledger's rows in a write-ahead-log store (fjall): key bytes to value bytes, written in synced batches.
//!
//! Invariant: a store is at its place only once it is whole, with its first row; what the library panics at is damage,
//! not the end of the process. After a failed write nothing in memory is trusted: it is to be opened again.

use std::fs;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use fjall::config::FilterPolicy;
use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};
use windlass_sagas::protocol::ledger::Row;

use crate::config::Durability;
use crate::files::sync_parent;
use crate::limits::{CACHE_BYTES, LOGS_BYTES_MAX, MEMTABLE_BYTES, OPEN_FILES_MAX};

const KEYSPACE: &str = "rows";
/// The library's own mark of a complete store; without it, it would make a new one over what is there.
const COMPLETE: &str = "version";

/// A row's key bytes.
pub(super) type Key = Vec<u8>;
/// Stored rows: key bytes and value bytes.
pub(super) type Stored = Vec<(Key, Vec<u8>)>;

/// An open store. The keyspace is dropped before the database that it belongs to.
pub(super) struct Rows {
    keyspace: Keyspace,
    database: Database,
    mode: PersistMode,
}

/// Why the store did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub(super) enum StoreError {
    /// The system refused.
    #[error("the system refused: {0}")]
    Io(#[from] io::Error),
    /// The library refused, or its files are not what they should be.
    #[error("the store is damaged: {0}")]
    Damaged(String),
}

impl Rows {
    /// Makes a store with its first row beside its place and moves it there: a crash leaves all of it or nothing.
    pub(super) fn make(path: &Path, first: &Row) -> Result<(), StoreError> {
        let beside = path.with_extension("new");
        if beside.try_exists()? {
            fs::remove_dir_all(&beside)?;
        }
        contained(|| Self::open_files(&beside, Durability::Synced)?.commit(own([first])))?;
        fs::rename(&beside, path)?;
        Ok(sync_parent(path)?)
    }

    /// Opens a store and reads all of it. What is found is synced before it is shown: what a killed process had written
    /// but not synced must not vanish after it was answered.
    pub(super) fn open(path: &Path, durability: Durability) -> Result<(Self, Stored), StoreError> {
        if !path.join(COMPLETE).try_exists()? {
            return Err(StoreError::Damaged(format!("there is no file {COMPLETE:?}")));
        }
        contained(|| {
            let rows = Self::open_files(path, durability)?;
            rows.database.persist(PersistMode::SyncAll)?;
            let stored = rows.stored(&[])?;
            Ok((rows, stored))
        })
    }

    /// Opens what is there or makes it, without a look at what it holds.
    pub(super) fn open_files(path: &Path, durability: Durability) -> Result<Self, StoreError> {
        let database = Database::builder(path)
            .cache_size(CACHE_BYTES)
            .max_cached_files(Some(OPEN_FILES_MAX))
            .max_journaling_size(LOGS_BYTES_MAX)
            .worker_threads(1)
            .open()?;
        let options = || {
            KeyspaceCreateOptions::default()
                .max_memtable_size(MEMTABLE_BYTES)
                .filter_policy(FilterPolicy::disabled())
        };
        let keyspace = database.keyspace(KEYSPACE, options)?;
        let mode = match durability {
            Durability::Synced => PersistMode::SyncData,
            Durability::Unsynced => PersistMode::Buffer,
        };
        Ok(Self { keyspace, database, mode })
    }

    /// Writes the rows in their order as one batch, and syncs it unless it was opened otherwise.
    pub(super) fn write(&self, rows: &[Row]) -> Result<(), StoreError> {
        self.write_as(own(rows))
    }

    /// The same under keys of the caller's.
    pub(super) fn write_as<'a>(
        &self,
        rows: impl IntoIterator<Item = (Key, &'a Row)>,
    ) -> Result<(), StoreError> {
        contained(|| self.commit(rows))
    }

    /// The rows whose keys begin so, without that beginning.
    pub(super) fn read(&self, prefix: &[u8]) -> Result<Stored, StoreError> {
        contained(|| self.stored(prefix))
    }

    fn stored(&self, prefix: &[u8]) -> Result<Stored, StoreError> {
        let mut stored = Vec::new();
        for entry in self.keyspace.prefix(prefix) {
            let (key, value) = entry.into_inner()?;
            stored.push((key[prefix.len()..].to_vec(), value.to_vec()));
        }
        Ok(stored)
    }

    fn commit<'a>(&self, rows: impl IntoIterator<Item = (Key, &'a Row)>) -> Result<(), StoreError> {
        let mut batch = self.database.batch().durability(Some(self.mode));
        for (key, row) in rows {
            match row.value_bytes() {
                Some(value) => batch.insert(&self.keyspace, key, value),
                None => batch.remove(&self.keyspace, key),
            }
        }
        Ok(batch.commit()?)
    }
}

fn own<'a>(rows: impl IntoIterator<Item = &'a Row>) -> impl Iterator<Item = (Key, &'a Row)> {
    rows.into_iter().map(|row| (row.key_bytes(), row))
}

/// Runs `f`; a panic of the library is a sign of files that it did not expect.
fn contained<T>(f: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
    catch_unwind(AssertUnwindSafe(f)).unwrap_or_else(|panic| {
        let said = panic.downcast_ref::<&str>().map(ToString::to_string);
        let said = said.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
        Err(StoreError::Damaged(format!("the storage library panicked: {said}")))
    })
}

impl From<fjall::Error> for StoreError {
    fn from(error: fjall::Error) -> Self {
        match error {
            fjall::Error::Io(error) | fjall::Error::Storage(fjall::LsmError::Io(error)) => Self::Io(error),
            other => Self::Damaged(other.to_string()),
        }
    }
}
