//! What changed between two moments: which resources, which of their fields, and the commit that gave each field its
//! last value. What a resource shows is the caller's to say; here is only how two folds and the way between them compare.
//!
//! Invariant: the fields told are exactly those that differ between the two folds; what changed and changed back is not
//! there, and a field whose commit was not found says so (position 0) and is told all the same.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use windlass_sagas::cell::Cell;
use windlass_sagas::cell::state::{Saga, Volume};
use windlass_sagas::ids::*;
use windlass_sagas::record::{Commit, Event, ResourceRef};
use windlass_store::named;

/// What a resource shows, by field.
pub type Fields = BTreeMap<String, String>;

/// One resource that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// Which.
    pub resource: ResourceRef,
    /// What it showed before; `None`: it was not there.
    pub before: Option<Fields>,
    /// What it shows after; `None`: it is no more.
    pub after: Option<Fields>,
    /// The commit that gave each differing field its last value; that of a resource as a whole under `""`. Position 0:
    /// none of those that name it did.
    pub causes: BTreeMap<String, Position>,
}

/// A comparison that walks from one fold to another.
pub struct Diff<S> {
    from: Arc<Cell>,
    to: Arc<Cell>,
    /// The fold of where the walk stands.
    at: Cell,
    show: S,
    changed: BTreeMap<ResourceRef, Walked>,
    passing: BTreeSet<ResourceRef>,
}

struct Walked {
    changed: Changed,
    last: Option<Fields>,
}

impl<S: Fn(&Cell, ResourceRef) -> Option<Fields>> Diff<S> {
    /// Compares two folds of one cell, `from` before `to`, in what `wanted` takes. Now `take` each commit between them.
    pub fn new(from: Arc<Cell>, to: Arc<Cell>, wanted: impl Fn(ResourceRef) -> bool, show: S) -> Self {
        let mut changed = BTreeMap::new();
        for resource in differing(&from, &to).into_iter().filter(|it| wanted(*it)) {
            let (before, after) = (show(&from, resource), show(&to, resource));
            if before == after {
                continue;
            }
            let causes = differing_fields(before.as_ref(), after.as_ref());
            let last = before.clone();
            let changed_one = Changed { resource, before, after, causes };
            changed.insert(resource, Walked { changed: changed_one, last });
        }
        let at = (*from).clone();
        Self { from, to, at, show, changed, passing: BTreeSet::new() }
    }

    /// How many resources differ.
    #[must_use]
    pub fn len(&self) -> usize {
        self.changed.len()
    }

    /// Whether nothing differs.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.changed.is_empty()
    }

    /// Walks on by the next commit.
    pub fn take(&mut self, commit: &Commit) {
        let position = commit.header.position;
        let mut near = self.near(commit);
        self.at.fold(commit);
        near.append(&mut self.near(commit));
        for resource in near {
            let Some(walked) = self.changed.get_mut(&resource) else {
                let is_saga = matches!(resource, ResourceRef::Saga(_));
                if !is_saga && !exists(&self.from, resource) && !exists(&self.to, resource) {
                    self.passing.insert(resource);
                }
                continue;
            };
            let now = (self.show)(&self.at, resource);
            if now == walked.last {
                continue;
            }
            let (changed, last) = (&mut walked.changed, &walked.last);
            for (field, cause) in &mut changed.causes {
                let value = |of: &Option<Fields>| value(of.as_ref(), field).map(str::to_owned);
                let (is, was, ends) = (value(&now), value(last), value(&changed.after));
                if is != was && is == ends {
                    *cause = position;
                }
            }
            walked.last = now;
        }
    }

    /// The commits that are causes as far as was walked.
    #[must_use]
    pub fn causes(&self) -> BTreeSet<Position> {
        self.changed.values().flat_map(|it| it.changed.causes.values().copied()).collect()
    }

    /// What differs, in the order of the first commit that caused it; and how many resources came and went between.
    #[must_use]
    pub fn end(self) -> (Vec<Changed>, u64) {
        let passing = u64::try_from(self.passing.len()).unwrap_or(u64::MAX);
        let mut all: Vec<Changed> = self.changed.into_values().map(|it| it.changed).collect();
        all.sort_by_key(|it| (it.causes.values().min().copied(), it.resource));
        (all, passing)
    }

    /// What a commit may change: what it names, and what shows something of that.
    fn near(&self, commit: &Commit) -> BTreeSet<ResourceRef> {
        if commit.events.iter().any(is_wide) {
            return self.changed.keys().copied().collect();
        }
        let mut near = BTreeSet::new();
        for resource in commit.events.iter().flat_map(named) {
            near.insert(resource);
            beside(&self.at, resource, &mut near);
        }
        near
    }
}

/// Events that change what they don't name: all of a host's or a project's.
const fn is_wide(event: &Event) -> bool {
    matches!(
        event,
        Event::HostUp(_)
            | Event::HostDown(_)
            | Event::HostRebooted(_)
            | Event::HostGone(_)
            | Event::HostOff(_)
            | Event::HostRejoined(_)
            | Event::ProjectDeleted(_)
            | Event::PrincipalDeleted(_)
    )
}

/// What shows something of a resource: where it is, what it is part of, what it holds.
fn beside(cell: &Cell, resource: ResourceRef, near: &mut BTreeSet<ResourceRef>) {
    use ResourceRef as R;
    match resource {
        R::Saga(id) => {
            if let Some(Saga { subject, holds, .. }) = cell.sagas.get(&id) {
                for held in holds.iter().chain([subject]) {
                    near.insert(*held);
                    if !matches!(held, R::Saga(_)) {
                        beside(cell, *held, near);
                    }
                }
            }
        }
        R::Server(id) => {
            if let Some(server) = cell.servers.get(&id) {
                near.extend([R::Host(server.spec.host), R::Project(server.spec.project)]);
                near.extend(server.attached.iter().map(|volume| R::Volume(*volume)));
            }
        }
        R::Volume(id) => {
            if let Some(Volume { spec, attachments, .. }) = cell.volumes.get(&id) {
                near.extend([R::Host(spec.host), R::Project(spec.project)]);
                near.extend(attachments.iter().map(|it| R::Server(it.server)));
            }
        }
        R::Port(id) => {
            if let Some(port) = cell.ports.get(&id) {
                near.extend([R::Network(port.spec.network), R::Project(port.spec.project)]);
                near.extend(
                    port.user().into_iter().flat_map(|(server, host)| [R::Server(server), R::Host(host)]),
                );
            }
        }
        R::Network(id) => near.extend(cell.networks.get(&id).map(|it| R::Project(it.project))),
        R::Subnet(id) => near.extend(cell.subnets.get(&id).map(|it| R::Network(it.network))),
        R::Credential(id) => near.extend(cell.credentials.get(&id).map(|it| R::Principal(it.principal))),
        R::SecurityGroup(_)
        | R::Flavor(_)
        | R::Image(_)
        | R::KeyPair(_)
        | R::Project(_)
        | R::Host(_)
        | R::Principal(_)
        | R::JoinToken(_)
        | R::Fault(_) => {}
    }
}

/// The resources whose rows differ, and those that a saga that differs is about or holds.
fn differing(from: &Cell, to: &Cell) -> BTreeSet<ResourceRef> {
    let mut all = BTreeSet::new();
    macro_rules! rows {
        ($($map:ident $kind:ident;)*) => {$(
            let gone = from.$map.keys().filter(|id| !to.$map.contains_key(id));
            all.extend(gone.map(|id| ResourceRef::$kind(*id)));
            let new = to.$map.iter().filter(|(id, row)| from.$map.get(id) != Some(row));
            all.extend(new.map(|(id, _)| ResourceRef::$kind(*id)));
        )*};
    }
    rows! {
        servers Server;
        volumes Volume;
        ports Port;
        networks Network;
        subnets Subnet;
        security_groups SecurityGroup;
        flavors Flavor;
        images Image;
        key_pairs KeyPair;
        projects Project;
        hosts Host;
        principals Principal;
        credentials Credential;
        join_tokens JoinToken;
        faults Fault;
    }
    let mut about = |saga: &Saga| all.extend(saga.holds.iter().chain([&saga.subject]));
    from.sagas.values().filter(|saga| to.sagas.get(&saga.id) != Some(saga)).for_each(&mut about);
    to.sagas.values().filter(|saga| from.sagas.get(&saga.id) != Some(saga)).for_each(&mut about);
    // What shows a part of another is told of too: where a part differs, the whole may.
    let parts: Vec<ResourceRef> = all.iter().copied().collect();
    for part in parts {
        beside(from, part, &mut all);
        beside(to, part, &mut all);
    }
    all
}

fn exists(cell: &Cell, resource: ResourceRef) -> bool {
    match resource {
        ResourceRef::Server(id) => cell.servers.contains_key(&id),
        ResourceRef::Volume(id) => cell.volumes.contains_key(&id),
        ResourceRef::Port(id) => cell.ports.contains_key(&id),
        ResourceRef::Network(id) => cell.networks.contains_key(&id),
        ResourceRef::Subnet(id) => cell.subnets.contains_key(&id),
        ResourceRef::SecurityGroup(id) => cell.security_groups.contains_key(&id),
        ResourceRef::Flavor(id) => cell.flavors.contains_key(&id),
        ResourceRef::Image(id) => cell.images.contains_key(&id),
        ResourceRef::KeyPair(id) => cell.key_pairs.contains_key(&id),
        ResourceRef::Project(id) => cell.projects.contains_key(&id),
        ResourceRef::Host(id) => cell.hosts.contains_key(&id),
        ResourceRef::Saga(id) => cell.sagas.contains_key(&id),
        ResourceRef::Credential(id) => cell.credentials.contains_key(&id),
        ResourceRef::Principal(id) => cell.principals.contains_key(&id),
        ResourceRef::JoinToken(id) => cell.join_tokens.contains_key(&id),
        ResourceRef::Fault(id) => cell.faults.contains_key(&id),
    }
}

/// A field's value; `""` is the resource as a whole, which is there or not.
fn value<'a>(of: Option<&'a Fields>, field: &str) -> Option<&'a str> {
    if field.is_empty() { of.map(|_| "") } else { of?.get(field).map(String::as_str) }
}

fn differing_fields(before: Option<&Fields>, after: Option<&Fields>) -> BTreeMap<String, Position> {
    let nothing = Fields::new();
    if before.is_some() != after.is_some() {
        return [(String::new(), Position(0))].into();
    }
    let (before, after) = (before.unwrap_or(&nothing), after.unwrap_or(&nothing));
    let fields = before.keys().chain(after.keys()).filter(|field| before.get(*field) != after.get(*field));
    fields.map(|field| (field.clone(), Position(0))).collect()
}
