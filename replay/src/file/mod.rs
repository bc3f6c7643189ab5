//! A journal, or a part of one, in one file, as `export` writes it. It never grows, and it can be read wherever journals
//! are.
//!
//! Invariant: a file that is cut, foreign or of an unknown version is refused as that, and what a file leaves out takes
//! up a cursor of its own: nothing reads it as a shorter journal.

mod about;
mod blocks;
pub(crate) mod layout;
mod plain;

use std::fs;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use windlass_journal::limits::{READ_BYTES_MAX, READ_FRAMES_MAX};
use windlass_journal::{Damage, Frame, Gap, Part, Read, ReadError};
use windlass_sagas::ids::{Hash, Position, Time};
use windlass_sagas::protocol::Cursor;

pub use about::{Manifest, Scope};
use blocks::Blocks;
use layout::{HEAD_BYTES, MAGIC, Slot};
use plain::Plain;

/// An exported journal, open for reading. Reads block on the disk.
#[derive(Debug)]
pub struct File {
    file: fs::File,
    inside: Inside,
}

#[derive(Debug)]
enum Inside {
    Plain(Plain),
    Blocks(Box<Blocks>),
}

/// Why a file can't be read as a journal at all.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It does not begin as one.
    #[error("{} is no exported journal", .path.display())]
    NotAJournal {
        /// The file.
        path: PathBuf,
    },
    /// It is of a format that this build does not know.
    #[error("{} is of format {format}, this build reads {} and {}", .path.display(), plain::FORMAT, layout::FORMAT)]
    Format {
        /// The file.
        path: PathBuf,
        /// Its format.
        format: u16,
    },
    /// Its end is missing.
    #[error(
        "{} is cut: {bytes} bytes of it are sound and speak for positions up to {position}, its end is missing",
        .path.display()
    )]
    Cut {
        /// The file.
        path: PathBuf,
        /// The last position of what is there whole; 0: none is.
        position: Position,
        /// How many bytes are there whole.
        bytes: u64,
    },
    /// What it says of itself is damaged.
    #[error("{} is damaged at byte {at}: {what}", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where, bytes.
        at: u64,
        /// What is wrong.
        what: String,
    },
    /// The disk refused.
    #[error("{} can't be read", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

impl File {
    /// Opens `path` and finds its frames; their bytes are read and checked when they are asked for.
    ///
    /// # Errors
    /// Where it is no journal of a known format, is cut, or its index is damaged. Damage of frames, and of the end of a
    /// file of format 1, is told by reads, with its cursor.
    pub fn open(path: &Path) -> Result<Self, FileError> {
        let io = |source| FileError::Io { path: path.to_owned(), source };
        let file = fs::File::open(path).map_err(io)?;
        let size = file.metadata().map_err(io)?.len();
        let foreign = || FileError::NotAJournal { path: path.to_owned() };
        if size < HEAD_BYTES {
            return Err(foreign());
        }
        let mut head = [0; 6];
        file.read_exact_at(&mut head, 0).map_err(io)?;
        let [magic @ .., a, b] = head;
        if magic != MAGIC {
            return Err(foreign());
        }
        let inside = match u16::from_be_bytes([a, b]) {
            plain::FORMAT => Inside::Plain(Plain::scan(&file, size).map_err(io)?),
            layout::FORMAT => Inside::Blocks(Box::new(Blocks::open(path, &file, size)?)),
            format => return Err(FileError::Format { path: path.to_owned(), format }),
        };
        Ok(Self { file, inside })
    }

    /// What it says of itself; `None`: it is of format 1, which holds a whole cell and says nothing.
    #[must_use]
    pub fn about(&self) -> Option<&Manifest> {
        match &self.inside {
            Inside::Plain(_) => None,
            Inside::Blocks(blocks) => Some(&blocks.about),
        }
    }

    /// What of a journal it holds.
    #[must_use]
    pub fn scope(&self) -> &Scope {
        self.about().map_or(&Scope::Cell, |about| &about.scope)
    }

    /// The last cursor before the commit at `position`, or before the first one at or behind `time`: read on from there.
    /// `None`: of a file without an index, from the beginning.
    #[must_use]
    pub fn cursor_before(&self, position: Position, time: Time) -> Option<Cursor> {
        match &self.inside {
            Inside::Plain(_) => None,
            Inside::Blocks(blocks) => Some(blocks.cursor_before(position, time)),
        }
    }

    fn slot(&self, cursor: Cursor) -> Result<Option<Slot>, ReadError> {
        match &self.inside {
            Inside::Plain(plain) => Ok(plain.frame(&self.file, cursor)?.map(Slot::Frame)),
            Inside::Blocks(blocks) => blocks.slot(&self.file, cursor),
        }
    }

    fn end(&self) -> Cursor {
        match &self.inside {
            Inside::Plain(plain) => plain.end(),
            Inside::Blocks(blocks) => blocks.end(),
        }
    }

    fn damaged(&self) -> Option<ReadError> {
        match &self.inside {
            Inside::Plain(plain) => plain.damaged(),
            Inside::Blocks(_) => None,
        }
    }
}

impl Part for File {
    fn base(&self) -> Result<Option<Vec<u8>>, ReadError> {
        match &self.inside {
            Inside::Plain(_) => Ok(None),
            Inside::Blocks(blocks) => blocks.base(&self.file),
        }
    }

    fn has_gaps(&self) -> bool {
        self.about().is_some_and(|about| about.gaps > 0)
    }

    fn gap_at(&self, cursor: Cursor) -> Result<Option<Gap>, ReadError> {
        if !self.has_gaps() || cursor > self.end() {
            return Ok(None);
        }
        Ok(self.slot(cursor)?.and_then(|slot| match slot {
            Slot::Gap(gap) => Some(gap),
            Slot::Frame(_) => None,
        }))
    }

    fn end(&self) -> Option<(Position, Hash)> {
        self.about().map(|about| (about.last, about.hash))
    }

    fn piece_end(&self, cursor: Cursor) -> Cursor {
        match &self.inside {
            Inside::Plain(_) => cursor,
            Inside::Blocks(blocks) => blocks.piece_end(cursor),
        }
    }
}

impl Read for File {
    async fn read(&self, after: Cursor, frames_max: usize) -> Result<Vec<(Cursor, Frame)>, ReadError> {
        let mut found = Vec::new();
        let mut bytes = 0;
        let end = self.end();
        if after > end {
            let shorter = || {
                let what = Damage::Shorter { seen: after };
                ReadError::Damaged { cursor: end.next(), what }
            };
            return Err(self.damaged().unwrap_or_else(shorter));
        }
        let mut cursor = after.next();
        while found.len() < frames_max.clamp(1, READ_FRAMES_MAX) && bytes < READ_BYTES_MAX {
            match self.slot(cursor) {
                Ok(Some(Slot::Frame(frame))) => {
                    bytes += frame.bytes().len();
                    found.push((cursor, frame));
                    cursor = cursor.next();
                }
                Ok(Some(Slot::Gap(_))) => cursor = cursor.next(),
                // The place of the base.
                Ok(None) if cursor < end => cursor = cursor.next(),
                Ok(None) => break,
                // What stands before the damage is given first.
                Err(_) if !found.is_empty() => break,
                Err(error) => return Err(error),
            }
        }
        Ok(found)
    }

    async fn last(&self) -> Result<Cursor, ReadError> {
        self.damaged().map_or_else(|| Ok(self.end()), Err)
    }

    async fn wait(&self, after: Cursor) -> Result<(), ReadError> {
        if after < self.end() {
            return Ok(());
        }
        let grows_not = || ReadError::Unavailable { reason: "an exported journal does not grow".to_owned() };
        Err(self.damaged().unwrap_or_else(grows_not))
    }

    fn part(&self) -> Option<&dyn Part> {
        Some(self)
    }
}
