//! The store's file: one image and one index, written together, read as they were.
//!
//! Invariant: a reader sees image and index of one position. A file that is damaged, of another format or of another
//! journal is dropped and begun anew, which is logged; nothing here is worth a repair.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use windlass_sagas::cell::state::IMAGE_FORMAT;
use windlass_sagas::ids::*;

use crate::assemble::{Assembly, CELL, HEAD_PART, Image, REQUESTS_PART};
use crate::damage;
use crate::error::{OpenError, StoreError};
use crate::kept::{Keeping, Kept};
use crate::limits::CACHE_BYTES;
use crate::row::RowKey;

/// The layout of the tables below; raised with every change of them or of the rows of this crate.
pub(crate) const STORE_FORMAT: u16 = 2;
const FILE: &str = "store.redb";

/// "format", "head" and "cell".
pub(crate) const HEAD: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("head");
pub(crate) const ROWS: TableDefinition<'_, (u8, u128), &[u8]> = TableDefinition::new("rows");
/// The number of each chunk of remembered requests → its bytes.
pub(crate) const REQUESTS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("requests");
pub(crate) const SUMMARIES: TableDefinition<'_, u128, &[u8]> = TableDefinition::new("summaries");
/// First position and saga.
pub(crate) const LIST_ALL: TableDefinition<'_, (u64, u128), ()> = TableDefinition::new("list_all");
/// Project, first position, saga.
pub(crate) const LIST_PROJECT: TableDefinition<'_, (u128, u64, u128), ()> =
    TableDefinition::new("list_project");
/// Saga and position → cursor.
pub(crate) const SAGA_COMMITS: TableDefinition<'_, (u128, u64), u64> = TableDefinition::new("saga_commits");
/// Kind, id and position → cursor.
pub(crate) const RESOURCE_COMMITS: TableDefinition<'_, (u8, u128, u64), u64> =
    TableDefinition::new("resource_commits");
/// Position → cursor and time.
pub(crate) const PLACES: TableDefinition<'_, u64, (u64, i64)> = TableDefinition::new("places");
/// Time → position of a place.
pub(crate) const TIMES: TableDefinition<'_, i64, u64> = TableDefinition::new("times");

/// A handle on the store's file; cheap to clone, reads on the caller's thread. Only a `Writer` writes.
#[derive(Clone)]
pub struct Store {
    database: Arc<Held>,
}

/// The open file and its path. Closing one that is damaged panics inside the storage library.
struct Held {
    database: Option<Database>,
    path: PathBuf,
    kept: Kept,
}

impl Drop for Held {
    fn drop(&mut self) {
        let database = self.database.take();
        let closed = damage::guarded(&self.path, || {
            drop(database);
            Ok(())
        });
        if closed.is_err() {
            tracing::warn!("the store's file is damaged; it is dropped when it is opened next");
        }
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Store({})", self.path().display())
    }
}

/// What the stored image is of.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Head {
    pub(crate) position: Position,
    pub(crate) hash: Hash,
    pub(crate) time: Time,
    pub(crate) term: Term,
    pub(crate) cursor: u64,
    /// The sum of all rows' sums: rows that were lost, added or altered on the disk show here.
    pub(crate) sum: u128,
}

impl Store {
    /// Opens the store in `directory`, making it if there is none, with its image. One that can't be read, or is of
    /// another format, is dropped and begun anew: then there is no image, and fold and index begin with the journal's
    /// first frame.
    ///
    /// # Errors
    /// Where another process has it, or the disk refuses.
    pub fn open(directory: &Path) -> Result<(Self, Option<Image>), OpenError> {
        Self::open_keeping(directory, Keeping::default())
    }

    /// The same, with other bounds on the images of the past that are kept.
    ///
    /// # Errors
    /// As `open`.
    pub fn open_keeping(directory: &Path, keeping: Keeping) -> Result<(Self, Option<Image>), OpenError> {
        let path = directory.join(FILE);
        let io = |source| OpenError::Io { path: path.clone(), source };
        fs::create_dir_all(directory).map_err(|error| io(error.into()))?;
        let why = match Self::open_sound(&path, keeping) {
            Ok(opened) => return Ok(opened),
            Err(StoreError::Storage(error)) => match *error {
                redb::Error::DatabaseAlreadyOpen | redb::Error::LockProtocolMismatch => {
                    return Err(OpenError::Locked { path });
                }
                redb::Error::Io(error) if !damage::is_likely(&error) => {
                    return Err(io(error.into()));
                }
                other => other.to_string(),
            },
            Err(error @ (StoreError::OutOfOrder { .. } | StoreError::Row(_))) => error.to_string(),
        };
        tracing::warn!(path = %path.display(), why, "the store is dropped and built anew");
        damage::remove(&path).map_err(|error| match error.kind() {
            std::io::ErrorKind::WouldBlock => OpenError::Locked { path: path.clone() },
            _ => io(error.into()),
        })?;
        Self::open_sound(&path, keeping).map_err(|error| io(error.into()))
    }

    fn open_sound(path: &Path, keeping: Keeping) -> Result<(Self, Option<Image>), StoreError> {
        if damage::is_marked(path) {
            return Err(StoreError::Row("its pages are damaged"));
        }
        damage::guarded(path, || {
            let database = Database::builder().set_cache_size(CACHE_BYTES).create(path)?;
            // Only now is it this process's: another one's unfinished files are not touched.
            let kept = Kept::open(path.parent().unwrap_or(path), keeping);
            let held = Held { database: Some(database), path: path.to_owned(), kept };
            let store = Self { database: Arc::new(held) };
            let write = store.database().begin_write()?;
            make_tables(&write)?;
            write.commit()?;
            let image = store.try_load()?;
            Ok((store, image))
        })
    }

    /// The stored image, as `open` gives it: for a fold that was dropped. End the writer first, or a later image may be
    /// on its way. `None`: there is none.
    ///
    /// # Errors
    /// Where the disk fails or what it holds is damaged: then fold from the first frame; the next `open` drops the file.
    pub fn load(&self) -> Result<Option<Image>, StoreError> {
        self.guarded(|| self.try_load())
    }

    fn try_load(&self) -> Result<Option<Image>, StoreError> {
        let mut image = Assembly::default();
        let found = self.walk(|key, bytes| image.take(key, bytes))?;
        found.map(|_| image.finish()).transpose()
    }

    /// Gives each part of the stored image to `take`, head and cell first; its position, or `None` where there is none.
    /// What was given is worth nothing if this fails.
    pub(crate) fn walk(
        &self,
        mut take: impl FnMut(RowKey, &[u8]) -> Result<(), StoreError>,
    ) -> Result<Option<Position>, StoreError> {
        let read = self.database().begin_read()?;
        let head = read.open_table(HEAD)?;
        let Some(format) = head.get("format")? else { return Ok(None) };
        if format.value() != format_bytes() {
            return Err(StoreError::Row("it is of another format"));
        }
        let found = head.get("head")?.ok_or(StoreError::Row("its head is missing"))?;
        take(HEAD_PART, found.value())?;
        let found: Head = decode(found.value())?;
        let cell = head.get("cell")?.ok_or(StoreError::Row("its cell is missing"))?;
        let mut sum = row_sum(CELL, cell.value());
        take(CELL, cell.value())?;
        for row in read.open_table(ROWS)?.iter()? {
            let (key, row) = row?;
            sum = sum.wrapping_add(row_sum(key.value(), row.value()));
            take(key.value(), row.value())?;
        }
        for row in read.open_table(REQUESTS)?.iter()? {
            let (number, chunk) = row?;
            let key = (REQUESTS_PART, u128::from(number.value()));
            sum = sum.wrapping_add(row_sum(key, chunk.value()));
            take(key, chunk.value())?;
        }
        if sum != found.sum {
            return Err(StoreError::Row("its rows are not those that were written"));
        }
        Ok(Some(found.position))
    }

    /// The position up to which image and index stand; 0: empty.
    ///
    /// # Errors
    /// Where the disk fails.
    pub fn position(&self) -> Result<Position, StoreError> {
        self.guarded(|| {
            let head = self.database().begin_read()?.open_table(HEAD)?;
            let found = head.get("head")?.map(|head| decode::<Head>(head.value())).transpose()?;
            Ok(found.map_or(Position(0), |head| head.position))
        })
    }

    /// Empties the store, for this reason, which is logged (its image is not of this journal): image and index begin
    /// again with the journal's first frame and a new tracker.
    ///
    /// # Errors
    /// Where the disk fails.
    pub fn reset(&self, why: &str) -> Result<(), StoreError> {
        tracing::warn!(path = %self.path().display(), why, "the store is dropped and built anew");
        self.database.kept.clear();
        self.guarded(|| {
            let write = self.database().begin_write()?;
            write.delete_table(HEAD)?;
            write.delete_table(ROWS)?;
            write.delete_table(REQUESTS)?;
            write.delete_table(SUMMARIES)?;
            write.delete_table(LIST_ALL)?;
            write.delete_table(LIST_PROJECT)?;
            write.delete_table(SAGA_COMMITS)?;
            write.delete_table(RESOURCE_COMMITS)?;
            write.delete_table(PLACES)?;
            write.delete_table(TIMES)?;
            make_tables(&write)?;
            Ok(write.commit()?)
        })
    }

    fn path(&self) -> &Path {
        &self.database.path
    }

    pub(crate) fn held_images(&self) -> &Kept {
        &self.database.kept
    }

    /// Asks the storage library, whose panics are errors here.
    pub(crate) fn guarded<T>(&self, ask: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
        damage::guarded(self.path(), ask)
    }

    pub(crate) fn database(&self) -> &Database {
        self.database.database.as_ref().expect("it is taken only when the last handle is dropped")
    }
}

/// An id as a key: in the same order as its bytes.
pub(crate) const fn id(bytes: [u8; 16]) -> u128 {
    u128::from_be_bytes(bytes)
}

pub(crate) fn decode<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, StoreError> {
    postcard::from_bytes(bytes).map_err(|_| StoreError::Row("its head can't be read"))
}

pub(crate) fn format_bytes() -> [u8; 4] {
    let ([a, b], [c, d]) = (STORE_FORMAT.to_be_bytes(), IMAGE_FORMAT.to_be_bytes());
    [a, b, c, d]
}

/// A row's part of the sum: the first 16 bytes of the SHA-256 over its key and bytes.
pub(crate) fn row_sum(key: (u8, u128), row: &[u8]) -> u128 {
    let hash =
        Sha256::new_with_prefix([key.0]).chain_update(key.1.to_be_bytes()).chain_update(row).finalize();
    hash.iter().take(16).fold(0, |sum, byte| sum << 8 | u128::from(*byte))
}

fn make_tables(write: &redb::WriteTransaction) -> Result<(), StoreError> {
    write.open_table(HEAD)?;
    write.open_table(ROWS)?;
    write.open_table(REQUESTS)?;
    write.open_table(SUMMARIES)?;
    write.open_table(LIST_ALL)?;
    write.open_table(LIST_PROJECT)?;
    write.open_table(SAGA_COMMITS)?;
    write.open_table(RESOURCE_COMMITS)?;
    write.open_table(PLACES)?;
    write.open_table(TIMES)?;
    Ok(())
}
