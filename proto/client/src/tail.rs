//! Following events over any number of disconnects: each once, in order, none left out. That rests on the position in
//! every answer: the stream is opened again after the last one that arrived.

use tonic::Code;
use windlass_proto::v1::{WatchEventsRequest, WatchEventsResponse};

use crate::client::Client;
use crate::error::ClientError;
use crate::line::Line;

const PATH: &str = "/windlass.v1.HistoryService/WatchEvents";

/// A stream of events that opens itself again. `next` may be dropped while it waits; nothing is lost by that.
pub struct Tail {
    line: Line<WatchEventsResponse>,
    request: WatchEventsRequest,
    ended: bool,
}

impl Tail {
    pub(crate) fn new(client: Client, request: WatchEventsRequest) -> Self {
        Self { line: Line::new(client), request, ended: false }
    }

    /// The next events, or a bookmark; `None` when a stream that was to end with the past (`until_end`) has ended.
    /// Positions strictly rise, but for the last answer.
    ///
    /// # Errors
    /// The server's refusal, or UNAVAILABLE after the last try; the stream can be gone on with after it.
    pub async fn next(&mut self) -> Result<Option<WatchEventsResponse>, ClientError> {
        while !self.ended {
            match self.line.next(PATH, &self.request).await? {
                Some(answer) => {
                    self.ended = answer.ended;
                    if self.take(&answer) || answer.ended {
                        return Ok(Some(answer));
                    }
                }
                // Only an answer that says so is the end; the server is ending.
                None => {
                    let error = ClientError::own(Code::Unavailable, "the stream of events was closed");
                    self.line.broken(error).await?;
                }
            }
        }
        Ok(None)
    }

    /// Up to where it has come: the `after_position` to go on from in another program. `None`: nothing yet.
    #[must_use]
    pub const fn position(&self) -> Option<u64> {
        self.request.after_position
    }

    /// Notes where an answer brings the stream; whether it says anything new.
    fn take(&mut self, answer: &WatchEventsResponse) -> bool {
        let new = self.request.after_position.is_none_or(|position| position < answer.position);
        if new {
            self.request.after_position = Some(answer.position);
            self.request.min_position = answer.position;
        }
        new
    }
}
