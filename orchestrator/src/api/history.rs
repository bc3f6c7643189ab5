//! `HistoryService`: what the journal tells of one operation, of one resource or host, and of everything as it happens.

use prost::Message;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};
use windlass_proto::v1;
use windlass_proto::v1::history_service_server::HistoryService;
use windlass_sagas::ids::{Position, Time};

use super::Api;
use super::call::Answer;
use super::convert;
use super::errors::Problem;
use super::events::{FILTERS, Sieve};
use super::limits::PAGE_BYTES_MAX;
use super::list::{Ask, Key, ask};
use super::visit::point;
use super::watch;
use super::watch_events::Events;

#[tonic::async_trait]
impl HistoryService for Api {
    async fn list_events(&self, request: Request<v1::ListEventsRequest>) -> Answer<v1::ListEventsResponse> {
        let (call, asked) = Self::open("history.list", request)?;
        let ask = ask!(call.method, asked, asked.parent);
        if !asked.parent.is_empty() && !asked.parent.starts_with("operations/") {
            return Ok(Response::new(self.events_of_resource(call, &ask, &asked).await?));
        }
        let seen = self.seen(call, point!(asked), "parent", &asked.parent).await?;
        // What can't be read is refused before anything is.
        let filter = ask.filter(&FILTERS)?;
        let sieve = self.fold_as(seen.at, seen.project, move |view| Sieve::of(filter, view)).await?;
        let commits = self.commits_of(seen.saga, seen.at.position).await?;
        let events = convert::events(commits.iter().map(|commit| &**commit), seen.saga, seen.audience);
        let page = Page::of(&ask, sieve)?;
        let (events, next_page_token) = page.cut(&ask, events);
        Ok(Response::new(v1::ListEventsResponse { events, next_page_token, position: seen.at.position.0 }))
    }

    async fn diff(&self, request: Request<v1::DiffRequest>) -> Answer<v1::DiffResponse> {
        let (call, asked) = Self::open("history.diff", request)?;
        Ok(Response::new(self.diff_of(call, asked).await?))
    }

    type WatchEventsStream = ReceiverStream<Result<v1::WatchEventsResponse, Status>>;

    async fn watch_events(
        &self,
        request: Request<v1::WatchEventsRequest>,
    ) -> Result<Response<Self::WatchEventsStream>, Status> {
        let (call, asked) = Self::open("history.watch", request)?;
        let (tale, end) = Events::of(self, call, &asked).await?;
        let after = watch::after(asked.after_position, end)?;
        Ok(Response::new(self.watch(tale, after.unwrap_or(end))?))
    }
}

/// Which page of events is asked for.
pub(super) struct Page {
    /// Newest first.
    pub(super) turned: bool,
    pub(super) rows_max: usize,
    /// Behind this event.
    pub(super) after: Option<Key>,
    sieve: Sieve,
}

impl Page {
    pub(super) fn of(ask: &Ask, sieve: Sieve) -> Result<Self, Problem> {
        let turned = match ask.order_by.trim() {
            "" | "position" => false,
            "position desc" => true,
            _ => return Err(ask.bad_order()),
        };
        let (rows_max, after) = (ask.rows_max()?, ask.after()?.map(|token| token.key));
        Ok(Self { turned, rows_max, after, sieve })
    }

    /// Whether an event belongs on this page or on a later one.
    pub(super) fn takes(&self, event: &v1::Event) -> bool {
        let key = key(event);
        let behind = |after: &Key| if self.turned { key < *after } else { key > *after };
        self.after.as_ref().is_none_or(behind) && self.sieve.takes(event)
    }

    /// The page of these events, which stand in order, and the token of the next one.
    pub(super) fn cut(&self, ask: &Ask, mut events: Vec<v1::Event>) -> (Vec<v1::Event>, String) {
        if self.turned {
            events.reverse();
        }
        events.retain(|event| self.takes(event));
        let mut bytes = 0;
        let whole = |event: &&v1::Event| {
            let before = bytes;
            bytes += event.encoded_len();
            before <= PAGE_BYTES_MAX
        };
        let rows = events.iter().take(self.rows_max).take_while(whole).count();
        let more = events.len() > rows;
        events.truncate(rows);
        let last = events.last().filter(|_| more).map(|event| ask.token(&key(event)));
        (events, last.unwrap_or_default())
    }
}

/// What events are ordered by.
pub(super) fn key(event: &v1::Event) -> Key {
    place(Position(event.position), event.ordinal)
}

/// The key of a place in the journal.
pub(super) fn place(position: Position, ordinal: u32) -> Key {
    let mut id = [0; 16];
    id[12..].copy_from_slice(&ordinal.to_be_bytes());
    (Time(i64::try_from(position.0).unwrap_or(i64::MAX)), String::new(), id)
}

/// The position of a key.
pub(super) fn position(key: &Key) -> Position {
    Position(u64::try_from(key.0.0).unwrap_or_default())
}
