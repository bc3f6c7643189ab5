//! One watch of operations: from a position on, every commit that concerns them, none left out, none twice.
//!
//! The past comes from the history, the present from the leader's channel; positions are dense, so a gap between the
//! two is seen and read from the history. A reader that lags too far behind the channel is cut off, never skipped.

use std::collections::BTreeMap;

use prost::Message;
use tokio::sync::broadcast::error::TryRecvError;
use tokio::sync::{broadcast, mpsc};
use tokio::time::{Instant, sleep_until};
use tonic::Status;
use windlass_proto::v1::{self, ErrorReason};
use windlass_sagas::cell::Permission;
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
use crate::lead::handle::Durable;

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
    Ours(Box<Life>),
}

/// Whether the watch goes on.
#[derive(PartialEq, Eq)]
enum Flow {
    On,
    /// The one operation has ended, or nobody listens any more.
    Ended,
}

pub(super) struct Watch {
    api: Api,
    call: Call,
    place: Place,
    scope: Scope,
    detail: Detail,
    at: ReadBack,
    audience: Audience,
    /// Begin with the state at `cursor`.
    snapshot: bool,
    /// Everything up to here was looked at, and sent where it concerns what is watched.
    cursor: Position,
    met: BTreeMap<SagaId, Met>,
    /// What was looked at and not sent: commits that come close together leave as one answer.
    changes: Vec<v1::OperationChange>,
    bookmark: Instant,
    answers: mpsc::Sender<Result<v1::WatchOperationsResponse, Status>>,
}

impl Watch {
    /// A watch of a caller who was let in at `at`.
    pub(super) fn new(
        api: Api,
        call: Call,
        place: Place,
        (scope, detail): (Scope, Detail),
        at: ReadBack,
        after: Option<Position>,
        answers: mpsc::Sender<Result<v1::WatchOperationsResponse, Status>>,
    ) -> Self {
        let bookmark = Instant::now() + BOOKMARK_PAUSE;
        let (audience, met, changes) = (Audience::Readers, BTreeMap::new(), Vec::new());
        let (snapshot, cursor) = (after.is_none(), after.unwrap_or(at.position));
        Self {
            api,
            call,
            place,
            scope,
            detail,
            at,
            audience,
            snapshot,
            cursor,
            met,
            changes,
            bookmark,
            answers,
        }
    }

    /// Sends until the end; the last word is the reason, where it is not the watched operation's own end.
    pub(super) async fn run(mut self) {
        if let Err(problem) = self.follow().await {
            // Nobody may be there to hear it.
            drop(self.answers.send(Err(problem.into())).await);
        }
    }

    async fn follow(&mut self) -> Result<(), Problem> {
        self.let_in().await?;
        let mut flow = Flow::On;
        if self.snapshot {
            flow = self.send_snapshot().await?;
        }
        // Behind this the channel is joined, so that little is left to be read of what it says meanwhile.
        if flow == Flow::On {
            flow = self.catch_up().await?;
        }
        if flow == Flow::Ended {
            return Ok(());
        }
        let mut commits = self.api.parts().leader.commits();
        if self.catch_up().await? == Flow::Ended {
            return Ok(());
        }
        loop {
            let flow = tokio::select! {
                biased;
                () = self.answers.closed() => Flow::Ended,
                commit = commits.recv() => match commit {
                    Ok(commit) => self.live(commit, &mut commits).await?,
                    Err(broadcast::error::RecvError::Lagged(_)) => return Err(too_slow(self.cursor)),
                    Err(broadcast::error::RecvError::Closed) => {
                        return Err(Problem::new(ErrorReason::Draining, "this orchestrator stops")
                            .retry_after(RETRY_LEADER));
                    }
                },
                () = sleep_until(self.bookmark) => self.send_bookmark().await?,
            };
            if flow == Flow::Ended {
                return Ok(());
            }
        }
    }

    /// Looks again whether the caller may watch this: tokens and roles end while a watch lasts.
    async fn let_in(&mut self) -> Result<(), Problem> {
        let look = |view: &View<'_>| {
            let auditor = view.may(Permission::Audit, view.project);
            Ok((Readable::of(view), if auditor { Audience::Auditors } else { Audience::Readers }))
        };
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
    async fn send_snapshot(&mut self) -> Result<Flow, Problem> {
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
        let (position, sagas, down) = self.api.fold(self.cursor, open).await?;
        if sagas.len() > PAGE_MAX {
            return Err(too_many(&format!("more than {PAGE_MAX} operations are open")));
        }
        self.cursor = position;
        let mut changes = Vec::with_capacity(sagas.len());
        let mut ended = false;
        for saga in sagas {
            let life = self.api.life(saga, self.at.cell, position).await?;
            ended |= life.ended.is_some();
            let operation = self.shown(&life, position, &down).await?;
            changes.push(v1::OperationChange { operation: Some(operation), events: Vec::new() });
            self.meet(saga, Met::Ours(Box::new(life)));
        }
        if changes.iter().map(Message::encoded_len).sum::<usize>() > PAGE_BYTES_MAX && changes.len() > 1 {
            return Err(too_many("the open operations are more than one answer holds"));
        }
        let flow = self.send(changes, true).await;
        Ok(if ended && matches!(self.scope, Scope::One(_)) { Flow::Ended } else { flow })
    }

    /// Reads on in the history, up to what is durable now.
    async fn catch_up(&mut self) -> Result<Flow, Problem> {
        let head = self.api.fold(self.cursor, |cell| cell.position).await?;
        if let Scope::One(saga) = self.scope {
            return self.catch_up_with(saga, head).await;
        }
        while self.cursor < head {
            self.api.reach(head).await?;
            let finished = &self.api.parts().finished;
            let commits = finished.commits_after(self.cursor, WATCH_BATCH_COMMITS).await.map_err(unread)?;
            if commits.is_empty() {
                return Err(Problem::internal(format!("the history ends before position {head}")));
            }
            for commit in commits {
                if self.take(&commit).await? == Flow::Ended {
                    return Ok(Flow::Ended);
                }
            }
            if Instant::now() >= self.bookmark && self.send_bookmark().await? == Flow::Ended {
                return Ok(Flow::Ended);
            }
        }
        Ok(self.flush().await)
    }

    /// The same for one operation, whose commits the history knows.
    async fn catch_up_with(&mut self, saga: SagaId, head: Position) -> Result<Flow, Problem> {
        let commits = self.api.commits_of(saga, head).await?;
        let Some(life) = Life::of(saga, self.at.cell, commits.iter().map(|commit| &**commit)) else {
            return Err(Problem::not_found("operation", &super::names::operation(saga)));
        };
        let after = self.cursor;
        for commit in commits.iter().filter(|commit| commit.header.position > after) {
            if self.take(commit).await? == Flow::Ended {
                return Ok(Flow::Ended);
            }
        }
        self.cursor = self.cursor.max(head);
        let flow = self.flush().await;
        Ok(if life.ended.is_some() { Flow::Ended } else { flow })
    }

    /// A commit from the leader's channel, and with it those that wait behind it.
    async fn live(
        &mut self,
        commit: Durable,
        commits: &mut broadcast::Receiver<Durable>,
    ) -> Result<Flow, Problem> {
        let mut next = Some(commit);
        while let Some(commit) = next {
            let position = commit.header.position;
            if position > self.cursor.next() && self.catch_up().await? == Flow::Ended {
                return Ok(Flow::Ended);
            }
            if position > self.cursor && self.take(&commit).await? == Flow::Ended {
                return Ok(Flow::Ended);
            }
            next = match commits.try_recv() {
                Ok(commit) => Some(commit),
                Err(TryRecvError::Lagged(_)) => return Err(too_slow(self.cursor)),
                // Closed: the next `recv` says it.
                Err(TryRecvError::Empty | TryRecvError::Closed) => None,
            };
        }
        Ok(self.flush().await)
    }

    /// The next commit: noted where it concerns what is watched, and sent where there is enough.
    async fn take(&mut self, commit: &Commit) -> Result<Flow, Problem> {
        let position = commit.header.position;
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
        self.cursor = position;
        let full = ended || self.changes.len() >= WATCH_CHANGES_OF_ONE_ANSWER;
        let flow = if full { self.flush().await } else { Flow::On };
        Ok(if ended { Flow::Ended } else { flow })
    }

    /// Sends what was noted.
    async fn flush(&mut self) -> Flow {
        let changes = std::mem::take(&mut self.changes);
        if changes.is_empty() { Flow::On } else { self.send(changes, false).await }
    }

    /// What the commit changed of one operation; `None`: it is not watched.
    async fn change(
        &mut self,
        saga: SagaId,
        commit: &Commit,
    ) -> Result<Option<v1::OperationChange>, Problem> {
        let position = commit.header.position;
        match self.met.get_mut(&saga) {
            Some(Met::Other) => return Ok(None),
            Some(Met::Ours(life)) => life.fold(commit),
            None => {
                let met = self.look_at(saga, commit).await?;
                self.meet(saga, met);
            }
        }
        let Some(Met::Ours(life)) = self.met.get(&saga) else { return Ok(None) };
        if self.detail == Detail::Basic && !moves(commit, saga) {
            return Ok(None);
        }
        let operation = self.shown(life, position, &convert::Down::new()).await?;
        let events = match self.detail {
            Detail::Basic => Vec::new(),
            Detail::Full => convert::of_saga(commit, saga, life.saga.project, self.audience),
        };
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

    /// An operation that is met for the first time: whether it is watched, and its life up to this commit.
    async fn look_at(&self, saga: SagaId, commit: &Commit) -> Result<Met, Problem> {
        if let Some(life) = Life::begun(saga, self.at.cell, commit) {
            return Ok(if self.is_ours(saga, life.saga.project) {
                Met::Ours(Box::new(life))
            } else {
                Met::Other
            });
        }
        self.api.reach(commit.header.position).await?;
        let summary = self.api.parts().finished.summary(saga).await.map_err(unread)?;
        if !summary.is_some_and(|summary| self.is_ours(saga, summary.project)) {
            return Ok(Met::Other);
        }
        let life = self.api.life(saga, self.at.cell, commit.header.position).await?;
        Ok(Met::Ours(Box::new(life)))
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

    async fn send_bookmark(&mut self) -> Result<Flow, Problem> {
        self.let_in().await?;
        let changes = std::mem::take(&mut self.changes);
        Ok(self.send(changes, false).await)
    }

    async fn send(&mut self, changes: Vec<v1::OperationChange>, snapshot: bool) -> Flow {
        let answer = v1::WatchOperationsResponse { position: self.cursor.0, changes, snapshot };
        self.bookmark = Instant::now() + BOOKMARK_PAUSE;
        if self.answers.send(Ok(answer)).await.is_ok() { Flow::On } else { Flow::Ended }
    }
}

/// The state now is more than one answer holds.
fn too_many(message: &str) -> Problem {
    Problem::new(ErrorReason::TooLarge, message)
        .of_field("after_position")
        .hint("list them, then watch with after_position = the list's position")
}

fn too_slow(position: Position) -> Problem {
    Problem::new(ErrorReason::WatchTooSlow, "the reader is too slow for what happens")
        .hint("open it again with after_position = the last position that arrived")
        .with("position", position.to_string())
}
