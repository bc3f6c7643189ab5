//! `HistoryService.Diff`: two moments compared, field by field as the API shows them, each with the commit that caused it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;
use windlass_proto::v1::operation_response::Resource;
use windlass_proto::v1::resource_diff::Change;
use windlass_proto::v1::{self, ErrorReason};
use windlass_replay::{Changed, Diff, Fields, exists};
use windlass_sagas::cell::Cell;
use windlass_sagas::ids::*;
use windlass_sagas::record::{ResourceRef, SagaKind};

use super::Api;
use super::attribution;
use super::call::{Call, unread};
use super::convert::{self, Audience};
use super::errors::Problem;
use super::fields::stamp;
use super::inventories::NoAgents;
use super::limits::{DIFF_BATCH_COMMITS, DIFF_COMMITS_MAX, DIFF_RESOURCES_MAX};
use super::names::{self, NO_PROJECT};
use super::touched;
use super::view::{Place, View, project_of};
use super::visit::Point;
use super::who::Who;
use crate::lead::handle::Durable;

/// Fields that say which it is, when it was read or last touched, or how far its ledgers forget: not what it is.
const NOT_COMPARED: [&str; 7] =
    ["name", "uid", "position", "updateTime", "remainingMs", "lowWater", "lowWaterHeldSince"];

/// What is compared.
struct Scope {
    place: Place,
    /// One resource, by its name.
    one: Option<String>,
}

impl Api {
    pub(super) async fn diff_of(
        &self,
        call: Call,
        asked: v1::DiffRequest,
    ) -> Result<v1::DiffResponse, Problem> {
        let scope = Scope::of(&asked.parent)?;
        let point = Point { read_at: None, min_position: Position(asked.min_position) };
        let look = |view: &View<'_>| {
            Ok((view.who.clone().kept(), view.project, view.audience(), view.cell.position))
        };
        let (who, project, audience, now) = self.visit(call, point, Ok(scope.place.clone()), look).await?;
        let from =
            asked.from.ok_or_else(|| Problem::field("from", "from is required: a position or a time"))?;
        let from = self.moment(from, now).await.map_err(|problem| problem.of_field("from"))?.position;
        let to = match asked.read_at {
            Some(to) => self.moment(to, now).await?.position,
            None => now,
        };
        if from > to {
            return Err(Problem::field(
                "from",
                format!("from, {from}, is later than what it is compared with, {to}"),
            ));
        }
        if to.0 - from.0 > DIFF_COMMITS_MAX {
            let message = format!(
                "{} commits lie between {from} and {to}, at most {DIFF_COMMITS_MAX} may",
                to.0 - from.0
            );
            return Err(Problem::new(ErrorReason::TooLarge, message)
                .of_field("from")
                .hint("compare nearer moments"));
        }
        let (before, after) = (self.past(from).await?, self.past(to).await?);
        let wanted = scope.wanted(&who, project, (&before, &after))?;
        let shown = who.clone();
        let show = move |cell: &Cell, resource: ResourceRef| show(cell, resource, &shown);
        let mut diff = Diff::new(Arc::clone(&before), Arc::clone(&after), wanted, show);
        if diff.len() > DIFF_RESOURCES_MAX {
            let message = format!("{} resources differ, at most {DIFF_RESOURCES_MAX} are told", diff.len());
            return Err(Problem::new(ErrorReason::TooLarge, message)
                .of_field("parent")
                .hint("name a project or one resource, or nearer moments"));
        }
        self.reach(to).await?;
        let mut commits = Commits::default();
        let mut at = from;
        while at < to {
            let batch = self.parts().finished.commits_after(at, DIFF_BATCH_COMMITS).await.map_err(unread)?;
            // A copy that leaves commits out may end with such.
            let Some(last) = batch.last() else { break };
            at = last.header.position;
            for commit in batch.iter().filter(|commit| commit.header.position <= to) {
                diff.take(commit);
                commits.see(commit);
            }
            commits.keep(&diff.causes());
        }
        let (changed, passing) = diff.end();
        let told = Told { before: &before, after: &after, who: &who };
        Ok(v1::DiffResponse {
            commits: commits.of(&changed).map(|commit| message(commit, audience)).collect(),
            resources: changed.iter().map(|it| told.resource(it)).collect(),
            passing,
            from_position: from.0,
            to_position: to.0,
            position: to.0,
        })
    }
}

/// The commits that caused something as far as is known yet.
#[derive(Default)]
struct Commits(BTreeMap<Position, Durable>);

impl Commits {
    fn see(&mut self, commit: &Durable) {
        self.0.insert(commit.header.position, Arc::clone(commit));
    }

    /// Lets go of the others: their number is that of the fields, not that of the span.
    fn keep(&mut self, causes: &BTreeSet<Position>) {
        self.0.retain(|position, _| causes.contains(position));
    }

    fn of(&self, changed: &[Changed]) -> impl Iterator<Item = &Durable> {
        let causes: BTreeSet<Position> = changed.iter().flat_map(|it| it.causes.values().copied()).collect();
        self.0.iter().filter(move |(position, _)| causes.contains(position)).map(|(_, commit)| commit)
    }
}

fn message(commit: &Durable, audience: Audience) -> v1::DiffCommit {
    v1::DiffCommit {
        position: commit.header.position.0,
        time: stamp(commit.header.time),
        fact: convert::fact(&commit.fact),
        operations: attribution::touched(commit)
            .into_iter()
            .map(|(saga, _)| names::operation(saga))
            .collect(),
        cause: Some(convert::cause(commit, audience)),
    }
}

/// What a resource shows of itself, by the paths of the API's JSON.
fn show(cell: &Cell, resource: ResourceRef, who: &Who<'_>) -> Option<Fields> {
    let view = View::of(cell, &NoAgents, who.clone(), Some(cell.time), NO_PROJECT);
    // Sagas have a life of their own: `windlass operation history`.
    let shown = convert::result(&view, SagaKind::ServerCreate, resource)?;
    let mut fields = Fields::new();
    if let Value::Object(members) = json(&shown) {
        members.iter().for_each(|(name, value)| flat(name, value, &mut fields));
    }
    if let ResourceRef::Project(id) = resource
        && let Some(project) = cell.projects.get(&id)
    {
        let quota = windlass_proto::to_json(&view.quota(project), false).unwrap_or_default();
        flat("quota", &quota, &mut fields);
    }
    fields.retain(|path, _| {
        let last = path.rsplit('.').next().unwrap_or(path);
        !NOT_COMPARED.contains(&last)
    });
    Some(fields)
}

fn json(shown: &Resource) -> Value {
    let response = v1::OperationResponse { resource: Some(shown.clone()) };
    let json = windlass_proto::to_json(&response, false).unwrap_or_default();
    match json {
        Value::Object(members) => members.into_iter().next().map(|(_, value)| value).unwrap_or_default(),
        other => other,
    }
}

fn flat(path: &str, value: &Value, fields: &mut Fields) {
    match value {
        Value::Object(members) => {
            members.iter().for_each(|(name, value)| flat(&format!("{path}.{name}"), value, fields));
        }
        Value::Array(items) => {
            for (place, value) in items.iter().enumerate() {
                flat(&format!("{path}[{place}]"), value, fields);
            }
        }
        Value::String(text) => drop(fields.insert(path.to_owned(), text.clone())),
        Value::Null => {}
        Value::Bool(_) | Value::Number(_) => drop(fields.insert(path.to_owned(), value.to_string())),
    }
}

/// Both ends of the span, for the names of what differs.
struct Told<'a> {
    before: &'a Cell,
    after: &'a Cell,
    who: &'a Who<'a>,
}

impl Told<'_> {
    fn resource(&self, it: &Changed) -> v1::ResourceDiff {
        let nothing = Fields::new();
        let (change, whole) = match (&it.before, &it.after) {
            (None, _) => (Change::Added, it.causes.get("").copied().unwrap_or_default()),
            (_, None) => (Change::Removed, it.causes.get("").copied().unwrap_or_default()),
            (Some(_), Some(_)) => (Change::Changed, Position(0)),
        };
        let (before, after) = (it.before.as_ref().unwrap_or(&nothing), it.after.as_ref().unwrap_or(&nothing));
        let paths: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
        let differing = paths.into_iter().filter(|path| before.get(*path) != after.get(*path));
        let fields = differing.map(|path| v1::FieldDiff {
            path: path.clone(),
            before: before.get(path).cloned(),
            after: after.get(path).cloned(),
            position: it.causes.get(path).map_or(0, |position| position.0),
        });
        let name = |fields: &Fields| fields.get("displayName").cloned();
        v1::ResourceDiff {
            resource: self.name(it.resource),
            kind: it.resource.noun().to_owned(),
            display_name: name(after).or_else(|| name(before)).unwrap_or_default(),
            change: change.into(),
            position: whole.0,
            fields: fields.collect(),
        }
    }

    fn name(&self, resource: ResourceRef) -> String {
        let view = |cell| View::of(cell, &NoAgents, self.who.clone(), None, NO_PROJECT);
        let (after, before) = (view(self.after), view(self.before));
        let project = after.project_of(resource).or_else(|| before.project_of(resource));
        after.name(resource, project.unwrap_or(NO_PROJECT))
    }
}

impl Scope {
    /// What a name asks for.
    fn of(parent: &str) -> Result<Self, Problem> {
        let parts: Vec<&str> = parent.split('/').collect();
        let one = Some(parent.to_owned());
        match parts.as_slice() {
            [""] => Ok(Self { place: Place::Cell, one: None }),
            ["projects", _] => Ok(Self { place: Place::parent(parent)?, one: None }),
            ["projects", project, collection, _] => {
                names::two(parent, "projects", collection, "parent")?;
                Ok(Self { place: Place::Project((*project).to_owned()), one })
            }
            ["hosts" | "flavors", _] => Ok(Self { place: Place::Cell, one }),
            _ => Err(touched::no_such_form()),
        }
    }

    /// Which resources are compared.
    fn wanted(
        &self,
        who: &Who<'_>,
        project: ProjectId,
        (before, after): (&Arc<Cell>, &Arc<Cell>),
    ) -> Result<impl Fn(ResourceRef) -> bool + use<>, Problem> {
        let one = self.one.as_ref().map(|name| one(name, who, project, [after, before])).transpose()?;
        let whole = matches!(self.place, Place::Cell);
        let (before, after) = (Arc::clone(before), Arc::clone(after));
        Ok(move |resource: ResourceRef| match one {
            Some(one) => resource == one,
            None if whole => true,
            None => {
                let owner = |cell| project_of(cell, resource);
                resource == ResourceRef::Project(project)
                    || owner(&after).or_else(|| owner(&before)) == Some(project)
            }
        })
    }
}

/// The resource that a name means in the first of these folds in which there is one.
fn one(
    name: &str,
    who: &Who<'_>,
    project: ProjectId,
    cells: [&Arc<Cell>; 2],
) -> Result<ResourceRef, Problem> {
    let mut missing = None;
    for cell in cells {
        let view = View::of(cell, &NoAgents, who.clone(), None, project);
        match touched::named(&view, name) {
            Ok((resource, _)) if exists(cell, resource) => return Ok(resource),
            Ok(_) => {}
            Err(problem) => missing = Some(problem),
        }
    }
    Err(missing.unwrap_or_else(|| Problem::not_found("resource", name).of_field("parent")))
}
