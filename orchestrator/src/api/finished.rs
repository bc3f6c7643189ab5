//! The history as the API needs it: how sagas stand, ended ones too, and the commits that speak of them. The fold
//! forgets a saga with its last commit; this does not. Everything that it tells is durable.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::sync::watch;
use windlass_sagas::ids::{CellId, Position, ProjectId, SagaId};
use windlass_sagas::record::{ResourceRef, SagaKind, SagaStarted};

use super::attribution::{started, touched};
use crate::lead::handle::{Durable, Leader};

/// The history can't be read, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the history can't be read: {0}")]
pub struct Unread(pub String);

/// A saga at a glance, open or ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Its id.
    pub saga: SagaId,
    /// Its kind.
    pub kind: SagaKind,
    /// Its project; all zero for what belongs to none.
    pub project: ProjectId,
    /// What it is about.
    pub subject: ResourceRef,
    /// The position of its first commit.
    pub first: Position,
    /// Whether it is terminal.
    pub ended: bool,
}

impl Summary {
    /// Of a saga that begins in the commit at `first`.
    pub(crate) const fn of(start: &SagaStarted, first: Position) -> Self {
        Self {
            saga: start.saga,
            kind: start.kind,
            project: start.project,
            subject: start.subject,
            first,
            ended: false,
        }
    }
}

/// Which sagas a page holds: newest first, by (first position, id).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ask {
    /// Only of this project (all zero: only those of none); `None`: of every project and of none.
    pub project: Option<ProjectId>,
    /// Only those behind this one of an earlier page.
    pub after: Option<(Position, SagaId)>,
    /// At most so many.
    pub rows_max: usize,
}

/// What the API asks of the history. Implementations bound each answer; each may take its time, and the API bounds
/// that.
#[tonic::async_trait]
pub trait Finished: Send + Sync {
    /// Returns once every commit up to `position`, which is durable, is told by the other methods.
    async fn reach(&self, position: Position) -> Result<(), Unread>;

    /// How a saga stands; `None`: there is none.
    async fn summary(&self, saga: SagaId) -> Result<Option<Summary>, Unread>;

    /// Sagas, newest first; fewer than asked for only where there are no more.
    async fn list(&self, ask: Ask) -> Result<Vec<Summary>, Unread>;

    /// The commits that speak of a saga, behind a position, oldest first; some of them: ask again behind the last.
    /// Empty: there are no more.
    async fn commits_of(&self, saga: SagaId, after: Position) -> Result<Vec<Durable>, Unread>;

    /// The commits that name a resource or begin a saga that holds it, behind a position, oldest first; some of them, as
    /// above. Others may be among them.
    async fn commits_of_resource(
        &self,
        resource: ResourceRef,
        after: Position,
    ) -> Result<Vec<Durable>, Unread>;

    /// The commits behind a position, oldest first and without a gap; at most `max`. Empty: there are no more yet.
    async fn commits_after(&self, after: Position, max: usize) -> Result<Vec<Durable>, Unread>;
}

/// The whole history in memory, fed by a leader: for tests and short-lived cells.
pub struct Memory {
    kept: Arc<std::sync::RwLock<Kept>>,
    reached: watch::Receiver<Position>,
}

/// Commits that one answer of `Memory::commits_of` and of `commits_of_resource` holds.
const COMMITS_AT_ONCE: usize = 256;

#[derive(Default)]
struct Kept {
    commits: Vec<Durable>,
    sagas: BTreeMap<SagaId, (Summary, Vec<usize>)>,
    by_start: BTreeMap<(Position, SagaId), ()>,
    /// The places of the commits that name a resource.
    resources: BTreeMap<ResourceRef, Vec<usize>>,
}

impl Kept {
    fn take(&mut self, commit: Durable) {
        let (place, position) = (self.commits.len(), commit.header.position);
        for start in started(&commit) {
            let summary = Summary::of(start, position);
            self.by_start.insert((position, start.saga), ());
            self.sagas.insert(start.saga, (summary, Vec::new()));
        }
        for (saga, ends) in touched(&commit) {
            if let Some((summary, places)) = self.sagas.get_mut(&saga) {
                places.push(place);
                summary.ended |= ends;
            }
        }
        let named: BTreeSet<ResourceRef> = commit.events.iter().flat_map(windlass_store::named).collect();
        for resource in named {
            self.resources.entry(resource).or_default().push(place);
        }
        self.commits.push(commit);
    }

    /// Some of the commits at these places that are behind a position.
    fn behind(&self, places: &[usize], after: Position) -> Vec<Durable> {
        let commits = places.iter().filter_map(|place| self.commits.get(*place));
        commits.filter(|commit| commit.header.position > after).take(COMMITS_AT_ONCE).cloned().collect()
    }
}

impl Memory {
    /// Keeps `past` (from position 1 on, without a gap) and what `leader` makes durable from now on, until the leader's
    /// channel closes.
    #[must_use]
    pub fn follow(past: Vec<Durable>, leader: &Leader) -> Self {
        let mut kept = Kept::default();
        past.into_iter().for_each(|commit| kept.take(commit));
        let at = Position(u64::try_from(kept.commits.len()).unwrap_or(u64::MAX));
        let kept = Arc::new(std::sync::RwLock::new(kept));
        let (reach, reached) = watch::channel(at);
        let (writer, mut commits) = (Arc::clone(&kept), leader.commits());
        // Ends with the leader's channel; a lag would leave a hole, so it ends then too and `reach` never returns.
        tokio::spawn(async move {
            while let Ok(commit) = commits.recv().await {
                let position = commit.header.position;
                if let Ok(mut kept) = writer.write() {
                    kept.take(commit);
                }
                if reach.send(position).is_err() {
                    break;
                }
            }
        });
        Self { kept, reached }
    }

    fn look<T>(&self, look: impl FnOnce(&Kept) -> T) -> Result<T, Unread> {
        self.kept.read().map(|kept| look(&kept)).map_err(|_| Unread("its writer panicked".into()))
    }
}

#[tonic::async_trait]
impl Finished for Memory {
    async fn reach(&self, position: Position) -> Result<(), Unread> {
        let mut reached = self.reached.clone();
        let waited = reached.wait_for(|at| *at >= position).await;
        waited.map(|_| ()).map_err(|_| Unread("its leader is gone".into()))
    }

    async fn summary(&self, saga: SagaId) -> Result<Option<Summary>, Unread> {
        self.look(|kept| kept.sagas.get(&saga).map(|(summary, _)| summary.clone()))
    }

    async fn list(&self, ask: Ask) -> Result<Vec<Summary>, Unread> {
        self.look(|kept| {
            let end = ask.after.unwrap_or((Position(u64::MAX), SagaId([0xff; 16])));
            let newest = kept.by_start.range(..end).rev();
            let summaries = newest.filter_map(|((_, saga), ())| kept.sagas.get(saga)).map(|(it, _)| it);
            let wanted = summaries.filter(|it| ask.project.is_none_or(|project| project == it.project));
            wanted.take(ask.rows_max).cloned().collect()
        })
    }

    async fn commits_of(&self, saga: SagaId, after: Position) -> Result<Vec<Durable>, Unread> {
        self.look(|kept| {
            let places = kept.sagas.get(&saga).map(|(_, places)| places.as_slice()).unwrap_or_default();
            kept.behind(places, after)
        })
    }

    async fn commits_of_resource(
        &self,
        resource: ResourceRef,
        after: Position,
    ) -> Result<Vec<Durable>, Unread> {
        self.look(|kept| {
            let places = kept.resources.get(&resource).map(Vec::as_slice).unwrap_or_default();
            kept.behind(places, after)
        })
    }

    async fn commits_after(&self, after: Position, max: usize) -> Result<Vec<Durable>, Unread> {
        self.look(|kept| {
            let from = usize::try_from(after.0).unwrap_or(usize::MAX);
            kept.commits.iter().skip(from).take(max).cloned().collect()
        })
    }
}

/// The saga that a request starts, for looking it up.
pub(super) fn saga_of(cell: CellId, request: &windlass_sagas::record::Request) -> SagaId {
    SagaId::of_request(cell, request.project, request.id)
}
