//! The file of one kept image: the parts of an image in compressed blocks, with a hash over all of it.
//!
//! Invariant: what is read back whole is what was written whole; whatever else is found is an error, never an image. The
//! layout is no promise: a file of another build's format is dropped like a damaged one.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::assemble::{Assembly, Image};
use crate::database::format_bytes;
use crate::error::StoreError;
use crate::limits::{KEPT_BLOCK_BYTES, KEPT_BLOCK_BYTES_MAX};
use crate::row::RowKey;

/// What the file begins with: its kind and the version of its framing. The formats of rows and fold follow.
const MAGIC: [u8; 8] = *b"WLKEPT\x00\x01";
const HASH_BYTES: usize = 32;
/// Kind, id and length of a part.
const PART_HEAD: usize = 1 + 16 + 4;

/// A file that is being written.
pub(super) struct Writing {
    file: BufWriter<File>,
    hash: Sha256,
    block: Vec<u8>,
    bytes: u64,
    bytes_max: u64,
}

impl Writing {
    /// Begins the file at `path`, which holds no more than `bytes_max`.
    pub(super) fn begin(path: &Path, bytes_max: u64) -> io::Result<Self> {
        let file = BufWriter::new(File::create(path)?);
        let mut begun = Self { file, hash: Sha256::new(), block: Vec::new(), bytes: 0, bytes_max };
        begun.put(&MAGIC)?;
        begun.put(&format_bytes())?;
        Ok(begun)
    }

    /// Writes one part of an image.
    pub(super) fn part(&mut self, key: RowKey, bytes: &[u8]) -> io::Result<()> {
        let too_long = |_| io::Error::from(io::ErrorKind::FileTooLarge);
        let length = u32::try_from(bytes.len()).map_err(too_long)?;
        if !self.block.is_empty() && self.block.len() + PART_HEAD + bytes.len() > KEPT_BLOCK_BYTES {
            self.seal()?;
        }
        self.block.push(key.0);
        self.block.extend(key.1.to_be_bytes());
        self.block.extend(length.to_le_bytes());
        self.block.extend(bytes);
        Ok(())
    }

    /// Ends the file, synced; its bytes.
    pub(super) fn end(mut self) -> io::Result<u64> {
        if !self.block.is_empty() {
            self.seal()?;
        }
        // An empty block is the last one.
        self.seal()?;
        let hash = self.hash.clone().finalize();
        self.put(&hash)?;
        let file = self.file.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.sync_all()?;
        Ok(self.bytes)
    }

    fn seal(&mut self) -> io::Result<()> {
        let packed = lz4_flex::block::compress(&self.block);
        for length in [self.block.len(), packed.len()] {
            let length = u32::try_from(length).map_err(|_| io::ErrorKind::FileTooLarge)?;
            self.put(&length.to_le_bytes())?;
        }
        self.block.clear();
        self.put(&packed)
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.bytes += bytes.len() as u64;
        if self.bytes > self.bytes_max {
            return Err(io::Error::new(
                io::ErrorKind::FileTooLarge,
                "an image is larger than what may be kept",
            ));
        }
        self.hash.update(bytes);
        self.file.write_all(bytes)
    }
}

/// The image in the file at `path`.
///
/// # Errors
/// `Storage` where the system refuses, `Row` where the file does not hold an image of this build whole.
pub(super) fn read(path: &Path) -> Result<Image, StoreError> {
    let mut file = Hashed { file: BufReader::new(File::open(path)?), hash: Sha256::new() };
    let (mut magic, mut format) = ([0; 8], [0; 4]);
    file.fill(&mut magic)?;
    file.fill(&mut format)?;
    if magic != MAGIC || format != format_bytes() {
        return Err(StoreError::Row("the kept image is of another format"));
    }
    let mut image = Assembly::default();
    let (mut packed, mut block) = (Vec::new(), Vec::new());
    while file.block(&mut packed, &mut block)? {
        parts(&block, &mut image)?;
    }
    let expected = file.hash.clone().finalize();
    let mut written = [0; HASH_BYTES];
    file.fill(&mut written)?;
    if written[..] != expected[..] || file.file.read(&mut [0])? != 0 {
        return Err(StoreError::Row("the kept image is not what was written"));
    }
    image.finish()
}

/// A file as it is read, and the hash of what was.
struct Hashed {
    file: BufReader<File>,
    hash: Sha256,
}

impl Hashed {
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), StoreError> {
        self.file.read_exact(bytes).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => StoreError::Row("the kept image is cut short"),
            _ => error.into(),
        })?;
        self.hash.update(bytes);
        Ok(())
    }

    fn length(&mut self) -> Result<usize, StoreError> {
        let mut length = [0; 4];
        self.fill(&mut length)?;
        let length = usize::try_from(u32::from_le_bytes(length)).unwrap_or(usize::MAX);
        // A damaged length must not ask for memory that nobody has.
        if length > KEPT_BLOCK_BYTES_MAX {
            return Err(StoreError::Row("a block of the kept image is too long"));
        }
        Ok(length)
    }

    /// Reads the next block; `false`: it was the last, empty one.
    fn block(&mut self, packed: &mut Vec<u8>, block: &mut Vec<u8>) -> Result<bool, StoreError> {
        let length = self.length()?;
        let packed_length = self.length()?;
        packed.resize(packed_length, 0);
        self.fill(packed)?;
        block.resize(length, 0);
        match lz4_flex::block::decompress_into(packed, block) {
            Ok(unpacked) if unpacked == length => Ok(length > 0),
            Ok(_) | Err(_) => Err(StoreError::Row("a block of the kept image is damaged")),
        }
    }
}

/// Gives the parts of one block to the image.
fn parts(mut block: &[u8], image: &mut Assembly) -> Result<(), StoreError> {
    let cut = StoreError::Row("a part of the kept image is cut short");
    while !block.is_empty() {
        let Some((head, rest)) = block.split_first_chunk::<PART_HEAD>() else { return Err(cut) };
        let (kind, rest_of_head) = (head[0], &head[1..]);
        let (id, length) = rest_of_head.split_at(16);
        let id = id.iter().fold(0, |id, byte| id << 8 | u128::from(*byte));
        let length = length.iter().rev().fold(0, |length, byte| length << 8 | usize::from(*byte));
        let Some((bytes, rest)) = rest.split_at_checked(length) else { return Err(cut) };
        image.take((kind, id), bytes)?;
        block = rest;
    }
    Ok(())
}
