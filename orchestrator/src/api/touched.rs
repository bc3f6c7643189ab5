//! Everything that ever touched one resource or one host: its own events, and those of the operations that were about it
//! or held it; of a host, every step that was dispatched to it.
//!
//! A resource is held by one operation at a time: so when a later one begins, everything of the earlier ones is known.
//! Of hosts nothing of that kind holds: they are read from the journal itself, a bounded span a page.

use std::collections::BTreeMap;

use windlass_proto::v1::{self, ErrorReason};
use windlass_sagas::ids::*;
use windlass_sagas::record::ResourceRef;

use super::Api;
use super::attribution::{sagas, started};
use super::call::{Call, unread};
use super::convert::{self, Audience};
use super::errors::Problem;
use super::events::{FILTERS, Sieve, Teller};
use super::history::{Page, place, position};
use super::limits::*;
use super::list::Ask;
use super::names::{self, NO_PROJECT};
use super::operation::read_back;
use super::view::{Place, View};
use super::visit::{ReadBack, point};
use crate::lead::handle::Durable;

/// A resource whose history the caller may read.
struct Found {
    resource: ResourceRef,
    /// Its project; all zero for what belongs to none.
    project: ProjectId,
    /// Whether it is there now.
    lives: bool,
    at: ReadBack,
    audience: Audience,
    sieve: Sieve,
}

impl Found {
    fn not_found(&self, name: &str) -> Problem {
        Problem::not_found(self.resource.noun(), name).of_field("parent")
    }
}

impl Api {
    /// A page of the events of a resource or host.
    pub(super) async fn events_of_resource(
        &self,
        call: Call,
        ask: &Ask,
        asked: &v1::ListEventsRequest,
    ) -> Result<v1::ListEventsResponse, Problem> {
        let found = self.find(call, ask, asked).await?;
        let (page, end) = (Page::of(ask, found.sieve.clone())?, found.at.position);
        self.reach(end).await?;
        let (events, next_page_token) = match found.resource {
            ResourceRef::Host(host) => self.events_of_host(&found, host, &page, ask, asked).await?,
            _ => page.cut(ask, self.events_about(&found, &page, &asked.parent).await?),
        };
        Ok(v1::ListEventsResponse { events, next_page_token, position: end.0 })
    }

    /// The resource that a name means, where the caller may read it: by its id when it is no more.
    async fn find(&self, call: Call, ask: &Ask, asked: &v1::ListEventsRequest) -> Result<Found, Problem> {
        let parts: Vec<&str> = asked.parent.split('/').collect();
        let place = match parts.as_slice() {
            ["projects", project, ..] => self.project_of_past(&asked.parent, project).await,
            _ => Ok(Place::Cell),
        };
        let (ask, parent) = (ask.clone(), asked.parent.clone());
        let look = move |view: &View<'_>| {
            let (resource, lives) = named(view, &parent)?;
            let sieve = Sieve::of(ask.filter(&FILTERS)?, view);
            // What can't be read is refused before anything is.
            Page::of(&ask, sieve.clone())?;
            Ok(Found {
                resource,
                project: view.project,
                lives,
                at: read_back(view),
                audience: view.audience(),
                sieve,
            })
        };
        self.visit(call, point!(asked), place, look).await
    }

    /// The project that a name begins with; one that is no more is known by its id.
    async fn project_of_past(&self, name: &str, project: &str) -> Result<Place, Problem> {
        names::one(&format!("projects/{project}"), "projects", "parent")?;
        if name.split('/').count() != 4 {
            return Err(no_such_form());
        }
        let Ok(id) = project.parse::<ProjectId>() else { return Ok(Place::Project(project.to_owned())) };
        let lives = self.fold(Position(0), move |cell| cell.projects.contains_key(&id)).await?;
        Ok(if lives || id == NO_PROJECT { Place::Project(project.to_owned()) } else { Place::Known(id) })
    }

    /// The events of a resource, in order: all that the page can hold, and one more where there are more.
    async fn events_about(&self, found: &Found, page: &Page, name: &str) -> Result<Vec<v1::Event>, Problem> {
        let (resource, upto) = (found.resource, found.at.position);
        let named = self.commits_naming(resource, upto).await?;
        let begun = |commit: &Durable| {
            let about = started(commit).filter(|it| {
                it.project == found.project && (it.subject == resource || it.holds.contains(&resource))
            });
            about.map(|it| it.saga).collect::<Vec<_>>()
        };
        // The one that was open where the page begins holds what comes behind it.
        let after = page.after.as_ref().filter(|_| !page.turned).map_or(Position(0), position);
        let begins = named.iter().filter(|commit| !begun(commit).is_empty());
        let from = begins.map(|commit| commit.header.position).take_while(|at| *at < after).last();
        let (mut teller, mut events, mut read) = (Teller::default(), BTreeMap::new(), named.len());
        let mut any = found.lives;
        for commit in named.iter().filter(|commit| from.is_none_or(|from| commit.header.position >= from)) {
            let at = commit.header.position.0;
            if !page.turned && events.range(..(at, 0)).count() > page.rows_max {
                break;
            }
            let begun = begun(commit);
            let told = teller.tell(self, commit, found.audience).await?;
            let owners = sagas(commit);
            for (ordinal, event) in told.into_iter().enumerate() {
                let names = commit
                    .events
                    .get(ordinal)
                    .is_some_and(|it| windlass_store::named(it).contains(&resource));
                let ours = owners.get(ordinal).copied().flatten().is_none_or(|saga| !begun.contains(&saga));
                // What no operation did (a guest that ended) names no project: it is of whoever has the resource.
                let here = event.project == names::project(found.project) || any && event.project.is_empty();
                let own = names && ours && here;
                if own {
                    any = true;
                    keep(&mut events, page, event);
                }
            }
            for saga in begun {
                any = true;
                let commits = self.commits_of(saga, upto).await?;
                read += commits.len();
                if read > RESOURCE_COMMITS_MAX {
                    return Err(too_long(name));
                }
                let whole = convert::events(commits.iter().map(|commit| &**commit), saga, found.audience);
                whole.into_iter().for_each(|event| keep(&mut events, page, event));
            }
        }
        if any { Ok(events.into_values().collect()) } else { Err(found.not_found(name)) }
    }

    /// A page of the events of a host: of the span that one page looks at.
    async fn events_of_host(
        &self,
        found: &Found,
        host: HostId,
        page: &Page,
        ask: &Ask,
        asked: &v1::ListEventsRequest,
    ) -> Result<(Vec<v1::Event>, String), Problem> {
        if page.turned {
            return Err(ask.bad_order());
        }
        let finished = &self.parts().finished;
        let first = finished.commits_of_resource(found.resource, Position(0)).await.map_err(unread)?;
        let Some(first) = first.first() else { return Err(found.not_found(&asked.parent)) };
        let before = |position: Position| Position(position.0.saturating_sub(1));
        let mut cursor = before(page.after.as_ref().map_or(first.header.position, position));
        let (end, name) = (found.at.position, names::host(host));
        let (mut teller, mut events, mut scanned) = (Teller::default(), Vec::new(), 0);
        while cursor < end && scanned < EVENTS_SCANNED_MAX && events.len() <= page.rows_max {
            let commits = finished.commits_after(cursor, WATCH_BATCH_COMMITS).await.map_err(unread)?;
            if commits.is_empty() {
                return Err(Problem::internal(format!("the history ends before position {end}")));
            }
            for commit in commits.iter().filter(|commit| commit.header.position <= end) {
                let told = teller.tell(self, commit, found.audience).await?;
                events.extend(told.into_iter().filter(|event| event.host == name && page.takes(event)));
            }
            scanned += commits.len();
            cursor = commits.last().map_or(end, |last| last.header.position);
        }
        let (events, mut token) = page.cut(ask, events);
        if token.is_empty() && cursor < end {
            token = ask.token(&place(cursor, u32::MAX));
        }
        Ok((events, token))
    }

    /// All commits that name a resource, up to a position.
    async fn commits_naming(&self, resource: ResourceRef, upto: Position) -> Result<Vec<Durable>, Problem> {
        let finished = &self.parts().finished;
        let mut all: Vec<Durable> = Vec::new();
        loop {
            let after = all.last().map_or(Position(0), |last| last.header.position);
            let more = finished.commits_of_resource(resource, after).await.map_err(unread)?;
            let end = more.last().is_none_or(|last| last.header.position >= upto);
            all.extend(more.into_iter().filter(|commit| commit.header.position <= upto));
            if end {
                return Ok(all);
            }
            if all.len() > RESOURCE_COMMITS_MAX {
                return Err(too_long(&names::of(resource, NO_PROJECT)));
            }
        }
    }
}

fn keep(events: &mut BTreeMap<(u64, u32), v1::Event>, page: &Page, event: v1::Event) {
    if page.takes(&event) {
        events.insert((event.position, event.ordinal), event);
    }
}

/// The resource of a name, of the view's own project where it belongs to one, and whether it is there.
pub(super) fn named(view: &View<'_>, name: &str) -> Result<(ResourceRef, bool), Problem> {
    use ResourceRef as R;
    let parts: Vec<&str> = name.split('/').collect();
    let (collection, last) = match parts.as_slice() {
        ["projects", _, collection, _] => {
            (*collection, names::two(name, "projects", collection, "parent").map(|(_, last)| last)?)
        }
        [collection @ ("hosts" | "flavors"), _] => (*collection, names::one(name, collection, "parent")?),
        _ => return Err(no_such_form()),
    };
    let within = view.project;
    let id = |noun: &str, project| view.id(noun, project, &last);
    let found = match collection {
        "servers" => id("server", within).map(|id| R::Server(ServerId(id))),
        "volumes" => id("volume", within).map(|id| R::Volume(VolumeId(id))),
        "ports" => id("port", within).map(|id| R::Port(PortId(id))),
        "networks" => id("network", within).map(|id| R::Network(NetworkId(id))),
        "subnets" => id("subnet", within).map(|id| R::Subnet(SubnetId(id))),
        "securityGroups" => id("security group", within).map(|id| R::SecurityGroup(SecurityGroupId(id))),
        "images" => id("image", within).map(|id| R::Image(ImageId(id))),
        "keyPairs" => id("key pair", within).map(|id| R::KeyPair(KeyPairId(id))),
        "flavors" => id("flavor", NO_PROJECT).map(|id| R::Flavor(FlavorId(id))),
        "hosts" => id("host", NO_PROJECT).map(|id| R::Host(HostId(id))),
        _ => return Err(no_such_form()),
    };
    let missing = || Problem::not_found("resource", name).of_field("parent");
    let resource = found.ok_or_else(missing)?;
    let owner = view.project_of(resource);
    if owner.is_some_and(|owner| owner != within) {
        return Err(missing());
    }
    Ok((resource, owner.is_some()))
}

pub(super) fn no_such_form() -> Problem {
    let message =
        "parent is not of the form operations/{…}, hosts/{…}, flavors/{…} or projects/{…}/{collection}/{…}";
    Problem::field("parent", message)
}

fn too_long(name: &str) -> Problem {
    let message = format!("the history of {name} has more than {RESOURCE_COMMITS_MAX} commits");
    Problem::new(ErrorReason::TooLarge, message).hint("list it in order of position, page by page")
}
