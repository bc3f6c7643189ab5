//! Reading: batches from any cursor, and a tail for who follows. The end is what the stream's leader calls it.

use std::sync::Arc;

use async_nats::Client;
use async_nats::jetstream::stream::{LastRawMessageErrorKind, Stream};
use tokio::sync::Mutex;
use windlass_sagas::protocol::Cursor;

use super::batch::{Batches, Stored};
use super::tail::Tail;
use crate::Read;
use crate::error::{Damage, ReadError, check_not_shorter};
use crate::frame::Frame;
use crate::limits::{READ_BYTES_MAX, READ_FRAMES_MAX};

/// Reads a cell's stream. A clone shares the connection and nothing else.
pub struct Reader {
    client: Client,
    /// What the subjects of JetStream's API begin with.
    api: Arc<str>,
    stream: Arc<Stream>,
    state: Mutex<State>,
}

struct State {
    batches: Batches,
    tail: Option<Tail>,
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader")
            .field("stream", &self.stream.cached_info().config.name)
            .finish_non_exhaustive()
    }
}

impl Clone for Reader {
    fn clone(&self) -> Self {
        Self::over(self.client.clone(), Arc::clone(&self.api), Arc::clone(&self.stream))
    }
}

impl Reader {
    pub(super) fn new(client: Client, api: &str, stream: Stream) -> Self {
        Self::over(client, api.into(), Arc::new(stream))
    }

    fn over(client: Client, api: Arc<str>, stream: Arc<Stream>) -> Self {
        let batches = Batches::new(client.clone(), &api, &stream.cached_info().config.name);
        Self { client, api, stream, state: Mutex::new(State { batches, tail: None }) }
    }

    /// What is behind `after`, of which the leader says that there is something.
    async fn stored(
        &self,
        state: &mut State,
        after: Cursor,
        last: Cursor,
        most: usize,
    ) -> Result<Vec<Stored>, ReadError> {
        let wanted = usize::try_from(last.0 - after.0).unwrap_or(usize::MAX).min(most);
        let batch = state.batches.get(after.next().0, wanted, READ_BYTES_MAX).await;
        if batch.first().is_some_and(|first| first.sequence == after.next().0) {
            return Ok(batch);
        }
        // A replica that is behind, a lost reply, or a hole: the leader knows which.
        match self.stream.get_raw_message(after.next().0).await {
            Ok(found) => {
                Ok(vec![Stored { sequence: found.sequence, headers: found.headers, payload: found.payload }])
            }
            Err(error) if matches!(error.kind(), LastRawMessageErrorKind::NoMessageFound) => {
                Err(ReadError::Damaged { cursor: after.next(), what: Damage::Missing })
            }
            Err(error) => Err(ReadError::unavailable(&error)),
        }
    }
}

impl Read for Reader {
    async fn read(&self, after: Cursor, frames_max: usize) -> Result<Vec<(Cursor, Frame)>, ReadError> {
        let most = frames_max.min(READ_FRAMES_MAX);
        let mut state = self.state.lock().await;
        if let Some(frames) = followed(&mut state, after, most)? {
            return Ok(frames);
        }
        let last = self.last().await?;
        check_not_shorter(last, after)?;
        if last == after || most == 0 {
            return Ok(Vec::new());
        }
        let mut pile = Pile::behind(after, most);
        for stored in self.stored(&mut state, after, last, most).await? {
            if !pile.takes(&stored) {
                break;
            }
            pile.put(&stored)?;
        }
        Ok(pile.frames)
    }

    async fn last(&self) -> Result<Cursor, ReadError> {
        let info = self.stream.get_info().await.map_err(|error| ReadError::unavailable(&error))?;
        Ok(Cursor(info.state.last_sequence))
    }

    async fn wait(&self, after: Cursor) -> Result<(), ReadError> {
        let mut state = self.state.lock().await;
        // A tail that stands there already tells by itself what comes.
        if state.tail.as_ref().is_none_or(|tail| tail.given != after) {
            let last = self.last().await?;
            check_not_shorter(last, after)?;
            if last > after {
                return Ok(());
            }
            let opened = Tail::open(&self.stream, after).await;
            state.tail = Some(opened.map_err(|reason| ReadError::Unavailable { reason })?);
        }
        let Some(tail) = &mut state.tail else { return Ok(()) };
        let ready = tail.ready().await;
        ready.map_err(|reason| {
            state.tail = None;
            ReadError::Unavailable { reason }
        })
    }
}

/// What the tail holds ready behind `after`; `None` where it is at another place, or empty.
fn followed(
    state: &mut State,
    after: Cursor,
    most: usize,
) -> Result<Option<Vec<(Cursor, Frame)>>, ReadError> {
    let Some(tail) = state.tail.as_mut().filter(|tail| tail.given == after) else { return Ok(None) };
    let mut pile = Pile::behind(after, most);
    while pile.has_room() {
        match tail.take() {
            Some(Ok(stored)) if pile.takes(&stored) => {
                if let Err(error) = pile.put(&stored) {
                    state.tail = None;
                    return if pile.frames.is_empty() { Err(error) } else { Ok(Some(pile.frames)) };
                }
            }
            None => break,
            // A hole or a broken consumer: what is here is given, and the next read asks the leader.
            Some(_) => {
                state.tail = None;
                break;
            }
        }
    }
    Ok(Some(pile.frames).filter(|frames| !frames.is_empty()))
}

/// Frames on their way to who reads, dense and within bounds.
struct Pile {
    frames: Vec<(Cursor, Frame)>,
    next: Cursor,
    bytes: usize,
    most: usize,
}

impl Pile {
    const fn behind(after: Cursor, most: usize) -> Self {
        Self { frames: Vec::new(), next: after.next(), bytes: 0, most }
    }

    const fn has_room(&self) -> bool {
        self.frames.len() < self.most && self.bytes < READ_BYTES_MAX
    }

    const fn takes(&self, stored: &Stored) -> bool {
        self.has_room() && stored.sequence == self.next.0
    }

    /// A frame whose bytes are not those of its id is given to nobody; what stands before it is.
    fn put(&mut self, stored: &Stored) -> Result<(), ReadError> {
        let altered = ReadError::Damaged { cursor: self.next, what: Damage::Altered };
        let id = stored.headers.get(async_nats::header::NATS_MESSAGE_ID);
        let frame = Frame::new(stored.payload.to_vec()).ok();
        let sound = frame.filter(|frame| id.is_none_or(|id| id.as_str() == frame.id().to_string()));
        match sound {
            Some(frame) => {
                self.bytes += frame.bytes().len();
                self.frames.push((self.next, frame));
                self.next = self.next.next();
                Ok(())
            }
            None if self.frames.is_empty() => Err(altered),
            None => {
                // The next read begins with it.
                self.most = self.frames.len();
                Ok(())
            }
        }
    }
}
