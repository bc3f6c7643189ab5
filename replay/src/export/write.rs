//! Writing an exported file, a bounded piece at a time: whoever asks takes the pieces where they belong.

use std::collections::VecDeque;

use sha2::{Digest, Sha256};
use windlass_journal::Gap;
use windlass_sagas::ids::{Position, Time};
use windlass_sagas::protocol::Cursor;
use windlass_sagas::record::Tip;
use windlass_store::Image;

use crate::file::Manifest;
use crate::file::layout::*;
use crate::limits::BLOCK_BYTES;

/// A file that is being written.
pub(super) struct Writer {
    pub(super) about: Manifest,
    index: Index,
    manifest: [u8; 32],
    /// Where the next section will stand.
    offset: u64,
    /// The block that is being filled.
    block: Vec<u8>,
    first: Cursor,
    next: Cursor,
    at: (Position, Time),
    /// Pieces that nobody has taken yet.
    pieces: VecDeque<Vec<u8>>,
}

impl Writer {
    /// Begins a file: its manifest, and the image that its first commit follows.
    pub(super) fn begin(mut about: Manifest, base: Option<&Image>) -> std::io::Result<Self> {
        about.base = base.map_or(Position(0), |base| base.tip.position);
        let mut head = MAGIC.to_vec();
        head.extend(FORMAT.to_be_bytes());
        let first = Cursor(1 + u64::from(base.is_some()));
        let mut writer = Self {
            about,
            index: Index::default(),
            manifest: [0; 32],
            offset: head.len() as u64,
            block: Vec::new(),
            first,
            next: first,
            at: (Position(0), Time(0)),
            pieces: VecDeque::from([head]),
        };
        writer.manifest = writer.section(Kind::Manifest, writer.about.manifest().as_bytes());
        if let Some(base) = base {
            let mut sections = BaseSections { writer: &mut writer, part: Vec::new(), hasher: Sha256::new() };
            base.write_to(&mut sections)?;
            sections.end();
        }
        Ok(writer)
    }

    /// Puts a frame, behind which the chain ends in a commit of this position and time.
    pub(super) fn frame(&mut self, frame: &[u8], position: Position, time: Time) {
        put_frame(&mut self.block, frame);
        self.about.frames += 1;
        self.took(position, time);
    }

    /// Puts commits that are left out.
    pub(super) fn gap(&mut self, gap: &Gap) {
        put_gap(&mut self.block, gap);
        self.about.gaps += 1;
        self.about.left_out += gap.tip.position.0 - gap.from.0 + 1;
        self.took(gap.tip.position, gap.tip.time);
    }

    fn took(&mut self, position: Position, time: Time) {
        self.next = self.next.next();
        self.at = (position, time);
        if self.block.len() >= BLOCK_BYTES {
            self.flush();
        }
    }

    fn flush(&mut self) {
        let raw = std::mem::take(&mut self.block);
        if raw.is_empty() {
            return;
        }
        let offset = self.offset;
        let hash = self.section(Kind::Block, &raw);
        let (position, time) = self.at;
        let last = Cursor(self.next.0 - 1);
        self.index.blocks.push(Block { offset, hash, first: self.first, last, position, time });
        self.first = self.next;
    }

    /// Ends the file in the commit at `tip`.
    pub(super) fn end(&mut self, tip: &Tip) {
        self.flush();
        (self.about.last, self.about.hash, self.about.time) = (tip.position, tip.hash, tip.time);
        let index_at = self.offset;
        let index = self.section(Kind::Index, &self.index.encode());
        let end_at = self.offset;
        self.section(Kind::End, self.about.end([self.manifest, index]).as_bytes());
        self.pieces.push_back(foot(index_at, end_at).to_vec());
        self.offset += FOOT_BYTES as u64;
    }

    /// How long the file is until now, bytes.
    pub(super) const fn bytes(&self) -> u64 {
        self.offset
    }

    /// The next piece; `None`: put more, or it is ended.
    pub(super) fn take(&mut self) -> Option<Vec<u8>> {
        self.pieces.pop_front()
    }

    fn section(&mut self, kind: Kind, raw: &[u8]) -> [u8; 32] {
        let (bytes, hash) = section(kind, raw);
        self.offset += bytes.len() as u64;
        self.pieces.push_back(bytes);
        hash
    }
}

/// Takes the image's bytes and makes sections of them.
struct BaseSections<'a> {
    writer: &'a mut Writer,
    part: Vec<u8>,
    hasher: Sha256,
}

impl BaseSections<'_> {
    fn section(&mut self) {
        let hash = self.writer.section(Kind::Base, &self.part);
        self.hasher.update(hash);
        self.writer.index.base_sections += 1;
        self.part.clear();
    }

    fn end(mut self) {
        if !self.part.is_empty() {
            self.section();
        }
        self.writer.index.base_hash = self.hasher.finalize().into();
    }
}

impl std::io::Write for BaseSections<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let room = BLOCK_BYTES - self.part.len();
        let taken = bytes.len().min(room);
        self.part.extend_from_slice(&bytes[..taken]);
        if self.part.len() == BLOCK_BYTES {
            self.section();
        }
        Ok(taken)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
