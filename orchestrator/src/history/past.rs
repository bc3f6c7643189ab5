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
use windlass_journal::{Frame, Part, Read, ReadError};
use windlass_replay::{ReplayError, Until, fold, fold_of_image};
use windlass_sagas::cell::Cell;
use windlass_sagas::ids::{CellId, Position, Time};
use windlass_sagas::limits::FRAME_COMMITS_MAX;
use windlass_sagas::protocol::{Cursor, Fold};
use windlass_sagas::record::Tip;
use windlass_store::limits::KEPT_EVERY;
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
        let mut at = self.start(position).await?;
        while self.store.is_some() && position.0.saturating_sub(at.tip().position.0) > KEPT_EVERY {
            at = self.stride(at, position).await?;
        }
        let folded = fold(&self.reader, at, Until::Position(position)).await.map_err(not_told)?;
        let cell = Arc::new(folded.fold.into_cell());
        self.remember(position, Arc::clone(&cell));
        Ok(cell)
    }

    /// Folds on by whole frames, so many as can't pass `position`, and keeps an image there where none is near: the next
    /// question is answered sooner.
    async fn stride(&self, from: Fold, position: Position) -> Result<Fold, NotTold> {
        let behind = position.0.saturating_sub(from.tip().position.0);
        let end = Cursor(from.cursor().0 + (behind / FRAME_COMMITS_MAX as u64).max(1));
        let folded = fold(&UpTo { journal: &self.reader, end }, from, Until::End).await.map_err(not_told)?;
        let (fold, frames) = (folded.fold, folded.frames);
        if frames == 0 {
            return Err(NotTold::Unread(format!("the journal ends before position {position}")));
        }
        let at = fold.tip().position;
        if let Some(store) = self.store.as_ref().filter(|store| store.wants_kept(at)) {
            let image = Image { cell: fold.cell().clone(), tip: *fold.tip(), cursor: fold.cursor() };
            if let Err(error) = store.keep(&image) {
                tracing::warn!(%error, position = %at, "no image is kept of this moment");
            }
        }
        Ok(fold)
    }

    /// The nearest kept image at or before a position that is of this journal, as a fold.
    async fn start(&self, position: Position) -> Result<Fold, NotTold> {
        while let Some(image) = self.image_before(position) {
            let at = image.tip.position;
            match fold_of_image(&self.reader, image, self.expected).await.map_err(not_told)? {
                Some(fold) => return Ok(fold),
                None => match &self.store {
                    Some(store) if store.kept().iter().any(|(kept, _)| *kept == at) => {
                        store.drop_kept(at, "it is not of this journal");
                    }
                    Some(_) | None => break,
                },
            }
        }
        Ok(Fold::new(self.expected))
    }

    /// What the store can't give is folded; it is only slower.
    fn image_before(&self, position: Position) -> Option<Image> {
        let found = self.store.as_ref()?.image_before(position);
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

/// A journal as if it ended at a frame.
struct UpTo<'a, R> {
    journal: &'a R,
    end: Cursor,
}

impl<R: Read> Read for UpTo<'_, R> {
    async fn read(&self, after: Cursor, frames_max: usize) -> Result<Vec<(Cursor, Frame)>, ReadError> {
        let left = usize::try_from(self.end.0.saturating_sub(after.0)).unwrap_or(usize::MAX);
        match left.min(frames_max) {
            0 => Ok(Vec::new()),
            frames_max => self.journal.read(after, frames_max).await,
        }
    }

    async fn last(&self) -> Result<Cursor, ReadError> {
        Ok(self.journal.last().await?.min(self.end))
    }

    async fn wait(&self, after: Cursor) -> Result<(), ReadError> {
        self.journal.wait(after).await
    }

    fn part(&self) -> Option<&dyn Part> {
        self.journal.part()
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

#[expect(clippy::needless_pass_by_value, reason = "it is what `map_err` gives")]
fn not_told(error: ReplayError) -> NotTold {
    if let ReplayError::LeftOut { from, to, .. } = error {
        return NotTold::LeftOut(from, to);
    }
    NotTold::Unread(match std::error::Error::source(&error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    })
}
