//! Folds of the past, made anew from the journal: from the nearest image that is kept, or from its first frame. The last
//! few are remembered, since who asks about a moment asks more than once.
//!
//! Invariant: they are folded by the one `apply`, off the leader's thread, and few at a time; what a reader no longer
//! waits for is folded to its end all the same, so that the next one finds it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use windlass_journal::Read;
use windlass_replay::{ReplayError, Until, fold, fold_of_image};
use windlass_sagas::cell::Cell;
use windlass_sagas::ids::{CellId, Position, Time};
use windlass_sagas::protocol::Fold;
use windlass_sagas::record::Tip;
use windlass_store::{Image, Store};

use super::frames;
use crate::api::{NotTold, Past};

/// Folds that are remembered.
const REMEMBERED_MAX: usize = 4;
/// Folds that are made at a time: each takes a core and the room of a cell.
const AT_ONCE: usize = 2;
/// How long a reader waits for one.
const WAIT_MAX: Duration = Duration::from_secs(60);

/// The folds of the past of one journal. Cheap to clone; the clones share what they remember.
#[derive(Clone)]
pub struct Folds<R>(Arc<Inner<R>>);

struct Inner<R> {
    reader: R,
    /// Where images are kept; without one, every fold begins with the first frame.
    store: Option<Store>,
    expected: Option<CellId>,
    remembered: Mutex<VecDeque<(Position, Arc<Cell>)>>,
    making: Semaphore,
}

impl<R: Read + 'static> Folds<R> {
    /// The folds of this journal, which is of the cell `expected`, where that is known.
    pub fn new(reader: R, store: Option<Store>, expected: Option<CellId>) -> Self {
        let (remembered, making) = (Mutex::default(), Semaphore::new(AT_ONCE));
        Self(Arc::new(Inner { reader, store, expected, remembered, making }))
    }
}

impl<R: Read + 'static> Inner<R> {
    fn remembered(&self, position: Position) -> Option<Arc<Cell>> {
        let mut all = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        let place = all.iter().position(|(at, _)| *at == position)?;
        let found = all.remove(place)?;
        let cell = Arc::clone(&found.1);
        all.push_back(found);
        Some(cell)
    }

    fn remember(&self, position: Position, cell: Arc<Cell>) {
        let mut all = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        all.push_back((position, cell));
        if all.len() > REMEMBERED_MAX {
            all.pop_front();
        }
    }

    async fn make(&self, position: Position) -> Result<Arc<Cell>, NotTold> {
        let _one = self.making.acquire().await.map_err(|_| NotTold::Unread("it ends".to_owned()))?;
        // Somebody else may have made it meanwhile.
        if let Some(cell) = self.remembered(position) {
            return Ok(cell);
        }
        let start = self.start(position).await?;
        let folded = fold(&self.reader, start, Until::Position(position)).await.map_err(not_told)?;
        let cell = Arc::new(folded.fold.into_cell());
        self.remember(position, Arc::clone(&cell));
        Ok(cell)
    }

    /// The nearest kept image at or before a position that is of this journal, as a fold.
    async fn start(&self, position: Position) -> Result<Fold, NotTold> {
        if let Some(image) = self.image_before(position) {
            if let Some(fold) = fold_of_image(&self.reader, image, self.expected).await.map_err(not_told)? {
                return Ok(fold);
            }
            tracing::warn!(%position, "an image is not of this journal; the past is folded from its first frame");
        }
        Ok(Fold::new(self.expected))
    }

    /// What the store can't give is folded; it is only slower.
    fn image_before(&self, position: Position) -> Option<Image> {
        let found = self.store.as_ref()?.load().map(|it| it.filter(|it| it.tip.position <= position));
        found.inspect_err(|error| tracing::warn!(%error, "no image of the past can be read")).ok().flatten()
    }

    async fn position_at(&self, time: Time) -> Result<Position, NotTold> {
        let from = match &self.store {
            Some(store) => store.place_at(time).map_err(|error| NotTold::Unread(error.to_string()))?,
            None => None,
        };
        let end = self.reader.last().await.map_err(|error| NotTold::Unread(error.to_string()))?;
        let unread = |error: crate::api::finished::Unread| NotTold::Unread(error.to_string());
        let (last, next) = frames::until(&self.reader, from, time, end).await.map_err(unread)?;
        match (last, next) {
            (Tip { position: Position(0), .. }, Some(first)) => Err(NotTold::Before(first)),
            (tip, _) => Ok(tip.position),
        }
    }
}

#[tonic::async_trait]
impl<R: Read + 'static> Past for Folds<R> {
    async fn fold_at(&self, position: Position) -> Result<Arc<Cell>, NotTold> {
        if let Some(cell) = self.0.remembered(position) {
            return Ok(cell);
        }
        // On a thread of its own: folding is work, not waiting.
        let (inner, runtime) = (Arc::clone(&self.0), Handle::current());
        let making = tokio::task::spawn_blocking(move || runtime.block_on(inner.make(position)));
        match timeout(WAIT_MAX, making).await {
            Ok(Ok(made)) => made,
            Ok(Err(error)) => Err(NotTold::Unread(error.to_string())),
            Err(_) => Err(NotTold::Busy(format!("folding to position {position} takes long"))),
        }
    }

    async fn position_at(&self, time: Time) -> Result<Position, NotTold> {
        match timeout(WAIT_MAX, self.0.position_at(time)).await {
            Ok(found) => found,
            Err(_) => Err(NotTold::Busy("finding that time in the journal takes long".to_owned())),
        }
    }
}

fn not_told(error: ReplayError) -> NotTold {
    NotTold::Unread(match std::error::Error::source(&error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    })
}
