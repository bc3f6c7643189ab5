//! The way of every call: the token first, then the permission, then the fields, then the cell. A read is one visit to
//! the leader; a change is one visit, a proposal, and the operation read back at the position of its receipt.

use std::sync::Arc;

use tokio::time::timeout;
use tonic::{Request, Response, Status};
use windlass_proto::v1::{self, ErrorReason};
use windlass_sagas::cell::Cell;
use windlass_sagas::ids::*;
use windlass_sagas::record::{Body, Cause, Fact, Principal, Request as Asked};

use super::Api;
use super::auth::{self, Shown};
use super::errors::{FieldNames, Problem, refused};
use super::finished::{Unread, saga_of};
use super::life::Life;
use super::limits::*;
use super::names::NO_PROJECT;
use super::view::{Place, View};
use super::visit::{ReadBack, unread_now};
use super::{convert, fields};
use crate::lead::handle::{Durable, Receipt, Refused};

/// What every method answers.
pub(super) type Answer<T> = Result<Response<T>, Status>;

/// A call whose token has the right form; whether it is one of the cell's is seen in the fold.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call {
    /// The method's permission, by its name in the proto.
    pub(super) method: &'static str,
    pub(super) shown: Shown,
    pub(super) cause: Cause,
}

/// What every change carries.
#[derive(Clone, Debug)]
pub(super) struct Change {
    pub(super) request_id: String,
    pub(super) validate_only: bool,
}

/// The change of a request that has both fields.
macro_rules! change {
    ($message:expr) => {
        $crate::api::call::Change {
            request_id: $message.request_id.clone(),
            validate_only: $message.validate_only,
        }
    };
}
pub(super) use change;

/// A change that may be proposed: authenticated, authorised and parsed.
pub(super) struct Entered {
    pub(super) cell: CellId,
    pub(super) caller: PrincipalId,
    /// What the caller showed.
    credential: Option<CredentialId>,
    pub(super) project: ProjectId,
    pub(super) id: RequestId,
    /// What is asked, or why its names mean nothing (any more): a repeat is answered all the same.
    body: Result<Body, Problem>,
    /// Whether the request id is known already.
    known: bool,
}

impl Entered {
    /// Whether the request could be read whole.
    pub(super) const fn is_good(&self) -> bool {
        self.body.is_ok()
    }
}

impl Api {
    /// Takes a request apart: what it shows, and what it asks.
    pub(super) fn open<T>(method: &'static str, request: Request<T>) -> Result<(Call, T), Status> {
        let shown = Shown::of(request.metadata())?;
        let cause = auth::cause(&request);
        Ok((Call { method, shown, cause }, request.into_inner()))
    }

    /// Answers a change: entered, decided, read back.
    pub(super) async fn change(
        &self,
        call: Call,
        change: Change,
        place: Result<Place, Problem>,
        names: FieldNames,
        build: impl FnOnce(&View<'_>) -> Result<Body, Problem> + Send + 'static,
    ) -> Answer<v1::Operation> {
        let entered = self.enter(call, &change, place, build).await?;
        Ok(Response::new(self.submit(call, &change, entered, names).await?))
    }

    /// The first half of a change: who, where, what.
    pub(super) async fn enter(
        &self,
        call: Call,
        change: &Change,
        place: Result<Place, Problem>,
        build: impl FnOnce(&View<'_>) -> Result<Body, Problem> + Send + 'static,
    ) -> Result<Entered, Problem> {
        let request_id = change.request_id.clone();
        let look = move |view: &View<'_>| {
            let id = fields::request_id(&request_id)?;
            let saga = SagaId::of_request(view.cell.id, view.project, id);
            let known = view.cell.requests.contains_key(&saga);
            let body = build(view);
            let (cell, caller, credential, project) =
                (view.cell.id, view.who.caller, view.who.credential, view.project);
            Ok(Entered { cell, caller, credential, project, id, body, known })
        };
        let (inventories, access) = (Arc::clone(&self.parts().inventories), self.access().clone());
        let looked = move |cell: &Cell| {
            let who = access.of(cell, &call)?;
            look(&View::enter(cell, &*inventories, who, None, call.method, &place?)?)
        };
        let good = |entered: &Result<Entered, Problem>| entered.as_ref().is_ok_and(Entered::is_good);
        let prepared = self.parts().leader.prepare(looked, good).await;
        prepared.map_err(unread_now)?
    }

    /// The second half: a preview, or the proposal and what came of it.
    pub(super) async fn submit(
        &self,
        call: Call,
        change: &Change,
        entered: Entered,
        names: FieldNames,
    ) -> Result<v1::Operation, Problem> {
        let Entered { cell, caller, credential, project, id, body, known } = entered;
        let at = ReadBack { cell, caller, position: Position(0), past: None };
        let body = match body {
            Ok(body) => body,
            // A repeat whose names no longer mean anything (it removed what it names) is answered all the same.
            Err(problem) if known && problem.reason() == ErrorReason::NotFound => {
                return self.operation(SagaId::of_request(cell, project, id), at).await;
            }
            Err(problem) => return Err(problem),
        };
        let request = Asked { id, project, principal: Principal::User(caller), body };
        let leader = &self.parts().leader;
        if change.validate_only {
            return match leader.preview(Fact::Request(request.clone())).await {
                Ok(preview) => self.previewed(at, project, preview).await,
                // It was done before: what it did is what it would answer.
                Err(Refused::Stale) => self.operation(saga_of(cell, &request), at).await,
                Err(error) => Err(refused(error, project, names)),
            };
        }
        match leader.propose(Cause { credential, ..call.cause }, Fact::Request(request.clone())).await {
            Ok(Receipt { position, saga: Some(saga) }) => self.begun(saga, ReadBack { position, ..at }).await,
            Ok(Receipt { saga: None, .. }) => {
                Err(Problem::internal("the leader started no operation for a request"))
            }
            Err(error) => {
                let problem = refused(error, project, names);
                if problem.reason() == ErrorReason::RequestIdExpired {
                    return self.remembered(&request, at).await?.ok_or(problem);
                }
                Err(problem)
            }
        }
    }

    /// The operation of a request that is older than the fold's memory, from the history (R1): the same request only.
    async fn remembered(&self, request: &Asked, at: ReadBack) -> Result<Option<v1::Operation>, Problem> {
        let saga = saga_of(at.cell, request);
        let commits = self.parts().finished.commits_of(saga, Position(0)).await.map_err(unread)?;
        let same = commits.first().is_some_and(|first| match &first.fact {
            Fact::Request(old) => old.fingerprint() == request.fingerprint(),
            Fact::Report(_) => false,
        });
        if same { self.operation(saga, at).await.map(Some) } else { Ok(None) }
    }

    /// What a `validate_only` call answers.
    async fn previewed(
        &self,
        at: ReadBack,
        project: ProjectId,
        preview: windlass_sagas::cell::Preview,
    ) -> Result<v1::Operation, Problem> {
        self.fold_as(at, project, move |view| convert::preview(view, &preview)).await
    }

    /// An operation as it stands at a position or later.
    ///
    /// # Errors
    /// `NOT_FOUND`, or what keeps fold or history from being read.
    pub(super) async fn operation(&self, saga: SagaId, at: ReadBack) -> Result<v1::Operation, Problem> {
        let look = |view: &View<'_>| (view.cell.position, convert::down(view.cell));
        let (position, down) = self.fold_as(at, NO_PROJECT, look).await?;
        let life = self.life(saga, at.cell, position).await?;
        self.shown(&life, ReadBack { position, ..at }, &down).await
    }

    /// The operation that a receipt names. One that began with the receipt's own commit is told of as that left it, which
    /// needs no other look at the fold.
    async fn begun(&self, saga: SagaId, at: ReadBack) -> Result<v1::Operation, Problem> {
        let life = self.life(saga, at.cell, at.position).await?;
        if life.last.0 != at.position {
            return self.operation(saga, at).await;
        }
        self.shown(&life, at, &convert::Down::new()).await
    }

    /// An operation's message at a position, with what it made.
    pub(super) async fn shown(
        &self,
        life: &Life,
        at: ReadBack,
        down: &convert::Down,
    ) -> Result<v1::Operation, Problem> {
        let mut operation = convert::operation(life, at.position, down);
        if life.is_completed() {
            let (kind, subject) = (life.saga.kind, life.saga.subject);
            let mut resource =
                self.fold_as(at, life.saga.project, move |view| convert::result(view, kind, subject)).await?;
            if let Some(v1::operation_response::Resource::Image(image)) = &mut resource {
                self.look_for_data(std::slice::from_mut(image)).await;
            }
            let response = v1::OperationResponse { resource };
            operation.result = Some(v1::operation::Result::Response(response));
        }
        Ok(operation)
    }

    /// A saga's life up to a position.
    pub(super) async fn life(&self, saga: SagaId, cell: CellId, upto: Position) -> Result<Life, Problem> {
        let commits = self.commits_of(saga, upto).await?;
        let lived = Life::of(saga, cell, commits.iter().map(|commit| &**commit));
        lived.ok_or_else(|| Problem::not_found("operation", &super::names::operation(saga)))
    }

    /// All commits that speak of a saga, up to a position.
    pub(super) async fn commits_of(&self, saga: SagaId, upto: Position) -> Result<Vec<Durable>, Problem> {
        self.reach(upto).await?;
        let finished = &self.parts().finished;
        let mut all: Vec<Durable> = Vec::new();
        loop {
            let after = all.last().map_or(Position(0), |last| last.header.position);
            let more = finished.commits_of(saga, after).await.map_err(unread)?;
            let read = more.len();
            all.extend(more.into_iter().filter(|commit| commit.header.position <= upto));
            let last = all.last().map_or(Position(0), |last| last.header.position);
            if read == 0 || last == after {
                return Ok(all);
            }
            if all.len() > OPERATION_COMMITS_MAX {
                let message = format!("operation {saga} has more than {OPERATION_COMMITS_MAX} commits");
                return Err(Problem::new(ErrorReason::TooLarge, message)
                    .hint("read the journal itself with `windlass replay`"));
            }
        }
    }

    /// Waits, bounded, until the history tells what is durable up to a position.
    pub(super) async fn reach(&self, position: Position) -> Result<(), Problem> {
        match timeout(HISTORY_WAIT_MAX, self.parts().finished.reach(position)).await {
            Ok(reached) => reached.map_err(unread),
            Err(_) => Err(super::errors::not_reached(position)),
        }
    }
}

/// The history can't be read.
#[expect(clippy::needless_pass_by_value, reason = "it is what `map_err` gives")]
pub(super) fn unread(error: Unread) -> Problem {
    Problem::new(ErrorReason::JournalUnavailable, error.to_string())
        .hint("ask again in a moment, or another orchestrator")
        .retry_after(RETRY_JOURNAL)
}
