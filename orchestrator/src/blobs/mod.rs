//! Large bodies in a directory, each under its SHA-256: what came through this orchestrator. Only the hash is in history.
//!
//! Invariant: a blob is whole and synced before it is at its place. What was not whole at a crash is removed when the
//! directory is opened, which the process does that holds the state directory.

pub mod format;
pub mod limits;
mod reading;
mod writing;

pub use reading::Reading;
pub use writing::Writing;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use windlass_sagas::ids::Hash;

const INCOMING: &str = "incoming";

/// A directory of blobs; cheap to clone.
#[derive(Clone, Debug)]
pub struct Directory {
    path: PathBuf,
    /// The number of the next blob on its way in.
    next: Arc<AtomicU64>,
}

impl Directory {
    /// Blobs below this path, which is made if it is missing.
    ///
    /// # Errors
    /// Where it can't be made.
    pub fn open(path: PathBuf) -> io::Result<Self> {
        let incoming = path.join(INCOMING);
        match std::fs::remove_dir_all(&incoming) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        std::fs::create_dir_all(&incoming)?;
        Ok(Self { path, next: Arc::default() })
    }

    /// Opens a blob to read it; `None` where it is not here.
    ///
    /// # Errors
    /// Where it is, and can't be read.
    pub async fn read(&self, sha256: Hash) -> io::Result<Option<Reading>> {
        let file = match tokio::fs::File::open(self.place(sha256)).await {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let size_bytes = file.metadata().await?.len();
        Ok(Some(Reading::of(file, size_bytes)))
    }

    /// Which of these are here; one that can't be looked for is not.
    pub async fn present(&self, blobs: Vec<Hash>) -> Vec<bool> {
        let (directory, count) = (self.clone(), blobs.len());
        let look = move || blobs.iter().map(|sha256| directory.place(*sha256).is_file()).collect();
        tokio::task::spawn_blocking(look).await.unwrap_or_else(|_| vec![false; count])
    }

    /// Begins a blob whose hash is not known yet; `bytes` of it are expected, 0: nobody knows how many.
    ///
    /// # Errors
    /// What the disk says; `StorageFull` where so many bytes would leave too few for others.
    pub async fn begin(&self, bytes: u64) -> io::Result<Writing> {
        let directory = self.clone();
        let path = self.path.join(INCOMING).join(self.next.fetch_add(1, Ordering::Relaxed).to_string());
        blocking(move || Writing::begin(directory, path, bytes)).await
    }

    /// Keeps these bytes, durably; the same bytes again are no error. Their hash.
    ///
    /// # Errors
    /// Why they can't be kept.
    pub async fn keep(&self, bytes: Vec<u8>) -> io::Result<Hash> {
        let mut writing = self.begin(0).await?;
        blocking(move || {
            writing.write(&bytes)?;
            let sha256 = writing.sha256();
            writing.finish()?;
            Ok(sha256)
        })
        .await
    }

    fn place(&self, sha256: Hash) -> PathBuf {
        let name = sha256.to_string();
        let (shelf, _) = name.split_at(2);
        self.path.join(shelf).join(&name)
    }
}

/// Work on the disk, where it may wait.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha256};

    use super::*;

    fn files(directory: &Directory) -> Vec<PathBuf> {
        let folders = std::fs::read_dir(&directory.path).unwrap().map(|it| it.unwrap().path());
        let files = folders.flat_map(|it| std::fs::read_dir(it).unwrap());
        files.map(|it| it.unwrap().path()).collect()
    }

    #[tokio::test]
    async fn a_blob_is_kept_once_under_its_hash() {
        let state = tempfile::tempdir().unwrap();
        let blobs = Directory::open(state.path().join("blobs")).unwrap();
        let hash = Hash(Sha256::digest(b"#cloud-config").into());
        assert_eq!(blobs.present(vec![hash]).await, [false]);
        assert!(blobs.read(hash).await.unwrap().is_none());
        for _ in 0..2 {
            assert_eq!(blobs.keep(b"#cloud-config".to_vec()).await.unwrap(), hash);
        }
        assert_eq!(std::fs::read(blobs.place(hash)).unwrap(), b"#cloud-config");
        assert_eq!(files(&blobs), [blobs.place(hash)], "nothing is left beside it");
        assert_eq!(blobs.present(vec![Hash([1; 32]), hash]).await, [false, true]);
        let mut reading = blobs.read(hash).await.unwrap().unwrap();
        assert_eq!(reading.next().await.unwrap().unwrap(), b"#cloud-config".as_slice());
        assert!(reading.next().await.unwrap().is_none());
    }

    #[tokio::test]
    async fn what_is_broken_off_leaves_nothing_at_once_or_at_the_next_start() {
        let state = tempfile::tempdir().unwrap();
        let blobs = Directory::open(state.path().join("blobs")).unwrap();
        let mut writing = blobs.begin(0).await.unwrap();
        writing.write(b"half").unwrap();
        assert_eq!(files(&blobs).len(), 1);
        drop(writing);
        assert!(files(&blobs).is_empty());
        std::fs::write(state.path().join("blobs").join(INCOMING).join("7"), b"a crash").unwrap();
        let blobs = Directory::open(state.path().join("blobs")).unwrap();
        assert!(files(&blobs).is_empty());
    }

    #[tokio::test]
    async fn what_would_fill_the_disk_is_refused_before_it_comes() {
        let state = tempfile::tempdir().unwrap();
        let blobs = Directory::open(state.path().join("blobs")).unwrap();
        let refused = blobs.begin(u64::MAX / 2).await.unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::StorageFull, "{refused}");
        assert!(files(&blobs).is_empty());
    }
}
