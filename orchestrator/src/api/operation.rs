//! `OperationService`: operations read, followed and repaired, and what abandoned ones left.

use std::collections::BTreeSet;

use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};
use windlass_proto::v1::operation_service_server::OperationService;
use windlass_proto::v1::{self, ErrorReason};
use windlass_sagas::cell::{Cell, Permission};
use windlass_sagas::ids::*;
use windlass_sagas::record::{self, Body};

use super::Api;
use super::call::{Answer, Call, Change, change, unread};
use super::convert::Audience;
use super::errors::{FieldNames, Problem};
use super::names::NO_PROJECT;
use super::view::{Place, View};
use super::visit::{Point, ReadBack, point};
use super::watch_operations::{Detail, Operations, Scope};
use super::{fields, names, watch};

const NAMED: FieldNames = &[("operation", "name")];

/// An operation that the caller may see, and where it is read.
pub(super) struct Seen {
    pub(super) saga: SagaId,
    pub(super) project: ProjectId,
    pub(super) at: ReadBack,
    pub(super) audience: Audience,
}

/// The projects whose operations a caller may read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Readable {
    /// One project's; all zero: the cell's own.
    One(ProjectId),
    /// Those of these projects.
    Some(BTreeSet<ProjectId>),
    /// Those of every project, deleted ones too.
    Every,
}

impl Readable {
    /// Whether a project's operations are among them.
    pub(super) fn holds(&self, project: ProjectId) -> bool {
        match self {
            Self::One(one) => *one == project,
            Self::Some(some) => some.contains(&project),
            Self::Every => project != NO_PROJECT,
        }
    }

    pub(super) fn of(view: &View<'_>) -> Self {
        if !view.every {
            return Self::One(view.project);
        }
        if view.may(Permission::Read, NO_PROJECT) {
            return Self::Every;
        }
        let all = view.cell.projects.keys().copied();
        Self::Some(all.filter(|project| view.may(Permission::Read, *project)).collect())
    }
}

#[tonic::async_trait]
impl OperationService for Api {
    async fn get_operation(&self, request: Request<v1::GetOperationRequest>) -> Answer<v1::Operation> {
        let (call, asked) = Self::open("operations.get", request)?;
        let seen = self.seen(call, point!(asked), "name", &asked.name).await?;
        Ok(Response::new(self.operation(seen.saga, seen.at).await?))
    }

    async fn list_operations(
        &self,
        request: Request<v1::ListOperationsRequest>,
    ) -> Answer<v1::ListOperationsResponse> {
        let (call, asked) = Self::open("operations.list", request)?;
        Ok(Response::new(self.operations(call, asked).await?))
    }

    type WatchOperationsStream = ReceiverStream<Result<v1::WatchOperationsResponse, Status>>;

    async fn watch_operations(
        &self,
        request: Request<v1::WatchOperationsRequest>,
    ) -> Result<Response<Self::WatchOperationsStream>, Status> {
        let (call, asked) = Self::open("operations.watch", request)?;
        let point = Point::now(Position(asked.min_position));
        let (scope, place, at) = if asked.parent.starts_with("operations/") {
            let seen = self.seen(call, point, "parent", &asked.parent).await?;
            (Scope::One(seen.saga), Place::Known(seen.project), seen.at)
        } else {
            let place = Place::parent_or_every(&asked.parent);
            let look = |view: &View<'_>| Ok((Scope::Of(Readable::of(view)), read_back(view)));
            let (scope, at) = self.visit(call, point, place.clone(), look).await?;
            (scope, place?, at)
        };
        let detail = Detail::of(asked.view)?;
        let after = watch::after(asked.after_position, at.position)?;
        let tale = Operations::new(self.clone(), call, place, (scope, detail), at, after.is_none());
        Ok(Response::new(self.watch(tale, after.unwrap_or(at.position))?))
    }

    async fn cancel_operation(&self, request: Request<v1::CancelOperationRequest>) -> Answer<v1::Operation> {
        let (call, asked) = Self::open("operations.cancel", request)?;
        let order = |saga| Ok(Body::CancelSaga(record::CancelSaga { saga }));
        self.order(call, &asked.name, change!(asked), order).await
    }

    async fn retry_operation(&self, request: Request<v1::RetryOperationRequest>) -> Answer<v1::Operation> {
        let (call, asked) = Self::open("operations.retry", request)?;
        let order = |saga| Ok(Body::RetrySaga(record::RetrySaga { saga }));
        self.order(call, &asked.name, change!(asked), order).await
    }

    async fn skip_step(&self, request: Request<v1::SkipStepRequest>) -> Answer<v1::Operation> {
        let (call, asked) = Self::open("operations.skip", request)?;
        let (change, name) = (change!(asked), asked.name.clone());
        let order = move |saga| {
            let no_step = |_| Problem::field("step", format!("there is no step {}", asked.step));
            let step = StepIndex(u16::try_from(asked.step).map_err(no_step)?);
            let reason = fields::reason(&asked.reason)?;
            Ok(Body::SkipStep(record::SkipStep { saga, step, reason }))
        };
        self.order(call, &name, change, order).await
    }

    async fn abandon_operation(
        &self,
        request: Request<v1::AbandonOperationRequest>,
    ) -> Answer<v1::Operation> {
        let (call, asked) = Self::open("operations.abandon", request)?;
        let (change, name) = (change!(asked), asked.name.clone());
        let order = move |saga| {
            let reason = fields::reason(&asked.reason)?;
            Ok(Body::AbandonSaga(record::AbandonSaga { saga, reason }))
        };
        self.order(call, &name, change, order).await
    }

    async fn list_quarantine(
        &self,
        request: Request<v1::ListQuarantineRequest>,
    ) -> Answer<v1::ListQuarantineResponse> {
        let (call, asked) = Self::open("quarantine.list", request)?;
        let point = point!(asked);
        Ok(Response::new(self.quarantine(call, point, asked).await?))
    }

    async fn adopt_resource(&self, request: Request<v1::AdoptResourceRequest>) -> Answer<v1::Operation> {
        let (call, asked) = Self::open("quarantine.adopt", request)?;
        let (change, place) = (change!(asked), quarantined(&asked.name));
        let build = move |view: &View<'_>| {
            let (resource, reason) = (view.resource(&asked.name)?, fields::reason(&asked.reason)?);
            Ok(Body::AdoptResource(record::AdoptResource { resource, reason }))
        };
        self.change(call, change, place, &[], build).await
    }

    async fn discard_resource(&self, request: Request<v1::DiscardResourceRequest>) -> Answer<v1::Operation> {
        let (call, asked) = Self::open("quarantine.discard", request)?;
        let (change, place) = (change!(asked), quarantined(&asked.name));
        let build = move |view: &View<'_>| {
            let (resource, reason) = (view.resource(&asked.name)?, fields::reason(&asked.reason)?);
            Ok(Body::DiscardResource(record::DiscardResource { resource, reason }))
        };
        self.change(call, change, place, &[], build).await
    }
}

impl Api {
    /// An operation that the caller may see for this method; its project is known once it is found, so the caller is
    /// authenticated first and authorised then.
    pub(super) async fn seen(
        &self,
        call: Call,
        point: Point,
        field: &str,
        name: &str,
    ) -> Result<Seen, Problem> {
        let access = self.access().clone();
        let shown = move |cell: &Cell| Ok::<_, Problem>(access.of(cell, &call)?.kept());
        let who = self.fold(Position(0), shown).await??;
        let saga = names::saga(name, field)?;
        let project = move |cell: &Cell| (cell.position, cell.sagas.get(&saga).map(|saga| saga.project));
        let known = match self.fold(point.min_position, project).await? {
            (_, Some(project)) => Some(project),
            (position, None) => {
                self.reach(position).await?;
                self.parts().finished.summary(saga).await.map_err(unread)?.map(|it| it.project)
            }
        };
        let missing = || Problem::not_found("operation", &names::operation(saga)).of_field(field);
        let project = known.ok_or_else(missing)?;
        // Whether an operation exists that the caller may not read is not told.
        if who.may(Permission::Read, project).is_err() {
            return Err(missing());
        }
        let look = |view: &View<'_>| Ok((read_back(view), view.audience()));
        let (at, audience) = self.visit(call, point, Ok(Place::Known(project)), look).await?;
        if at.past.is_some() {
            let began = self.parts().finished.summary(saga).await.map_err(unread)?.map(|it| it.first);
            if began.is_none_or(|first| first > at.position) {
                return Err(missing());
            }
        }
        Ok(Seen { saga, project, at, audience })
    }

    /// An order about an operation.
    async fn order(
        &self,
        call: Call,
        name: &str,
        change: Change,
        order: impl FnOnce(SagaId) -> Result<Body, Problem> + Send + 'static,
    ) -> Answer<v1::Operation> {
        let seen = self.seen(call, Point::default(), "name", name).await?;
        let place = Ok(Place::Known(seen.project));
        let saga = seen.saga;
        let entered = self.enter(call, &change, place, move |_| order(saga)).await?;
        match self.submit(call, &change, entered, NAMED).await {
            Ok(operation) => Ok(Response::new(operation)),
            // The fold has forgotten it: it has ended.
            Err(problem) if problem.reason() == ErrorReason::NotFound => {
                let message = format!("operation {saga} has ended");
                Err(Problem::new(ErrorReason::AlreadyEnded, message)
                    .hint("get it to see how it ended")
                    .with("resource", names::operation(saga))
                    .into())
            }
            Err(problem) => Err(problem.into()),
        }
    }
}

/// Where the view's fold stands, for what is read afterwards.
pub(super) fn read_back(view: &View<'_>) -> ReadBack {
    ReadBack { cell: view.cell.id, caller: view.who.caller, position: view.cell.position, past: view.past }
}

/// The project of a resource's name.
fn quarantined(name: &str) -> Result<Place, Problem> {
    let mut parts = name.split('/');
    match (parts.next(), parts.next()) {
        (Some("projects"), Some(project)) => {
            names::one(&format!("projects/{project}"), "projects", "name").map(Place::Project)
        }
        _ => Err(Problem::field("name", "name is not of the form projects/{…}/{collection}/{…}")),
    }
}
