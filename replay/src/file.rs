//! A journal in one file, as `export` writes it. It never grows, and it can be read wherever journals are.
//!
//! Layout, big-endian: magic "WLJ" 0, format u16; each frame: length u32, SHA-256, bytes; at the end a length of 0 and
//! the count of frames u64. A file that stops before its end has lost its tail, and says so.

use std::fs;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use windlass_journal::limits::{FRAME_BYTES_MAX, READ_BYTES_MAX, READ_FRAMES_MAX};
use windlass_journal::{Damage, Frame, FrameId, Read, ReadError};
use windlass_sagas::protocol::Cursor;

const FORMAT: u8 = 1;
pub(crate) const HEAD: [u8; 6] = [b'W', b'L', b'J', 0, 0, FORMAT];
/// The length that is no frame's.
pub(crate) const END: u32 = 0;
const FRAME_HEAD_BYTES: u64 = 36;
const END_BYTES: u64 = 12;

/// An exported journal, open for reading. Reads block on the disk.
#[derive(Debug)]
pub struct File {
    file: fs::File,
    /// Where each frame begins, and how long it is, bytes.
    frames: Vec<(u64, u32)>,
    /// What is wrong behind the last frame.
    damage: Option<Damage>,
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
    #[error("{} is of format {format}, this build reads {FORMAT}", .path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// Its format.
        format: u16,
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
    /// Where it is no journal of a known format. Damage behind the head is told by reads, with its cursor.
    pub fn open(path: &Path) -> Result<Self, FileError> {
        let io = |source| FileError::Io { path: path.to_owned(), source };
        let file = fs::File::open(path).map_err(io)?;
        let size = file.metadata().map_err(io)?.len();
        let mut head = [0; HEAD.len()];
        if size < head.len() as u64 {
            return Err(FileError::NotAJournal { path: path.to_owned() });
        }
        file.read_exact_at(&mut head, 0).map_err(io)?;
        let [magic @ .., a, b] = head;
        let format = u16::from_be_bytes([a, b]);
        if HEAD[..4] != magic {
            return Err(FileError::NotAJournal { path: path.to_owned() });
        }
        if format != u16::from(FORMAT) {
            return Err(FileError::Format { path: path.to_owned(), format });
        }
        let Scanned { frames, damage } = scan(&file, size).map_err(io)?;
        Ok(Self { file, frames, damage })
    }

    /// The frame at `cursor`, checked; `None` behind the last one.
    fn frame(&self, cursor: Cursor) -> Result<Option<Frame>, ReadError> {
        let index = usize::try_from(cursor.0.saturating_sub(1)).unwrap_or(usize::MAX);
        let Some((offset, length)) = self.frames.get(index) else {
            return self.damaged().map_or(Ok(None), Err);
        };
        let unavailable = |error: io::Error| ReadError::Unavailable { reason: error.to_string() };
        let mut id = [0; 32];
        let mut bytes = vec![0; usize::try_from(*length).unwrap_or(FRAME_BYTES_MAX)];
        self.file.read_exact_at(&mut id, offset + 4).map_err(unavailable)?;
        self.file.read_exact_at(&mut bytes, offset + FRAME_HEAD_BYTES).map_err(unavailable)?;
        let altered = ReadError::Damaged { cursor, what: Damage::Altered };
        if FrameId::of(&bytes).0 != id {
            return Err(altered);
        }
        Frame::new(bytes).map(Some).map_err(|_| altered)
    }

    fn end(&self) -> Cursor {
        Cursor(self.frames.len() as u64)
    }

    fn damaged(&self) -> Option<ReadError> {
        let what = self.damage.clone()?;
        Some(ReadError::Damaged { cursor: self.end().next(), what })
    }
}

impl Read for File {
    async fn read(&self, after: Cursor, frames_max: usize) -> Result<Vec<(Cursor, Frame)>, ReadError> {
        let mut found = Vec::new();
        let mut bytes = 0;
        if after > self.end() {
            let shorter = || {
                let what = Damage::Shorter { seen: after };
                ReadError::Damaged { cursor: self.end().next(), what }
            };
            return Err(self.damaged().unwrap_or_else(shorter));
        }
        let mut cursor = after.next();
        while found.len() < frames_max.clamp(1, READ_FRAMES_MAX) && bytes < READ_BYTES_MAX {
            match self.frame(cursor) {
                Ok(Some(frame)) => {
                    bytes += frame.bytes().len();
                    found.push((cursor, frame));
                    cursor = cursor.next();
                }
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
}

struct Scanned {
    frames: Vec<(u64, u32)>,
    damage: Option<Damage>,
}

/// Where the frames are, and what is wrong behind the last one that is there whole.
fn scan(file: &fs::File, size: u64) -> io::Result<Scanned> {
    let mut frames = Vec::new();
    let mut offset = HEAD.len() as u64;
    let damaged = |frames, what: &str| Ok(Scanned { frames, damage: Some(Damage::Storage(what.to_owned())) });
    let short = "the file ends before its end mark";
    loop {
        let mut length = [0; 4];
        if offset + 4 > size {
            return damaged(frames, short);
        }
        file.read_exact_at(&mut length, offset)?;
        let length = u32::from_be_bytes(length);
        if length == END {
            break;
        }
        let behind = offset + FRAME_HEAD_BYTES + u64::from(length);
        if usize::try_from(length).unwrap_or(usize::MAX) > FRAME_BYTES_MAX {
            return damaged(frames, "a frame's length is over its bound");
        }
        if behind > size {
            return damaged(frames, short);
        }
        frames.push((offset, length));
        offset = behind;
    }
    if offset + END_BYTES > size {
        return damaged(frames, short);
    }
    let mut count = [0; 8];
    file.read_exact_at(&mut count, offset + 4)?;
    let count = u64::from_be_bytes(count);
    if count > frames.len() as u64 {
        return Ok(Scanned { frames, damage: Some(Damage::Shorter { seen: Cursor(count) }) });
    }
    if count < frames.len() as u64 || offset + END_BYTES != size {
        return damaged(frames, "the end mark is not that of this file");
    }
    Ok(Scanned { frames, damage: None })
}
