//! The feed's stream on NATS, over a connection of its own: what it sends must not wait in the journal's way.

use tokio::sync::Mutex;
use windlass_journal::jetstream::{Feed, FeedError, FeedMessage, FeedPlan, Settings};

use super::event::{Message, place};
use super::publisher::{End, Last, Sink, SinkError};

/// Where the feed goes.
pub struct Nats {
    settings: Settings,
    plan: FeedPlan,
    connected: Mutex<Option<Feed>>,
}

impl Nats {
    /// Not connected yet.
    #[must_use]
    pub fn new(settings: Settings, plan: FeedPlan) -> Self {
        Self { settings, plan, connected: Mutex::new(None) }
    }

    async fn feed(&self) -> Result<Feed, SinkError> {
        let mut connected = self.connected.lock().await;
        if let Some(feed) = &*connected {
            return Ok(feed.clone());
        }
        let feed = Feed::connect(&self.settings, self.plan.clone()).await;
        let feed = feed.map_err(|error| SinkError::Unavailable(error.to_string()))?;
        Ok(connected.insert(feed).clone())
    }
}

impl Sink for Nats {
    async fn end(&self) -> Result<End, SinkError> {
        let end = self.feed().await?.end().await.map_err(told)?;
        let last = match end.last {
            None => None,
            Some(FeedMessage { id, payload, .. }) => {
                let foreign = || SinkError::Foreign(format!("its last message is called {id:?}"));
                let (position, ordinal) = place(&id).ok_or_else(foreign)?;
                Some(Last { position, ordinal, payload })
            }
        };
        Ok(End { number: end.sequence, last })
    }

    async fn publish(&self, after: u64, messages: &[Message]) -> Result<(), SinkError> {
        let sent = |message: &Message| FeedMessage {
            subject: message.subject.clone(),
            id: message.id(),
            payload: message.payload.clone(),
        };
        let messages: Vec<FeedMessage> = messages.iter().map(sent).collect();
        self.feed().await?.publish(after, &messages).await.map_err(told)
    }
}

fn told(error: FeedError) -> SinkError {
    match error {
        FeedError::Elsewhere => SinkError::Elsewhere,
        FeedError::Unavailable(why) => SinkError::Unavailable(why),
        FeedError::Unfit(what) => SinkError::Foreign(what),
    }
}
