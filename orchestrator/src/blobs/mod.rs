//! Large bodies in a directory, each under its SHA-256: for a cell with one orchestrator. Only the hash is in history.
//!
//! Invariant: a blob is whole and synced before it is at its place.

pub mod limits;
mod reading;

pub use reading::Reading;

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use windlass_sagas::ids::Hash;

use crate::api::Blobs;
use crate::identity::random_id;

/// A directory of blobs.
#[derive(Clone, Debug)]
pub struct Directory(PathBuf);

impl Directory {
    /// Blobs below this path, which is made if it is missing.
    ///
    /// # Errors
    /// Where it can't be made.
    pub fn open(path: PathBuf) -> std::io::Result<Self> {
        std::fs::create_dir_all(&path)?;
        Ok(Self(path))
    }

    /// Opens a blob to read it; `None` where it is not here.
    ///
    /// # Errors
    /// Where it is, and can't be read.
    pub async fn read(&self, sha256: Hash) -> std::io::Result<Option<Reading>> {
        let file = match tokio::fs::File::open(self.place(sha256)).await {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let size_bytes = file.metadata().await?.len();
        Ok(Some(Reading::of(file, size_bytes)))
    }

    fn place(&self, sha256: Hash) -> PathBuf {
        let name = sha256.to_string();
        let (shelf, _) = name.split_at(2);
        self.0.join(shelf).join(&name)
    }

    fn write(&self, sha256: Hash, bytes: &[u8]) -> std::io::Result<()> {
        let path = self.place(sha256);
        if path.exists() {
            return Ok(());
        }
        let shelf = path.parent().unwrap_or(&self.0);
        std::fs::create_dir_all(shelf)?;
        let tag = random_id().map_err(std::io::Error::other)?;
        let beside = shelf.join(format!(".{}", Tag(tag)));
        let written = write_new(&beside, bytes).and_then(|()| std::fs::rename(&beside, &path));
        if written.is_err() {
            // What is left of a write that failed is nobody's; that it can't be removed changes nothing.
            std::fs::remove_file(&beside).ok();
        }
        written?;
        std::fs::File::open(shelf)?.sync_all()?;
        std::fs::File::open(&self.0)?.sync_all()
    }
}

/// A file name of random bytes.
struct Tag([u8; 16]);

impl std::fmt::Display for Tag {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

fn write_new(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

#[tonic::async_trait]
impl Blobs for Directory {
    async fn keep(&self, sha256: Hash, bytes: Vec<u8>) -> Result<(), String> {
        let directory = self.clone();
        let kept = tokio::task::spawn_blocking(move || directory.write(sha256, &bytes)).await;
        kept.map_err(|error| error.to_string())?.map_err(|error| error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_blob_is_kept_once_under_its_hash() {
        let directory = tempfile::tempdir().unwrap();
        let blobs = Directory::open(directory.path().join("blobs")).unwrap();
        let hash = Hash([0xab; 32]);
        for _ in 0..2 {
            blobs.keep(hash, b"#cloud-config".to_vec()).await.unwrap();
        }
        assert_eq!(std::fs::read(blobs.place(hash)).unwrap(), b"#cloud-config");
        let shelf = blobs.place(hash).parent().unwrap().to_path_buf();
        assert_eq!(std::fs::read_dir(shelf).unwrap().count(), 1, "nothing is left beside it");
    }
}
