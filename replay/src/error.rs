//! Why a journal could not be looked at. Never to be taken for an answer.

use windlass_journal::ReadError;
use windlass_sagas::ids::Position;
use windlass_sagas::protocol::{Cursor, Poisoned};
use windlass_store::ImageBytesError;

/// Why a reading of a journal ended early.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    /// The journal could not be read, or is damaged.
    #[error("the journal could not be read")]
    Read(#[from] ReadError),
    /// This build can't fold it further.
    #[error("the fold stops in the frame at cursor {}", .cursor.0)]
    Poisoned {
        /// The frame.
        cursor: Cursor,
        /// Where and why.
        #[source]
        error: Poisoned,
    },
    /// The journal ends before the position that was asked for.
    #[error("the journal ends at position {end}, before position {wanted}")]
    Ends {
        /// What was asked for.
        wanted: Position,
        /// The last valid commit.
        end: Position,
    },
    /// The fold already stands behind the position that was asked for.
    #[error("the fold already stands at position {at}, behind position {wanted}")]
    Behind {
        /// What was asked for.
        wanted: Position,
        /// Where it stands.
        at: Position,
    },
    /// The position that was asked for is in none of the commits that this part of a journal holds.
    #[error("position {wanted} can't be told from this file: it leaves out what was at {from} to {to}")]
    LeftOut {
        /// What was asked for.
        wanted: Position,
        /// The first position that can't be told.
        from: Position,
        /// The last one.
        to: Position,
    },
    /// The image that this part of a journal begins with can't be read.
    #[error("the file does not begin with the journal's first commit, and {0}")]
    Base(#[from] ImageBytesError),
    /// The frame at a place of the index does not hold the commit: the index is not of this journal.
    #[error("the frame at cursor {} does not hold position {position}: the index is not of this journal", .cursor.0)]
    NotThere {
        /// The frame.
        cursor: Cursor,
        /// The commit.
        position: Position,
    },
}
