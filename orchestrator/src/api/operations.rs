//! Lists of operations and of what abandoned ones left: newest first, from the history, each as the API shows it.

use std::collections::BTreeMap;

use prost::Message;
use windlass_proto::v1;
use windlass_sagas::cell::state::Lock;
use windlass_sagas::ids::*;
use windlass_sagas::record::ResourceRef;

use super::Api;
use super::call::{Call, unread};
use super::finished::{self, Summary};
use super::limits::{OPERATIONS_SCANNED_MAX, PAGE_BYTES_MAX};
use super::list::{Ask, Filter, Row, Token, ask, page};
use super::operation::{Readable, read_back};
use super::view::{Place, View};
use super::visit::{Point, ReadBack, point};
use super::{convert, errors::Problem, names};

const FILTERS: [&str; 6] = ["state", "kind", "subject", "principal", "overdue", "host"];
const QUARANTINE_FILTERS: [&str; 3] = ["kind", "host", "operation"];

/// A list of operations while it is made.
struct Listing {
    ask: Ask,
    filter: Filter,
    rows_max: usize,
    readable: Readable,
    at: ReadBack,
    down: convert::Down,
}

impl Api {
    pub(super) async fn operations(
        &self,
        call: Call,
        asked: v1::ListOperationsRequest,
    ) -> Result<v1::ListOperationsResponse, Problem> {
        let ask = ask!(call.method, asked, asked.parent);
        let point = point!(asked);
        let place = match asked.parent.as_str() {
            "cell" => Ok(Place::Cell),
            parent => Place::parent_or_every(parent),
        };
        let look = move |view: &View<'_>| {
            if !matches!(ask.order_by.trim(), "" | "create_time desc") {
                return Err(ask.bad_order());
            }
            let (readable, at, down) = (Readable::of(view), read_back(view), convert::down(view.cell));
            let (filter, rows_max) = (ask.filter(&FILTERS)?, ask.rows_max()?);
            Ok(Listing { ask, filter, rows_max, readable, at, down })
        };
        let listing = self.visit(call, point, place, look).await?;
        self.reach(listing.at.position).await?;
        self.page_of_operations(&listing).await
    }

    async fn page_of_operations(&self, listing: &Listing) -> Result<v1::ListOperationsResponse, Problem> {
        let mut after = listing.ask.after()?.map(|token| cursor(&token)).transpose()?;
        let project = match &listing.readable {
            Readable::One(project) => Some(*project),
            Readable::Some(_) | Readable::Every => None,
        };
        let (mut operations, mut scanned, mut bytes, mut more) = (Vec::new(), 0, 0, true);
        while more
            && operations.len() < listing.rows_max
            && scanned < OPERATIONS_SCANNED_MAX
            && bytes <= PAGE_BYTES_MAX
        {
            let rows_max = (listing.rows_max - operations.len()).min(OPERATIONS_SCANNED_MAX - scanned);
            let ask = finished::Ask { project, after, rows_max };
            let summaries = self.parts().finished.list(ask).await.map_err(unread)?;
            more = summaries.len() == rows_max;
            scanned += summaries.len();
            for summary in summaries {
                after = Some((summary.first, summary.saga));
                if let Some(listed) = self.listed(listing, &summary).await? {
                    bytes += listed.0.encoded_len();
                    operations.push(listed);
                }
                if bytes > PAGE_BYTES_MAX {
                    more = true;
                    break;
                }
            }
        }
        self.fill(listing, &mut operations).await?;
        let next_page_token = match after {
            Some((position, saga)) if more => {
                let time = Time(i64::try_from(position.0).unwrap_or(i64::MAX));
                listing.ask.token(&(time, String::new(), saga.0))
            }
            Some(_) | None => String::new(),
        };
        let operations = operations.into_iter().map(|(operation, _)| operation).collect();
        Ok(v1::ListOperationsResponse { operations, next_page_token, position: listing.at.position.0 })
    }

    /// The operation of a summary, where it belongs into the list.
    async fn listed(&self, listing: &Listing, summary: &Summary) -> Result<Option<Listed>, Problem> {
        if summary.first > listing.at.position || !listing.readable.holds(summary.project) {
            return Ok(None);
        }
        let life = self.life(summary.saga, listing.at.cell, listing.at.position).await?;
        let operation = convert::operation(&life, listing.at.position, &listing.down);
        let taken = listing.filter.takes(|field| values(&operation, field));
        Ok(taken.then(|| (operation, life.is_completed().then_some((life.saga.kind, life.saga.subject)))))
    }

    /// Adds what completed operations made, in one visit.
    async fn fill(&self, listing: &Listing, operations: &mut [Listed]) -> Result<(), Problem> {
        let wanted: Vec<_> = operations.iter().map(|(_, made)| *made).collect();
        let look = move |view: &View<'_>| -> Vec<_> {
            let result = |(kind, subject)| convert::result(view, kind, subject);
            wanted.into_iter().map(|made| made.and_then(result)).collect()
        };
        let made = self.fold_as(listing.at, names::NO_PROJECT, look).await?;
        for ((operation, completed), resource) in operations.iter_mut().zip(made) {
            if completed.is_some() {
                let response = v1::OperationResponse { resource };
                operation.result = Some(v1::operation::Result::Response(response));
            }
        }
        Ok(())
    }

    pub(super) async fn quarantine(
        &self,
        call: Call,
        point: Point,
        asked: v1::ListQuarantineRequest,
    ) -> Result<v1::ListQuarantineResponse, Problem> {
        let ask = Ask {
            of: format!("{} {}", call.method, asked.parent),
            page_size: asked.page_size,
            page_token: asked.page_token,
            filter: asked.filter,
            order_by: String::new(),
        };
        let place = Place::parent_or_every(&asked.parent);
        let look = move |view: &View<'_>| {
            let held = held(view);
            let rows = held.iter().map(|it| Row { created: Time(0), name: "", id: it.id, item: it });
            let values = |it: &Held, field: &str| it.values(view, field);
            let message = |it: &Held| it.message(view);
            let (rows, next) = page(&ask, &QUARANTINE_FILTERS, rows, values, message)?;
            Ok((rows, next, read_back(view)))
        };
        let (rows, next_page_token, at) = self.visit(call, point, place, look).await?;
        let mut given_up = BTreeMap::new();
        let mut resources = Vec::with_capacity(rows.len());
        for mut resource in rows {
            let saga = names::saga(&resource.operation, "operation")?;
            if let std::collections::btree_map::Entry::Vacant(place) = given_up.entry(saga) {
                place.insert(self.life(saga, at.cell, at.position).await?);
            }
            if let Some(life) = given_up.get(&saga) {
                resource.since = life.ended.and_then(|(_, time)| super::fields::stamp(time));
                resource.reason = life.given_up.clone().unwrap_or_default();
            }
            resources.push(resource);
        }
        Ok(v1::ListQuarantineResponse { resources, next_page_token, position: at.position.0 })
    }
}

/// An operation, and of what kind and about what it is where it is completed.
type Listed = (v1::Operation, Option<(windlass_sagas::record::SagaKind, ResourceRef)>);

fn cursor(token: &Token) -> Result<(Position, SagaId), Problem> {
    let (time, _, saga) = &token.key;
    let position = u64::try_from(time.0).map_err(|_| Problem::field("page_token", "not a page token"))?;
    Ok((Position(position), SagaId(*saga)))
}

/// An operation's values of a field that lists are filtered by.
fn values(operation: &v1::Operation, field: &str) -> Vec<String> {
    let Some(saga) = &operation.metadata else { return Vec::new() };
    let with_id = |name: &str| {
        let id = name.rsplit('/').next().unwrap_or_default().to_owned();
        vec![name.to_owned(), id]
    };
    match field {
        "state" => vec![saga.state().as_str_name().to_owned()],
        "kind" => vec![saga.kind.clone()],
        "subject" => with_id(&saga.subject),
        "principal" => with_id(&saga.principal),
        "overdue" => vec![(saga.overdue || saga.steps.iter().any(|step| step.overdue)).to_string()],
        "host" => saga.steps.iter().flat_map(|step| with_id(&step.host)).collect(),
        _ => Vec::new(),
    }
}

/// A resource in quarantine.
struct Held {
    id: [u8; 16],
    resource: ResourceRef,
    project: ProjectId,
    saga: SagaId,
    hosts: Vec<HostId>,
}

impl Held {
    fn message(&self, view: &View<'_>) -> v1::QuarantinedResource {
        v1::QuarantinedResource {
            resource: view.name(self.resource, self.project),
            kind: self.resource.noun().to_owned(),
            operation: names::operation(self.saga),
            hosts: self.hosts.iter().map(|host| names::host(*host)).collect(),
            since: None,
            reason: String::new(),
        }
    }

    fn values(&self, view: &View<'_>, field: &str) -> Vec<String> {
        match field {
            "kind" => vec![self.resource.noun().to_owned()],
            "host" => self.hosts.iter().flat_map(|host| view.host_values(*host)).collect(),
            "operation" => vec![names::operation(self.saga), self.saga.to_string()],
            _ => Vec::new(),
        }
    }
}

/// What stands in quarantine in the call's projects.
fn held(view: &View<'_>) -> Vec<Held> {
    let left = |lock: Lock| match lock {
        Lock::Quarantined(saga) => Some(saga),
        Lock::Free | Lock::Held(_) => None,
    };
    let mut all = Vec::new();
    let mut add = |lock, id: [u8; 16], resource, project, hosts: Vec<HostId>| {
        if let Some(saga) = left(lock).filter(|_| view.lists(project)) {
            all.push(Held { id, resource, project, saga, hosts });
        }
    };
    for it in view.cell.servers.values() {
        add(it.lock, it.spec.id.0, ResourceRef::Server(it.spec.id), it.spec.project, vec![it.spec.host]);
    }
    for it in view.cell.volumes.values() {
        add(it.lock, it.spec.id.0, ResourceRef::Volume(it.spec.id), it.spec.project, vec![it.spec.host]);
    }
    for it in view.cell.ports.values() {
        let host = it.user().map(|(_, host)| host);
        let hosts = host.into_iter().collect();
        add(it.lock, it.spec.id.0, ResourceRef::Port(it.spec.id), it.spec.project, hosts);
    }
    all
}
