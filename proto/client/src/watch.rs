//! Following operations over any number of disconnects: each commit once, in order, none left out. That rests on the
//! position in every answer: the stream is opened again after the last one that arrived.

use tonic::Code;
use windlass_proto::v1::saga::State;
use windlass_proto::v1::{
    GetOperationRequest, Operation, OperationChange, OperationView, WatchOperationsRequest,
    WatchOperationsResponse,
};

use crate::client::Client;
use crate::error::ClientError;
use crate::line::Line;

const PATH: &str = "/windlass.v1.OperationService/WatchOperations";

/// A watch that opens itself again. `next` may be dropped while it waits; nothing is lost by that.
pub struct Watch {
    client: Client,
    line: Line<WatchOperationsResponse>,
    parent: String,
    position: Option<u64>,
    view: OperationView,
    ended: bool,
}

impl Watch {
    pub(crate) fn new(client: Client, parent: String, position: Option<u64>) -> Self {
        let line = Line::new(client.clone());
        Self { client, line, parent, position, view: OperationView::Unspecified, ended: false }
    }

    /// The same, told only of how operations begin, turn, stick and end: for who waits for many.
    #[must_use]
    pub fn basic(self) -> Self {
        Self { view: OperationView::Basic, ..self }
    }

    /// The next commit that concerns what is watched, the snapshot, or a bookmark; `None` when the one operation that
    /// is watched has ended. Positions strictly rise.
    ///
    /// # Errors
    /// The server's refusal, or UNAVAILABLE after the last try; the watch can be gone on with after it.
    /// FAILED_PRECONDITION, unsent, where the client reads the past.
    pub async fn next(&mut self) -> Result<Option<WatchOperationsResponse>, ClientError> {
        if self.client.reads_the_past() {
            let message = "the past can be read, and not followed";
            return Err(ClientError::own(Code::FailedPrecondition, message));
        }
        while !self.ended {
            match self.line.next(PATH, &self.request()).await? {
                Some(answer) if self.take(&answer) => return Ok(Some(answer)),
                // It says nothing new.
                Some(_) => {}
                None => self.closed().await?,
            }
        }
        Ok(None)
    }

    /// Up to where the watch has come: the `after_position` to go on from in another program. `None`: nothing yet.
    #[must_use]
    pub const fn position(&self) -> Option<u64> {
        self.position
    }

    fn request(&self) -> WatchOperationsRequest {
        WatchOperationsRequest {
            parent: self.parent.clone(),
            after_position: self.position,
            min_position: self.position.unwrap_or_default(),
            view: self.view.into(),
        }
    }

    /// Notes where an answer brings the watch; whether it says anything new.
    fn take(&mut self, answer: &WatchOperationsResponse) -> bool {
        let new = self.position.is_none_or(|position| position < answer.position);
        if new {
            self.position = Some(answer.position);
        }
        new
    }

    /// The server ended the stream in order: what was watched has ended, or the server is ending.
    async fn closed(&mut self) -> Result<(), ClientError> {
        if self.parent.starts_with("operations/") {
            let request = GetOperationRequest {
                name: self.parent.clone(),
                min_position: self.position.unwrap_or_default(),
                ..Default::default()
            };
            let operation = self.client.call(request).await?;
            let last = operation.metadata.as_ref().map_or(0, |saga| saga.last_position);
            if operation.done && self.position.is_some_and(|position| last <= position) {
                self.ended = true;
                return Ok(());
            }
        }
        self.line.broken(ClientError::own(Code::Unavailable, "the watch was closed")).await
    }
}

/// Follows one operation to its end, or to where it is stuck.
pub(crate) async fn wait(
    client: &Client,
    operation: &Operation,
    mut seen: impl FnMut(&OperationChange),
) -> Result<Operation, ClientError> {
    if rests(operation) {
        return Ok(operation.clone());
    }
    let mut watch = client.watch(operation.name.as_str(), Some(operation.position));
    while let Some(answer) = watch.next().await? {
        for change in &answer.changes {
            seen(change);
            if let Some(now) =
                change.operation.as_ref().filter(|now| now.name == operation.name && rests(now))
            {
                return Ok(now.clone());
            }
        }
    }
    let min_position = watch.position().unwrap_or_default();
    let request = GetOperationRequest { name: operation.name.clone(), min_position, ..Default::default() };
    client.call(request).await
}

/// Whether nothing will happen any more without somebody's doing.
fn rests(operation: &Operation) -> bool {
    operation.done || operation.metadata.as_ref().is_some_and(|saga| saga.state() == State::Stuck)
}
