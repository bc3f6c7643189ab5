//! One frame on its way into the journal, from its first sending until it is settled.
//!
//! It has landed when an acknowledgement names exactly the cursor after the expected one, or when the bytes read there
//! are ours; it is lost when other bytes are. Nothing else settles it: neither "fenced" nor "unknown", nor an empty
//! place, which only means that the same bytes are sent again.

use alloc::vec::Vec;

use super::super::{AppendError, Cursor};
use super::message::Output;
use crate::cell::Effect;
use crate::ids::Time;
use crate::limits::APPEND_RESEND_MS;
use crate::planted::{self, Bug};
use crate::record::{Commit, Frame, Tip};

/// A frame that was sent and is not settled.
#[derive(Clone, Debug)]
pub(super) struct Flight {
    /// The number of the append, the same for every sending.
    pub(super) append: u64,
    /// The expected last cursor.
    pub(super) after: Cursor,
    /// The frame's bytes, the same for every sending.
    pub(super) bytes: Vec<u8>,
    /// What is in it.
    pub(super) commits: Vec<Commit>,
    /// What may leave once it is durable.
    pub(super) effects: Vec<Effect>,
    /// The tip behind it.
    pub(super) tip: Tip,
    /// Negative answers up to this number were decided before it was first sent.
    pub(super) covers: u64,
    /// When it was first sent.
    pub(super) since: Time,
    /// When it was last sent, or its place last asked for.
    touched: Time,
    doubt: Doubt,
}

/// What is known of a flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Doubt {
    /// Sent; no answer yet.
    Sent,
    /// Its place is being read.
    Reading,
    /// Nothing is at its place, or nothing was sent: it is sent again after a pause.
    Pausing,
}

/// What an answer or a frame says of a flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is durable.
    Landed,
    /// Another frame has its place.
    Lost,
    /// Its place must be read.
    Read,
    /// Not yet known; time will tell.
    Open,
}

/// What time asks of a flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// Send the same bytes again.
    Resend,
    /// Read its place.
    Read,
    /// Nothing yet.
    Nothing,
}

impl Flight {
    #[expect(clippy::too_many_arguments, reason = "the parts of one frame, put together in two places")]
    pub(super) const fn new(
        append: u64,
        after: Cursor,
        bytes: Vec<u8>,
        commits: Vec<Commit>,
        effects: Vec<Effect>,
        tip: Tip,
        covers: u64,
        now: Time,
    ) -> Self {
        let (since, touched, doubt) = (now, now, Doubt::Sent);
        Self { append, after, bytes, commits, effects, tip, covers, since, touched, doubt }
    }

    /// Sends it, now or again.
    pub(super) fn send(&mut self, now: Time) -> Output {
        self.doubt = Doubt::Sent;
        self.touched = now;
        Output::Append { append: self.append, after: self.after, frame: self.bytes.clone() }
    }

    /// What the answer to a sending says.
    pub(super) fn answered(&mut self, result: Result<Cursor, AppendError>) -> Verdict {
        match result {
            Ok(cursor) if cursor == self.after.next() || planted::on(Bug::AckAnywhere) => Verdict::Landed,
            Ok(_) | Err(AppendError::Fenced | AppendError::Unknown) => Verdict::Read,
            Err(AppendError::Unavailable) => {
                self.doubt = Doubt::Pausing;
                Verdict::Open
            }
        }
    }

    /// What the frame at `cursor` says.
    pub(super) fn compared(&self, cursor: Cursor, bytes: &[u8]) -> Verdict {
        if cursor != self.after.next() {
            Verdict::Open
        } else if bytes == self.bytes || self.taken_for_ours(bytes) {
            Verdict::Landed
        } else {
            Verdict::Lost
        }
    }

    /// The planted bug: the first commit's term and position are taken for proof.
    fn taken_for_ours(&self, bytes: &[u8]) -> bool {
        if !planted::on(Bug::LandedByTermAndPosition) {
            return false;
        }
        let theirs = Frame::decode(bytes).ok();
        let theirs = theirs.and_then(|frame| frame.commits.last().map(|commit| commit.header));
        let ours = self.commits.last().map(|commit| commit.header);
        theirs.zip(ours).is_some_and(|(a, b)| (a.term, a.position) == (b.term, b.position))
    }

    /// Its place is being read.
    pub(super) const fn reading(&mut self, now: Time) {
        self.doubt = Doubt::Reading;
        self.touched = now;
    }

    /// The journal ended before its place when it was read.
    pub(super) const fn not_there(&mut self) {
        self.doubt = Doubt::Pausing;
    }

    /// What to do about it now.
    pub(super) fn due(&self, now: Time) -> Due {
        if now < self.due_at() {
            return Due::Nothing;
        }
        match self.doubt {
            Doubt::Sent | Doubt::Reading => Due::Read,
            Doubt::Pausing => Due::Resend,
        }
    }

    /// When there is something to do about it.
    pub(super) const fn due_at(&self) -> Time {
        self.touched.plus_ms(APPEND_RESEND_MS)
    }
}
