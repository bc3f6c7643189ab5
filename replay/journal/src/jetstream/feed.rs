//! A feed: a stream of messages that are made from a journal, beside it. It moves bytes and keeps them in their places.
//!
//! Invariant: a message lands only at the sequence that it was sent for, which is the number of its event. What lands is
//! therefore the same whoever sends it, and an answer that did not come is settled by a look at the stream's end.

use std::time::Duration;

use async_nats::HeaderMap;
use async_nats::header::{NATS_EXPECTED_LAST_SEQUENCE, NATS_MESSAGE_ID};
use async_nats::jetstream::context::PublishErrorKind;
use async_nats::jetstream::stream::{
    Config, DiscardPolicy, LastRawMessageErrorKind, PersistenceMode, RetentionPolicy, StorageType,
};
use async_nats::jetstream::{Context, stream};
use bytes::Bytes;
use tokio::time::timeout;

use super::stream::{check_name, is_missing};
use super::{ANSWER_TIME_MAX, OpenError, Settings, connect};

/// How long a whole window of messages may take to land.
const WINDOW_TIME_MAX: Duration = Duration::from_secs(5);
/// How long the broker remembers message ids: the expected sequence keeps repeats out, so they only cost it memory.
const DUPLICATE_WINDOW: Duration = Duration::from_secs(2);

/// How a feed's stream is made; one that is there stays as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedPlan {
    /// Its name.
    pub stream: String,
    /// What all of its subjects begin with, without the dot behind it.
    pub prefix: String,
    /// Replicas.
    pub replicas: usize,
    /// How long a message is kept; zero: for ever.
    pub keep: Duration,
}

impl FeedPlan {
    /// The public feed of the cell of this name.
    #[must_use]
    pub fn of_cell(cell: &str, replicas: usize, keep: Duration) -> Self {
        let (stream, prefix) = (format!("WINDLASS_{cell}_EVENTS"), format!("windlass.{cell}.events"));
        Self { stream, prefix, replicas, keep }
    }

    fn config(&self) -> Config {
        Config {
            name: self.stream.clone(),
            subjects: vec![format!("{}.>", self.prefix)],
            description: Some("events of a Windlass cell, made from its journal; may be deleted".to_owned()),
            retention: RetentionPolicy::Limits,
            discard: DiscardPolicy::Old,
            max_messages: -1,
            max_bytes: -1,
            max_messages_per_subject: -1,
            max_message_size: -1,
            max_age: self.keep,
            storage: StorageType::File,
            num_replicas: self.replicas.max(1),
            duplicate_window: DUPLICATE_WINDOW,
            allow_direct: true,
            // What a crash of the server takes is made again from the journal. Replicated streams know no such mode.
            persist_mode: (self.replicas <= 1).then_some(PersistenceMode::Async),
            ..Config::default()
        }
    }
}

/// A message of a feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedMessage {
    /// What its subject has behind the feed's prefix and a dot.
    pub subject: String,
    /// Its id.
    pub id: String,
    /// Its bytes.
    pub payload: Vec<u8>,
}

/// Where a feed ends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FeedEnd {
    /// The sequence of the last message that it ever had; 0: none.
    pub sequence: u64,
    /// That message; `None` where there was none, or it is gone.
    pub last: Option<FeedMessage>,
}

/// Why a feed takes nothing now.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FeedError {
    /// The servers, the stream or its answer can't be had now; messages may have landed.
    #[error("the feed can't be reached: {0}")]
    Unavailable(String),
    /// It ends elsewhere than it was thought to, or there is no such stream.
    #[error("the feed ends elsewhere")]
    Elsewhere,
    /// No feed can be kept in the stream of this name.
    #[error("the stream can't hold the feed: {0}")]
    Unfit(String),
}

#[expect(clippy::needless_pass_by_value, reason = "as `map_err` gives it")]
fn unavailable(error: impl ToString) -> FeedError {
    FeedError::Unavailable(error.to_string())
}

/// A connection to a feed; it comes back by itself.
#[derive(Clone, Debug)]
pub struct Feed {
    client: async_nats::Client,
    context: Context,
    plan: FeedPlan,
}

impl Feed {
    /// Connects; the stream is looked at by `end`.
    ///
    /// # Errors
    /// As `OpenError` says.
    pub async fn connect(settings: &Settings, plan: FeedPlan) -> Result<Self, OpenError> {
        check_name(&settings.cell)?;
        check_name(&plan.stream)?;
        let (client, context) = connect::connect(settings).await?;
        Ok(Self { client, context, plan })
    }

    /// Whether a stream of this name is there.
    ///
    /// # Errors
    /// `Unavailable` where nobody says.
    pub async fn is_there(&self) -> Result<bool, FeedError> {
        match self.context.get_stream(&self.plan.stream).await {
            Ok(_) => Ok(true),
            Err(error) if is_missing(&error.kind()) => Ok(false),
            Err(error) => Err(unavailable(error)),
        }
    }

    /// Where the feed ends, by the word of its stream's leader. A stream that is missing is made.
    ///
    /// # Errors
    /// `Unavailable`, `Unfit`.
    pub async fn end(&self) -> Result<FeedEnd, FeedError> {
        let looked = timeout(WINDOW_TIME_MAX, self.look()).await;
        looked.map_err(|_| unavailable("no answer in time"))?
    }

    async fn look(&self) -> Result<FeedEnd, FeedError> {
        let stream = match self.context.get_stream(&self.plan.stream).await {
            Ok(found) => found,
            Err(error) if is_missing(&error.kind()) => {
                let made = self.context.create_stream(self.plan.config()).await.map_err(unavailable)?;
                tracing::info!(stream = self.plan.stream, "the feed's stream is made");
                made
            }
            Err(error) => return Err(unavailable(error)),
        };
        let info = stream.cached_info();
        if let Some(what) = unfit(&info.config, &self.plan) {
            return Err(FeedError::Unfit(format!("{}: {what}", self.plan.stream)));
        }
        let sequence = info.state.last_sequence;
        let last =
            if sequence == 0 || info.state.messages == 0 { None } else { self.at(&stream, sequence).await? };
        Ok(FeedEnd { sequence, last })
    }

    async fn at(&self, stream: &stream::Stream, sequence: u64) -> Result<Option<FeedMessage>, FeedError> {
        match stream.get_raw_message(sequence).await {
            Ok(found) => {
                let id = found.headers.get(NATS_MESSAGE_ID).map(ToString::to_string).unwrap_or_default();
                let prefix = format!("{}.", self.plan.prefix);
                let subject = found.subject.strip_prefix(&prefix).unwrap_or_default().to_owned();
                Ok(Some(FeedMessage { subject, id, payload: found.payload.to_vec() }))
            }
            Err(error) if matches!(error.kind(), LastRawMessageErrorKind::NoMessageFound) => Ok(None),
            Err(error) => Err(unavailable(error)),
        }
    }

    /// Sends messages for the places behind `after`, all at once, and returns when all of them have landed.
    ///
    /// Each names the sequence that it expects, so only the last one's answer is asked for: where that landed, the others
    /// stand before it. After an error any number of them may have landed, or may land later, at their own places.
    ///
    /// # Errors
    /// `Elsewhere`, `Unavailable`; then the end is to be looked at.
    pub async fn publish(&self, after: u64, messages: &[FeedMessage]) -> Result<(), FeedError> {
        let Some((last, before)) = messages.split_last() else { return Ok(()) };
        let sent = async {
            let mut expected = after;
            for message in before {
                let (subject, headers, payload) = self.parts(expected, message);
                self.client.publish_with_headers(subject, headers, payload).await.map_err(unavailable)?;
                expected += 1;
            }
            let (subject, headers, payload) = self.parts(expected, last);
            let answer = self.context.publish_with_headers(subject, headers, payload).await;
            let landed = match answer {
                Ok(answer) => answer.await,
                Err(error) => Err(error),
            };
            match landed {
                Ok(ack) if ack.sequence == expected + 1 => Ok(()),
                Ok(_) => Err(FeedError::Elsewhere),
                Err(error) => match error.kind() {
                    PublishErrorKind::WrongLastSequence | PublishErrorKind::StreamNotFound => {
                        Err(FeedError::Elsewhere)
                    }
                    _ => Err(unavailable(error)),
                },
            }
        };
        timeout(WINDOW_TIME_MAX, sent).await.map_err(|_| unavailable("no answer in time"))?
    }

    fn parts(&self, expected: u64, message: &FeedMessage) -> (String, HeaderMap, Bytes) {
        let mut headers = HeaderMap::new();
        headers.insert(NATS_MESSAGE_ID, message.id.as_str());
        headers.insert(NATS_EXPECTED_LAST_SEQUENCE, expected.to_string().as_str());
        headers.insert("Content-Type", "application/cloudevents+json");
        let subject = format!("{}.{}", self.plan.prefix, message.subject);
        (subject, headers, Bytes::from(message.payload.clone()))
    }

    /// Deletes the stream; none is there afterwards.
    ///
    /// # Errors
    /// `Stream` where the broker refuses.
    pub async fn delete(&self) -> Result<(), OpenError> {
        super::stream::delete(&self.context, self.plan.stream.clone()).await
    }

    /// The messages from a sequence on, in order: at most `most`. Empty at the end. For who checks a feed.
    ///
    /// # Errors
    /// `Unavailable`; `Elsewhere` where the stream has a hole there, or no longer holds this sequence.
    pub async fn read(&self, from: u64, most: usize) -> Result<Vec<FeedMessage>, FeedError> {
        let stream = self.context.get_stream(&self.plan.stream).await.map_err(unavailable)?;
        let last = stream.cached_info().state.last_sequence;
        let mut read = Vec::new();
        for sequence in (from..=last).take(most) {
            let found = timeout(ANSWER_TIME_MAX, self.at(&stream, sequence)).await;
            match found.map_err(|_| unavailable("no answer in time"))?? {
                Some(message) => read.push(message),
                None => return Err(FeedError::Elsewhere),
            }
        }
        Ok(read)
    }
}

/// Why a feed can't be kept in a stream with this configuration, and the fix.
fn unfit(found: &Config, plan: &FeedPlan) -> Option<String> {
    let wanted = format!("{}.>", plan.prefix);
    if found.subjects != [wanted.clone()] {
        Some(format!("it takes {:?}, not only {wanted:?}: remove it", found.subjects))
    } else if found.max_messages_per_subject > 0 || found.discard == DiscardPolicy::New {
        Some(
            "it keeps not every message (max_msgs_per_subject), or refuses new ones (discard): remove it"
                .to_owned(),
        )
    } else if found.retention != RetentionPolicy::Limits {
        Some("messages leave it when they are read (retention is not by limits): remove it".to_owned())
    } else if found.mirror.is_some() || found.sources.as_ref().is_some_and(|all| !all.is_empty()) {
        Some("it copies another stream: remove it".to_owned())
    } else if found.sealed || found.no_ack || found.subject_transform.is_some() || found.allow_rollup {
        Some("it is sealed, does not acknowledge, or changes what it is given: remove it".to_owned())
    } else {
        None
    }
}
