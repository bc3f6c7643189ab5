//! The history read back from the journal itself: frames folded by the core's own rules, sagas told by their events.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::sync::{Mutex, MutexGuard};
use windlass_journal::{Memory, Read};
use windlass_orchestrator::api::finished::{Ask, Finished, Summary, Unread};
use windlass_orchestrator::lead::handle::Durable;
use windlass_sagas::ids::*;
use windlass_sagas::protocol::Fold;
use windlass_sagas::record::{Commit, Event, ResourceRef, SagaStarted};

use super::CELL;

/// Reads a journal, and keeps what it has read.
pub(crate) struct History {
    reader: Memory,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    fold: Fold,
    commits: Vec<Durable>,
    /// Each saga, and where in `commits` it is spoken of.
    sagas: BTreeMap<SagaId, (Summary, Vec<usize>)>,
}

impl Kept {
    fn take(&mut self, commit: Durable) {
        for event in &commit.events {
            if let Event::SagaStarted(e) = event {
                let first = commit.header.position;
                let SagaStarted { saga, kind, project, subject, .. } = e.clone();
                let summary = Summary { saga, kind, project, subject, first, ended: false };
                self.sagas.insert(saga, (summary, Vec::new()));
            }
        }
        for saga in speaks_of(&commit) {
            if let Some((summary, places)) = self.sagas.get_mut(&saga) {
                summary.ended |= commit.events.iter().any(|event| ends(event) == Some(saga));
                places.push(self.commits.len());
            }
        }
        self.commits.push(commit);
    }

    fn of(&self, saga: SagaId) -> impl Iterator<Item = &Durable> {
        let places = self.sagas.get(&saga).map(|(_, places)| places.as_slice()).unwrap_or_default();
        places.iter().filter_map(|place| self.commits.get(*place))
    }
}

impl History {
    pub(crate) fn of(reader: Memory) -> Self {
        let kept = Kept { fold: Fold::new(Some(CELL)), ..Kept::default() };
        Self { reader, kept: Mutex::new(kept) }
    }

    /// Everything up to the journal's end.
    pub(crate) async fn commits(&self) -> Vec<Durable> {
        self.read().await.expect("the journal can be read").commits.clone()
    }

    /// The positions that speak of a saga.
    pub(crate) async fn positions_of(&self, saga: SagaId) -> Vec<u64> {
        let kept = self.read().await.expect("the journal can be read");
        kept.of(saga).map(|commit| commit.header.position.0).collect()
    }

    async fn read(&self) -> Result<MutexGuard<'_, Kept>, Unread> {
        let unread = |error: &dyn std::fmt::Display| Unread(error.to_string());
        let mut kept = self.kept.lock().await;
        loop {
            let after = kept.fold.cursor();
            let frames = self.reader.read(after, 64).await.map_err(|error| unread(&error))?;
            if frames.is_empty() {
                return Ok(kept);
            }
            for (cursor, frame) in frames {
                let absorbed = kept.fold.absorb(cursor, frame.bytes()).map_err(|error| unread(&error))?;
                absorbed.commits.into_iter().for_each(|commit| kept.take(Arc::new(commit)));
            }
        }
    }
}

const fn ends(event: &Event) -> Option<SagaId> {
    match event {
        Event::SagaCompleted(e) => Some(e.saga),
        Event::SagaRolledBack(e) => Some(e.saga),
        Event::SagaAbandoned(e) => Some(e.saga),
        _ => None,
    }
}

/// The sagas that a commit speaks of.
pub(crate) fn speaks_of(commit: &Commit) -> BTreeSet<SagaId> {
    let saga = |event: &Event| match event {
        Event::SagaStarted(e) => Some(e.saga),
        Event::StepDispatched(e) => Some(e.saga),
        Event::StepDone(e) => Some(e.saga),
        Event::StepRefused(e) => Some(e.saga),
        Event::StepUndone(e) => Some(e.saga),
        Event::StepSkipped(e) => Some(e.saga),
        Event::StepOverdue(e) => Some(e.saga),
        Event::SagaUnwinding(e) => Some(e.saga),
        Event::SagaStuck(e) => Some(e.saga),
        Event::SagaResumed(e) => Some(e.saga),
        Event::SagaLate(e) => Some(e.saga),
        other => ends(other),
    };
    commit.events.iter().filter_map(saga).collect()
}

#[tonic::async_trait]
impl Finished for History {
    async fn reach(&self, position: Position) -> Result<(), Unread> {
        loop {
            let cursor = {
                let kept = self.read().await?;
                if kept.commits.len() >= usize::try_from(position.0).unwrap_or(usize::MAX) {
                    return Ok(());
                }
                kept.fold.cursor()
            };
            self.reader.wait(cursor).await.map_err(|error| Unread(error.to_string()))?;
        }
    }

    async fn summary(&self, saga: SagaId) -> Result<Option<Summary>, Unread> {
        Ok(self.read().await?.sagas.get(&saga).map(|(summary, _)| summary.clone()))
    }

    async fn list(&self, ask: Ask) -> Result<Vec<Summary>, Unread> {
        let kept = self.read().await?;
        let mut all: Vec<Summary> = kept.sagas.values().map(|(summary, _)| summary.clone()).collect();
        all.sort_by_key(|it| std::cmp::Reverse((it.first, it.saga)));
        all.retain(|it| ask.after.is_none_or(|after| (it.first, it.saga) < after));
        all.retain(|it| ask.project.is_none_or(|project| it.project == project));
        all.truncate(ask.rows_max);
        Ok(all)
    }

    async fn commits_of(&self, saga: SagaId, after: Position) -> Result<Vec<Durable>, Unread> {
        let kept = self.read().await?;
        let behind = kept.of(saga).filter(|commit| commit.header.position > after);
        // Less than all at a time: the API must ask on.
        Ok(behind.take(3).cloned().collect())
    }

    async fn commits_of_resource(
        &self,
        resource: ResourceRef,
        after: Position,
    ) -> Result<Vec<Durable>, Unread> {
        let kept = self.read().await?;
        let names = |commit: &Durable| {
            commit.events.iter().any(|event| windlass_store::named(event).contains(&resource))
        };
        let behind = kept.commits.iter().filter(|commit| commit.header.position > after && names(commit));
        Ok(behind.take(3).cloned().collect())
    }

    async fn commits_after(&self, after: Position, max: usize) -> Result<Vec<Durable>, Unread> {
        let from = usize::try_from(after.0).unwrap_or(usize::MAX);
        Ok(self.read().await?.commits.iter().skip(from).take(max.min(5)).cloned().collect())
    }
}
