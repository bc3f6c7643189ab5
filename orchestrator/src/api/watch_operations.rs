//! What a watch of operations tells: how each stands after every commit that concerns it, with the commit's events.

use std::collections::BTreeMap;

use prost::Message;
use windlass_proto::v1::{self, ErrorReason};
use windlass_replay::Course;
use windlass_sagas::ids::*;
use windlass_sagas::record::Commit;

use super::Api;
use super::attribution::{moves, touched};
use super::call::{Call, unread};
use super::convert::{self, Audience};
use super::errors::Problem;
use super::life::Life;
use super::limits::*;
use super::operation::Readable;
use super::view::{Place, View};
use super::visit::{Point, ReadBack};
use super::watch::{Snapshot, Tale};

/// What is watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    /// One operation.
    One(SagaId),
    /// Those of some projects.
    Of(Readable),
}

/// How much of each operation is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Detail {
    Basic,
    Full,
}

impl Detail {
    /// As a request asks for it.
    pub(super) fn of(asked: i32) -> Result<Self, Problem> {
        match v1::OperationView::try_from(asked) {
            Ok(v1::OperationView::Basic) => Ok(Self::Basic),
            Ok(v1::OperationView::Full | v1::OperationView::Unspecified) => Ok(Self::Full),
            Err(_) => Err(Problem::field("view", format!("there is no view {asked} of an operation"))),
        }
    }
}

/// What a watch knows of an operation that it met.
enum Met {
    Other,
    /// Up to the last commit that was told.
    Ours(Box<(Life, Course)>),
}

pub(super) struct Operations {
    pub(super) api: Api,
    pub(super) call: Call,
    pub(super) place: Place,
    pub(super) scope: Scope,
    pub(super) detail: Detail,
    pub(super) at: ReadBack,
    /// Begin with the state.
    pub(super) snapshot: bool,
    audience: Audience,
    met: BTreeMap<SagaId, Met>,
    changes: Vec<v1::OperationChange>,
}

impl Operations {
    /// A watch of a caller who was let in at `at`.
    pub(super) fn new(
        api: Api,
        call: Call,
        place: Place,
        (scope, detail): (Scope, Detail),
        at: ReadBack,
        snapshot: bool,
    ) -> Self {
        let (audience, met, changes) = (Audience::Readers, BTreeMap::new(), Vec::new());
        Self { api, call, place, scope, detail, at, snapshot, audience, met, changes }
    }

    /// What the commit changed of one operation; `None`: it is not watched.
    async fn change(
        &mut self,
        saga: SagaId,
        commit: &Commit,
    ) -> Result<Option<v1::OperationChange>, Problem> {
        let position = commit.header.position;
        if !self.met.contains_key(&saga) {
            let met = self.look_at(saga, commit).await?;
            self.meet(saga, met);
        }
        let Some(Met::Ours(known)) = self.met.get_mut(&saga) else { return Ok(None) };
        let (life, course) = &mut **known;
        if life.last.0 < position {
            life.fold(commit);
        }
        let events = convert::of_saga(commit, saga, course, self.audience);
        if self.detail == Detail::Basic && !moves(commit, saga) {
            return Ok(None);
        }
        let Some(Met::Ours(known)) = self.met.get(&saga) else { return Ok(None) };
        let operation = self.shown(&known.0, position, &convert::Down::new()).await?;
        let events = if self.detail == Detail::Basic { Vec::new() } else { events };
        Ok(Some(v1::OperationChange { operation: Some(operation), events }))
    }

    async fn shown(
        &self,
        life: &Life,
        position: Position,
        down: &convert::Down,
    ) -> Result<v1::Operation, Problem> {
        match self.detail {
            Detail::Basic => Ok(convert::basic(life, position)),
            Detail::Full => {
                self.api.shown(life, ReadBack { cell: life.cell, position, ..self.at }, down).await
            }
        }
    }

    /// An operation that is met for the first time: whether it is watched, its life up to this commit, and its course
    /// up to before it.
    async fn look_at(&self, saga: SagaId, commit: &Commit) -> Result<Met, Problem> {
        let position = commit.header.position;
        if let Some(life) = Life::begun(saga, self.at.cell, commit) {
            let ours = self.is_ours(saga, life.saga.project);
            return Ok(if ours { Met::Ours(Box::new((life, Course::new(saga)))) } else { Met::Other });
        }
        self.api.reach(position).await?;
        let summary = self.api.parts().finished.summary(saga).await.map_err(unread)?;
        if !summary.is_some_and(|summary| self.is_ours(saga, summary.project)) {
            return Ok(Met::Other);
        }
        let known = self.known(saga, position, Position(position.0.saturating_sub(1))).await?;
        Ok(Met::Ours(Box::new(known)))
    }

    /// A saga's life up to a position, and its course up to another one.
    async fn known(&self, saga: SagaId, upto: Position, told: Position) -> Result<(Life, Course), Problem> {
        let commits = self.api.commits_of(saga, upto).await?;
        let life = Life::of(saga, self.at.cell, commits.iter().map(|commit| &**commit));
        let life = life.ok_or_else(|| Problem::not_found("operation", &super::names::operation(saga)))?;
        let mut course = Course::new(saga);
        let before = commits.iter().filter(|commit| commit.header.position <= told);
        before.for_each(|commit| course.pass(commit));
        Ok((life, course))
    }

    fn is_ours(&self, saga: SagaId, project: ProjectId) -> bool {
        match &self.scope {
            Scope::One(one) => *one == saga,
            Scope::Of(readable) => readable.holds(project),
        }
    }

    fn meet(&mut self, saga: SagaId, met: Met) {
        if self.met.len() >= WATCH_OPERATIONS_MAX {
            self.met.clear();
        }
        self.met.insert(saga, met);
    }
}

#[tonic::async_trait]
impl Tale for Operations {
    type Answer = v1::WatchOperationsResponse;

    fn only(&self) -> Option<SagaId> {
        match self.scope {
            Scope::One(saga) => Some(saga),
            Scope::Of(_) => None,
        }
    }

    async fn let_in(&mut self) -> Result<(), Problem> {
        let look = |view: &View<'_>| Ok((Readable::of(view), view.audience()));
        let place = Ok(self.place.clone());
        let (readable, audience) = self.api.visit(self.call, Point::default(), place, look).await?;
        self.audience = audience;
        if let Scope::Of(old) = &mut self.scope
            && *old != readable
        {
            *old = readable;
            self.met.clear();
        }
        Ok(())
    }

    /// The operations that have not ended; of one operation: it.
    async fn begin(&mut self, from: Position) -> Result<Option<Snapshot<Self::Answer>>, Problem> {
        if !self.snapshot {
            return Ok(None);
        }
        let scope = self.scope.clone();
        let open = move |cell: &windlass_sagas::cell::Cell| {
            let sagas: Vec<SagaId> = match &scope {
                Scope::One(saga) => vec![*saga],
                Scope::Of(readable) => {
                    let ours = cell.sagas.values().filter(|saga| readable.holds(saga.project));
                    ours.map(|saga| saga.id).take(PAGE_MAX + 1).collect()
                }
            };
            (cell.position, sagas, convert::down(cell))
        };
        let (position, sagas, down) = self.api.fold(from, open).await?;
        if sagas.len() > PAGE_MAX {
            return Err(too_many(&format!("more than {PAGE_MAX} operations are open")));
        }
        let mut changes = Vec::with_capacity(sagas.len());
        let mut ended = false;
        for saga in sagas {
            let known = self.known(saga, position, position).await?;
            ended |= known.0.ended.is_some();
            let operation = self.shown(&known.0, position, &down).await?;
            changes.push(v1::OperationChange { operation: Some(operation), events: Vec::new() });
            self.meet(saga, Met::Ours(Box::new(known)));
        }
        if changes.iter().map(Message::encoded_len).sum::<usize>() > PAGE_BYTES_MAX && changes.len() > 1 {
            return Err(too_many("the open operations are more than one answer holds"));
        }
        let answer = v1::WatchOperationsResponse { position: position.0, changes, snapshot: true };
        let ended = ended && matches!(self.scope, Scope::One(_));
        Ok(Some(Snapshot { position, answer, ended }))
    }

    async fn note(&mut self, commit: &Commit) -> Result<bool, Problem> {
        let mut ended = false;
        for (saga, ends) in touched(commit) {
            if let Some(change) = self.change(saga, commit).await? {
                self.changes.push(change);
                ended |= ends && self.scope == Scope::One(saga);
            }
            if ends {
                self.met.remove(&saga);
            }
        }
        Ok(ended)
    }

    fn is_full(&self) -> bool {
        self.changes.len() >= WATCH_CHANGES_OF_ONE_ANSWER
    }

    fn has_news(&self) -> bool {
        !self.changes.is_empty()
    }

    fn answer(&mut self, position: Position) -> Self::Answer {
        let changes = std::mem::take(&mut self.changes);
        v1::WatchOperationsResponse { position: position.0, changes, snapshot: false }
    }
}

/// The state now is more than one answer holds.
fn too_many(message: &str) -> Problem {
    Problem::new(ErrorReason::TooLarge, message)
        .of_field("after_position")
        .hint("list them, then watch with after_position = the list's position")
}
