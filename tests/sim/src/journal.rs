//! The broker as the orchestrators meet it: submissions in process, answers owed, who reads from where, and the lease.
//!
//! It adds nothing to what the product's simulated broker says; it only remembers to whom an answer goes.

use windlass_journal::memory::{Broker, Health, Replicas, Settings, Submission, Sync};
use windlass_journal::{Answer, Frame, outcome};
use windlass_sagas::protocol::{AppendError, Cursor};

use crate::agenda::Instant;
use crate::limits::LEASE_MS;
use crate::net::Process;

/// An append that somebody waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Waiting {
    /// Who.
    pub(crate) from: Process,
    /// The number that the machine gave.
    pub(crate) append: u64,
    /// The expected last cursor.
    pub(crate) after: Cursor,
}

/// An answer on its way back.
pub(crate) type Answered = (Waiting, Result<Cursor, AppendError>);

/// The journal's side of the simulation.
#[derive(Clone, Debug)]
pub(crate) struct Journal {
    /// The broker.
    pub(crate) broker: Broker,
    /// What is in process, and whether the broker looked at its expected cursor.
    in_process: Vec<(Waiting, bool)>,
    lease: Option<(Process, Instant)>,
    outage_until: Instant,
}

/// Frames per answer to a reader.
const READ_FRAMES: usize = 64;

impl Journal {
    /// A stream on one or three servers that holds the founding's frame.
    #[must_use]
    pub(crate) fn new(replicas: Replicas, founding: &[u8]) -> Self {
        let settings = Settings { replicas, sync: Sync::Always, ..Settings::default() };
        let mut broker = Broker::new(settings);
        let frame = Frame::new(founding.to_vec()).expect("the founding is within the bounds of a frame");
        let answer = broker.submit(Submission { after: Cursor::START, frame });
        debug_assert_eq!(answer, Answer::Landed(Cursor(1)), "an empty stream takes its first frame");
        Self { broker, in_process: Vec::new(), lease: None, outage_until: Instant::default() }
    }

    /// Nobody answers, or there is no space, until then.
    pub(crate) fn outage(&mut self, health: Health, until: Instant) {
        self.broker.set_health(health);
        self.outage_until = self.outage_until.max(until);
    }

    /// The time moves: an outage may end.
    pub(crate) fn advance(&mut self, now: Instant) {
        self.broker.advance_to(now.ms());
        if now >= self.outage_until {
            self.broker.set_health(Health::Serving);
        }
    }

    /// An append arrives; an unfenced one is taken wherever the stream ends. `Some`: it is answered now; `None`: it is in
    /// process.
    pub(crate) fn submit(&mut self, waiting: Waiting, bytes: &[u8], unfenced: bool) -> Option<Answered> {
        let Ok(frame) = Frame::new(bytes.to_vec()) else {
            return Some((waiting, Err(AppendError::Unavailable)));
        };
        let after = if unfenced { self.broker.last() } else { waiting.after };
        match self.broker.begin(Submission { after, frame }) {
            Some(answer) => Some(answered(waiting, unfenced, answer)),
            None => {
                self.in_process.push((waiting, unfenced));
                None
            }
        }
    }

    /// What is in process lands; not while nobody leads the stream.
    pub(crate) fn settle(&mut self) -> Vec<Answered> {
        if self.broker.health() == Health::Leaderless {
            return Vec::new();
        }
        let cursors = self.broker.settle();
        let waiting = std::mem::take(&mut self.in_process);
        waiting
            .into_iter()
            .zip(cursors)
            .map(|((waiting, unfenced), cursor)| answered(waiting, unfenced, Answer::Landed(cursor)))
            .collect()
    }

    /// The stream's leader goes before a quorum has what is in process: nobody is answered.
    pub(crate) fn lose_in_process(&mut self) {
        self.broker.drop_in_process();
        self.in_process.clear();
    }

    /// Whether something is in process.
    pub(crate) const fn is_busy(&self) -> bool {
        !self.in_process.is_empty()
    }

    /// The frames behind a cursor, for the checkers: whatever the stream answers to others.
    pub(crate) fn peek(&mut self, after: Cursor) -> Vec<(Cursor, Frame)> {
        let health = self.broker.health();
        self.broker.set_health(Health::Serving);
        let frames = self.broker.frames_after(after, READ_FRAMES).unwrap_or_default();
        self.broker.set_health(health);
        frames
    }

    /// The frames behind a cursor; `None`: nobody answers.
    #[must_use]
    pub(crate) fn read(&self, after: Cursor) -> Option<Vec<(Cursor, Frame)>> {
        if after > self.broker.last() {
            // Frames that were seen are gone: the end is the answer.
            return (self.broker.health() != Health::Leaderless).then(Vec::new);
        }
        self.broker.frames_after(after, READ_FRAMES).ok()
    }

    /// Somebody asks for the lease, or to renew it; whether he holds it now. `None`: nobody answers.
    pub(crate) fn lease(&mut self, who: Process, now: Instant) -> Option<bool> {
        if self.broker.health() == Health::Leaderless {
            return None;
        }
        let free = self.lease.is_none_or(|(holder, until)| holder == who || until <= now);
        if free {
            self.lease = Some((who, now.plus_ms(LEASE_MS)));
        }
        Some(free)
    }
}

/// What the sender is told. A broker that did not look at the expected cursor names another one as it is: the machine
/// itself must see that.
fn answered(waiting: Waiting, unfenced: bool, answer: Answer) -> Answered {
    match answer {
        Answer::Landed(cursor) if unfenced => (waiting, Ok(cursor)),
        answer => (waiting, outcome(waiting.after, Some(answer))),
    }
}
