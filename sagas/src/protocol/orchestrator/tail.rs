//! How far the journal has been read: the number of the read that counts, whether it came to the journal's end, and
//! whether it showed the frame that the fold ends in.
//!
//! Only an end that was looked up after the question was asked says anything: a node never campaigns on an older one,
//! nor on a fold whose last frame it has not seen again since.

use super::super::Cursor;
use super::message::Output;
use crate::ids::Time;
use crate::limits::{APPEND_RESEND_MS, FOLLOWER_PROOF_MS};

/// The read that counts.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tail {
    read: u64,
    /// What was known to exist when it was asked for.
    known: Cursor,
    /// When it was asked for.
    asked: Time,
    /// When it was asked for, or last brought something.
    touched: Time,
    /// The end that it found.
    end: Option<Cursor>,
    /// Whether everything up to that end is in the fold.
    pub(super) reached: bool,
    /// Whether something came up since it was asked for, so that its end says too little.
    stale: bool,
    /// Whether it has yet to show the frame that the fold ends in.
    unproven: bool,
    /// When the journal last showed that the fold is its own.
    proved: Time,
    /// When the first of the ends in a row that lay before what is known to exist was asked for.
    short: Option<Time>,
}

/// What an end says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Of an older read.
    Old,
    /// The journal ends here.
    At,
    /// It ends before what is known to exist: that may be a server that lags, so it is asked again.
    Short,
    /// The same, by a read that was asked for a pause later: frames are gone.
    Lost,
}

impl Tail {
    /// Asks for everything behind `from`; `known`: the last frame that is known to exist.
    pub(super) fn ask(&mut self, from: Cursor, known: Cursor, now: Time) -> Output {
        if known > self.known {
            // The journal has grown since: what was short before was a server that lagged.
            self.short = None;
        }
        self.read += 1;
        self.known = known;
        (self.asked, self.touched) = (now, now);
        self.end = None;
        self.reached = false;
        self.stale = false;
        self.unproven = false;
        Output::ReadAfter { cursor: from, read: self.read }
    }

    /// Asks for everything from the frame at `last` on, which must be the one that the fold ends in.
    pub(super) fn prove(&mut self, last: Cursor, known: Cursor, now: Time) -> Output {
        let asked = self.ask(Cursor(last.0.saturating_sub(1)), known, now);
        // Before the first frame there is nothing to show.
        self.unproven = last != Cursor::START;
        self.proved = if self.unproven { self.proved } else { now };
        asked
    }

    /// Whether the frame that the fold ends in is yet to be shown.
    pub(super) const fn is_unproven(&self) -> bool {
        self.unproven
    }

    /// The journal has shown that the fold is its own.
    pub(super) const fn proved(&mut self, now: Time) {
        self.unproven = false;
        self.proved = now;
    }

    #[cfg(test)]
    pub(super) const fn read(&self) -> u64 {
        self.read
    }

    /// A frame continued the fold's chain, which shows as much.
    pub(super) const fn followed(&mut self, now: Time) {
        self.proved = now;
    }

    /// The fold is at `cursor` now.
    pub(super) fn progressed(&mut self, cursor: Cursor, now: Time) {
        self.touched = now;
        let told = !self.stale && !self.unproven;
        self.reached |= told && self.end.is_some_and(|end| cursor >= end);
    }

    /// An end that was asked for before now says too little.
    pub(super) const fn doubt(&mut self) {
        self.stale = true;
        self.reached = false;
    }

    pub(super) const fn is_stale(&self) -> bool {
        self.stale
    }

    /// What the end of a read says. Two short ones count only a pause apart: a leader and a candidate ask again as soon
    /// as an append stays unanswered, and one server that lags would tell them the same twice.
    pub(super) fn ended(&mut self, end: Cursor, read: u64) -> End {
        if read != self.read {
            return End::Old;
        }
        if end < self.known {
            let first = *self.short.get_or_insert(self.asked);
            let again = self.asked >= first.plus_ms(APPEND_RESEND_MS);
            return if again { End::Lost } else { End::Short };
        }
        self.short = None;
        self.end = Some(end);
        End::At
    }

    /// The end that was found, where frames before it are missing.
    pub(super) fn missing(&self, have: Cursor) -> Option<Cursor> {
        self.end.filter(|end| !self.reached && *end > have)
    }

    /// When it is asked again: soon where the end is not reached, and else for another proof.
    pub(super) const fn due_at(&self) -> Time {
        if self.reached {
            self.proved.plus_ms(FOLLOWER_PROOF_MS)
        } else {
            self.touched.plus_ms(APPEND_RESEND_MS)
        }
    }

    /// Forgets what was found: the fold is another.
    pub(super) const fn forget(&mut self) {
        self.read += 1;
        self.known = Cursor::START;
        self.end = None;
        self.reached = false;
        self.short = None;
    }
}
