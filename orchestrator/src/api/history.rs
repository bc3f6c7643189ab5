//! `HistoryService`: what the journal tells of one operation, ended ones too.

use prost::Message;
use tonic::{Request, Response};
use windlass_proto::v1;
use windlass_proto::v1::history_service_server::HistoryService;
use windlass_sagas::ids::Time;

use super::Api;
use super::call::Answer;
use super::convert;
use super::errors::Problem;
use super::limits::PAGE_BYTES_MAX;
use super::list::{Ask, ask};
use super::visit::point;

const FILTERS: [&str; 4] = ["kind", "step", "host", "direction"];

#[tonic::async_trait]
impl HistoryService for Api {
    async fn list_events(&self, request: Request<v1::ListEventsRequest>) -> Answer<v1::ListEventsResponse> {
        let (call, asked) = Self::open("history.list", request)?;
        let seen = self.seen(call, point!(asked), "parent", &asked.parent).await?;
        let ask = ask!(call.method, asked, asked.parent);
        // What can't be read is refused before anything is.
        ask.filter(&FILTERS)?;
        let commits = self.commits_of(seen.saga, seen.at.position).await?;
        let commits = commits.iter().map(|commit| &**commit);
        let events = convert::events(commits, seen.saga, seen.project, seen.audience);
        let (events, next_page_token) = page(&ask, events)?;
        Ok(Response::new(v1::ListEventsResponse { events, next_page_token, position: seen.at.position.0 }))
    }

    async fn diff(&self, request: Request<v1::DiffRequest>) -> Answer<v1::DiffResponse> {
        let (call, asked) = Self::open("history.diff", request)?;
        Ok(Response::new(self.diff_of(call, asked).await?))
    }
}

/// The page of these events, which stand in order.
fn page(ask: &Ask, mut events: Vec<v1::Event>) -> Result<(Vec<v1::Event>, String), Problem> {
    let turned = match ask.order_by.trim() {
        "" | "position" => false,
        "position desc" => true,
        _ => return Err(ask.bad_order()),
    };
    let (filter, rows_max) = (ask.filter(&FILTERS)?, ask.rows_max()?);
    let after = ask.after()?.map(|token| token.key);
    if turned {
        events.reverse();
    }
    events.retain(|event| {
        let key = key(event);
        let behind = after.as_ref().is_none_or(|after| if turned { key < *after } else { key > *after });
        behind && filter.takes(|field| values(event, field))
    });
    let mut bytes = 0;
    let whole = |event: &&v1::Event| {
        let before = bytes;
        bytes += event.encoded_len();
        before <= PAGE_BYTES_MAX
    };
    let rows = events.iter().take(rows_max).take_while(whole).count();
    let more = events.len() > rows;
    events.truncate(rows);
    let last = events.last().filter(|_| more).map(|event| ask.token(&key(event)));
    Ok((events, last.unwrap_or_default()))
}

fn key(event: &v1::Event) -> super::list::Key {
    let mut ordinal = [0; 16];
    ordinal[12..].copy_from_slice(&event.ordinal.to_be_bytes());
    (Time(i64::try_from(event.position).unwrap_or(i64::MAX)), String::new(), ordinal)
}

/// An event's values of a field that lists are filtered by.
fn values(event: &v1::Event, field: &str) -> Vec<String> {
    match field {
        "kind" => vec![event.kind.clone()],
        "step" => event.step.iter().map(ToString::to_string).collect(),
        "host" => {
            let id = event.host.rsplit('/').next().unwrap_or_default().to_owned();
            vec![event.host.clone(), id]
        }
        "direction" => vec![event.direction().as_str_name().to_owned()],
        _ => Vec::new(),
    }
}
