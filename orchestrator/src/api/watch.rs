//! One watch of operations: from a position on, every commit that concerns them, none left out, none twice.
//!
//! The past comes from the history, the present from the leader's channel; positions are dense, so a gap between the
//! two is seen and read from the history. A reader that lags too far behind the channel is cut off, never skipped.

use std::collections::BTreeMap;

use prost::Message;
use tokio::sync::{broadcast, mpsc};
use tokio::time::{Instant, sleep_until};
use tonic::Status;
use windlass_proto::v1::{self, ErrorReason};
use windlass_sagas::cell::Permission;
use windlass_sagas::ids::*;
use windlass_sagas::record::Commit;

use super::Api;
use super::attribution::touched;
use super::call::{Call, ReadBack, unread};
use super::convert::{self, Audience};
use super::errors::Problem;
use super::life::Life;
use super::limits::*;
use super::operation::Readable;
use super::view::{Place, View};

/// What is watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    /// One operation.
    One(SagaId),
    /// Those of some projects.
    Of(Readable),
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
    at: ReadBack,
    audience: Audience,
    /// Begin with the state at `cursor`.
    snapshot: bool,
    /// Everything up to here was looked at, and sent where it concerns what is watched.
    cursor: Position,
    met: BTreeMap<SagaId, Met>,
    bookmark: Instant,
    answers: mpsc::Sender<Result<v1::WatchOperationsResponse, Status>>,
}

impl Watch {
    /// A watch of a caller who was let in at `at`.
    pub(super) fn new(
        api: Api,
        call: Call,
        place: Place,
        scope: Scope,
        at: ReadBack,
        after: Option<Position>,
        answers: mpsc::Sender<Result<v1::WatchOperationsResponse, Status>>,
    ) -> Self {
        let bookmark = Instant::now() + BOOKMARK_PAUSE;
        let (audience, met) = (Audience::Readers, BTreeMap::new());
        let (snapshot, cursor) = (after.is_none(), after.unwrap_or(at.position));
        Self { api, call, place, scope, at, audience, snapshot, cursor, met, bookmark, answers }
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
                    Ok(commit) => self.live(&commit).await?,
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
        let (readable, audience) = self.api.visit(self.call, Position(0), place, look).await?;
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
            let operation = self.api.shown(&life, self.at.caller, position, &down).await?;
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
        Ok(Flow::On)
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
        Ok(if life.ended.is_some() { Flow::Ended } else { Flow::On })
    }

    /// A commit from the leader's channel.
    async fn live(&mut self, commit: &Commit) -> Result<Flow, Problem> {
        let position = commit.header.position;
        if position > self.cursor.next() && self.catch_up().await? == Flow::Ended {
            return Ok(Flow::Ended);
        }
        if position <= self.cursor {
            return Ok(Flow::On);
        }
        self.take(commit).await
    }

    /// The next commit: sent where it concerns what is watched.
    async fn take(&mut self, commit: &Commit) -> Result<Flow, Problem> {
        let position = commit.header.position;
        let (mut changes, mut ended) = (Vec::new(), false);
        for (saga, ends) in touched(commit) {
            if let Some(change) = self.change(saga, commit).await? {
                changes.push(change);
                ended |= ends && self.scope == Scope::One(saga);
            }
            if ends {
                self.met.remove(&saga);
            }
        }
        self.cursor = position;
        let flow = if changes.is_empty() { Flow::On } else { self.send(changes, false).await };
        Ok(if ended { Flow::Ended } else { flow })
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
        let operation = self.api.shown(life, self.at.caller, position, &convert::Down::new()).await?;
        let events = convert::of_saga(commit, saga, life.saga.project, self.audience);
        Ok(Some(v1::OperationChange { operation: Some(operation), events }))
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
        Ok(self.send(Vec::new(), false).await)
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
