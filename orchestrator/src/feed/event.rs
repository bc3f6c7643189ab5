//! The feed's messages, as a pure function of the journal: which events, in what order, under which subject, with which
//! bytes. Every event of every valid commit is told, once: the number of a message in the feed is that of its event in
//! the journal, and nothing else may decide it.

use std::collections::BTreeMap;

use windlass_proto::v1;
use windlass_replay::Course;
use windlass_sagas::ids::{CellId, Position, SagaId};
use windlass_sagas::record::Commit;

use super::json::{self, Object};
use crate::api::{Audience, attribution, of_commit, of_saga};

/// A message of the feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The position of the event's commit.
    pub position: Position,
    /// The event's place in it, from 0.
    pub ordinal: u32,
    /// `<kind>.<id>.<event>`, behind the feed's own prefix.
    pub subject: String,
    /// The event: CloudEvents 1.0, JSON.
    pub payload: Vec<u8>,
}

impl Message {
    /// `<position>.<ordinal>`.
    #[must_use]
    pub fn id(&self) -> String {
        format!("{}.{}", self.position, self.ordinal)
    }
}

/// The place that a message's id names.
#[must_use]
pub fn place(id: &str) -> Option<(Position, u32)> {
    let (position, ordinal) = id.split_once('.')?;
    Some((Position(position.parse().ok()?), ordinal.parse().ok()?))
}

/// Tells commits, in their order. It remembers of each open saga what its events' messages need of earlier commits.
#[derive(Clone, Debug)]
pub struct Teller {
    source: String,
    open: BTreeMap<SagaId, Course>,
}

impl Teller {
    /// Of this cell.
    #[must_use]
    pub fn new(cell: CellId) -> Self {
        Self { source: format!("/cells/{cell}"), open: BTreeMap::new() }
    }

    /// The sagas that the commit speaks of and whose begin was not learned: earlier commits of theirs are to be learned
    /// before it is told.
    #[must_use]
    pub fn unknown(&self, commit: &Commit) -> Vec<SagaId> {
        let starts = |saga: &SagaId| attribution::started(commit).any(|start| start.saga == *saga);
        let touched = attribution::touched(commit).into_iter().map(|(saga, _)| saga);
        touched.filter(|saga| !self.open.contains_key(saga) && !starts(saga)).collect()
    }

    /// Takes in what an earlier commit says of this saga.
    pub fn learn(&mut self, saga: SagaId, commit: &Commit) {
        let course = self.open.entry(saga).or_insert_with(|| Course::new(saga));
        drop(of_saga(commit, saga, course, Audience::Auditors));
    }

    /// Takes in a commit that is not told, in its turn.
    pub fn pass(&mut self, commit: &Commit) {
        drop(of_commit(commit, &mut self.open, Audience::Auditors));
        self.end(commit);
    }

    /// The messages of a commit's events.
    pub fn tell(&mut self, commit: &Commit) -> Vec<Message> {
        let events = of_commit(commit, &mut self.open, Audience::Auditors);
        self.end(commit);
        events.iter().map(|event| self.message(event)).collect()
    }

    /// Forgets the sagas that end in the commit.
    fn end(&mut self, commit: &Commit) {
        for (saga, _) in attribution::touched(commit).into_iter().filter(|(_, ends)| *ends) {
            self.open.remove(&saga);
        }
    }

    fn message(&self, event: &v1::Event) -> Message {
        let (position, ordinal) = (Position(event.position), event.ordinal);
        let about = About::of(event);
        let mut payload = Vec::with_capacity(1024);
        let mut told = Object::begin(&mut payload);
        told.text("specversion", "1.0");
        told.text("id", &format!("{position}.{ordinal}"));
        told.text("source", &self.source);
        told.text("type", &format!("windlass.{}", event.kind));
        told.text("subject", about.name);
        told.text("time", &event.time.map(|time| time.to_string()).unwrap_or_default());
        told.text("datacontenttype", "application/json");
        told.text("dataschema", SCHEMA);
        told.text("traceparent", &traceparent(event.cause.as_ref()));
        json::put(event, told.value("data"));
        told.end();
        let subject = format!("{}.{}.{}", token(&about.kind()), token(about.id()), token(&event.kind));
        Message { position, ordinal, subject, payload }
    }
}

/// What the data is: the message of the API's description.
const SCHEMA: &str = "urn:windlass:v1.Event";

/// As W3C trace context writes it; empty where the commit's cause has none. Whether it was sampled is not recorded, so it
/// is taken for that.
fn traceparent(cause: Option<&v1::Cause>) -> String {
    let found = cause.filter(|cause| !cause.trace_id.is_empty());
    found.map(|cause| format!("00-{}-{}-01", cause.trace_id, cause.span_id)).unwrap_or_default()
}

/// What an event is about, by its name; empty: the cell itself.
struct About<'a> {
    name: &'a str,
}

impl<'a> About<'a> {
    /// A saga's and a step's events are about the operation, every other one about its resource, its host, its operation,
    /// or the cell: the first that it has.
    fn of(event: &'a v1::Event) -> Self {
        let word = event.kind.split('.').next().unwrap_or_default();
        let names = match word {
            "saga" | "step" => [&event.operation, &event.resource, &event.host],
            _ => [&event.resource, &event.host, &event.operation],
        };
        Self { name: names.into_iter().map(String::as_str).find(|name| !name.is_empty()).unwrap_or_default() }
    }

    /// As `server` or `security-group`: its collection, for one of it.
    fn kind(&self) -> String {
        let collection = self.name.rsplit('/').nth(1).unwrap_or("cells");
        let one = collection.strip_suffix('s').unwrap_or(collection);
        let letters = one.chars().flat_map(|letter| {
            let dash = letter.is_ascii_uppercase().then_some('-');
            dash.into_iter().chain([letter.to_ascii_lowercase()])
        });
        letters.collect()
    }

    fn id(&self) -> &'a str {
        self.name.rsplit('/').next().filter(|id| !id.is_empty()).unwrap_or("self")
    }
}

/// A text as one token of a subject: `step.done` is `step-done`.
fn token(text: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_');
    text.chars().map(|letter| if plain(letter) { letter } else { '-' }).collect()
}
