//! What a broker can say to one append, and the one place where that becomes a success or an error.
//!
//! Invariant: only "landed, at the cursor after the expected one" is a success. A duplicate never is: whether the frame
//! that stands there is ours is settled by its bytes, which the leader reads.

use windlass_sagas::protocol::{AppendError, Cursor};

/// A broker's answer to one append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Stored at this cursor by this very append.
    Landed(Cursor),
    /// Not stored: a message with the same id already stands at this cursor (`duplicate: true`).
    Duplicate(Cursor),
    /// Not stored: the stream's last cursor is another one than was expected (10071).
    WrongExpected {
        /// The stream's last cursor, appends in process included.
        last: Cursor,
    },
    /// A message with the same id is under way; it may still land (10158).
    InProcess,
    /// Not stored by this append, for want of a leader, quorum or space.
    NotStored,
}

/// What an append after `after` comes to, given the broker's answer, or none within the deadline.
///
/// # Errors
/// Everything but an acknowledgement at exactly `after.next()`.
pub fn outcome(after: Cursor, answer: Option<Answer>) -> Result<Cursor, AppendError> {
    match answer {
        Some(Answer::Landed(cursor)) if cursor == after.next() => Ok(cursor),
        Some(Answer::Landed(_) | Answer::Duplicate(_) | Answer::WrongExpected { .. }) => {
            Err(AppendError::Fenced)
        }
        Some(Answer::InProcess) | None => Err(AppendError::Unknown),
        Some(Answer::NotStored) => Err(AppendError::Unavailable),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_acknowledgement_at_the_next_cursor_is_a_success() {
        let after = Cursor(4);
        assert_eq!(outcome(after, Some(Answer::Landed(Cursor(5)))), Ok(Cursor(5)));
        assert_eq!(outcome(after, Some(Answer::Landed(Cursor(6)))), Err(AppendError::Fenced));
        assert_eq!(outcome(after, Some(Answer::Duplicate(Cursor(5)))), Err(AppendError::Fenced));
        assert_eq!(outcome(after, Some(Answer::InProcess)), Err(AppendError::Unknown));
        assert_eq!(outcome(after, None), Err(AppendError::Unknown));
    }
}
