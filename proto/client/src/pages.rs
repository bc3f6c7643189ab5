//! A list over all its pages, one item at a time.

use std::collections::VecDeque;

use tonic::Code;

use crate::client::Client;
use crate::error::ClientError;
use crate::methods::List;

/// A list that is being read. A page is asked for when the one before is used up.
pub struct Pages<M: List> {
    client: Client,
    request: Option<M>,
    token: String,
    items: VecDeque<M::Item>,
    position: u64,
}

impl<M: List> Pages<M> {
    pub(crate) fn new(client: Client, request: M) -> Self {
        Self { client, request: Some(request), token: String::new(), items: VecDeque::new(), position: 0 }
    }

    /// The next item; `None` after the last.
    ///
    /// # Errors
    /// As [`Client::call`]; after an error the list has ended.
    pub async fn next(&mut self) -> Result<Option<M::Item>, ClientError> {
        loop {
            if let Some(item) = self.items.pop_front() {
                return Ok(Some(item));
            }
            let Some(request) = self.request.take() else { return Ok(None) };
            let page = self.client.call(request.clone()).await?;
            self.turn(request, page)?;
        }
    }

    /// All items that are left, at most `max`; the list can be read on after that.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub async fn take(&mut self, max: usize) -> Result<Vec<M::Item>, ClientError> {
        let mut taken = Vec::new();
        while taken.len() < max {
            let Some(item) = self.next().await? else { break };
            taken.push(item);
        }
        Ok(taken)
    }

    /// The position that the last page spoke for; 0 before the first.
    #[must_use]
    pub const fn position(&self) -> u64 {
        self.position
    }

    fn turn(&mut self, mut request: M, page: M::Answer) -> Result<(), ClientError> {
        let (items, token, position) = M::open(page);
        self.items = items.into();
        self.position = position;
        if token.is_empty() {
            return Ok(());
        }
        if token == self.token {
            return Err(ClientError::own(
                Code::Internal,
                "the list gives the same page token again and again",
            ));
        }
        self.token.clone_from(&token);
        request.set_page_token(token);
        self.request = Some(request);
        Ok(())
    }
}
