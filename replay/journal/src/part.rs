//! A copy that may hold only a part of a journal: what it begins with, and what it leaves out.
//!
//! Invariant: what is left out takes up a cursor of its own, at which no frame stands, and so does what a copy begins
//! with: who reads such a copy as if it were a whole journal meets a hole, and stops.

use windlass_sagas::ids::{Hash, Position};
use windlass_sagas::protocol::Cursor;
use windlass_sagas::record::Tip;

use crate::error::ReadError;

/// Commits that a copy leaves out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The first one.
    pub from: Position,
    /// The last one, which the next commit chains to.
    pub tip: Tip,
}

/// A copy of a journal. Its methods read a disk, shortly.
pub trait Part: Send + Sync {
    /// The bytes of the image of the fold that the first commit here follows; what they mean is the store's. It takes up
    /// cursor 1. `None`: the copy begins with the journal's first commit.
    ///
    /// # Errors
    /// As [`crate::Read::read`].
    fn base(&self) -> Result<Option<Vec<u8>>, ReadError>;

    /// Whether it leaves out commits behind its beginning.
    fn has_gaps(&self) -> bool;

    /// The commits left out that take up this cursor; `None`: a frame stands there, or nothing.
    ///
    /// # Errors
    /// As [`crate::Read::read`].
    fn gap_at(&self, cursor: Cursor) -> Result<Option<Gap>, ReadError>;

    /// The last position that the copy speaks for and its commit's hash; `None`: it does not say.
    fn end(&self) -> Option<(Position, Hash)>;

    /// The last cursor that is stored in one piece with this one: what is damaged is damaged up to there.
    fn piece_end(&self, cursor: Cursor) -> Cursor;
}
