//! Events told commit by commit, wherever one begins to read: the courses of the sagas that are open there are read
//! from the history. And which of them a filter takes.

use std::collections::BTreeMap;

use windlass_proto::v1;
use windlass_replay::Course;
use windlass_sagas::ids::*;
use windlass_sagas::record::{Commit, Event};

use super::Api;
use super::attribution::{started, touched};
use super::convert::{self, Audience};
use super::errors::Problem;
use super::limits::WATCH_OPERATIONS_MAX;
use super::list::Filter;
use super::names;
use super::view::View;

/// What events are filtered by.
pub(super) const FILTERS: [&str; 8] =
    ["kind", "step", "host", "direction", "operation", "operation_kind", "resource", "project"];

/// Tells events of commits that come in order; some may be left out between them, but none that speaks of a saga which
/// was met before.
#[derive(Default)]
pub(super) struct Teller {
    /// The courses of open sagas that were met, up to the last commit.
    courses: BTreeMap<SagaId, Course>,
}

impl Teller {
    /// The events of the next commit.
    pub(super) async fn tell(
        &mut self,
        api: &Api,
        commit: &Commit,
        audience: Audience,
    ) -> Result<Vec<v1::Event>, Problem> {
        if self.courses.len() > WATCH_OPERATIONS_MAX {
            self.courses.clear();
        }
        let touched = touched(commit);
        for (saga, _) in &touched {
            if !self.courses.contains_key(saga) && started(commit).all(|it| it.saga != *saga) {
                let course = api.course(*saga, commit.header.position).await?;
                self.courses.insert(*saga, course);
            }
        }
        let events = convert::of_commit(commit, &mut self.courses, audience);
        for (saga, _) in touched.iter().filter(|(_, ends)| *ends) {
            self.courses.remove(saga);
        }
        Ok(events)
    }
}

impl Api {
    /// A saga's course up to before a position.
    async fn course(&self, saga: SagaId, position: Position) -> Result<Course, Problem> {
        let mut course = Course::new(saga);
        for commit in self.commits_of(saga, Position(position.0.saturating_sub(1))).await? {
            course.pass(&commit);
        }
        Ok(course)
    }
}

/// Which events are wanted.
#[derive(Clone)]
pub(super) struct Sieve {
    filter: Filter,
    /// Display names of hosts and projects, by their resource names.
    shown: BTreeMap<String, String>,
}

impl Sieve {
    /// What a filter takes, by the display names that a view knows.
    pub(super) fn of(filter: Filter, view: &View<'_>) -> Self {
        let mut sieve = Self { filter, shown: BTreeMap::new() };
        sieve.know(view);
        sieve
    }

    /// Adds the display names that a view knows. Those that were known before are kept: they may be of the past.
    pub(super) fn know(&mut self, view: &View<'_>) {
        let hosts = view.cell.hosts.values().map(|host| (names::host(host.id), host.name.clone()));
        let projects = view.cell.projects.values().map(|it| (names::project(it.id), it.name.clone()));
        self.shown.extend(hosts.chain(projects));
    }

    /// Adds the display names that a commit gives.
    pub(super) fn learn(&mut self, commit: &Commit) {
        self.shown.extend(commit.events.iter().filter_map(|event| match event {
            Event::HostJoined(e) => Some((names::host(e.id), e.name.clone())),
            Event::ProjectCreated(e) => Some((names::project(e.id), e.name.clone())),
            _ => None,
        }));
    }

    /// Whether an event is wanted.
    pub(super) fn takes(&self, event: &v1::Event) -> bool {
        self.filter.takes(|field| self.values(event, field))
    }

    /// An event's values of a field that is filtered by.
    fn values(&self, event: &v1::Event, field: &str) -> Vec<String> {
        let named = |name: &String| {
            let id = name.rsplit('/').next().unwrap_or_default().to_owned();
            [Some(name.clone()), Some(id), self.shown.get(name).cloned()].into_iter().flatten().collect()
        };
        match field {
            "kind" => vec![event.kind.clone()],
            "step" => {
                event.step.map(|step| step.to_string()).into_iter().chain([event.step_kind.clone()]).collect()
            }
            "direction" => vec![event.direction().as_str_name().to_owned()],
            "operation_kind" => vec![event.operation_kind.clone()],
            "host" => named(&event.host),
            "operation" => named(&event.operation),
            "resource" => named(&event.resource),
            "project" => named(&event.project),
            _ => Vec::new(),
        }
    }
}
