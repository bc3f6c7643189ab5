//! The history, as the API asks for it: the index and what is not in it yet, the journal's frames, and the newest commits
//! in memory, so that who follows the cell does not read a disk.
//!
//! Invariant: nothing is told that is not durable, and no gap is passed over: where the newest commits have one, the
//! journal is read.

pub(crate) mod frames;
mod past;
mod recent;
mod watchman;
pub mod whole;

use std::sync::{Arc, RwLock};
use std::time::Duration;

use tokio::sync::broadcast::error::RecvError;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use windlass_journal::Read;
use windlass_sagas::ids::{Position, SagaId};
use windlass_sagas::record::ResourceRef;
use windlass_store::{List, PageKey, Place, Store};

use crate::api::finished::{Ask, Finished, Summary, Unread};
use crate::lead::handle::{Durable, Leader};
pub use past::Folds;
use recent::Recent;
use whole::{Journal, Whole};

/// Commits that one answer of `commits_of` and of `commits_of_resource` holds.
const COMMITS_AT_ONCE: usize = 256;

/// The history of the cell that this leader's task folds.
pub struct History<R> {
    leader: Leader,
    store: Store,
    reader: R,
    whole: Arc<Journal<R>>,
    recent: Arc<RwLock<Recent>>,
    /// The last position that is known to be durable.
    reached: watch::Receiver<Position>,
}

impl<R: Read + Clone + 'static> History<R> {
    /// The history over this store and journal; `from`: the position of the image that the leader's fold begins with.
    /// Make it before the leader's task starts, or commits are missed.
    #[must_use]
    pub fn follow(leader: Leader, store: Store, reader: R, from: Position) -> Self {
        let recent = Arc::new(RwLock::new(Recent::default()));
        let (reach, reached) = watch::channel(from);
        let (kept, mut commits) = (Arc::clone(&recent), leader.commits());
        // Ends with the leader's task, whose end of the channel closes.
        tokio::spawn(async move {
            loop {
                let commit = match commits.recv().await {
                    Ok(commit) => commit,
                    // The newest commits then begin anew; the journal has what was missed.
                    Err(RecvError::Lagged(_)) => continue,
                    Err(RecvError::Closed) => return,
                };
                let position = commit.header.position;
                if let Ok(mut recent) = kept.write() {
                    recent.keep(commit);
                }
                // A fold that was dropped is read anew: until then, what it held is not known to be in the journal.
                reach.send_replace(position);
            }
        });
        let whole = Arc::new(Journal::new(reader.clone(), Some(store.clone())));
        Self { leader, store, reader, whole, recent, reached }
    }

    /// Follows the chain in the background, every so often, until told to stop.
    pub fn keep_verified(&self, every: Duration, stop: CancellationToken) {
        let whole = Arc::clone(&self.whole);
        // Ends when it is told to.
        tokio::spawn(async move { watchman::watch(&whole, every, stop).await });
    }

    /// The journal as a whole: to be exported, and its chain followed.
    #[must_use]
    pub fn whole(&self) -> Arc<dyn Whole> {
        Arc::<Journal<R>>::clone(&self.whole)
    }

    /// The last position that is known to be durable, as it moves on.
    #[must_use]
    pub fn reached(&self) -> watch::Receiver<Position> {
        self.reached.clone()
    }

    fn recent<T>(&self, look: impl FnOnce(&Recent) -> T) -> Result<T, Unread> {
        self.recent.read().map(|recent| look(&recent)).map_err(|_| unread("its keeper panicked"))
    }

    /// Asks the store, off the async threads: it reads a disk.
    async fn stored<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&Store) -> Result<T, windlass_store::StoreError> + Send + 'static,
    ) -> Result<T, Unread> {
        let store = self.store.clone();
        let asked = tokio::task::spawn_blocking(move || ask(&store)).await;
        asked.map_err(|error| unread(error.to_string()))?.map_err(|error| unread(error.to_string()))
    }

    async fn not_stored<T: Send + 'static>(
        &self,
        look: impl FnOnce(&windlass_store::Tracker) -> T + Send + 'static,
    ) -> Result<T, Unread> {
        let looked = self.leader.read_recent(look).await;
        looked.map(|(_, found)| found).map_err(|refused| unread(refused.to_string()))
    }

    /// The commits at these places, in their order.
    async fn at(&self, places: &[Place]) -> Result<Vec<Durable>, Unread> {
        frames::at(&self.reader, places, |position| self.recent(|recent| recent.at(position))).await
    }
}

#[tonic::async_trait]
impl<R: Read + Clone + 'static> Finished for History<R> {
    async fn reach(&self, position: Position) -> Result<(), Unread> {
        let mut reached = self.reached.clone();
        let waited = reached.wait_for(|at| *at >= position).await;
        waited.map(|_| ()).map_err(|_| unread("the leader's task has ended"))
    }

    async fn summary(&self, saga: SagaId) -> Result<Option<Summary>, Unread> {
        // What is not stored first: it goes to the store, never back.
        if let Some(found) = self.not_stored(move |tracker| tracker.summary(saga).cloned()).await? {
            return Ok(Some(summary(&found)));
        }
        Ok(self.stored(move |store| store.summary(saga)).await?.as_ref().map(summary))
    }

    async fn list(&self, ask: Ask) -> Result<Vec<Summary>, Unread> {
        let after = ask.after.map(|(first, saga)| PageKey { first, saga });
        let list = List { project: ask.project, after, rows_max: ask.rows_max };
        let recent = self.not_stored(move |tracker| tracker.recent(&list)).await?;
        let page = self.stored(move |store| store.list(&list, recent)).await?;
        Ok(page.sagas.iter().map(summary).collect())
    }

    async fn commits_of(&self, saga: SagaId, after: Position) -> Result<Vec<Durable>, Unread> {
        if let Some(commits) = self.recent(|recent| recent.of(saga, after, COMMITS_AT_ONCE))? {
            return Ok(commits);
        }
        let recent = self.not_stored(move |tracker| tracker.saga_commits(saga)).await?;
        let stored = self.stored(move |store| store.saga_commits(saga, after)).await?;
        self.at(&both(stored, recent, after)).await
    }

    async fn commits_of_resource(
        &self,
        resource: ResourceRef,
        after: Position,
    ) -> Result<Vec<Durable>, Unread> {
        let recent = self.not_stored(move |tracker| tracker.resource_commits(resource)).await?;
        let stored = self.stored(move |store| store.resource_commits_after(resource, after)).await?;
        self.at(&both(stored, recent, after)).await
    }

    async fn commits_after(&self, after: Position, max: usize) -> Result<Vec<Durable>, Unread> {
        let end = *self.reached.borrow();
        if after >= end {
            return Ok(Vec::new());
        }
        if let Some(commits) = self.recent(|recent| recent.after(after, max))? {
            return Ok(commits);
        }
        let from = self.stored(move |store| store.place_before(after.next())).await?;
        frames::behind(&self.reader, from, after, end, max).await
    }
}

/// The first places behind a position, of those that are stored and of those that are not yet.
fn both(mut places: Vec<Place>, recent: Vec<Place>, after: Position) -> Vec<Place> {
    places.extend(recent.into_iter().filter(|place| place.position > after));
    places.sort_unstable();
    places.dedup_by_key(|place| place.position);
    places.truncate(COMMITS_AT_ONCE);
    places
}

fn summary(found: &windlass_store::Summary) -> Summary {
    let windlass_store::Summary { saga, kind, project, subject, first, .. } = *found;
    Summary { saga, kind, project, subject, first, ended: found.standing.is_ended() }
}

fn unread(why: impl Into<String>) -> Unread {
    Unread(why.into())
}
