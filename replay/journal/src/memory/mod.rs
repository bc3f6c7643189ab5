//! The journal in memory, for simulation and tests: connections to one simulated broker, with faults by script.
//!
//! Invariant: it adds nothing to what the broker says, above all no success. The broker itself is pure and is driven
//! directly by the simulator; no lock on it is ever held over an await.

mod broker;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use tokio::sync::watch;
use windlass_sagas::protocol::{AppendError, Cursor};

use crate::answer::{Answer, outcome};
use crate::error::{ReadError, check_not_shorter};
use crate::frame::Frame;
use crate::{Append, Read};
pub use broker::{Broker, Health, Replicas, Settings, Submission, Sync};

/// One connection to a simulated broker: its own script of faults, its own appends under way.
#[derive(Debug)]
pub struct Memory {
    shared: Arc<Shared>,
    script: VecDeque<Fault>,
    late: VecDeque<Submission>,
}

/// What happens to one append between this connection and the broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing: request and answer arrive.
    Pass,
    /// The request never arrives. The appender sees [`AppendError::Unknown`].
    LostRequest,
    /// The request arrives, the answer does not: [`AppendError::Unknown`], and it may have landed.
    LostAnswer,
    /// The request arrives only at [`Memory::deliver_late`]: [`AppendError::Unknown`] now, and it may land then.
    Late,
    /// Nobody answers for the stream: [`AppendError::Unavailable`].
    Leaderless,
    /// The broker has no space for it: [`AppendError::Unavailable`].
    DiskFull,
}

#[derive(Debug)]
struct Shared {
    broker: Mutex<Broker>,
    /// Moves whenever someone had the broker in hand, for those who wait.
    touched: watch::Sender<u64>,
}

impl Memory {
    /// A new broker and the first connection to it.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        let broker = Mutex::new(Broker::new(settings));
        let shared = Arc::new(Shared { broker, touched: watch::Sender::new(0) });
        Self { shared, script: VecDeque::new(), late: VecDeque::new() }
    }

    /// Another connection to the same broker, without faults.
    #[must_use]
    pub fn connect(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), script: VecDeque::new(), late: VecDeque::new() }
    }

    /// The next appends of this connection meet these faults, one each, after those already in the script; once it is
    /// used up they meet none.
    pub fn script(&mut self, faults: impl IntoIterator<Item = Fault>) {
        self.script.extend(faults);
    }

    /// Delivers every request that a [`Fault::Late`] holds back, in the order of sending. Their answers reach nobody but
    /// the test that asks here.
    pub fn deliver_late(&mut self) -> Vec<Answer> {
        let late = std::mem::take(&mut self.late);
        self.with(|broker| late.into_iter().map(|submission| broker.submit(submission)).collect())
    }

    /// Runs `f` on the broker, for faults and looks from outside; those who wait look again afterwards.
    pub fn with<R>(&self, f: impl FnOnce(&mut Broker) -> R) -> R {
        let result = f(&mut self.shared.broker.lock().expect("no code panics while it holds the broker"));
        self.shared.touched.send_modify(|touches| *touches = touches.wrapping_add(1));
        result
    }

    fn look<R>(&self, f: impl FnOnce(&Broker) -> R) -> R {
        f(&self.shared.broker.lock().expect("no code panics while it holds the broker"))
    }

    /// The broker's answer to one append, or none that arrives.
    fn send(&mut self, submission: Submission) -> Option<Answer> {
        match self.script.pop_front().unwrap_or(Fault::Pass) {
            Fault::Pass => Some(self.with(|broker| broker.submit(submission))),
            Fault::LostRequest => None,
            Fault::LostAnswer => {
                self.with(|broker| broker.submit(submission));
                None
            }
            Fault::Late => {
                self.late.push_back(submission);
                None
            }
            Fault::Leaderless | Fault::DiskFull => Some(Answer::NotStored),
        }
    }
}

impl Append for Memory {
    async fn append(&mut self, after: Cursor, frame: Frame) -> Result<Cursor, AppendError> {
        outcome(after, self.send(Submission { after, frame }))
    }
}

impl Read for Memory {
    async fn read(&self, after: Cursor, frames_max: usize) -> Result<Vec<(Cursor, Frame)>, ReadError> {
        self.look(|broker| broker.frames_after(after, frames_max))
    }

    async fn last(&self) -> Result<Cursor, ReadError> {
        self.look(last)
    }

    async fn wait(&self, after: Cursor) -> Result<(), ReadError> {
        let mut touched = self.shared.touched.subscribe();
        loop {
            let last = self.look(last)?;
            check_not_shorter(last, after)?;
            if last > after {
                return Ok(());
            }
            touched.changed().await.expect("the sender lives as long as this connection");
        }
    }
}

fn last(broker: &Broker) -> Result<Cursor, ReadError> {
    match broker.health() {
        Health::Serving | Health::Full => Ok(broker.last()),
        Health::Leaderless => Err(ReadError::unavailable("no leader answers for the stream")),
    }
}
