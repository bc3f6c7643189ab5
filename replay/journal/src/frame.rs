//! A frame as the journal sees it: bytes within bounds and their SHA-256. What the bytes mean is nobody's business here.

use sha2::{Digest, Sha256};
use std::fmt;
use std::sync::Arc;

use crate::limits::FRAME_BYTES_MAX;

/// The bytes of one append, 1 to [`FRAME_BYTES_MAX`] of them; cheap to clone.
#[derive(Clone, PartialEq, Eq)]
pub struct Frame {
    id: FrameId,
    bytes: Arc<[u8]>,
}

impl Frame {
    /// Takes `bytes` as a frame.
    ///
    /// # Errors
    /// [`FrameError`] if there are none or too many.
    pub fn new(bytes: impl Into<Arc<[u8]>>) -> Result<Self, FrameError> {
        let bytes = bytes.into();
        match bytes.len() {
            0 => Err(FrameError::Empty),
            1..=FRAME_BYTES_MAX => Ok(Self { id: FrameId::of(&bytes), bytes }),
            length_bytes => Err(FrameError::TooBig { length_bytes }),
        }
    }

    /// The SHA-256 of the bytes: the message id on a broker.
    #[must_use]
    pub const fn id(&self) -> FrameId {
        self.id
    }

    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Frame({}, {} bytes)", self.id, self.bytes.len())
    }
}

/// The SHA-256 of a frame's bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FrameId(pub [u8; 32]);

impl FrameId {
    /// The id of a frame with these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }
}

/// All 64 hexadecimal digits, lower case: the form that a broker's message id has.
impl fmt::Display for FrameId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for FrameId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// Why bytes are no frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// No bytes at all.
    #[error("a frame has no bytes")]
    Empty,
    /// More than [`FRAME_BYTES_MAX`].
    #[error("a frame of {length_bytes} bytes is over the bound of {FRAME_BYTES_MAX}")]
    TooBig {
        /// How many there were.
        length_bytes: usize,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_kept_on_both_sides() {
        assert_eq!(Frame::new(Vec::new()), Err(FrameError::Empty));
        assert!(Frame::new(vec![7; 1]).is_ok());
        assert!(Frame::new(vec![7; FRAME_BYTES_MAX]).is_ok());
        let length_bytes = FRAME_BYTES_MAX + 1;
        assert_eq!(Frame::new(vec![7; length_bytes]), Err(FrameError::TooBig { length_bytes }));
    }

    #[test]
    fn the_id_is_the_sha_256_of_the_bytes() {
        let frame = Frame::new(b"abc".as_slice()).unwrap();
        let known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(frame.id().to_string(), known);
    }
}
