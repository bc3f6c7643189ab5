//! The follower's tail: an ordered consumer behind one cursor. It gives only what the stream has stored.

use async_nats::jetstream::Message;
use async_nats::jetstream::consumer::DeliverPolicy;
use async_nats::jetstream::consumer::pull::{Ordered, OrderedConfig};
use async_nats::jetstream::stream::Stream;
use futures_util::{FutureExt as _, StreamExt as _};
use windlass_sagas::protocol::Cursor;

use super::batch::Stored;

/// An open tail.
pub(super) struct Tail {
    /// The last cursor that was given out.
    pub(super) given: Cursor,
    messages: Ordered,
    /// Came while somebody waited, not given out yet.
    waiting: Option<Stored>,
}

impl Tail {
    /// Everything behind `after`, as it comes.
    pub(super) async fn open(stream: &Stream, after: Cursor) -> Result<Self, String> {
        let deliver_policy = DeliverPolicy::ByStartSequence { start_sequence: after.next().0 };
        let config = OrderedConfig { deliver_policy, ..OrderedConfig::default() };
        let consumer = stream.create_consumer(config).await.map_err(|error| error.to_string())?;
        let messages = consumer.messages().await.map_err(|error| error.to_string())?;
        Ok(Self { given: after, messages, waiting: None })
    }

    /// Resolves once there is something to give.
    pub(super) async fn ready(&mut self) -> Result<(), String> {
        if self.waiting.is_none() {
            let next = self.messages.next().await.ok_or("the consumer ended")?;
            self.waiting = Some(stored(next.map_err(|error| error.to_string())?)?);
        }
        Ok(())
    }

    /// The next message, if it is here already.
    pub(super) fn take(&mut self) -> Option<Result<Stored, String>> {
        let next = match self.waiting.take() {
            Some(waiting) => Ok(waiting),
            None => match self.messages.next().now_or_never()? {
                Some(Ok(message)) => stored(message),
                Some(Err(error)) => Err(error.to_string()),
                None => Err("the consumer ended".to_owned()),
            },
        };
        if let Ok(next) = &next {
            self.given = Cursor(next.sequence);
        }
        Some(next)
    }
}

fn stored(message: Message) -> Result<Stored, String> {
    let sequence = message.info().map_err(|error| error.to_string())?.stream_sequence;
    let (message, _) = message.split();
    Ok(Stored { sequence, headers: message.headers.unwrap_or_default(), payload: message.payload })
}
