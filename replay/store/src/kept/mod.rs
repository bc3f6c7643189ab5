//! Kept images: the stored image moves on with the journal; of those that it was, some are kept as files of their own, so
//! that a question about the past folds little.
//!
//! Invariant: derived like all of the store. A file is there whole or not at all (written beside, synced, renamed); a
//! damaged one is deleted when it is found, and how many there are is bounded. Of another journal is what only a reader
//! of the journal sees, by `Image::stands_on`.

mod file;
mod spacing;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use windlass_sagas::ids::Position;

use crate::assemble::{Image, parts_of};
use crate::database::Store;
use crate::error::StoreError;
use crate::row::RowKey;
use file::Writing;
pub use spacing::Keeping;

const DIRECTORY: &str = "images";
const SUFFIX: &str = ".img";
const UNFINISHED: &str = ".img.new";

/// The kept images of one store.
#[derive(Debug)]
pub(crate) struct Kept {
    directory: PathBuf,
    keeping: Keeping,
    /// Their positions and bytes.
    files: Mutex<BTreeMap<Position, u64>>,
    /// Held while one is written: two of a time would share names.
    writing: Mutex<()>,
}

impl Kept {
    /// Those beside a store, whose lock the caller has; what an ended process left unfinished goes.
    pub(crate) fn open(store: &Path, keeping: Keeping) -> Self {
        let directory = store.join(DIRECTORY);
        let files = list(&directory).unwrap_or_else(|error| {
            tracing::warn!(path = %directory.display(), %error, "kept images can't be listed; they are not used");
            BTreeMap::new()
        });
        Self { directory, keeping, files: Mutex::new(files), writing: Mutex::new(()) }
    }

    fn files(&self) -> MutexGuard<'_, BTreeMap<Position, u64>> {
        // Nothing is half done to a map whose holder panicked.
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn path(&self, position: Position) -> PathBuf {
        self.directory.join(format!("{}{SUFFIX}", position.0))
    }

    fn wants(&self, position: Position) -> bool {
        self.keeping.wants(&self.files(), position)
    }

    /// Writes the image at `position`, of the parts that `copy` gives, and lets go of those that are too many.
    fn write(
        &self,
        position: Position,
        copy: impl FnOnce(&mut Writing) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let _one = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        fs::create_dir_all(&self.directory)?;
        let unfinished = self.directory.join(format!("{}{UNFINISHED}", position.0));
        let written = Writing::begin(&unfinished, self.keeping.bytes_max).map_err(StoreError::from);
        let written = written.and_then(|mut writing| {
            copy(&mut writing)?;
            let bytes = writing.end()?;
            fs::rename(&unfinished, self.path(position))?;
            File::open(&self.directory)?.sync_all()?;
            Ok(bytes)
        });
        match written {
            Ok(bytes) => {
                self.files().insert(position, bytes);
                self.thin();
                Ok(())
            }
            Err(error) => {
                // What stays is removed by the next `open`.
                drop(fs::remove_file(&unfinished));
                Err(error)
            }
        }
    }

    fn thin(&self) {
        let surplus = self.keeping.surplus(&self.files());
        surplus.into_iter().for_each(|position| self.remove(position));
    }

    fn remove(&self, position: Position) {
        self.files().remove(&position);
        match fs::remove_file(self.path(position)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(position = position.0, %error, "a kept image can't be removed");
            }
            Ok(()) | Err(_) => {}
        }
    }

    /// The newest that is sound, at or before `position`.
    fn before(&self, position: Position) -> Result<Option<Image>, StoreError> {
        let mut end = position;
        loop {
            let found = self.files().range(..=end).next_back().map(|(at, _)| *at);
            let Some(at) = found else { return Ok(None) };
            match file::read(&self.path(at)) {
                Ok(image) if image.tip.position == at => return Ok(Some(image)),
                Ok(_) => self.discard(at, "it is of another position than its name says"),
                Err(StoreError::Storage(error)) => match *error {
                    // It was thinned out since it was listed.
                    redb::Error::Io(error) if error.kind() == io::ErrorKind::NotFound => {
                        self.files().remove(&at);
                    }
                    error => return Err(error.into()),
                },
                Err(error) => self.discard(at, &error.to_string()),
            }
            end = at;
        }
    }

    fn discard(&self, position: Position, why: &str) {
        tracing::warn!(position = position.0, why, "a kept image is dropped");
        self.remove(position);
    }

    /// Removes all.
    pub(crate) fn clear(&self) {
        let _none_is_written = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let all: Vec<Position> = self.files().keys().copied().collect();
        all.into_iter().for_each(|position| self.remove(position));
    }
}

/// The kept images in a directory, by their names.
fn list(directory: &Path) -> io::Result<BTreeMap<Position, u64>> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        entries => entries?,
    };
    let mut files = BTreeMap::new();
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        if name.ends_with(UNFINISHED) {
            fs::remove_file(entry.path())?;
        } else if let Some(position) = name.strip_suffix(SUFFIX).and_then(|name| name.parse().ok()) {
            files.insert(Position(position), entry.metadata()?.len());
        }
    }
    Ok(files)
}

impl Store {
    /// The newest image at or before `position`: the stored one, or one that was kept. `None`: fold from the journal's
    /// first frame. Where it does not stand on the journal (`Image::stands_on`), `drop_kept` it and ask again.
    ///
    /// # Errors
    /// Where the disk fails.
    pub fn image_before(&self, position: Position) -> Result<Option<Image>, StoreError> {
        let stored = self.position()?;
        if stored > Position(0) && stored <= position {
            match self.load() {
                // It may have moved on meanwhile.
                Ok(Some(image)) if image.tip.position <= position => return Ok(Some(image)),
                Ok(_) => {}
                Err(error) => tracing::warn!(%error, "the stored image can't be read; a kept one is used"),
            }
        }
        self.held_images().before(position)
    }

    /// The kept images: their positions and the bytes of their files.
    #[must_use]
    pub fn kept(&self) -> Vec<(Position, u64)> {
        self.held_images().files().iter().map(|(position, bytes)| (*position, *bytes)).collect()
    }

    /// Whether an image at `position` would be worth a file.
    #[must_use]
    pub fn wants_kept(&self, position: Position) -> bool {
        self.held_images().wants(position)
    }

    /// Keeps an image of acknowledged state of this store's journal, where none is near: for who folded far to answer a
    /// question, so that the next one is answered sooner. Whether it was kept.
    ///
    /// # Errors
    /// Where the disk fails, or the image is larger than all that may be kept.
    pub fn keep(&self, image: &Image) -> Result<bool, StoreError> {
        let kept = self.held_images();
        let wanted = kept.wants(image.tip.position);
        if wanted {
            kept.write(image.tip.position, |writing| {
                parts_of(image, |key, bytes| Ok(writing.part(key, bytes)?))
            })?;
        }
        Ok(wanted)
    }

    /// Keeps a copy of the stored image, where it has moved far enough beyond the last one that was kept. Whether it did.
    ///
    /// Costs a walk over the whole image, on the caller's thread: the writer's, or one that may wait for a disk.
    ///
    /// # Errors
    /// Where the disk fails, the store is damaged, or the image is larger than all that may be kept.
    pub fn keep_stored(&self) -> Result<bool, StoreError> {
        let (kept, position) = (self.held_images(), self.position()?);
        if !kept.wants(position) {
            return Ok(false);
        }
        let mut at = None;
        kept.write(position, |writing| {
            let part = |key: RowKey, bytes: &[u8]| Ok(writing.part(key, bytes)?);
            at = self.guarded(|| self.walk(part))?;
            // A name that does not say what is inside would be found out, and the file lost.
            at.filter(|at| *at == position).map(|_| ()).ok_or(StoreError::Row("it moved while it was copied"))
        })?;
        Ok(true)
    }

    /// Deletes the kept image at `position`, for this reason, which is logged: it is not of this journal.
    pub fn drop_kept(&self, position: Position, why: &str) {
        self.held_images().discard(position, why);
    }
}
