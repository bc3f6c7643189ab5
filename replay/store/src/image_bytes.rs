//! An image as one run of bytes: what an exported part of a journal begins with.
//!
//! Layout, big-endian: magic "WLI" 0, store and image format u16 each; the image's parts, each kind u8, id 16, length u32,
//! bytes; at the end the kind 0xfd and the count of parts u64. The parts are those of the store, and their format is no
//! promise: another one is refused by its number. The bytes carry no hash: whoever keeps them does.

use std::io::{self, Write};

use windlass_sagas::cell::state::IMAGE_FORMAT;

use crate::assemble::{Assembly, Image, parts_of};
use crate::database::{STORE_FORMAT, format_bytes};
use crate::error::StoreError;

const MAGIC: [u8; 4] = *b"WLI\0";
/// The kind that is no part's.
const END: u8 = 0xfd;

/// Why bytes are no image.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImageBytesError {
    /// They do not begin as one.
    #[error("this is no image")]
    NotAnImage,
    /// Their parts are of a format that this build does not read.
    #[error("its image is of format {}.{}, this build reads {STORE_FORMAT}.{IMAGE_FORMAT}", .0.0, .0.1)]
    Format((u16, u16)),
    /// They are cut or altered.
    #[error("its image is damaged: {0}")]
    Damaged(String),
}

fn damaged(why: impl Into<String>) -> ImageBytesError {
    ImageBytesError::Damaged(why.into())
}

impl Image {
    /// Writes the image's bytes, part by part.
    ///
    /// # Errors
    /// Where `out` takes no more.
    pub fn write_to(&self, out: &mut impl Write) -> io::Result<()> {
        out.write_all(&MAGIC)?;
        out.write_all(&format_bytes())?;
        let (mut count, mut failed) = (0_u64, None);
        let written = parts_of(self, |(kind, id), bytes| {
            count += 1;
            part(out, kind, id, bytes).map_err(|error| {
                failed = Some(error);
                StoreError::Row("it can't be written")
            })
        });
        if let Err(error) = written {
            return Err(failed.unwrap_or_else(|| io::Error::other(error)));
        }
        out.write_all(&[END])?;
        out.write_all(&count.to_be_bytes())
    }

    /// Reads an image's bytes, all of them.
    ///
    /// # Errors
    /// Where they are not those of an image that this build reads.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ImageBytesError> {
        let mut rest = Rest(bytes);
        if rest.array() != Ok(MAGIC) {
            return Err(ImageBytesError::NotAnImage);
        }
        let [a, b, c, d] = rest.array()?;
        if [a, b, c, d] != format_bytes() {
            let format = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
            return Err(ImageBytesError::Format(format));
        }
        let (mut assembly, mut count) = (Assembly::default(), 0_u64);
        loop {
            let [kind] = rest.array()?;
            if kind == END {
                break;
            }
            let id = u128::from_be_bytes(rest.array()?);
            let length = usize::try_from(u32::from_be_bytes(rest.array()?)).unwrap_or(usize::MAX);
            let part = rest.take(length)?;
            assembly.take((kind, id), part).map_err(|error| damaged(error.to_string()))?;
            count += 1;
        }
        if u64::from_be_bytes(rest.array()?) != count || !rest.0.is_empty() {
            return Err(damaged("its parts are not those that were counted"));
        }
        assembly.finish().map_err(|error| damaged(error.to_string()))
    }
}

fn part(out: &mut impl Write, kind: u8, id: u128, bytes: &[u8]) -> io::Result<()> {
    let length = u32::try_from(bytes.len()).map_err(io::Error::other)?;
    out.write_all(&[kind])?;
    out.write_all(&id.to_be_bytes())?;
    out.write_all(&length.to_be_bytes())?;
    out.write_all(bytes)
}

/// What is not read yet.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], ImageBytesError> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or_else(|| damaged("it is cut"))?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], ImageBytesError> {
        self.take(N)?.try_into().map_err(|_| damaged("it is cut"))
    }
}
