//! A stream that is opened again where it broke: the pauses between its tries, and which breaks end it. Where it goes on
//! is the request's to say.

use std::time::Duration;

use tonic::{Code, Streaming};
use windlass_proto::v1::ErrorReason;

use crate::client::Client;
use crate::error::ClientError;
use crate::limits::WATCH_SILENCE_MAX;

/// A stream of answers that opens itself again.
pub(crate) struct Line<A> {
    client: Client,
    stream: Option<Streaming<A>>,
    pauses: Box<dyn Iterator<Item = Duration> + Send + Sync>,
}

impl<A: prost::Message + Default + 'static> Line<A> {
    /// A stream that is not open yet.
    pub(crate) fn new(client: Client) -> Self {
        let pauses = Box::new(client.retry().pauses());
        Self { client, stream: None, pauses }
    }

    /// The next answer; `None`: the server ended the stream in order. May be dropped while it waits.
    ///
    /// # Errors
    /// The server's refusal, or UNAVAILABLE after the last try; the next call opens the stream again.
    pub(crate) async fn next<R>(&mut self, path: &'static str, request: &R) -> Result<Option<A>, ClientError>
    where
        R: prost::Message + Clone + 'static,
    {
        loop {
            if self.stream.is_none() {
                self.stream = Some(self.client.open(path, request).await?);
            }
            let Some(stream) = &mut self.stream else { continue };
            match tokio::time::timeout(WATCH_SILENCE_MAX, stream.message()).await {
                Ok(Ok(Some(answer))) => {
                    self.pauses = Box::new(self.client.retry().pauses());
                    return Ok(Some(answer));
                }
                Ok(Ok(None)) => {
                    self.stream = None;
                    return Ok(None);
                }
                Ok(Err(status)) => self.broken(status.into()).await?,
                Err(_) => self.broken(ClientError::own(Code::Unavailable, "the watch fell silent")).await?,
            }
        }
    }

    /// The stream broke: a pause before it is opened again, or the error where that can't help.
    pub(crate) async fn broken(&mut self, error: ClientError) -> Result<(), ClientError> {
        self.stream = None;
        let too_slow = error.reason == Some(ErrorReason::WatchTooSlow);
        if !error.is_unavailable() && !too_slow {
            return Err(error);
        }
        let Some(pause) = self.pauses.next() else {
            self.pauses = Box::new(self.client.retry().pauses());
            return Err(error);
        };
        if !too_slow {
            self.client.leave_peer();
        }
        tokio::time::sleep(pause).await;
        Ok(())
    }
}
