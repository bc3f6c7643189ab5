//! Large bodies that calls name by hash alone (images, user data): fetched from the cell's orchestrators, and kept below
//! the state directory under their SHA-256.
//!
//! Invariants: what is handed out has the hash that was asked for; a file is whole and synced before it is at its place;
//! nothing of a fetch goes on once its future is dropped, and nothing of it stays.

mod cache;
mod error;
mod source;

pub use error::FetchError;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::{OnceCell, watch};
use tokio::time::timeout;
use windlass_sagas::ids::Hash;

use crate::identity::Identity;
use crate::limits::BLOB_TIME_MAX;
use cache::Cache;
use source::{Source, Wanted, joined};

/// The blobs of one host. Nothing is on disk before the first is asked for.
#[derive(Debug)]
pub struct Blobs {
    directory: PathBuf,
    keep_bytes: u64,
    source: Source,
    cache: OnceCell<Arc<Cache>>,
    turns: Mutex<BTreeMap<Hash, Weak<Turn>>>,
}

/// Those who want one blob at the same time: one fetches it, the others wait for what comes of it.
#[derive(Debug, Default)]
struct Turn {
    /// How many fetches have come to their end.
    ended: AtomicU64,
    /// How the last of them failed.
    failed: tokio::sync::Mutex<Option<FetchError>>,
}

impl Blobs {
    /// The blobs in `blobs/` of this state directory, of which at most `keep_bytes` are kept, but always what was used
    /// within the last hour. They come from the `pinned` orchestrators, or from those that the identity names.
    #[must_use]
    pub fn new(
        state: &Path,
        keep_bytes: u64,
        identities: watch::Receiver<Arc<Identity>>,
        pinned: Vec<String>,
    ) -> Self {
        let source = Source { identities, pinned };
        let directory = state.join("blobs");
        Self { directory, keep_bytes, source, cache: OnceCell::new(), turns: Mutex::default() }
    }

    /// Where the blob with this SHA-256 lies, of at most `size_max` bytes: fetched, if it is not here. The file is only to
    /// be read; it stays for at least an hour, and what has it open reads on beyond that. A file that was here before
    /// this process is hashed once.
    ///
    /// # Errors
    /// As `FetchError` says; nothing is left of what was not whole or wrong.
    pub async fn fetch(&self, sha256: Hash, size_max: u64) -> Result<PathBuf, FetchError> {
        let cache = self.cache().await?;
        let turn = self.turn(sha256);
        let ended = turn.ended.load(Ordering::Acquire);
        let mut failed = turn.failed.lock().await;
        if turn.ended.load(Ordering::Acquire) != ended
            && let Some(error) = failed.as_ref().filter(|error| error.is_shared())
        {
            return Err(error.clone());
        }
        let wanted = Wanted { sha256, size_max, keep_bytes: self.keep_bytes };
        let fetched = match timeout(BLOB_TIME_MAX, self.fetch_alone(cache, wanted)).await {
            Ok(fetched) => fetched,
            Err(_) => Err(FetchError::Unreachable("it did not come whole in time".into())),
        };
        *failed = fetched.as_ref().err().cloned();
        turn.ended.fetch_add(1, Ordering::Release);
        fetched
    }

    /// Removes what was used least recently, until at most so many bytes are left, but never what was handed out within
    /// the last hour; how many bytes are left. A fetch does it by itself, to the cache's bound.
    ///
    /// # Errors
    /// What the disk said.
    pub async fn prune(&self, keep_bytes: u64) -> Result<u64, FetchError> {
        let cache = self.cache().await?;
        let pruned = tokio::task::spawn_blocking(move || cache.prune(keep_bytes)).await;
        joined(pruned)?.map_err(|error| FetchError::of_disk(&error))
    }

    async fn fetch_alone(&self, cache: Arc<Cache>, wanted: Wanted) -> Result<PathBuf, FetchError> {
        let look = Arc::clone(&cache);
        let found = joined(tokio::task::spawn_blocking(move || look.find(wanted.sha256)).await)?;
        match found.map_err(|error| FetchError::of_disk(&error))? {
            Some((_, size_bytes)) if size_bytes > wanted.size_max => {
                Err(FetchError::TooLarge { size_bytes, size_max: wanted.size_max })
            }
            Some((path, _)) => Ok(path),
            None => {
                let path = self.source.fetch(&cache, wanted).await?;
                tracing::info!(sha256 = %wanted.sha256, "a blob was fetched");
                Ok(path)
            }
        }
    }

    async fn cache(&self) -> Result<Arc<Cache>, FetchError> {
        let open = || async {
            let directory = self.directory.clone();
            let opened = joined(tokio::task::spawn_blocking(move || Cache::open(&directory)).await)?;
            opened.map(Arc::new).map_err(|error| FetchError::Disk(error.to_string()))
        };
        self.cache.get_or_try_init(open).await.cloned()
    }

    fn turn(&self, sha256: Hash) -> Arc<Turn> {
        // Nothing is left half done by whoever panicked with it.
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        turns.retain(|_, turn| turn.strong_count() > 0);
        if let Some(turn) = turns.get(&sha256).and_then(Weak::upgrade) {
            return turn;
        }
        let turn = Arc::new(Turn::default());
        turns.insert(sha256, Arc::downgrade(&turn));
        turn
    }
}
