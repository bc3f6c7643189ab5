//! Questions to the index: sagas newest first, where commits stand, what was at a time. Every answer is bounded.
//!
//! What is not stored yet is the tracker's to tell; `list` merges both, the newer summary winning.

use std::collections::BTreeMap;

use redb::ReadableDatabase;
use windlass_sagas::ids::*;
use windlass_sagas::protocol::Cursor;
use windlass_sagas::record::ResourceRef;

use crate::database::*;
use crate::error::StoreError;
use crate::limits::LIST_ROWS_MAX;
use crate::row::key;
use crate::summary::{self, Summary};

/// Which sagas are asked for: newest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct List {
    /// Only of this project.
    pub project: Option<ProjectId>,
    /// Only those behind this one, from an earlier page.
    pub after: Option<PageKey>,
    /// At most so many; bounded by `LIST_ROWS_MAX`.
    pub rows_max: usize,
}

/// Where a page ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PageKey {
    /// The first position of the page's last saga.
    pub first: Position,
    /// That saga.
    pub saga: SagaId,
}

/// Some sagas, newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// The sagas.
    pub sagas: Vec<Summary>,
    /// Where the next page begins; `None`: this is the last one.
    pub next: Option<PageKey>,
}

/// A commit's place in the journal: its position, and the frame that holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The commit.
    pub position: Position,
    /// Its frame.
    pub cursor: Cursor,
}

impl List {
    /// Whether a saga belongs into this list.
    pub(crate) fn wants(&self, summary: &Summary) -> bool {
        let key = PageKey { first: summary.first, saga: summary.saga };
        self.project.is_none_or(|project| project == summary.project)
            && self.after.is_none_or(|after| key < after)
    }
}

impl Store {
    /// How a saga stands, as of the stored position.
    ///
    /// # Errors
    /// Where the disk fails.
    pub fn summary(&self, saga: SagaId) -> Result<Option<Summary>, StoreError> {
        self.guarded(|| {
            let table = self.database().begin_read()?.open_table(SUMMARIES)?;
            table.get(id(saga.0))?.map(|row| summary::decode(saga, row.value())).transpose()
        })
    }

    /// Sagas, newest first; `recent` is what the tracker says of the same list, or nothing.
    ///
    /// # Errors
    /// Where the disk fails.
    pub fn list(&self, list: &List, recent: Vec<Summary>) -> Result<Page, StoreError> {
        let rows_max = list.rows_max.min(LIST_ROWS_MAX);
        let mut merged = BTreeMap::new();
        let stored = self.guarded(|| self.stored(list, rows_max + 1))?;
        let was_cut = recent.len() >= rows_max;
        for found in stored.into_iter().chain(recent.into_iter().filter(|it| list.wants(it))) {
            let key = PageKey { first: found.first, saga: found.saga };
            let old = merged.get(&key).is_some_and(|old: &Summary| old.changed > found.changed);
            if !old {
                merged.insert(key, found);
            }
        }
        let more = merged.len() > rows_max || was_cut;
        let sagas: Vec<Summary> = merged.into_values().rev().take(rows_max).collect();
        let last = sagas.last().map(|last| PageKey { first: last.first, saga: last.saga });
        Ok(Page { sagas, next: last.filter(|_| more) })
    }

    fn stored(&self, list: &List, rows_max: usize) -> Result<Vec<Summary>, StoreError> {
        let read = self.database().begin_read()?;
        let summaries = read.open_table(SUMMARIES)?;
        let end = list.after.map_or((u64::MAX, u128::MAX), |after| (after.first.0, id(after.saga.0)));
        let mut found = Vec::new();
        let mut take = |saga: u128| {
            let row = summaries.get(saga)?.ok_or(StoreError::Row("a listed saga has no summary"))?;
            found.push(summary::decode(SagaId(saga.to_be_bytes()), row.value())?);
            Ok::<_, StoreError>(())
        };
        match list.project {
            None => {
                for row in read.open_table(LIST_ALL)?.range(..end)?.rev().take(rows_max) {
                    take(row?.0.value().1)?;
                }
            }
            Some(project) => {
                let project = id(project.0);
                let range = (project, 0, 0)..(project, end.0, end.1);
                for row in read.open_table(LIST_PROJECT)?.range(range)?.rev().take(rows_max) {
                    take(row?.0.value().2)?;
                }
            }
        }
        Ok(found)
    }

    /// Where the commits that speak of a saga stand, behind `after`, oldest first; at most `LIST_ROWS_MAX`.
    ///
    /// # Errors
    /// Where the disk fails.
    pub fn saga_commits(&self, saga: SagaId, after: Position) -> Result<Vec<Place>, StoreError> {
        let saga = id(saga.0);
        self.guarded(|| {
            let table = self.database().begin_read()?.open_table(SAGA_COMMITS)?;
            let rows = table.range((saga, after.next().0)..=(saga, u64::MAX))?.take(LIST_ROWS_MAX);
            rows.map(|row| {
                let (key, cursor) = row?;
                Ok(Place { position: Position(key.value().1), cursor: Cursor(cursor.value()) })
            })
            .collect()
        })
    }

    /// Where the commits that name a resource stand, behind `after`, oldest first; at most `LIST_ROWS_MAX`.
    ///
    /// # Errors
    /// Where the disk fails.
    pub fn resource_commits_after(
        &self,
        resource: ResourceRef,
        after: Position,
    ) -> Result<Vec<Place>, StoreError> {
        let (kind, id) = key(resource);
        self.guarded(|| {
            let table = self.database().begin_read()?.open_table(RESOURCE_COMMITS)?;
            let rows = table.range((kind, id, after.next().0)..=(kind, id, u64::MAX))?.take(LIST_ROWS_MAX);
            rows.map(|row| {
                let (key, cursor) = row?;
                Ok(Place { position: Position(key.value().2), cursor: Cursor(cursor.value()) })
            })
            .collect()
        })
    }

    /// Where the commits that name a resource stand, before `before`, newest first; at most `LIST_ROWS_MAX`.
    ///
    /// # Errors
    /// Where the disk fails.
    pub fn resource_commits(
        &self,
        resource: ResourceRef,
        before: Option<Position>,
    ) -> Result<Vec<Place>, StoreError> {
        let (kind, id) = key(resource);
        let end = before.map_or(u64::MAX, |before| before.0);
        self.guarded(|| {
            let table = self.database().begin_read()?.open_table(RESOURCE_COMMITS)?;
            let rows = table.range((kind, id, 0)..(kind, id, end))?.rev().take(LIST_ROWS_MAX);
            rows.map(|row| {
                let (key, cursor) = row?;
                Ok(Place { position: Position(key.value().2), cursor: Cursor(cursor.value()) })
            })
            .collect()
        })
    }

    /// The last known place at or before a position: read on from there. `None`: from the first frame.
    ///
    /// # Errors
    /// Where the disk fails.
    pub fn place_before(&self, position: Position) -> Result<Option<Place>, StoreError> {
        self.guarded(|| {
            let table = self.database().begin_read()?.open_table(PLACES)?;
            let found = table.range(..=position.0)?.next_back().transpose()?;
            Ok(found.map(|(position, place)| Place {
                position: Position(position.value()),
                cursor: Cursor(place.value().0),
            }))
        })
    }

    /// The last known place that began at or before a time: read on from there. `None`: from the first frame.
    ///
    /// # Errors
    /// Where the disk fails.
    pub fn place_at(&self, time: Time) -> Result<Option<Place>, StoreError> {
        let position = self.guarded(|| {
            let table = self.database().begin_read()?.open_table(TIMES)?;
            let found = table.range(..=time.0)?.next_back().transpose()?;
            Ok(found.map(|(_, position)| Position(position.value())))
        })?;
        position.map_or(Ok(None), |position| self.place_before(position))
    }
}
