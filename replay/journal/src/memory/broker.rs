//! A JetStream stream with one subject, as a pure state machine: what it answers to odd appends, what it keeps, what it
//! loses. No clock, thread, randomness or async; the same calls give the same answers on every machine.
//!
//! Invariant: frames stand at dense cursors from 1; only the faults that are named so (`power_cut` of what was not
//! synced, `lose_tail`, `rewrite`, `damage`) ever change or remove one that was acknowledged.

use std::collections::BTreeMap;

use crate::answer::Answer;
use crate::error::{Damage, ReadError, check_not_shorter};
use crate::frame::{Frame, FrameId};
use crate::limits::{DUPLICATE_WINDOW_MS, READ_BYTES_MAX, READ_FRAMES_MAX};
use windlass_sagas::protocol::Cursor;

/// The simulated broker. Its message id is the frame's SHA-256, as in production.
#[derive(Clone, Debug)]
pub struct Broker {
    settings: Settings,
    health: Health,
    now_ms: u64,
    stored: Vec<Stored>,
    /// How many of `stored` a power cut can't take.
    synced: usize,
    /// Proposed and not yet committed, in order; only three replicas have any.
    in_process: Vec<Submission>,
    /// The last place of each id that is stored, and since when; looked at through the duplicate window.
    ids: BTreeMap<FrameId, (Cursor, u64)>,
}

/// How the stream is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How many servers hold it.
    pub replicas: Replicas,
    /// When it reaches the disk.
    pub sync: Sync,
    /// How long a message id is remembered, milliseconds of [`Broker::advance_to`].
    pub duplicate_window_ms: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self { replicas: Replicas::Three, sync: Sync::Always, duplicate_window_ms: DUPLICATE_WINDOW_MS }
    }
}

/// The number of replicas. It decides whether id or expectation is checked first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replicas {
    /// One server: the expected cursor is checked before the id.
    One,
    /// Three servers: the id is checked before the expected cursor.
    Three,
}

/// Whether an acknowledgement means that the frame is on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sync {
    /// Synced before it is acknowledged.
    Always,
    /// Acknowledged first; synced by [`Broker::sync`].
    Later,
}

/// What the stream can do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// Reads and appends.
    Serving,
    /// Reads only: no space for a message.
    Full,
    /// Neither: no leader or no quorum answers.
    Leaderless,
}

/// One append as it arrives at the broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Submission {
    /// The expected last cursor.
    pub after: Cursor,
    /// The message; its id is the frame's.
    pub frame: Frame,
}

#[derive(Clone, Debug)]
struct Stored {
    frame: Frame,
    at_ms: u64,
    damaged: bool,
}

impl Broker {
    /// An empty stream.
    #[must_use]
    pub const fn new(settings: Settings) -> Self {
        Self {
            settings,
            health: Health::Serving,
            now_ms: 0,
            stored: Vec::new(),
            synced: 0,
            in_process: Vec::new(),
            ids: BTreeMap::new(),
        }
    }

    /// An append arrives and is decided at once. If it is taken, all that was in process lands before it: they share one
    /// log. If it is refused, nothing else moves.
    pub fn submit(&mut self, submission: Submission) -> Answer {
        match self.begin(submission) {
            Some(answer) => answer,
            None => {
                self.settle();
                Answer::Landed(self.last())
            }
        }
    }

    /// An append arrives. `None`: three replicas took it into process and answer when [`Broker::settle`] lands it; until
    /// then it may still be lost ([`Broker::drop_in_process`]). One replica always answers at once.
    pub fn begin(&mut self, submission: Submission) -> Option<Answer> {
        if self.health != Health::Serving {
            return Some(Answer::NotStored);
        }
        let refused = match self.settings.replicas {
            Replicas::One => self.check_expected(&submission).or_else(|| self.check_id(&submission)),
            Replicas::Three => self.check_id(&submission).or_else(|| self.check_expected(&submission)),
        };
        if refused.is_some() {
            return refused;
        }
        self.in_process.push(submission);
        match self.settings.replicas {
            Replicas::One => {
                self.settle();
                Some(Answer::Landed(self.last()))
            }
            Replicas::Three => None,
        }
    }

    /// Lands all that is in process, in order, and gives their cursors.
    pub fn settle(&mut self) -> Vec<Cursor> {
        let landing = std::mem::take(&mut self.in_process);
        landing.into_iter().map(|submission| self.land(submission.frame)).collect()
    }

    /// Forgets all that is in process, as when the stream's leader goes before a quorum has it; gives their number.
    pub fn drop_in_process(&mut self) -> usize {
        std::mem::take(&mut self.in_process).len()
    }

    /// The cursor of the last frame.
    #[must_use]
    pub fn last(&self) -> Cursor {
        cursor_of(self.stored.len())
    }

    /// The cursor of the last frame that a power cut can't take.
    #[must_use]
    pub fn synced(&self) -> Cursor {
        cursor_of(self.synced)
    }

    /// The frames behind `after`, as [`crate::Read::read`] gives them.
    ///
    /// # Errors
    /// As there; [`ReadError::Unavailable`] while no leader answers.
    pub fn frames_after(&self, after: Cursor, frames_max: usize) -> Result<Vec<(Cursor, Frame)>, ReadError> {
        if self.health == Health::Leaderless {
            return Err(ReadError::unavailable("no leader answers for the stream"));
        }
        check_not_shorter(self.last(), after)?;
        let mut frames = Vec::new();
        let mut bytes = 0;
        let mut cursor = after;
        for stored in self.stored.iter().skip(index_of(after)).take(frames_max.min(READ_FRAMES_MAX)) {
            cursor = cursor.next();
            if stored.damaged {
                let damage = ReadError::Damaged { cursor, what: Damage::Altered };
                return if frames.is_empty() { Err(damage) } else { Ok(frames) };
            }
            bytes += stored.frame.bytes().len();
            frames.push((cursor, stored.frame.clone()));
            if bytes >= READ_BYTES_MAX {
                break;
            }
        }
        Ok(frames)
    }

    /// Makes every stored frame durable.
    pub fn sync(&mut self) {
        self.synced = self.stored.len();
    }

    /// Moves the broker's clock forward to `now_ms`, by which ids leave the duplicate window; never backwards.
    pub fn advance_to(&mut self, now_ms: u64) {
        self.now_ms = self.now_ms.max(now_ms);
    }

    /// What the stream can do now.
    #[must_use]
    pub const fn health(&self) -> Health {
        self.health
    }

    /// Sets what the stream can do from now on.
    pub const fn set_health(&mut self, health: Health) {
        self.health = health;
    }

    /// Fault: all servers lose power. What was not synced and what was in process is gone; gives the number of
    /// *stored* frames that went.
    pub fn power_cut(&mut self) -> usize {
        self.in_process.clear();
        let lost = self.stored.len().saturating_sub(self.synced);
        self.truncate(self.synced);
        lost
    }

    /// Fault: the last `frames` frames are gone, synced and acknowledged or not; gives the number that went.
    pub fn lose_tail(&mut self, frames: usize) -> usize {
        let kept = self.stored.len().saturating_sub(frames);
        let lost = self.stored.len().saturating_sub(kept);
        self.truncate(kept);
        lost
    }

    /// Fault: other bytes stand at `cursor`. False if no frame stands there.
    pub fn rewrite(&mut self, cursor: Cursor, frame: Frame) -> bool {
        let found = self.stored_mut(cursor).map(|stored| stored.frame = frame).is_some();
        self.remember();
        found
    }

    /// Fault: the frame at `cursor` can't be read any more. False if no frame stands there.
    pub fn damage(&mut self, cursor: Cursor) -> bool {
        self.stored_mut(cursor).map(|stored| stored.damaged = true).is_some()
    }

    fn check_id(&self, submission: &Submission) -> Option<Answer> {
        let id = submission.frame.id();
        if self.in_process.iter().any(|other| other.frame.id() == id) {
            return Some(Answer::InProcess);
        }
        let (cursor, at_ms) = self.ids.get(&id).copied()?;
        let remembered = self.now_ms.saturating_sub(at_ms) < self.settings.duplicate_window_ms;
        remembered.then_some(Answer::Duplicate(cursor))
    }

    fn check_expected(&self, submission: &Submission) -> Option<Answer> {
        let last = cursor_of(self.stored.len() + self.in_process.len());
        (submission.after != last).then_some(Answer::WrongExpected { last })
    }

    fn land(&mut self, frame: Frame) -> Cursor {
        let id = frame.id();
        self.stored.push(Stored { frame, at_ms: self.now_ms, damaged: false });
        if self.settings.sync == Sync::Always {
            self.sync();
        }
        let cursor = self.last();
        self.ids.insert(id, (cursor, self.now_ms));
        cursor
    }

    fn truncate(&mut self, kept: usize) {
        self.stored.truncate(kept);
        self.synced = self.synced.min(kept);
        self.remember();
    }

    /// Rebuilds the ids from what is stored, as a server does at its start.
    fn remember(&mut self) {
        let places = self.stored.iter().enumerate();
        self.ids =
            places.map(|(index, stored)| (stored.frame.id(), (cursor_of(index + 1), stored.at_ms))).collect();
    }

    fn stored_mut(&mut self, cursor: Cursor) -> Option<&mut Stored> {
        self.stored.get_mut(index_of(cursor).checked_sub(1)?)
    }
}

fn cursor_of(count: usize) -> Cursor {
    Cursor(u64::try_from(count).expect("a count of frames in memory fits 64 bits"))
}

/// The number of frames up to and with `cursor`; past what memory can hold it is simply past the end.
fn index_of(cursor: Cursor) -> usize {
    usize::try_from(cursor.0).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(byte: u8) -> Frame {
        Frame::new(vec![byte; 3]).unwrap()
    }

    fn submit(broker: &mut Broker, after: u64, byte: u8) -> Answer {
        broker.submit(Submission { after: Cursor(after), frame: frame(byte) })
    }

    fn broker(replicas: Replicas, sync: Sync) -> Broker {
        Broker::new(Settings { replicas, sync, duplicate_window_ms: 1_000 })
    }

    #[test]
    fn a_power_cut_takes_exactly_what_was_not_synced() {
        let mut later = broker(Replicas::Three, Sync::Later);
        submit(&mut later, 0, 1);
        later.sync();
        submit(&mut later, 1, 2);
        assert_eq!(later.begin(Submission { after: Cursor(2), frame: frame(3) }), None);
        assert_eq!(later.power_cut(), 1);
        assert_eq!(later.last(), Cursor(1));
        // The lost frame's id went with it: the same bytes land again, at the same cursor.
        assert_eq!(submit(&mut later, 1, 2), Answer::Landed(Cursor(2)));

        let mut always = broker(Replicas::One, Sync::Always);
        submit(&mut always, 0, 1);
        assert_eq!(always.power_cut(), 0);
        assert_eq!(always.last(), Cursor(1));
    }

    #[test]
    fn an_id_is_forgotten_when_its_window_has_passed() {
        let mut broker = broker(Replicas::Three, Sync::Always);
        submit(&mut broker, 0, 1);
        broker.advance_to(999);
        assert_eq!(submit(&mut broker, 0, 1), Answer::Duplicate(Cursor(1)));
        broker.advance_to(1_000);
        assert_eq!(submit(&mut broker, 0, 1), Answer::WrongExpected { last: Cursor(1) });
        assert_eq!(submit(&mut broker, 1, 1), Answer::Landed(Cursor(2)));
    }

    #[test]
    fn what_is_in_process_lands_in_order_or_never() {
        let mut broker = broker(Replicas::Three, Sync::Always);
        assert_eq!(broker.begin(Submission { after: Cursor(0), frame: frame(1) }), None);
        assert_eq!(broker.last(), Cursor(0));
        assert_eq!(submit(&mut broker, 1, 2), Answer::Landed(Cursor(2)));
        assert_eq!(broker.frames_after(Cursor(0), 9).unwrap()[0], (Cursor(1), frame(1)));

        assert_eq!(broker.begin(Submission { after: Cursor(2), frame: frame(3) }), None);
        assert_eq!(broker.drop_in_process(), 1);
        assert_eq!(submit(&mut broker, 2, 4), Answer::Landed(Cursor(3)));
    }

    #[test]
    fn a_lost_rewritten_or_damaged_place_is_named() {
        let mut broker = broker(Replicas::Three, Sync::Always);
        (0..4).for_each(|n| assert!(matches!(submit(&mut broker, n, n as u8), Answer::Landed(_))));
        assert_eq!(broker.lose_tail(1), 1);
        let shorter = ReadError::Damaged { cursor: Cursor(4), what: Damage::Shorter { seen: Cursor(4) } };
        assert_eq!(broker.frames_after(Cursor(4), 1), Err(shorter));
        assert!(broker.rewrite(Cursor(2), frame(9)));
        assert_eq!(broker.frames_after(Cursor(1), 1).unwrap()[0].1, frame(9));
        assert!(broker.damage(Cursor(3)));
        assert_eq!(broker.frames_after(Cursor(0), 9).unwrap().len(), 2);
        let altered = ReadError::Damaged { cursor: Cursor(3), what: Damage::Altered };
        assert_eq!(broker.frames_after(Cursor(2), 9), Err(altered));
        assert!(!broker.rewrite(Cursor(9), frame(1)) && !broker.damage(Cursor(0)));
    }

    #[test]
    fn health_gates_appends_and_reads() {
        let mut broker = broker(Replicas::One, Sync::Always);
        submit(&mut broker, 0, 1);
        broker.set_health(Health::Full);
        assert_eq!(submit(&mut broker, 1, 2), Answer::NotStored);
        assert_eq!(broker.frames_after(Cursor(0), 9).unwrap().len(), 1);
        broker.set_health(Health::Leaderless);
        assert!(matches!(broker.frames_after(Cursor(0), 9), Err(ReadError::Unavailable { .. })));
        broker.set_health(Health::Serving);
        assert_eq!(submit(&mut broker, 1, 2), Answer::Landed(Cursor(2)));
    }
}
