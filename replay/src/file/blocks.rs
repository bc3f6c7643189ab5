//! Format 2: a manifest, the base, and blocks found by an index at the end.

use std::fs;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Arc, Mutex};

use sha2::{Digest, Sha256};
use windlass_journal::{Damage, ReadError};
use windlass_sagas::ids::{Position, Time};
use windlass_sagas::protocol::Cursor;

use super::FileError;
use super::about::Manifest;
use super::layout::*;

/// An open file: its index in memory, and the block that was read last.
#[derive(Debug)]
pub(super) struct Blocks {
    pub(super) about: Manifest,
    index: Index,
    /// Where the base begins, bytes.
    base_at: u64,
    read: Mutex<Option<(usize, Arc<Vec<Slot>>)>>,
}

impl Blocks {
    /// Reads what the file says of itself, and its index.
    pub(super) fn open(path: &Path, file: &fs::File, size: u64) -> Result<Self, FileError> {
        let io = |source| FileError::Io { path: path.to_owned(), source };
        let damaged =
            |at, what: &str| FileError::Damaged { path: path.to_owned(), at, what: what.to_owned() };
        let Some(foot_at) = size.checked_sub(FOOT_BYTES as u64).filter(|at| *at >= HEAD_BYTES) else {
            return Err(cut(path, file, size));
        };
        let mut foot = [0; FOOT_BYTES];
        file.read_exact_at(&mut foot, foot_at).map_err(io)?;
        let Some((index_at, end_at)) = read_foot(&foot) else { return Err(cut(path, file, size)) };
        let open = |kind, at| match section_at(file, at, foot_at).map_err(io)? {
            Ok((head, raw, behind)) if head.kind == kind => Ok((head, raw, behind)),
            Ok(_) => Err(damaged(at, "another section stands here")),
            Err(what) => Err(damaged(at, what)),
        };
        let (end_head, end, behind) = open(Kind::End, end_at)?;
        if behind != foot_at {
            return Err(damaged(end_head.stored as u64 + end_at, "bytes stand behind its end"));
        }
        let (index_head, index, behind_index) = open(Kind::Index, index_at)?;
        let (manifest_head, manifest, base_at) = open(Kind::Manifest, HEAD_BYTES)?;
        let (about, [manifest_hash, index_hash]) =
            Manifest::read(&manifest, &end).map_err(|what| damaged(end_at, &what))?;
        if manifest_head.hash != manifest_hash.0 {
            return Err(damaged(HEAD_BYTES, "its manifest is that of another file"));
        }
        if index_head.hash != index_hash.0 || behind_index != end_at {
            return Err(damaged(index_at, "its index is that of another file"));
        }
        let index = Index::decode(&index).map_err(|what| damaged(index_at, what))?;
        if (index.base_sections > 0) != (about.base > Position(0)) {
            return Err(damaged(index_at, "it has a base and says that it has none, or the other way round"));
        }
        Ok(Self { about, index, base_at, read: Mutex::new(None) })
    }

    /// The base's bytes, proven to be those that were written.
    pub(super) fn base(&self, file: &fs::File) -> Result<Option<Vec<u8>>, ReadError> {
        if self.index.base_sections == 0 {
            return Ok(None);
        }
        let damaged = || {
            let what = Damage::Storage("the image that the file begins with is damaged".to_owned());
            ReadError::Damaged { cursor: Cursor(1), what }
        };
        let (mut at, mut hasher, mut bytes) = (self.base_at, Sha256::new(), Vec::new());
        for _ in 0..self.index.base_sections {
            let (head, raw, behind) =
                section_at(file, at, u64::MAX).map_err(unavailable)?.map_err(|_| damaged())?;
            hasher.update(head.hash);
            bytes.extend(raw);
            at = behind;
        }
        let whole: [u8; 32] = hasher.finalize().into();
        if whole == self.index.base_hash { Ok(Some(bytes)) } else { Err(damaged()) }
    }

    /// What stands at a cursor; `None`: the base, or nothing.
    pub(super) fn slot(&self, file: &fs::File, cursor: Cursor) -> Result<Option<Slot>, ReadError> {
        let Some((number, block)) = self.block_of(cursor) else { return Ok(None) };
        let place = usize::try_from(cursor.0 - block.first.0).unwrap_or(usize::MAX);
        let unlocked = |_| ReadError::Unavailable { reason: "a reader of the file panicked".to_owned() };
        let kept = self.read.lock().map_err(unlocked)?.clone().filter(|(read, _)| *read == number);
        let slots = match kept {
            Some((_, slots)) => slots,
            None => {
                let slots = Arc::new(Self::read_block(file, block)?);
                *self.read.lock().map_err(unlocked)? = Some((number, Arc::clone(&slots)));
                slots
            }
        };
        Ok(slots.get(place).cloned())
    }

    fn read_block(file: &fs::File, block: &Block) -> Result<Vec<Slot>, ReadError> {
        let altered = || ReadError::Damaged { cursor: block.first, what: Damage::Altered };
        let (head, raw, _) =
            section_at(file, block.offset, u64::MAX).map_err(unavailable)?.map_err(|_| altered())?;
        if head.kind != Kind::Block || head.hash != block.hash {
            return Err(altered());
        }
        let slots = slots(&raw).map_err(|_| altered())?;
        if slots.len() as u64 == block.last.0 - block.first.0 + 1 { Ok(slots) } else { Err(altered()) }
    }

    fn block_of(&self, cursor: Cursor) -> Option<(usize, &Block)> {
        let number = self.index.blocks.partition_point(|block| block.last < cursor);
        let block = self.index.blocks.get(number).filter(|block| block.first <= cursor);
        block.map(|block| (number, block))
    }

    /// The last cursor of the block that holds this one.
    pub(super) fn piece_end(&self, cursor: Cursor) -> Cursor {
        self.block_of(cursor).map_or(cursor, |(_, block)| block.last)
    }

    /// The last cursor of all.
    pub(super) fn end(&self) -> Cursor {
        let base = Cursor(u64::from(self.index.base_sections > 0));
        self.index.blocks.last().map_or(base, |block| block.last)
    }

    /// The last cursor of the block before the one that holds the commit at a position or the first one not before a time.
    pub(super) fn cursor_before(&self, position: Position, time: Time) -> Cursor {
        let before = |block: &Block| block.position < position || block.time < time;
        let number = self.index.blocks.partition_point(before);
        let base = Cursor(u64::from(self.index.base_sections > 0));
        number
            .checked_sub(1)
            .and_then(|number| self.index.blocks.get(number))
            .map_or(base, |block| block.last)
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is what `map_err` gives")]
fn unavailable(error: io::Error) -> ReadError {
    match error.kind() {
        // The file was shortened under its reader.
        io::ErrorKind::UnexpectedEof => ReadError::Damaged {
            cursor: Cursor(1),
            what: Damage::Storage("the file became shorter while it was read".to_owned()),
        },
        _ => ReadError::Unavailable { reason: error.to_string() },
    }
}

/// A section with its bytes, and where the next one begins; what is wrong with it.
type Section = Result<(SectionHead, Vec<u8>, u64), &'static str>;

/// The section at an offset, which ends at `limit` at the latest.
fn section_at(file: &fs::File, at: u64, limit: u64) -> io::Result<Section> {
    let beyond = "it ends behind the file's end";
    let stored_at = at.saturating_add(SECTION_HEAD_BYTES as u64);
    if stored_at > limit {
        return Ok(Err(beyond));
    }
    let mut head = [0; SECTION_HEAD_BYTES];
    file.read_exact_at(&mut head, at)?;
    let head = match SectionHead::read(&head) {
        Ok(head) => head,
        Err(what) => return Ok(Err(what)),
    };
    let behind = stored_at.saturating_add(head.stored as u64);
    if behind > limit {
        return Ok(Err(beyond));
    }
    let mut stored = vec![0; head.stored];
    file.read_exact_at(&mut stored, stored_at)?;
    Ok(head.open(&stored).map(|raw| (head, raw, behind)))
}

/// What is left of a file without its end: how far it is whole, and which position that is.
fn cut(path: &Path, file: &fs::File, size: u64) -> FileError {
    let (mut at, mut position) = (HEAD_BYTES.min(size), Position(0));
    while let Ok(Ok((head, raw, behind))) = section_at(file, at, size) {
        let frames = if head.kind == Kind::Block { slots(&raw).unwrap_or_default() } else { Vec::new() };
        for slot in frames {
            let last = match slot {
                Slot::Gap(gap) => Some(gap.tip.position),
                Slot::Frame(frame) => windlass_sagas::record::Frame::decode(frame.bytes())
                    .ok()
                    .and_then(|frame| frame.commits.iter().map(|commit| commit.header.position).max()),
            };
            position = position.max(last.unwrap_or_default());
        }
        at = behind;
    }
    FileError::Cut { path: path.to_owned(), position, bytes: at }
}
