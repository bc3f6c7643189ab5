//! Format 1: frames one after the other, the whole journal. It is written no more and read for good.
//!
//! Layout, big-endian: magic "WLJ" 0, format u16; each frame: length u32, SHA-256, bytes; at the end a length of 0 and
//! the count of frames u64. A file that stops before its end has lost its tail, and says so.

use std::fs;
use std::io;
use std::os::unix::fs::FileExt;

use windlass_journal::limits::FRAME_BYTES_MAX;
use windlass_journal::{Damage, Frame, FrameId, ReadError};
use windlass_sagas::protocol::Cursor;

use super::layout::HEAD_BYTES;

pub(crate) const FORMAT: u16 = 1;
/// The length that is no frame's.
const END: u32 = 0;
const FRAME_HEAD_BYTES: u64 = 36;
const END_BYTES: u64 = 12;

/// The frames of a file, found but not read.
#[derive(Debug)]
pub(super) struct Plain {
    /// Where each frame begins, and how long it is, bytes.
    frames: Vec<(u64, u32)>,
    /// What is wrong behind the last frame.
    damage: Option<Damage>,
}

impl Plain {
    /// Finds the frames; their bytes are read and checked when they are asked for.
    pub(super) fn scan(file: &fs::File, size: u64) -> io::Result<Self> {
        scan(file, size)
    }

    /// The frame at `cursor`, checked; `None` behind the last one.
    pub(super) fn frame(&self, file: &fs::File, cursor: Cursor) -> Result<Option<Frame>, ReadError> {
        let index = usize::try_from(cursor.0.saturating_sub(1)).unwrap_or(usize::MAX);
        let Some((offset, length)) = self.frames.get(index) else {
            return self.damaged().map_or(Ok(None), Err);
        };
        let unavailable = |error: io::Error| ReadError::Unavailable { reason: error.to_string() };
        let mut id = [0; 32];
        let mut bytes = vec![0; usize::try_from(*length).unwrap_or(FRAME_BYTES_MAX)];
        file.read_exact_at(&mut id, offset + 4).map_err(unavailable)?;
        file.read_exact_at(&mut bytes, offset + FRAME_HEAD_BYTES).map_err(unavailable)?;
        let altered = ReadError::Damaged { cursor, what: Damage::Altered };
        if FrameId::of(&bytes).0 != id {
            return Err(altered);
        }
        Frame::new(bytes).map(Some).map_err(|_| altered)
    }

    pub(super) fn end(&self) -> Cursor {
        Cursor(self.frames.len() as u64)
    }

    pub(super) fn damaged(&self) -> Option<ReadError> {
        let what = self.damage.clone()?;
        Some(ReadError::Damaged { cursor: self.end().next(), what })
    }
}

/// Where the frames are, and what is wrong behind the last one that is there whole.
fn scan(file: &fs::File, size: u64) -> io::Result<Plain> {
    let mut frames = Vec::new();
    let mut offset = HEAD_BYTES;
    let damaged = |frames, what: &str| Ok(Plain { frames, damage: Some(Damage::Storage(what.to_owned())) });
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
        return Ok(Plain { frames, damage: Some(Damage::Shorter { seen: Cursor(count) }) });
    }
    if count < frames.len() as u64 || offset + END_BYTES != size {
        return damaged(frames, "the end mark is not that of this file");
    }
    Ok(Plain { frames, damage: None })
}
