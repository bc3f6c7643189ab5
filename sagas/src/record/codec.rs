//! Bytes to values and back: a reader over a slice that refuses to run short, and the postcard border.
//!
//! Invariant: a decoder uses every byte or fails, and never panics on any input.

use alloc::vec::Vec;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::ids::Position;

/// Why bytes are not a record that this build can read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The bytes end in the middle of something.
    #[error("the bytes end early")]
    Short,
    /// Bytes are left over behind the last thing.
    #[error("bytes are left over behind the record")]
    Trailing,
    /// The frame does not begin as a frame does.
    #[error("not a frame of a Windlass journal")]
    Magic,
    /// The frame's layout is newer than this build.
    #[error("frame format {0} is unknown to this build")]
    FrameFormat(u16),
    /// A kind or version that this build does not know: written by a newer one.
    #[error("kind {kind} version {version} is unknown to this build")]
    UnknownKind {
        /// The kind.
        kind: u16,
        /// The version.
        version: u16,
    },
    /// A bound of the format is passed.
    #[error("{what} is over its bound")]
    Bound {
        /// Which.
        what: &'static str,
    },
    /// The postcard body is not of its kind and version.
    #[error("the body is not what its kind and version say")]
    Body,
    /// A frame without commits.
    #[error("a frame without commits")]
    Empty,
    /// The same, with the position that the commit's header gives.
    #[error("the commit at position {position} can't be read")]
    At {
        /// As the header says.
        position: Position,
        /// Why.
        #[source]
        error: alloc::boxed::Box<Self>,
    },
}

/// Why a commit or frame can't be written: it would pass a bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} would be over its bound")]
pub struct EncodeError {
    /// Which bound.
    pub what: &'static str,
}

/// Reads a postcard value that must be exactly `bytes`.
///
/// # Errors
/// `Body` where the bytes are not a `T`, `Trailing` where some are left over.
pub fn whole<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, DecodeError> {
    match postcard::take_from_bytes(bytes) {
        Ok((value, [])) => Ok(value),
        Ok(_) => Err(DecodeError::Trailing),
        Err(_) => Err(DecodeError::Body),
    }
}

/// Reads the postcard value that `bytes` begin with, and what follows it.
pub(super) fn leading<T: DeserializeOwned>(bytes: &[u8]) -> Result<(T, &[u8]), DecodeError> {
    postcard::take_from_bytes(bytes).map_err(|_| DecodeError::Body)
}

/// Appends a postcard value.
pub(super) fn put<T: Serialize>(value: &T, out: Vec<u8>) -> Result<Vec<u8>, EncodeError> {
    postcard::to_extend(value, out).map_err(|_| EncodeError { what: "a body" })
}

/// Appends what `body` writes, behind its length as a big-endian u16.
pub(super) fn put_sized(
    out: Vec<u8>,
    body: impl FnOnce(Vec<u8>) -> Result<Vec<u8>, EncodeError>,
) -> Result<Vec<u8>, EncodeError> {
    let mut out = out;
    let start = out.len();
    out.extend_from_slice(&[0, 0]);
    let mut out = body(out)?;
    let length = u16::try_from(out.len() - start - 2).map_err(|_| EncodeError { what: "a body" })?;
    if let Some(place) = out.get_mut(start..start + 2) {
        place.copy_from_slice(&length.to_be_bytes());
    }
    Ok(out)
}

/// A slice read from front to back.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn take(&mut self, count: usize) -> Result<&'a [u8], DecodeError> {
        let (head, rest) = self.0.split_at_checked(count).ok_or(DecodeError::Short)?;
        self.0 = rest;
        Ok(head)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        self.take(N)?.try_into().map_err(|_| DecodeError::Short)
    }

    pub(super) fn u16(&mut self) -> Result<u16, DecodeError> {
        self.array().map(u16::from_be_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, DecodeError> {
        self.array().map(u32::from_be_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, DecodeError> {
        self.array().map(u64::from_be_bytes)
    }

    pub(super) fn sized(&mut self) -> Result<&'a [u8], DecodeError> {
        let length = self.u16()?;
        self.take(usize::from(length))
    }

    pub(super) fn done(self) -> Result<(), DecodeError> {
        if self.0.is_empty() { Ok(()) } else { Err(DecodeError::Trailing) }
    }
}
