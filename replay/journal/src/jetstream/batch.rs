//! Several messages for one request (JetStream's batched direct get, server 2.11): many replies to one inbox.
//!
//! Any replica may answer, also one that is behind. So an answer is a prefix of what was asked for, or nothing, and says
//! nothing of the end.

use std::time::Duration;

use async_nats::{Client, HeaderMap, Message, StatusCode, Subscriber};
use bytes::Bytes;
use futures_util::StreamExt as _;
use serde::Serialize;
use tokio::time::{Instant, timeout_at};

/// How long a whole batch may take.
const BATCH_TIME_MAX: Duration = Duration::from_secs(5);

/// One stored message.
#[derive(Debug)]
pub(super) struct Stored {
    pub(super) sequence: u64,
    pub(super) headers: HeaderMap,
    pub(super) payload: Bytes,
}

/// An inbox of its own, so that a reply of an older batch is told from one of this.
#[derive(Debug)]
pub(super) struct Batches {
    client: Client,
    subject: String,
    inbox: String,
    replies: Option<Subscriber>,
    asked: u64,
}

#[derive(Serialize)]
struct Ask {
    seq: u64,
    batch: usize,
    max_bytes: usize,
}

impl Batches {
    /// `api`: what the subjects of JetStream's API begin with.
    pub(super) fn new(client: Client, api: &str, stream: &str) -> Self {
        let inbox = client.new_inbox();
        Self { client, subject: format!("{api}.DIRECT.GET.{stream}"), inbox, replies: None, asked: 0 }
    }

    /// The messages from `sequence` on, in order: at most `batch` and about `bytes_max`. What could not be had in time
    /// is missing at the end.
    pub(super) async fn get(&mut self, sequence: u64, batch: usize, bytes_max: usize) -> Vec<Stored> {
        let mut got = Vec::new();
        let until = Instant::now() + BATCH_TIME_MAX;
        if let Err(error) = self.ask(sequence, batch, bytes_max, until, &mut got).await {
            tracing::debug!(error, sequence, got = got.len(), "a batch of the journal was not had whole");
            // Replies that are still on their way are nobody's.
            self.replies = None;
        }
        got
    }

    async fn ask(
        &mut self,
        sequence: u64,
        batch: usize,
        bytes_max: usize,
        until: Instant,
        got: &mut Vec<Stored>,
    ) -> Result<(), &'static str> {
        self.asked += 1;
        let (inbox, number) = (&self.inbox, self.asked);
        let replies = match &mut self.replies {
            Some(replies) => replies,
            none @ None => {
                let all = self.client.subscribe(format!("{inbox}.*")).await;
                none.insert(all.map_err(|_| "can't subscribe")?)
            }
        };
        let ask = Ask { seq: sequence, batch, max_bytes: bytes_max };
        let ask = serde_json::to_vec(&ask).map_err(|_| "can't be asked for")?;
        let reply = format!("{inbox}.{number}");
        let sent = self.client.publish_with_reply(self.subject.clone(), reply.clone(), ask.into()).await;
        sent.map_err(|_| "can't be asked for")?;
        loop {
            let answer = timeout_at(until, replies.next()).await.map_err(|_| "time is up")?;
            let message = answer.ok_or("the connection is closed")?;
            if message.subject.as_str() != reply {
                continue;
            }
            match stored(message)? {
                Some(stored) => got.push(stored),
                None => return Ok(()),
            }
        }
    }
}

/// The message in a reply; `None`: there are no more.
fn stored(message: Message) -> Result<Option<Stored>, &'static str> {
    match message.status {
        None | Some(StatusCode::OK) => {}
        Some(StatusCode::NO_RESPONDERS) => return Err("nobody answers for the stream"),
        // 204: the end; 404: nothing there.
        Some(_) => return Ok(None),
    }
    let headers = message.headers.unwrap_or_default();
    let sequence = headers.get("Nats-Sequence").and_then(|value| value.as_str().parse().ok());
    let sequence = sequence.ok_or("a reply without its sequence")?;
    Ok(Some(Stored { sequence, headers, payload: message.payload }))
}
