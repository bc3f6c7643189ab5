//! The history of a journal that stands still: an index in memory, made while it is folded; the commits stay where they
//! are and are read when they are asked for.
//!
//! A copy that holds a part of a journal is told of from where it begins, and what it leaves out is stepped over: whoever
//! may read it may not read that.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use windlass_journal::Read;
use windlass_sagas::cell::Cell;
use windlass_sagas::ids::{Position, SagaId, Time};
use windlass_sagas::protocol::{Absorbed, Cursor};
use windlass_sagas::record::ResourceRef;
use windlass_store::Place;

use crate::api::attribution::{started, touched};
use crate::api::finished::{Ask, Finished, Summary, Unread};
use crate::api::{Moment, NotTold, Past};
use crate::history::{Folds, frames};
use crate::lead::handle::Durable;

/// Commits that one answer of `commits_of` and of `commits_of_resource` holds.
const COMMITS_AT_ONCE: usize = 256;

/// Where everything is.
#[derive(Debug, Default)]
pub(super) struct Told {
    sagas: BTreeMap<SagaId, (Summary, Vec<Place>)>,
    by_start: BTreeMap<(Position, SagaId), ()>,
    /// The commits that name each resource.
    resources: BTreeMap<ResourceRef, Vec<Place>>,
    /// Every commit, with its time.
    commits: Vec<(Place, Time)>,
    end: Position,
}

impl Told {
    /// Nothing yet.
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// Takes a frame that was folded.
    pub(super) fn take(&mut self, cursor: Cursor, absorbed: &Absorbed) {
        for commit in &absorbed.commits {
            let position = commit.header.position;
            self.commits.push((Place { position, cursor }, commit.header.time));
            for start in started(commit) {
                let summary = Summary::of(start, position);
                self.by_start.insert((position, start.saga), ());
                self.sagas.insert(start.saga, (summary, Vec::new()));
            }
            let named: BTreeSet<ResourceRef> = commit.events.iter().flat_map(windlass_store::named).collect();
            for resource in named.into_iter().filter(|it| !matches!(it, ResourceRef::Saga(_))) {
                self.resources.entry(resource).or_default().push(Place { position, cursor });
            }
            for (saga, ends) in touched(commit) {
                if let Some((summary, places)) = self.sagas.get_mut(&saga) {
                    places.push(Place { position, cursor });
                    summary.ended |= ends;
                }
            }
        }
    }

    /// The history over the journal that it was made from, whose fold ends at `end`.
    pub(super) fn over<R>(self, reader: R, end: Position) -> Index<R> {
        Index { told: Self { end, ..self }, reader }
    }

    /// When each commit was made, in order.
    pub(super) fn times(&self) -> Vec<Moment> {
        let moment = |(place, time): &(Place, Time)| Moment { position: place.position, time: *time };
        self.commits.iter().map(moment).collect()
    }
}

/// The past of a journal that stands still: its moments are known by heart.
pub(super) struct Moments<R> {
    pub(super) folds: Folds<R>,
    pub(super) times: Vec<Moment>,
}

#[tonic::async_trait]
impl<R: Read + 'static> Past for Moments<R> {
    async fn fold_at(&self, position: Position) -> Result<Arc<Cell>, NotTold> {
        self.folds.fold_at(position).await
    }

    async fn position_at(&self, time: Time) -> Result<Position, NotTold> {
        let later = self.times.partition_point(|moment| moment.time <= time);
        match (later.checked_sub(1).and_then(|last| self.times.get(last)), self.times.first()) {
            (Some(last), _) => Ok(last.position),
            (None, Some(first)) => Err(NotTold::Before(*first)),
            (None, None) => Err(NotTold::Unread("the journal has no commits".to_owned())),
        }
    }
}

/// The index and the journal.
pub(super) struct Index<R> {
    told: Told,
    reader: R,
}

impl<R: Read + 'static> Index<R> {
    /// Some of the commits at these places that are behind a position.
    async fn behind(&self, places: &[Place], after: Position) -> Result<Vec<Durable>, Unread> {
        let behind = &places[places.partition_point(|place| place.position <= after)..];
        frames::at(&self.reader, &behind[..behind.len().min(COMMITS_AT_ONCE)], |_| Ok(None)).await
    }
}

#[tonic::async_trait]
impl<R: Read + Clone + 'static> Finished for Index<R> {
    async fn reach(&self, position: Position) -> Result<(), Unread> {
        if position <= self.told.end {
            Ok(())
        } else {
            Err(Unread(format!("the journal ends at position {}", self.told.end)))
        }
    }

    async fn summary(&self, saga: SagaId) -> Result<Option<Summary>, Unread> {
        Ok(self.told.sagas.get(&saga).map(|(summary, _)| summary.clone()))
    }

    async fn list(&self, ask: Ask) -> Result<Vec<Summary>, Unread> {
        let end = ask.after.unwrap_or((Position(u64::MAX), SagaId([0xff; 16])));
        let newest = self.told.by_start.range(..end).rev();
        let summaries = newest.filter_map(|((_, saga), ())| self.told.sagas.get(saga)).map(|(it, _)| it);
        let wanted = summaries.filter(|it| ask.project.is_none_or(|project| project == it.project));
        Ok(wanted.take(ask.rows_max).cloned().collect())
    }

    async fn commits_of(&self, saga: SagaId, after: Position) -> Result<Vec<Durable>, Unread> {
        let Some((_, places)) = self.told.sagas.get(&saga) else { return Ok(Vec::new()) };
        self.behind(places, after).await
    }

    async fn commits_of_resource(
        &self,
        resource: ResourceRef,
        after: Position,
    ) -> Result<Vec<Durable>, Unread> {
        let Some(places) = self.told.resources.get(&resource) else { return Ok(Vec::new()) };
        self.behind(places, after).await
    }

    async fn commits_after(&self, after: Position, max: usize) -> Result<Vec<Durable>, Unread> {
        let commits = &self.told.commits;
        let behind = &commits[commits.partition_point(|(place, _)| place.position <= after)..];
        let places: Vec<Place> = behind.iter().take(max).map(|(place, _)| *place).collect();
        frames::at(&self.reader, &places, |_| Ok(None)).await
    }
}
