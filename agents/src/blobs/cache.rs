//! The files of the cache: `<two digits>/<sha256>`, and `incoming/` for what is not whole yet. All of it blocks.
//!
//! A file is hashed when it is first handed out by this process; from then on its size, its inode and the time of its
//! last change stand for it. That time is also when it was last handed out: least recently used goes first.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use sha2::{Digest, Sha256};
use tokio::time::Instant;
use windlass_sagas::ids::Hash;

use super::FetchError;
use crate::files::{Lock, make_directory, sync_parent};
use crate::limits::{BLOB_CHUNK_BYTES_MAX, BLOB_KEPT_FOR, DISK_RESERVE_BYTES};
use crate::{AgentError, clock};

const INCOMING: &str = "incoming";

/// The cache of one state directory.
#[derive(Debug)]
pub(super) struct Cache {
    directory: PathBuf,
    next: AtomicU64,
    known: Mutex<BTreeMap<Hash, Known>>,
    _lock: Lock,
}

/// A file that was handed out by this process.
#[derive(Debug)]
struct Known {
    stamp: Stamp,
    at: Instant,
}

/// What changes when a file does.
#[derive(Debug, PartialEq, Eq)]
struct Stamp {
    size_bytes: u64,
    inode: u64,
    changed: SystemTime,
}

impl Stamp {
    fn of(file: &fs::Metadata) -> io::Result<Self> {
        Ok(Self { size_bytes: file.len(), inode: file.ino(), changed: file.modified()? })
    }
}

impl Cache {
    /// Opens the cache below this directory, makes it where it is missing, and removes what was not whole at a crash.
    pub(super) fn open(directory: &Path) -> Result<Self, AgentError> {
        make_directory(directory)?;
        let lock = Lock::take(directory)?;
        let incoming = directory.join(INCOMING);
        let failed = |error| AgentError::File { path: incoming.clone(), error };
        match fs::remove_dir_all(&incoming) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            Ok(()) | Err(_) => {}
        }
        make_directory(&incoming)?;
        let (directory, known) = (directory.to_path_buf(), Mutex::default());
        Ok(Self { directory, next: AtomicU64::new(0), known, _lock: lock })
    }

    /// Hands a blob out: its place and size; `None` where it is not here, or was damaged and is not here any more.
    pub(super) fn find(&self, sha256: Hash) -> io::Result<Option<(PathBuf, u64)>> {
        let path = self.place(sha256);
        let stamp = match fs::metadata(&path).and_then(|file| Stamp::of(&file)) {
            Ok(stamp) => stamp,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let verified = self.known().get(&sha256).is_some_and(|known| known.stamp == stamp);
        if !verified && hash_of(&path)? != sha256 {
            tracing::warn!(%sha256, path = %path.display(), "a kept blob was damaged; it is removed");
            fs::remove_file(&path)?;
            return Ok(None);
        }
        self.hand_out(sha256, path)
    }

    /// Notes that the blob is used now; under the lock, so that it is not removed meanwhile.
    fn hand_out(&self, sha256: Hash, path: PathBuf) -> io::Result<Option<(PathBuf, u64)>> {
        let mut known = self.known();
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        file.set_modified(now())?;
        let stamp = Stamp::of(&file.metadata()?)?;
        let size_bytes = stamp.size_bytes;
        known.insert(sha256, Known { stamp, at: Instant::now() });
        Ok(Some((path, size_bytes)))
    }

    /// Begins a blob of this size, after making room for it.
    pub(super) fn begin(self: Arc<Self>, size_bytes: u64, keep_bytes: u64) -> Result<Incoming, FetchError> {
        let failed = |error: io::Error| FetchError::of_disk(&error);
        let left = self.prune(keep_bytes.saturating_sub(size_bytes)).map_err(failed)?;
        let needed = size_bytes.saturating_add(DISK_RESERVE_BYTES);
        let lacks = needed.saturating_sub(self.free_bytes().map_err(failed)?);
        if lacks > 0 {
            self.prune(left.saturating_sub(lacks)).map_err(failed)?;
            let free = self.free_bytes().map_err(failed)?;
            if free < needed {
                return Err(FetchError::DiskFull(format!("{needed} bytes are needed, {free} are free")));
            }
        }
        let path = self.directory.join(INCOMING).join(self.next.fetch_add(1, Ordering::Relaxed).to_string());
        let file = OpenOptions::new().write(true).create_new(true).mode(0o400).open(&path).map_err(failed)?;
        Ok(Incoming { cache: self, file, path, hasher: Sha256::new(), size_bytes, bytes: 0 })
    }

    fn free_bytes(&self) -> io::Result<u64> {
        let stat = rustix::fs::statvfs(&self.directory)?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }

    /// Removes what was used least recently until at most so many bytes are left, but nothing that was handed out within
    /// the last hour; how many bytes are left.
    pub(super) fn prune(&self, keep_bytes: u64) -> io::Result<u64> {
        let mut files = self.files()?;
        files.sort_unstable_by_key(|(_, stamp)| stamp.changed);
        let mut left = files.iter().map(|(_, stamp)| stamp.size_bytes).sum::<u64>();
        for (sha256, stamp) in files {
            if left <= keep_bytes {
                break;
            }
            let mut known = self.known();
            // A clock that was put back makes a file look as if it came from the future: kept, too.
            let recent = now().duration_since(stamp.changed).map_or(true, |unused| unused < BLOB_KEPT_FOR)
                || known.get(&sha256).is_some_and(|known| known.at.elapsed() < BLOB_KEPT_FOR);
            if !recent {
                fs::remove_file(self.place(sha256))?;
                known.remove(&sha256);
                left -= stamp.size_bytes;
                tracing::info!(%sha256, bytes = stamp.size_bytes, "a blob that nobody used was removed");
            }
        }
        Ok(left)
    }

    /// Every blob that is here.
    fn files(&self) -> io::Result<Vec<(Hash, Stamp)>> {
        let mut found = Vec::new();
        for shelf in fs::read_dir(&self.directory)? {
            let shelf = shelf?;
            if !shelf.file_type()?.is_dir() || shelf.file_name() == INCOMING {
                continue;
            }
            for file in fs::read_dir(shelf.path())? {
                let file = file?;
                let hash = file.file_name().to_str().and_then(windlass_sagas::ids::from_hex).map(Hash);
                if let Some(hash) = hash {
                    found.push((hash, Stamp::of(&file.metadata()?)?));
                }
            }
        }
        Ok(found)
    }

    fn place(&self, sha256: Hash) -> PathBuf {
        let name = sha256.to_string();
        let (shelf, _) = name.split_at(2);
        self.directory.join(shelf).join(&name)
    }

    fn known(&self) -> std::sync::MutexGuard<'_, BTreeMap<Hash, Known>> {
        // Nothing is left half done by whoever panicked with it.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A blob on its way; dropped before `finish` it leaves nothing.
#[derive(Debug)]
pub(super) struct Incoming {
    cache: Arc<Cache>,
    file: File,
    path: PathBuf,
    hasher: Sha256,
    size_bytes: u64,
    bytes: u64,
}

impl Incoming {
    /// Takes the next bytes.
    pub(super) fn write(&mut self, data: &[u8]) -> Result<(), FetchError> {
        self.bytes += data.len() as u64;
        if self.bytes > self.size_bytes {
            return Err(FetchError::Wrong(format!("more than the {} bytes announced", self.size_bytes)));
        }
        self.hasher.update(data);
        self.file.write_all(data).map_err(|error| FetchError::of_disk(&error))
    }

    /// Puts the blob at its place, if it is the one that was asked for.
    pub(super) fn finish(self, sha256: Hash) -> Result<PathBuf, FetchError> {
        if self.bytes != self.size_bytes {
            let message = format!("it ended after {} of {} bytes", self.bytes, self.size_bytes);
            return Err(FetchError::Wrong(message));
        }
        let hash = Hash(self.hasher.clone().finalize().into());
        if hash != sha256 {
            return Err(FetchError::Wrong(format!("its SHA-256 is {hash}")));
        }
        let kept = self.keep(sha256).map_err(|error| FetchError::of_disk(&error))?;
        kept.ok_or_else(|| FetchError::Disk("the blob was removed by somebody else".into()))
    }

    fn keep(&self, sha256: Hash) -> io::Result<Option<PathBuf>> {
        self.file.sync_all()?;
        let path = self.cache.place(sha256);
        if let Some(shelf) = path.parent() {
            make_directory(shelf).map_err(|error| io::Error::other(error.to_string()))?;
        }
        fs::rename(&self.path, &path)?;
        sync_parent(&path)?;
        Ok(self.cache.hand_out(sha256, path)?.map(|(path, _)| path))
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        match fs::remove_file(&self.path) {
            // It is at its place.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => tracing::warn!(%error, "a part of a blob was left behind until the next start"),
            Ok(()) => {}
        }
    }
}

fn now() -> SystemTime {
    let micros = u64::try_from(clock::wall().0).unwrap_or_default();
    SystemTime::UNIX_EPOCH + Duration::from_micros(micros)
}

fn hash_of(path: &Path) -> io::Result<Hash> {
    let (mut file, mut hasher) = (File::open(path)?, Sha256::new());
    let mut chunk = vec![0; BLOB_CHUNK_BYTES_MAX];
    loop {
        match file.read(&mut chunk)? {
            0 => return Ok(Hash(hasher.finalize().into())),
            read => hasher.update(&chunk[..read]),
        }
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
