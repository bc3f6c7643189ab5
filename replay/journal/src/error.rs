//! Why a read gives no frame. A damaged place is always named and never skipped; it is never called unavailable.

use windlass_sagas::protocol::Cursor;

/// Why a read or a wait failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// The frame at `cursor` can't be given, now or later, without an operator.
    #[error("the journal is damaged at cursor {}: {what}", .cursor.0)]
    Damaged {
        /// The first cursor at fault.
        cursor: Cursor,
        /// What is wrong there.
        what: Damage,
    },
    /// Nothing can be said now; a later read may succeed.
    #[error("the journal can't be read now: {reason}")]
    Unavailable {
        /// What the storage or the broker said.
        reason: String,
    },
}

impl ReadError {
    pub(crate) fn unavailable(reason: &(impl ToString + ?Sized)) -> Self {
        Self::Unavailable { reason: reason.to_string() }
    }
}

/// What is wrong at a damaged cursor.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// Frames stand behind this cursor, none at it.
    #[error("there is a gap")]
    Missing,
    /// The stored bytes are not those of the stored SHA-256, or no frame at all.
    #[error("the stored bytes do not match their hash")]
    Altered,
    /// The journal ends before a cursor that had been acknowledged or read.
    #[error("the journal ends here, but frames up to cursor {} were acknowledged or read", .seen.0)]
    Shorter {
        /// The highest cursor that was known to exist.
        seen: Cursor,
    },
    /// The storage library reports damage of its own files.
    #[error("the storage is damaged: {0}")]
    Storage(String),
}

/// A caller that has seen `after` of a journal that ends at `last` has lost a tail.
pub(crate) fn check_not_shorter(last: Cursor, after: Cursor) -> Result<(), ReadError> {
    if after > last {
        let what = Damage::Shorter { seen: after };
        return Err(ReadError::Damaged { cursor: last.next(), what });
    }
    Ok(())
}
