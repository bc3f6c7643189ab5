//! Events of the journal as messages: what happened in words, and its fields by name. One table in three files (saga,
//! cloud, cell) tells each kind of event; previews read the same table.

use std::collections::BTreeMap;

use windlass_proto::v1;
use windlass_proto::v1::planned_change::Action;
use windlass_sagas::ids::*;
use windlass_sagas::record::{Commit, Direction, Event, Fact, Principal, ResourceRef};

use super::operation::principal;
use super::{event_cell, event_cloud, event_saga};
use crate::api::attribution;
use crate::api::fields::stamp;
use crate::api::names;

/// What an event says.
#[derive(Clone, Debug, Default)]
pub(super) struct Told {
    /// As `step.done`.
    pub(super) kind: &'static str,
    /// A sentence for people.
    pub(super) summary: String,
    pub(super) resource: Option<ResourceRef>,
    pub(super) host: Option<HostId>,
    pub(super) step: Option<StepIndex>,
    pub(super) direction: Option<Direction>,
    pub(super) attempt: Option<Attempt>,
    /// What it does to its resource, where a plan of changes should say so.
    pub(super) action: Option<Action>,
    /// The display name of what is made.
    pub(super) display_name: String,
    pub(super) details: Vec<(&'static str, String)>,
}

impl Told {
    pub(super) fn new(kind: &'static str, summary: impl Into<String>) -> Self {
        Self { kind, summary: summary.into(), ..Self::default() }
    }

    pub(super) const fn of(mut self, resource: ResourceRef) -> Self {
        self.resource = Some(resource);
        self
    }

    pub(super) const fn on(mut self, host: HostId) -> Self {
        self.host = Some(host);
        self
    }

    pub(super) const fn step(mut self, step: StepIndex) -> Self {
        self.step = Some(step);
        self
    }

    pub(super) const fn going(mut self, direction: Direction) -> Self {
        self.direction = Some(direction);
        self
    }

    pub(super) fn with(mut self, key: &'static str, value: impl std::fmt::Display) -> Self {
        self.details.push((key, value.to_string()));
        self
    }

    /// It makes its resource, under this name (empty for one without).
    pub(super) fn makes(mut self, name: &str) -> Self {
        self.action = Some(Action::Create);
        name.clone_into(&mut self.display_name);
        if name.is_empty() { self } else { self.with("display_name", name) }
    }

    pub(super) const fn changes(mut self) -> Self {
        self.action = Some(Action::Update);
        self
    }

    pub(super) const fn removes(mut self) -> Self {
        self.action = Some(Action::Delete);
        self
    }
}

/// What an event says; `project` is its saga's, or zero.
pub(super) fn told(event: &Event, project: ProjectId) -> Told {
    event_saga::told(event, project)
        .or_else(|| event_cloud::told(event, project))
        .or_else(|| event_cell::told(event, project))
        .unwrap_or_else(|| Told::new("event", event.name()))
}

/// How much of a commit's cause a reader sees: addresses and credentials are for auditors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::api) enum Audience {
    /// Who may read the resources.
    Readers,
    /// Who may read all history.
    Auditors,
}

/// The events of a commit that are one saga's; `project` is the saga's.
pub(in crate::api) fn of_saga(
    commit: &Commit,
    saga: SagaId,
    project: ProjectId,
    audience: Audience,
) -> Vec<v1::Event> {
    let owners = attribution::sagas(commit);
    let own = commit.events.iter().enumerate().zip(owners).filter(|(_, owner)| *owner == Some(saga));
    own.map(|((ordinal, event), _)| message(commit, ordinal, event, Some(saga), project, audience)).collect()
}

/// The events of all these commits that are one saga's, in order.
pub(in crate::api) fn events<'a>(
    commits: impl IntoIterator<Item = &'a Commit>,
    saga: SagaId,
    project: ProjectId,
    audience: Audience,
) -> Vec<v1::Event> {
    commits.into_iter().flat_map(|commit| of_saga(commit, saga, project, audience)).collect()
}

fn message(
    commit: &Commit,
    ordinal: usize,
    event: &Event,
    saga: Option<SagaId>,
    project: ProjectId,
    audience: Audience,
) -> v1::Event {
    let told = told(event, project);
    let details: BTreeMap<String, String> =
        told.details.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
    v1::Event {
        position: commit.header.position.0,
        ordinal: u32::try_from(ordinal).unwrap_or(u32::MAX),
        time: stamp(commit.header.time),
        kind: told.kind.to_owned(),
        operation: saga.map(names::operation).unwrap_or_default(),
        step: told.step.map(|step| u32::from(step.0)),
        direction: told.direction.map_or(v1::event::Direction::Unspecified, direction).into(),
        attempt: told.attempt.unwrap_or_default().0,
        host: told.host.map(names::host).unwrap_or_default(),
        resource: told.resource.map(|it| names::of(it, project)).unwrap_or_default(),
        summary: told.summary,
        details,
        cause: Some(cause(commit, audience)),
        term_generation: commit.header.term.generation,
        term_elected: commit.header.term.elected.0,
        fact: fact(&commit.fact),
    }
}

const fn direction(direction: Direction) -> v1::event::Direction {
    match direction {
        Direction::Forward => v1::event::Direction::Forward,
        Direction::Undo => v1::event::Direction::Undo,
    }
}

pub(in crate::api) fn cause(commit: &Commit, audience: Audience) -> v1::Cause {
    let (who, request_id) = match &commit.fact {
        Fact::Request(request) => (request.principal, request.id.to_string()),
        Fact::Report(_) => (Principal::Cell, String::new()),
    };
    let cause = &commit.cause;
    let all = audience == Audience::Auditors;
    let credential = cause.credential.filter(|_| all).map(|id| match who {
        Principal::User(user) => format!("{}/apiTokens/{id}", names::principal(user)),
        Principal::Host(_) | Principal::Cell => names::of(ResourceRef::Credential(id), names::NO_PROJECT),
    });
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    v1::Cause {
        principal: principal(who),
        credential: credential.unwrap_or_default(),
        request_id,
        source_address: cause.source.filter(|_| all).map(|ip| ip.to_string()).unwrap_or_default(),
        trace_id: cause.trace.map(|(trace, _)| hex(&trace)).unwrap_or_default(),
        span_id: cause.trace.map(|(_, span)| hex(&span)).unwrap_or_default(),
    }
}

/// As `request.create_server` or `step.report`.
pub(in crate::api) fn fact(fact: &Fact) -> String {
    let mut name = String::new();
    for letter in fact.name().chars() {
        if letter.is_ascii_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(letter.to_ascii_lowercase());
    }
    match fact {
        Fact::Request(_) => format!("request.{name}"),
        Fact::Report(_) => format!("{name}.report"),
    }
}
