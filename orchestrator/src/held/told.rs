//! The history of a journal that stands still: an index in memory, made while it is folded; the commits stay where they
//! are and are read when they are asked for.

use std::collections::{BTreeMap, BTreeSet};

use windlass_journal::Read;
use windlass_sagas::ids::{Position, SagaId};
use windlass_sagas::protocol::{Absorbed, Cursor};
use windlass_sagas::record::ResourceRef;
use windlass_store::Place;

use crate::api::attribution::{started, touched};
use crate::api::finished::{Ask, Finished, Summary, Unread};
use crate::history::frames;

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
    /// The first valid commit of each frame that has one.
    places: Vec<Place>,
    end: Position,
}

impl Told {
    /// Nothing yet.
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// Takes a frame that was folded.
    pub(super) fn take(&mut self, cursor: Cursor, absorbed: &Absorbed) {
        if let Some(first) = absorbed.commits.first() {
            self.places.push(Place { position: first.header.position, cursor });
        }
        for commit in &absorbed.commits {
            let position = commit.header.position;
            self.end = position;
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

    /// The history over the journal that it was made from.
    pub(super) const fn over<R>(self, reader: R) -> Index<R> {
        Index { told: self, reader }
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
        frames::at(&self.reader, &behind[..behind.len().min(COMMITS_AT_ONCE)]).await
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
        if after >= self.told.end {
            return Ok(Vec::new());
        }
        let places = &self.told.places;
        let next = places.partition_point(|place| place.position <= after.next());
        let from = next.checked_sub(1).and_then(|place| places.get(place)).copied();
        frames::behind(&self.reader, from, after, self.told.end, max).await
    }
}
