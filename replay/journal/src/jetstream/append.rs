//! Appending: one plain message with the expected last sequence, and what the broker's answer to it means.
//!
//! Invariant: an answer that is not understood counts as none. Sending again the same bytes is always safe; taking
//! something for a refusal that is none would not be.

use std::error::Error as _;

use async_nats::jetstream::context::{PublishError, PublishErrorKind};
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::{self, Context, ErrorCode};
use bytes::Bytes;
use windlass_sagas::protocol::{AppendError, Cursor};

use super::ANSWER_TIME_MAX;
use crate::Append;
use crate::answer::{Answer, outcome};
use crate::frame::Frame;

/// The broker's refusals before anything is stored.
const REFUSED: [ErrorCode; 8] = [
    ErrorCode::ACCOUNT_RESOURCES_EXCEEDED,
    ErrorCode::INSUFFICIENT_RESOURCES,
    ErrorCode::JETSTREAM_NOT_ENABLED,
    ErrorCode::JETSTREAM_NOT_ENABLED_FOR_ACCOUNT,
    ErrorCode::STORAGE_RESOURCES_EXCEEDED,
    ErrorCode::STREAM_HEADER_EXCEEDS_MAXIMUM,
    ErrorCode::STREAM_MESSAGE_EXCEEDS_MAXIMUM,
    ErrorCode::STREAM_SEALED,
];
/// "duplicate message id is in process".
const IN_PROCESS: ErrorCode = ErrorCode(10158);

/// Appends frames to a cell's stream.
#[derive(Debug)]
pub struct JetStream {
    context: Context,
    subject: String,
}

impl JetStream {
    pub(super) const fn new(context: Context, subject: String) -> Self {
        Self { context, subject }
    }

    /// The broker's answer, or none in time.
    pub(super) async fn send(&self, after: Cursor, frame: Frame) -> Option<Answer> {
        // The server reads the expectation as a signed number, and one that it can't read as none at all.
        if i64::try_from(after.0).is_err() {
            return Some(Answer::WrongExpected { last: Cursor::START });
        }
        let message = PublishMessage::build()
            .message_id(frame.id().to_string())
            .expected_last_sequence(after.0)
            .payload(Bytes::from_owner(Owned(frame)));
        let published = async {
            let acknowledged = self.context.send_publish(self.subject.clone(), message).await?;
            acknowledged.await
        };
        match tokio::time::timeout(ANSWER_TIME_MAX, published).await.ok()? {
            Ok(ack) if ack.duplicate => Some(Answer::Duplicate(Cursor(ack.sequence))),
            Ok(ack) => Some(Answer::Landed(Cursor(ack.sequence))),
            Err(error) => answer(&error),
        }
    }
}

impl Append for JetStream {
    async fn append(&mut self, after: Cursor, frame: Frame) -> Result<Cursor, AppendError> {
        outcome(after, self.send(after, frame).await)
    }
}

struct Owned(Frame);

impl AsRef<[u8]> for Owned {
    fn as_ref(&self) -> &[u8] {
        self.0.bytes()
    }
}

fn answer(error: &PublishError) -> Option<Answer> {
    let said = error.source().and_then(|source| source.downcast_ref::<jetstream::Error>());
    let code = said.map(jetstream::Error::error_code);
    match error.kind() {
        PublishErrorKind::WrongLastSequence => {
            let last = said.and_then(|said| last_in(&said.to_string()));
            Some(Answer::WrongExpected { last: last.unwrap_or(Cursor::START) })
        }
        // Nobody serves the stream's subject: it was given to no one. And what is too large was never sent.
        PublishErrorKind::StreamNotFound
        | PublishErrorKind::MaxPayloadExceeded
        | PublishErrorKind::MaxAckPending => Some(Answer::NotStored),
        PublishErrorKind::Other if code == Some(IN_PROCESS) => Some(Answer::InProcess),
        PublishErrorKind::Other if code.is_some_and(|code| REFUSED.contains(&code)) => {
            tracing::error!(%error, ?code, "the broker takes no frame");
            Some(Answer::NotStored)
        }
        PublishErrorKind::WrongLastMessageId
        | PublishErrorKind::TimedOut
        | PublishErrorKind::BrokenPipe
        | PublishErrorKind::Other => {
            tracing::debug!(%error, ?code, "an append stays without a clear answer");
            None
        }
    }
}

/// The stream's last sequence, out of `wrong last sequence: 7 (code …)`. For people and tests; nothing is decided by it.
fn last_in(text: &str) -> Option<Cursor> {
    let (_, behind) = text.split_once("wrong last sequence: ")?;
    behind.split(' ').next()?.parse().ok().map(Cursor)
}
