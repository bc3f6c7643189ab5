//! How far the journal has been read: the number of the read that counts, and whether it came to the journal's end.
//!
//! Only an end that was looked up after the question was asked says anything: a node never campaigns on an older one.

use super::super::Cursor;
use super::message::Output;
use crate::ids::Time;
use crate::limits::APPEND_RESEND_MS;

/// The read that counts.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tail {
    read: u64,
    /// What was known to exist when it was asked for.
    known: Cursor,
    /// When it was asked for, or last brought something.
    touched: Time,
    /// The end that it found.
    end: Option<Cursor>,
    /// Whether everything up to that end is in the fold.
    pub(super) reached: bool,
    /// Whether something came up since it was asked for, so that its end says too little.
    stale: bool,
    /// How many ends in a row lay before what is known to exist.
    short: u8,
}

/// What an end says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Of an older read.
    Old,
    /// The journal ends here.
    At,
    /// It ends before what is known to exist: once may be a server that lags, so it is asked again.
    Short,
    /// The same, again: frames are gone.
    Lost,
}

impl Tail {
    /// Asks for everything behind `from`; `known`: the last frame that is known to exist.
    pub(super) const fn ask(&mut self, from: Cursor, known: Cursor, now: Time) -> Output {
        self.read += 1;
        self.known = known;
        self.touched = now;
        self.end = None;
        self.reached = false;
        self.stale = false;
        Output::ReadAfter { cursor: from, read: self.read }
    }

    #[cfg(test)]
    pub(super) const fn read(&self) -> u64 {
        self.read
    }

    /// The fold is at `cursor` now.
    pub(super) fn progressed(&mut self, cursor: Cursor, now: Time) {
        self.touched = now;
        self.reached |= !self.stale && self.end.is_some_and(|end| cursor >= end);
    }

    /// An end that was asked for before now says too little.
    pub(super) const fn doubt(&mut self) {
        self.stale = true;
        self.reached = false;
    }

    pub(super) const fn is_stale(&self) -> bool {
        self.stale
    }

    pub(super) const fn ended(&mut self, end: Cursor, read: u64) -> End {
        if read != self.read {
            return End::Old;
        }
        if end.0 < self.known.0 {
            self.short += 1;
            return if self.short > 1 { End::Lost } else { End::Short };
        }
        self.short = 0;
        self.end = Some(end);
        End::At
    }

    /// The end that was found, where frames before it are missing.
    pub(super) fn missing(&self, have: Cursor) -> Option<Cursor> {
        self.end.filter(|end| !self.reached && *end > have)
    }

    /// When it is asked again.
    pub(super) const fn due_at(&self) -> Time {
        self.touched.plus_ms(APPEND_RESEND_MS)
    }

    /// Forgets what was found: the fold is another.
    pub(super) const fn forget(&mut self) {
        self.read += 1;
        self.end = None;
        self.reached = false;
        self.short = 0;
    }
}
