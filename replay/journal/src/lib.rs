//! Reading and appending a cell's journal: one contract, several implementations, one suite that all of them pass.
//!
//! Invariant: frames stand at dense cursors from 1; an acknowledged frame is there, at that cursor, with those bytes;
//! an append lands only if it names the journal's last cursor. A journal never advances a cursor by itself: one comes
//! only with a frame that the caller has read or whose acknowledgement it has, or the fence would be gone.
//! A frame is opaque bytes here: nothing in this crate may look inside one.

use std::sync::Arc;

mod answer;
#[cfg(any(test, feature = "contract"))]
pub mod contract;
pub mod embedded;
mod error;
mod frame;
pub mod jetstream;
pub mod limits;
pub mod memory;
mod part;

pub use answer::{Answer, outcome};
pub use embedded::Embedded;
pub use error::{Damage, ReadError};
pub use frame::{Frame, FrameError, FrameId};
pub use jetstream::JetStream;
pub use memory::Memory;
pub use part::{Gap, Part};
pub use windlass_sagas::protocol::{AppendError, Cursor};

/// The one way to make a frame durable. `&mut self` keeps it to one append in flight: that is what makes the cursor a fence.
pub trait Append: Send {
    /// Appends `frame` iff `after` is the journal's last cursor; the acknowledgement is always `after.next()`, durable.
    ///
    /// Whether a frame that was not acknowledged landed is settled only by reading the bytes at `after.next()`: the
    /// journal never calls a duplicate a success. Dropping the future is the same as [`AppendError::Unknown`].
    ///
    /// The same bytes at a second place are not promised to land (a broker may take them for a repetition); a frame
    /// that chains to its predecessor is never the same twice.
    ///
    /// # Errors
    /// [`AppendError::Fenced`]: another frame stands at the place, or this one already does. [`AppendError::Unknown`]: it
    /// may land later. [`AppendError::Unavailable`]: *this* sending did not and will not land; an earlier one that ended
    /// Unknown still may.
    fn append(
        &mut self,
        after: Cursor,
        frame: Frame,
    ) -> impl Future<Output = Result<Cursor, AppendError>> + Send;
}

/// Reading a journal, from any cursor, while others append.
pub trait Read: Send + Sync {
    /// The frames behind `after`, in order and dense: at most `frames_max` (bounded by [`limits::READ_FRAMES_MAX`]) and
    /// about [`limits::READ_BYTES_MAX`] bytes, but at least one if there is one. Empty only at the journal's end.
    ///
    /// # Errors
    /// [`ReadError::Damaged`] with the first cursor that can't be given, also when the journal ends before `after`: the
    /// caller has seen frames there, so a tail is gone. Frames before the damage are given first. [`ReadError::Unavailable`].
    fn read(
        &self,
        after: Cursor,
        frames_max: usize,
    ) -> impl Future<Output = Result<Vec<(Cursor, Frame)>, ReadError>> + Send;

    /// The cursor of the journal's last frame, [`Cursor::START`] if it has none.
    ///
    /// # Errors
    /// As [`Read::read`].
    fn last(&self) -> impl Future<Output = Result<Cursor, ReadError>> + Send;

    /// Resolves once a frame behind `after` exists: the tail of a follower. It has no deadline of its own.
    ///
    /// # Errors
    /// As [`Read::read`]; a journal that can't be read now ends the wait.
    fn wait(&self, after: Cursor) -> impl Future<Output = Result<(), ReadError>> + Send;

    /// What this copy says of itself where it may not hold the whole journal; `None`: it is the journal.
    fn part(&self) -> Option<&dyn Part> {
        None
    }
}

/// A journal that several readers share.
impl<R: Read> Read for Arc<R> {
    async fn read(&self, after: Cursor, frames_max: usize) -> Result<Vec<(Cursor, Frame)>, ReadError> {
        R::read(self, after, frames_max).await
    }

    async fn last(&self) -> Result<Cursor, ReadError> {
        R::last(self).await
    }

    async fn wait(&self, after: Cursor) -> Result<(), ReadError> {
        R::wait(self, after).await
    }

    fn part(&self) -> Option<&dyn Part> {
        R::part(self)
    }
}
