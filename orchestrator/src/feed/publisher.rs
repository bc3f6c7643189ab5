//! The publisher: while this orchestrator leads, it follows what is durable and sends it to the feed. It moves messages;
//! which there are and what they say is `event`'s.
//!
//! Invariant: it sends each message for the place of its number, and after every failure it looks where the feed ends
//! before it sends on. So what a deposed one still has on its way can only land where it belongs.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use windlass_sagas::ids::{CellId, Position};

use super::event::{Message, Teller};
use super::{
    COMMITS_AT_ONCE, GATHER_PAUSE, HISTORY_TIME_MAX, LOOK_PAUSE, REST_MAX, RETRY_PAUSE, SHARE, TELL_PAUSE,
    WINDOW_BYTES, WINDOW_MESSAGES,
};
use crate::api::finished::{Finished, Unread};
use crate::lead::handle::Durable;
use crate::metrics;

/// Where messages go.
pub trait Sink: Send + Sync {
    /// Where the feed ends; a stream that is missing is made.
    ///
    /// # Errors
    /// As `SinkError` says, but `Elsewhere`.
    fn end(&self) -> impl Future<Output = Result<End, SinkError>> + Send;

    /// Puts the messages behind the `after`-th; returns once all of them are there. After an error any number of them
    /// may be, or may come yet, each at its own place.
    ///
    /// # Errors
    /// As `SinkError` says.
    fn publish(&self, after: u64, messages: &[Message])
    -> impl Future<Output = Result<(), SinkError>> + Send;
}

/// Where a feed ends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct End {
    /// How many messages it ever had.
    pub number: u64,
    /// The last of them, where it still holds it.
    pub last: Option<Last>,
}

/// The last message of a feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Last {
    /// The position of its event's commit.
    pub position: Position,
    /// Its place there.
    pub ordinal: u32,
    /// Its bytes.
    pub payload: Vec<u8>,
}

/// Why nothing can be published now.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SinkError {
    /// The feed ends elsewhere, or is not there: look at its end.
    #[error("the feed ends elsewhere than it was left")]
    Elsewhere,
    /// Nobody answers; messages may have landed.
    #[error("{0}")]
    Unavailable(String),
    /// What is there is not this feed; it is left alone.
    #[error("the stream holds something else: {0}; delete it, and the feed is made again")]
    Foreign(String),
}

/// Why following broke off.
#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error(transparent)]
    Sink(#[from] SinkError),
    #[error(transparent)]
    Unread(#[from] Unread),
}

/// Where events come from: what is durable, and how far that is.
#[derive(Clone)]
pub struct Source {
    /// The history.
    pub finished: Arc<dyn Finished>,
    /// The last durable position.
    pub reached: watch::Receiver<Position>,
}

/// Publishes one cell's events.
pub struct Publisher<S> {
    /// The cell.
    pub cell: CellId,
    /// Where they come from.
    pub source: Source,
    /// Where they go.
    pub sink: S,
}

impl<S: Sink> Publisher<S> {
    /// Publishes whenever `leads` says so, until told to stop.
    pub async fn run(self, mut leads: watch::Receiver<bool>, stop: CancellationToken) {
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                led = leads.wait_for(|leads| *leads) => if led.is_err() { return },
            }
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                // A deposed leader sends nothing more; what it has on its way belongs where it lands.
                over = leads.wait_for(|leads| !*leads) => if over.is_err() { return },
                () = self.lead() => {}
            }
            metrics::feed_lag(None);
        }
    }

    /// Follows, and goes on after whatever broke that off.
    async fn lead(&self) {
        let mut told: Option<(String, Instant)> = None;
        loop {
            let Err(broken) = self.follow(&mut told).await;
            let why = broken.to_string();
            if !matches!(broken, Broken::Sink(SinkError::Elsewhere)) {
                metrics::feed_failed();
                let again = |(text, at): &(String, Instant)| *text == why && at.elapsed() < TELL_PAUSE;
                if !told.as_ref().is_some_and(again) {
                    tracing::warn!(why, "the feed of events stands still; trying again");
                    told = Some((why, Instant::now()));
                }
            }
            sleep(RETRY_PAUSE).await;
        }
    }

    /// Publishes from where the feed ends. Ends only with what broke it off.
    async fn follow(&self, told: &mut Option<(String, Instant)>) -> Result<std::convert::Infallible, Broken> {
        let end = self.sink.end().await?;
        let mut run = self.resume(&end).await?;
        tracing::info!(event = run.number, position = %run.read, "the feed of events goes on");
        loop {
            self.fill(&mut run).await?;
            self.lag(&run);
            if run.waiting.is_empty() {
                self.idle(&run).await?;
                continue;
            }
            let (begun, reached) = (Instant::now(), *self.source.reached.borrow());
            let (window, after) = (run.window(), run.number);
            // What comes next is read while this is on its way.
            let (published, filled) = tokio::join!(self.sink.publish(after, &window), self.fill(&mut run));
            published?;
            run.number += window.len() as u64;
            filled?;
            metrics::feed_published(window.len());
            if told.take().is_some() {
                tracing::info!(event = run.number, "the feed of events is published again");
            }
            self.rest(&run, begun, reached).await;
        }
    }

    /// Leaves the machine to the cell for a while, if that goes on committing: else the feed catches up as fast as it can.
    async fn rest(&self, run: &Run, begun: Instant, reached: Position) {
        let gather = if run.waiting.is_empty() { GATHER_PAUSE } else { Duration::ZERO };
        let commits = *self.source.reached.borrow() != reached;
        let share = if commits { begun.elapsed() * (SHARE - 1) } else { Duration::ZERO };
        sleep(share.min(REST_MAX).max(gather)).await;
    }

    /// Waits for more. A quiet feed is looked at now and then: it may have been deleted, or its server may have lost
    /// its end.
    async fn idle(&self, run: &Run) -> Result<(), Broken> {
        let mut reached = self.source.reached.clone();
        let more =
            timeout(LOOK_PAUSE, reached.wait_for(|at| *at > run.read)).await.map(|more| more.map(|_| ()));
        match more {
            Ok(more) => more.map_err(|_| Unread("the leader's task has ended".into()).into()),
            Err(_) if self.sink.end().await?.number == run.number => Ok(()),
            Err(_) => Err(SinkError::Elsewhere.into()),
        }
    }

    fn lag(&self, run: &Run) {
        let told = run.waiting.front().map_or(run.read, |next| Position(next.position.0.saturating_sub(1)));
        metrics::feed_lag(Some(self.source.reached.borrow().0.saturating_sub(told.0)));
    }

    /// Where to go on behind this end.
    async fn resume(&self, end: &End) -> Result<Run, Broken> {
        let mut run = Run::begin(self.cell, end.number);
        match &end.last {
            None if end.number == 0 => {}
            None => self.count(&mut run).await?,
            Some(last) => {
                run.read = Position(last.position.0.saturating_sub(1));
                let mut reached = self.source.reached.clone();
                let held = timeout(HISTORY_TIME_MAX, reached.wait_for(|at| *at >= last.position)).await;
                let ahead =
                    || SinkError::Foreign(format!("it is at position {}, the journal is not", last.position));
                held.map_err(|_| ahead())?.map_err(|_| Unread("the leader's task has ended".into()))?;
                self.fill(&mut run).await?;
                let skipped = run
                    .waiting
                    .iter()
                    .position(|message| (message.position, message.ordinal) == (last.position, last.ordinal));
                let Some(at) = skipped else {
                    return Err(SinkError::Foreign(format!(
                        "the journal has no event {}.{}",
                        last.position, last.ordinal
                    ))
                    .into());
                };
                if !same_event(&run.waiting[at].payload, &last.payload) {
                    let what = format!("its event {}.{} is another history's", last.position, last.ordinal);
                    return Err(SinkError::Foreign(what).into());
                }
                run.waiting.drain(..=at);
            }
        }
        Ok(run)
    }

    /// The last message is gone, by age or by somebody's hand: its number says which event it was.
    async fn count(&self, run: &mut Run) -> Result<(), Broken> {
        tracing::info!(event = run.number, "counting events to find the feed's place in the journal");
        let mut left = run.number;
        loop {
            let commits = self.source.finished.commits_after(run.read, COMMITS_AT_ONCE).await?;
            if commits.is_empty() {
                let what = format!("it had {} events, the journal has not", run.number);
                return Err(SinkError::Foreign(what).into());
            }
            for commit in commits {
                let events = commit.events.len() as u64;
                if left < events {
                    self.take(run, &commit).await?;
                    run.waiting.drain(..usize::try_from(left).unwrap_or(0));
                    return Ok(());
                }
                left -= events;
                run.read = commit.header.position;
                if left == 0 {
                    return Ok(());
                }
            }
        }
    }

    /// Reads commits on until a window is full, or no more are durable.
    async fn fill(&self, run: &mut Run) -> Result<(), Broken> {
        while run.waiting.len() < WINDOW_MESSAGES {
            let commits = self.source.finished.commits_after(run.read, COMMITS_AT_ONCE).await?;
            if commits.is_empty() {
                return Ok(());
            }
            for commit in commits {
                self.take(run, &commit).await?;
            }
        }
        Ok(())
    }

    async fn take(&self, run: &mut Run, commit: &Durable) -> Result<(), Broken> {
        let position = commit.header.position;
        if position != run.read.next() {
            return Err(Unread(format!("commit {position} follows {}", run.read)).into());
        }
        for saga in run.teller.unknown(commit) {
            let mut after = Position(0);
            'earlier: loop {
                let commits = self.source.finished.commits_of(saga, after).await?;
                if commits.is_empty() {
                    break;
                }
                for earlier in commits {
                    after = earlier.header.position;
                    if after >= position {
                        break 'earlier;
                    }
                    run.teller.learn(saga, &earlier);
                }
            }
        }
        run.waiting.extend(run.teller.tell(commit));
        run.read = position;
        Ok(())
    }
}

/// Whether two messages of one id tell of one event: what words a build chooses for it is not looked at.
fn same_event(one: &[u8], other: &[u8]) -> bool {
    let told = |bytes: &[u8]| {
        let value: serde_json::Value = serde_json::from_slice(bytes).ok()?;
        let of = |name: &str| value.get(name).and_then(|it| it.as_str()).map(str::to_owned);
        Some((of("source")?, of("time")?, of("type")?))
    };
    told(one).is_some_and(|one| Some(one) == told(other))
}

/// How far a publisher is.
struct Run {
    teller: Teller,
    /// The commits up to here are read.
    read: Position,
    /// The messages of them that are not published.
    waiting: VecDeque<Message>,
    /// How many messages the feed has.
    number: u64,
}

impl Run {
    fn begin(cell: CellId, number: u64) -> Self {
        Self { teller: Teller::new(cell), read: Position(0), waiting: VecDeque::new(), number }
    }

    /// Takes the next messages to send: as many as may be on their way.
    fn window(&mut self) -> Vec<Message> {
        let mut bytes = 0;
        let fits = |message: &&Message| {
            let before = bytes;
            bytes += message.payload.len();
            before < WINDOW_BYTES
        };
        let count = self.waiting.iter().take(WINDOW_MESSAGES).take_while(fits).count();
        self.waiting.drain(..count).collect()
    }
}
