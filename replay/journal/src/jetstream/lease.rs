//! The lease on leading a cell: one message that goes by itself when it isn't renewed. It says who should try to lead,
//! and never proves anything; safety rests on the journal's fence alone.
//!
//! Invariant: who holds it knows it as held only up to the time at which, by its own clock, it may be gone at the broker.

use std::time::Duration;

use async_nats::jetstream::context::PublishErrorKind;
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::stream::{Config, Stream};
use async_nats::jetstream::{Context, stream::StorageType};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::{ANSWER_TIME_MAX, Connection, OpenError, publish};

/// How long the broker keeps a lease that nobody renews.
pub(super) const LEASE: Duration = Duration::from_secs(3);
/// The pause between two renewals, and between two tries to get it.
const RENEW_PAUSE: Duration = Duration::from_millis(500);

/// What is told of the lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaseTold {
    /// We hold it from now on.
    Granted,
    /// We no longer do, or can't know it any more.
    Lost,
    /// It was renewed, by a renewal that began after this number was asked for.
    Renewed(u64),
}

/// The lease of one cell, as one process tries to hold it.
#[derive(Debug)]
pub struct Lease {
    context: Context,
    stream: Stream,
    /// What the stream is made with. It is in memory: a server that starts anew has none of it.
    config: Config,
    subject: String,
    holder: String,
    /// The sequence of our message, while we hold it.
    held: Option<u64>,
    /// Until when it can't be gone at the broker.
    until: Instant,
}

/// The stream that holds the lease of a cell.
pub(super) fn stream_name(cell: &str) -> String {
    format!("WINDLASS_{cell}_LEASE")
}

enum Answer {
    Ours(u64),
    Anothers,
    None,
}

impl Lease {
    /// The lease of the connection's cell, for `holder`; not held yet.
    ///
    /// # Errors
    /// Where its stream can't be found or made.
    pub async fn open(connection: &Connection, holder: String) -> Result<Self, OpenError> {
        let Connection { context, cell, replicas, .. } = connection;
        let (name, subject) = (stream_name(cell), format!("windlass.{cell}.lease"));
        let config = Config {
            name: name.clone(),
            subjects: vec![subject.clone()],
            description: Some("who should lead a Windlass cell; goes by itself".to_owned()),
            max_messages_per_subject: 1,
            max_age: LEASE,
            duplicate_window: LEASE,
            storage: StorageType::Memory,
            num_replicas: (*replicas).max(1),
            ..Config::default()
        };
        let made = context.get_or_create_stream(config.clone()).await;
        let stream = made.map_err(|error| OpenError::Stream { stream: name, reason: error.to_string() })?;
        let (context, until) = (context.clone(), Instant::now());
        Ok(Self { context, stream, config, subject, holder, held: None, until })
    }

    /// Tries to hold it until told to stop, and then lets go of it. `asked`: the number of the last renewal that is
    /// wanted at once.
    pub async fn keep(
        mut self,
        mut asked: watch::Receiver<u64>,
        told: mpsc::Sender<LeaseTold>,
        stop: CancellationToken,
    ) {
        let mut next = Instant::now();
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                changed = asked.changed() => if changed.is_err() { break },
                () = sleep_until(next) => {}
            }
            let began = Instant::now();
            next = began + RENEW_PAUSE;
            let number = *asked.borrow_and_update();
            let words = self.renew(began, number).await;
            for word in words.into_iter().flatten() {
                if told.send(word).await.is_err() {
                    return;
                }
            }
        }
        self.let_go().await;
    }

    /// One renewal, or one try to get it; what is to be told of it.
    async fn renew(&mut self, began: Instant, asked: u64) -> [Option<LeaseTold>; 2] {
        let (held, answer) = (self.held.is_some(), self.write().await);
        match answer {
            Answer::Ours(sequence) => {
                self.held = Some(sequence);
                self.until = began + LEASE;
                [(!held).then_some(LeaseTold::Granted), Some(LeaseTold::Renewed(asked))]
            }
            // A renewal whose answer was lost may have been taken: then the next one goes on from it.
            Answer::Anothers => {
                self.held = self.ours().await.filter(|_| held && Instant::now() < self.until);
                [(held && self.held.is_none()).then_some(LeaseTold::Lost), None]
            }
            Answer::None if Instant::now() >= self.until => {
                self.held = None;
                [held.then_some(LeaseTold::Lost), None]
            }
            Answer::None => [None, None],
        }
    }

    /// Makes the stream again that a server has lost; who holds the lease then is settled on it.
    async fn make_again(&mut self) {
        let made = timeout(ANSWER_TIME_MAX, self.context.get_or_create_stream(self.config.clone())).await;
        if let Ok(Ok(stream)) = made {
            tracing::warn!(
                stream = self.config.name,
                "the broker had lost the lease's stream; it is made again"
            );
            self.stream = stream;
        }
    }

    async fn write(&mut self) -> Answer {
        let message = PublishMessage::build()
            .expected_last_subject_sequence(self.held.unwrap_or(0))
            .payload(self.holder.clone().into_bytes().into());
        match publish(&self.context, &self.subject, message).await {
            Some(Ok(ack)) => Answer::Ours(ack.sequence),
            Some(Err(error)) if error.kind() == PublishErrorKind::WrongLastSequence => Answer::Anothers,
            Some(Err(error)) if error.kind() == PublishErrorKind::StreamNotFound => {
                self.make_again().await;
                Answer::None
            }
            Some(Err(_)) | None => Answer::None,
        }
    }

    /// The sequence of the lease that is there, if it is ours.
    async fn ours(&self) -> Option<u64> {
        let found = self.stream.get_last_raw_message_by_subject(&self.subject).await.ok()?;
        (found.payload == self.holder.as_bytes()).then_some(found.sequence)
    }

    /// So that the next one need not wait for it to go. Its loss is no harm.
    async fn let_go(self) {
        if let Some(sequence) = self.held
            && let Ok(Err(error)) = timeout(ANSWER_TIME_MAX, self.stream.delete_message(sequence)).await
        {
            tracing::debug!(%error, "the lease was not let go of; it goes by itself");
        }
    }
}
