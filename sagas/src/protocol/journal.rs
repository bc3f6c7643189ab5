//! What the leader knows of a journal: a cursor for each frame, and the three ways an append can fail.
//!
//! A cursor is the journal's own count of frames, void ones included; it is never a commit's position.

use core::fmt;

/// The place of one frame in a journal: 1 for the first frame, dense, void frames included; 0 = before the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cursor(pub u64);

impl Cursor {
    /// Before the first frame.
    pub const START: Self = Self(0);

    /// The cursor that an append after this one must be acknowledged with; any other is not ours.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// Why an append was not acknowledged. None of these proves that the frame did not land, but `Unavailable`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AppendError {
    /// Another frame holds the place after the expected cursor, or ours does already: only reading the bytes tells.
    Fenced,
    /// No answer: the frame may land at any later time at which its expectation holds, or never.
    Unknown,
    /// Refused before anything was sent or written (disk full, closed, no quorum known): this sending did not and will
    /// not land; an earlier one of the same bytes that ended Unknown still may.
    Unavailable,
}

impl fmt::Display for AppendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fenced => "another frame stands at the expected place",
            Self::Unknown => "the append was not answered; it may still land",
            Self::Unavailable => "the journal took nothing",
        })
    }
}

impl core::error::Error for AppendError {}
