//! The bytes of an exported file, format 2: sections, each with its SHA-256, an index of them, and an end.
//!
//! Layout, big-endian: magic "WLJ" 0, format u16; sections: kind u8, length as it is read u32, length as it is stored
//! u32, SHA-256 of kind, lengths and stored bytes, then those (LZ4 where it is shorter): one manifest (TOML), the base,
//! blocks of frames and gaps, the index, the end (TOML); last the places of index and end u64 each, and "WLJ end\n".

use lz4_flex::block::{compress, decompress};
use sha2::{Digest, Sha256};
use windlass_journal::limits::FRAME_BYTES_MAX;
use windlass_journal::{Frame, Gap};
use windlass_sagas::ids::*;
use windlass_sagas::protocol::Cursor;
use windlass_sagas::record::Tip;

use crate::limits::{BLOCK_BYTES, INDEX_BYTES_MAX};

pub(crate) const MAGIC: [u8; 4] = *b"WLJ\0";
pub(crate) const FORMAT: u16 = 2;
/// Magic and format.
pub(crate) const HEAD_BYTES: u64 = 6;
pub(crate) const SECTION_HEAD_BYTES: usize = 41;
pub(crate) const FOOT_BYTES: usize = 24;
const FOOT_MAGIC: [u8; 8] = *b"WLJ end\n";

const FRAME: u8 = 1;
const GAP: u8 = 2;

/// What a section holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    Manifest = 1,
    Base = 2,
    Block = 3,
    Index = 4,
    End = 5,
}

impl Kind {
    const fn of(number: u8) -> Option<Self> {
        Some(match number {
            1 => Self::Manifest,
            2 => Self::Base,
            3 => Self::Block,
            4 => Self::Index,
            5 => Self::End,
            _ => return None,
        })
    }

    /// The most that a section of this kind may hold, bytes: no length in a foreign file makes a reader take more.
    const fn bytes_max(self) -> usize {
        match self {
            Self::Manifest | Self::End => 1 << 20,
            // A block ends with the entry that fills it.
            Self::Base | Self::Block => BLOCK_BYTES + FRAME_BYTES_MAX + 64,
            Self::Index => INDEX_BYTES_MAX,
        }
    }
}

/// A section as it is stored, with its hash.
pub(crate) fn section(kind: Kind, raw: &[u8]) -> (Vec<u8>, [u8; 32]) {
    let packed = compress(raw);
    let stored = if packed.len() < raw.len() { packed.as_slice() } else { raw };
    // Sections are far below 4 GiB: `bytes_max` refuses larger ones when they are read.
    let length = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes();
    let mut out = Vec::with_capacity(SECTION_HEAD_BYTES + stored.len());
    out.push(kind as u8);
    out.extend(length(raw));
    out.extend(length(stored));
    let hash = Sha256::new_with_prefix(&out).chain_update(stored).finalize().into();
    out.extend::<[u8; 32]>(hash);
    out.extend(stored);
    (out, hash)
}

/// A section's head, of which nothing is proven yet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SectionHead {
    pub(crate) kind: Kind,
    raw: usize,
    pub(crate) stored: usize,
    pub(crate) hash: [u8; 32],
    lengths: [u8; 9],
}

impl SectionHead {
    pub(crate) fn read(bytes: &[u8; SECTION_HEAD_BYTES]) -> Result<Self, &'static str> {
        let mut rest = Rest(bytes);
        let lengths: [u8; 9] = Rest(bytes).array()?;
        let [kind] = rest.array()?;
        let kind = Kind::of(kind).ok_or("a section of an unknown kind")?;
        let (raw, stored) = (rest.length()?, rest.length()?);
        if raw > kind.bytes_max() || stored > raw {
            return Err("a section's length is over its bound");
        }
        Ok(Self { kind, raw, stored, hash: rest.array()?, lengths })
    }

    /// The section's bytes, proven by its hash.
    pub(crate) fn open(&self, stored: &[u8]) -> Result<Vec<u8>, &'static str> {
        let found: [u8; 32] = Sha256::new_with_prefix(self.lengths).chain_update(stored).finalize().into();
        if found != self.hash {
            return Err("the stored bytes do not match their hash");
        }
        if stored.len() == self.raw {
            return Ok(stored.to_vec());
        }
        let raw = decompress(stored, self.raw).map_err(|_| "the stored bytes can't be unpacked")?;
        if raw.len() == self.raw { Ok(raw) } else { Err("the stored bytes unpack to another length") }
    }
}

/// What takes up a cursor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Slot {
    Frame(Frame),
    Gap(Gap),
}

/// Puts a frame at the end of a block.
pub(crate) fn put_frame(block: &mut Vec<u8>, frame: &[u8]) {
    block.push(FRAME);
    block.extend(u32::try_from(frame.len()).unwrap_or(u32::MAX).to_be_bytes());
    block.extend(frame);
}

/// Puts commits that are left out at the end of a block.
pub(crate) fn put_gap(block: &mut Vec<u8>, gap: &Gap) {
    let Tip { position, hash, time, term } = gap.tip;
    block.push(GAP);
    block.extend(gap.from.0.to_be_bytes());
    block.extend(position.0.to_be_bytes());
    block.extend(hash.0);
    block.extend(time.0.to_be_bytes());
    block.extend(term.generation.to_be_bytes());
    block.extend(term.elected.0.to_be_bytes());
}

/// A block, taken apart.
pub(crate) fn slots(raw: &[u8]) -> Result<Vec<Slot>, &'static str> {
    let mut rest = Rest(raw);
    let mut slots = Vec::new();
    while !rest.0.is_empty() {
        let slot = match rest.array()? {
            [FRAME] => {
                let length = rest.length()?;
                Slot::Frame(Frame::new(rest.take(length)?).map_err(|_| "a frame is out of its bounds")?)
            }
            [GAP] => {
                let from = Position(rest.u64()?);
                let (position, hash) = (Position(rest.u64()?), Hash(rest.array()?));
                let time = Time(rest.u64()?.cast_signed());
                let generation = u32::from_be_bytes(rest.array()?);
                let term = Term { generation, elected: Position(rest.u64()?) };
                Slot::Gap(Gap { from, tip: Tip { position, hash, time, term } })
            }
            [_] => return Err("an entry of an unknown kind"),
        };
        slots.push(slot);
    }
    Ok(slots)
}

/// Where a block is, and what is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Block {
    pub(crate) offset: u64,
    pub(crate) hash: [u8; 32],
    pub(crate) first: Cursor,
    pub(crate) last: Cursor,
    /// The last position that it speaks of, left out or not.
    pub(crate) position: Position,
    /// That commit's time.
    pub(crate) time: Time,
}

/// The index: how many sections the base has, the hash over their hashes, and the blocks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Index {
    pub(crate) base_sections: u32,
    pub(crate) base_hash: [u8; 32],
    pub(crate) blocks: Vec<Block>,
}

impl Index {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(36 + self.blocks.len() * 72);
        out.extend(self.base_sections.to_be_bytes());
        out.extend(self.base_hash);
        for block in &self.blocks {
            out.extend(block.offset.to_be_bytes());
            out.extend(block.hash);
            out.extend(block.first.0.to_be_bytes());
            out.extend(block.last.0.to_be_bytes());
            out.extend(block.position.0.to_be_bytes());
            out.extend(block.time.0.to_be_bytes());
        }
        out
    }

    pub(crate) fn decode(raw: &[u8]) -> Result<Self, &'static str> {
        let mut rest = Rest(raw);
        let base_sections = u32::from_be_bytes(rest.array()?);
        let mut index = Self { base_sections, base_hash: rest.array()?, blocks: Vec::new() };
        let mut next = Cursor(1 + u64::from(base_sections > 0));
        while !rest.0.is_empty() {
            let block = Block {
                offset: rest.u64()?,
                hash: rest.array()?,
                first: Cursor(rest.u64()?),
                last: Cursor(rest.u64()?),
                position: Position(rest.u64()?),
                time: Time(rest.u64()?.cast_signed()),
            };
            if block.first != next || block.last < block.first {
                return Err("the index's cursors are not dense");
            }
            next = block.last.next();
            index.blocks.push(block);
        }
        Ok(index)
    }
}

/// The last bytes of a file: where its index and its end are.
pub(crate) fn foot(index: u64, end: u64) -> [u8; FOOT_BYTES] {
    let mut out = [0; FOOT_BYTES];
    out[..8].copy_from_slice(&index.to_be_bytes());
    out[8..16].copy_from_slice(&end.to_be_bytes());
    out[16..].copy_from_slice(&FOOT_MAGIC);
    out
}

/// Where index and end are; `None`: a file does not end so.
pub(crate) fn read_foot(foot: &[u8; FOOT_BYTES]) -> Option<(u64, u64)> {
    let mut rest = Rest(foot);
    let (index, end) = (rest.u64().ok()?, rest.u64().ok()?);
    (rest.0 == FOOT_MAGIC).then_some((index, end))
}

/// What is not read yet.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], &'static str> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or("it ends in the middle of an entry")?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], &'static str> {
        self.take(N)?.try_into().map_err(|_| "it ends in the middle of an entry")
    }

    fn u64(&mut self) -> Result<u64, &'static str> {
        self.array().map(u64::from_be_bytes)
    }

    fn length(&mut self) -> Result<usize, &'static str> {
        self.array().map(|bytes| usize::try_from(u32::from_be_bytes(bytes)).unwrap_or(usize::MAX))
    }
}
