//! The journal read whole: exported, and its chain followed. Beside everything else, on a thread of its own, bounded in
//! memory by what its reader has not taken yet.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::time::timeout;
use windlass_journal::{Frame, Part, Read, ReadError};
use windlass_replay::{Ask, ExportError, Exporting, ReplayError, Seen, Verified, verify_by};
use windlass_sagas::ids::{Position, Time};
use windlass_sagas::protocol::Cursor;
use windlass_store::{Image, Store};

use crate::blobs::limits::{CHUNK_BYTES_MAX, CHUNKS_QUEUE, READER_SILENCE_MAX};

/// Some bytes of an exported file, and the position that it has come to.
#[derive(Clone, Debug)]
pub struct Piece {
    /// The bytes.
    pub data: Vec<u8>,
    /// How far it has come.
    pub position: Position,
}

/// How far a verification has come.
#[derive(Clone, Debug)]
pub enum Told {
    /// To this position.
    Position(Position),
    /// To the end.
    End(Box<Verified>),
}

/// What an export gives; it ends when its reader is gone, or has been silent for too long.
pub type Pieces = mpsc::Receiver<Result<Piece, ExportError>>;
/// What a verification tells; likewise.
pub type Tellings = mpsc::Receiver<Result<Told, ReplayError>>;

/// The last time that the chain was followed in the background.
#[derive(Clone, Debug)]
pub struct Looked {
    /// When that ended.
    pub at: Time,
    /// What was found, or why nothing could be.
    pub found: Result<Verified, String>,
}

/// The journal as a whole.
pub trait Whole: Send + Sync {
    /// Exports what is asked for.
    fn export(&self, ask: Ask) -> Pieces;

    /// Follows the chain.
    fn verify(&self, seen: Vec<Seen>) -> Tellings;

    /// What the background has found; `None`: nothing yet.
    fn looked(&self) -> Option<Looked>;
}

/// A journal that can be read whole.
pub struct Journal<R> {
    reader: Arc<R>,
    store: Option<Store>,
    looked: Arc<RwLock<Option<Looked>>>,
}

impl<R: Read + 'static> Journal<R> {
    /// Over this reader; `store` may save a long fold.
    #[must_use]
    pub fn new(reader: R, store: Option<Store>) -> Self {
        Self { reader: Arc::new(reader), store, looked: Arc::default() }
    }

    /// Where the background leaves what it finds.
    pub(super) fn slot(&self) -> Arc<RwLock<Option<Looked>>> {
        Arc::clone(&self.looked)
    }

    pub(super) fn reader(&self) -> Arc<R> {
        Arc::clone(&self.reader)
    }
}

impl<R: Read + 'static> Whole for Journal<R> {
    fn export(&self, mut ask: Ask) -> Pieces {
        let (pieces, taken) = mpsc::channel(CHUNKS_QUEUE);
        let (reader, store) = (Arc::clone(&self.reader), self.store.clone());
        let handle = Handle::current();
        // It folds and packs, which would hold up others on their threads. It ends with its reader.
        tokio::task::spawn_blocking(move || {
            if ask.from.is_some() {
                ask.image = store.and_then(|store| image(&store));
            }
            handle.block_on(exported(&*reader, ask, &pieces));
        });
        taken
    }

    fn verify(&self, seen: Vec<Seen>) -> Tellings {
        let (tell, told) = mpsc::channel(CHUNKS_QUEUE);
        let (reader, handle) = (Arc::clone(&self.reader), Handle::current());
        // It hashes all there is. It ends with the journal: a reader that is gone does not make it longer.
        tokio::task::spawn_blocking(move || {
            handle.block_on(async {
                let listened = Listened { journal: &*reader, tell: &tell };
                let so_far = |so_far: &Verified| {
                    // Where its reader is slow, progress is left out.
                    drop(tell.try_send(Ok(Told::Position(so_far.tip.position))));
                };
                let verified = verify_by(&listened, &seen, so_far).await;
                let verified = verified.map(|verified| Told::End(Box::new(verified)));
                drop(timeout(READER_SILENCE_MAX, tell.send(verified)).await);
            });
        });
        told
    }

    fn looked(&self) -> Option<Looked> {
        self.looked.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The stored image; where it can't be read the journal is folded from its beginning.
fn image(store: &Store) -> Option<Image> {
    store.load().unwrap_or_else(|error| {
        tracing::warn!(%error, "the store can't be read; an export begins without its image");
        None
    })
}

async fn exported<R: Read>(reader: &R, ask: Ask, pieces: &mpsc::Sender<Result<Piece, ExportError>>) {
    let send = |piece| timeout(READER_SILENCE_MAX, pieces.send(piece));
    let mut exporting = match Exporting::begin(reader, ask).await {
        Ok(exporting) => exporting,
        Err(error) => return drop(send(Err(error)).await),
    };
    loop {
        let data = match exporting.next().await {
            Ok(Some(data)) => data,
            Ok(None) => return,
            Err(error) => return drop(send(Err(error)).await),
        };
        let position = exporting.position();
        // An index may be larger than a message.
        for data in data.chunks(CHUNK_BYTES_MAX) {
            let piece = Piece { data: data.to_vec(), position };
            if !matches!(send(Ok(piece)).await, Ok(Ok(()))) {
                // Nobody reads any more.
                return;
            }
        }
    }
}

/// A journal that can't be read any further once nobody listens.
struct Listened<'a, R, T> {
    journal: &'a R,
    tell: &'a mpsc::Sender<T>,
}

impl<R: Read, T: Send> Read for Listened<'_, R, T> {
    async fn read(&self, after: Cursor, frames_max: usize) -> Result<Vec<(Cursor, Frame)>, ReadError> {
        if self.tell.is_closed() {
            return Err(ReadError::Unavailable { reason: "nobody listens any more".to_owned() });
        }
        self.journal.read(after, frames_max).await
    }

    async fn last(&self) -> Result<Cursor, ReadError> {
        self.journal.last().await
    }

    async fn wait(&self, after: Cursor) -> Result<(), ReadError> {
        self.journal.wait(after).await
    }

    fn part(&self) -> Option<&dyn Part> {
        self.journal.part()
    }
}

/// A journal that gives so many bytes a second at most, so that who reads all of it leaves the disk to others.
pub(super) struct Paced<R> {
    pub(super) journal: Arc<R>,
    pub(super) bytes_a_second: u64,
}

impl<R: Read> Read for Paced<R> {
    async fn read(&self, after: Cursor, frames_max: usize) -> Result<Vec<(Cursor, Frame)>, ReadError> {
        let frames = self.journal.read(after, frames_max).await?;
        let bytes: usize = frames.iter().map(|(_, frame)| frame.bytes().len()).sum();
        let micros = (bytes as u64).saturating_mul(1_000_000) / self.bytes_a_second.max(1);
        tokio::time::sleep(Duration::from_micros(micros)).await;
        Ok(frames)
    }

    async fn last(&self) -> Result<Cursor, ReadError> {
        self.journal.last().await
    }

    async fn wait(&self, after: Cursor) -> Result<(), ReadError> {
        self.journal.wait(after).await
    }

    fn part(&self) -> Option<&dyn Part> {
        self.journal.part()
    }
}
