//! Events of the journal as messages: what happened in words, and its fields by name. One table in three files (saga,
//! cloud, cell) tells each kind of event; previews read the same table.

use std::collections::BTreeMap;

use windlass_proto::v1;
use windlass_proto::v1::planned_change::Action;
use windlass_replay::{About, Course};
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

/// The events of a commit that are one saga's, told by its course, which they then are part of.
pub(in crate::api) fn of_saga(
    commit: &Commit,
    saga: SagaId,
    course: &mut Course,
    audience: Audience,
) -> Vec<v1::Event> {
    let owner = Owner::of(saga, commit, course);
    let owners = attribution::sagas(commit).into_iter().enumerate();
    let own = owners.filter(|(_, owner)| *owner == Some(saga));
    let tell = |(ordinal, _)| {
        let about = course.take(commit, ordinal);
        message(commit, ordinal, &about, owner, Some(&*course), audience)
    };
    own.map(tell).collect()
}

/// The events of all these commits that are one saga's, in order; the first of them begins it.
pub(in crate::api) fn events<'a>(
    commits: impl IntoIterator<Item = &'a Commit>,
    saga: SagaId,
    audience: Audience,
) -> Vec<v1::Event> {
    let mut course = Course::new(saga);
    commits.into_iter().flat_map(|commit| of_saga(commit, saga, &mut course, audience)).collect()
}

/// All events of a commit, by the courses of its sagas, of which they then are part. A saga whose begin is not known is
/// told without what its begin says.
pub(in crate::api) fn of_commit(
    commit: &Commit,
    courses: &mut BTreeMap<SagaId, Course>,
    audience: Audience,
) -> Vec<v1::Event> {
    let owners = attribution::sagas(commit).into_iter().enumerate();
    let tell = |(ordinal, saga): (usize, Option<SagaId>)| {
        let Some(saga) = saga else {
            return message(commit, ordinal, &About::default(), None, None, audience);
        };
        let course = courses.entry(saga).or_insert_with(|| Course::new(saga));
        let owner = Owner::of(saga, commit, course);
        let about = course.take(commit, ordinal);
        message(commit, ordinal, &about, owner, Some(&*course), audience)
    };
    owners.map(tell).collect()
}

/// The saga that an event is part of.
#[derive(Clone, Copy)]
struct Owner {
    saga: SagaId,
    kind: &'static str,
    project: ProjectId,
}

impl Owner {
    /// A saga's kind and project, from its course or from its begin in this very commit: claims stand before it.
    fn of(saga: SagaId, commit: &Commit, course: &Course) -> Option<Self> {
        let known = course.begun().map(|begun| (begun.kind, begun.project));
        let begins =
            || attribution::started(commit).find(|it| it.saga == saga).map(|it| (it.kind, it.project));
        let (kind, project) = known.or_else(begins)?;
        Some(Self { saga, kind: kind.operation(), project })
    }
}

fn message(
    commit: &Commit,
    ordinal: usize,
    about: &About,
    owner: Option<Owner>,
    course: Option<&Course>,
    audience: Audience,
) -> v1::Event {
    let project = owner.map_or(names::NO_PROJECT, |owner| owner.project);
    let told = commit.events.get(ordinal).map(|event| told(event, project)).unwrap_or_default();
    let details: BTreeMap<String, String> =
        told.details.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
    let host = told.host.or_else(|| about.line.map(|line| line.ledger.host));
    // That a saga turned back is not about the step that turned it; but it names that step.
    let line = told.step.zip(course).and_then(|(step, course)| course.step(step));
    v1::Event {
        position: commit.header.position.0,
        ordinal: u32::try_from(ordinal).unwrap_or(u32::MAX),
        time: stamp(commit.header.time),
        kind: told.kind.to_owned(),
        operation: owner.map(|owner| names::operation(owner.saga)).unwrap_or_default(),
        step: told.step.map(|step| u32::from(step.0)),
        direction: told.direction.map_or(v1::event::Direction::Unspecified, direction).into(),
        attempt: told.attempt.or(about.attempt).unwrap_or_default().0,
        host: host.map(names::host).unwrap_or_default(),
        resource: told.resource.map(|it| names::of(it, project)).unwrap_or_default(),
        summary: told.summary,
        details,
        cause: Some(cause(commit, audience)),
        term_generation: commit.header.term.generation,
        term_elected: commit.header.term.elected.0,
        fact: fact(&commit.fact),
        latency_ms: about.latency_ms,
        step_kind: line.map(|line| line.name.to_owned()).unwrap_or_default(),
        operation_kind: owner.map(|owner| owner.kind.to_owned()).unwrap_or_default(),
        project: names::project(project),
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
