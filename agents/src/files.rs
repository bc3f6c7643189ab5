//! Small files that must be whole or not there: written beside their place, synced, moved there; and claims on
//! directories, which the kernel gives free when their holder dies, however it dies.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use crate::AgentError;
use crate::limits::FILE_BYTES_MAX;

/// Only the owner reads and writes it.
pub(crate) const PRIVATE: u32 = 0o600;

/// Replaces the file at `path` by these bytes, durably: after a crash it holds the old ones or the new ones.
pub(crate) fn replace(path: &Path, mode: u32, bytes: &[u8]) -> io::Result<()> {
    let beside = path.with_extension("new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(&beside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    drop(file);
    fs::rename(&beside, path)?;
    sync_parent(path)
}

/// The text of a file of bounded size.
pub(crate) fn read_text(path: &Path) -> Result<String, AgentError> {
    let failed = |error| AgentError::File { path: path.to_path_buf(), error };
    let mut text = String::new();
    let file = File::open(path).map_err(failed)?;
    file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text).map_err(failed)?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(failed(io::Error::other("the file is over its bound of 1 MiB")));
    }
    Ok(text)
}

/// Makes the directory and those above it, readable by their owner alone, and sees to it that they last.
pub(crate) fn make_directory(directory: &Path) -> Result<(), AgentError> {
    let failed = |error| AgentError::File { path: directory.to_path_buf(), error };
    if directory.is_dir() {
        return Ok(());
    }
    fs::DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(failed)?;
    sync_parent(directory).map_err(failed)
}

/// Syncs the directory that `path` is an entry of.
pub(crate) fn sync_parent(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => File::open(parent)?.sync_all(),
        Some(_) | None => File::open(".")?.sync_all(),
    }
}

/// A claim on a directory; dropping it gives the directory free.
#[derive(Debug)]
pub(crate) struct Lock(File);

impl Lock {
    /// Claims a directory, without waiting. The process id in its lock file is for people, and proves nothing.
    pub(crate) fn take(directory: &Path) -> Result<Self, AgentError> {
        let path: PathBuf = directory.join("lock");
        let failed = |error| AgentError::File { path: path.clone(), error };
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(PRIVATE);
        let mut file = options.open(&path).map_err(failed)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                return Err(AgentError::Held { directory: directory.to_path_buf(), pid: pid_in(&file) });
            }
            Err(errno) => return Err(failed(errno.into())),
        }
        // On a full disk the id may be missing; the claim holds all the same.
        if let Err(error) = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id())) {
            tracing::warn!(%error, "the lock file does not name its holder");
        }
        Ok(Self(file))
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing is not enough while a child that is just being started holds a copy of the descriptor.
        if let Err(error) = flock(&self.0, FlockOperation::Unlock) {
            tracing::debug!(%error, "the lock was not given up by hand");
        }
    }
}

fn pid_in(file: &File) -> Option<u32> {
    let mut text = String::new();
    file.take(16).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_held_directory_names_its_holder_and_is_free_again_after_him() {
        let directory = tempfile::tempdir().unwrap();
        let held = Lock::take(directory.path()).unwrap();
        let refused = Lock::take(directory.path()).unwrap_err();
        assert!(matches!(refused, AgentError::Held { pid: Some(pid), .. } if pid == std::process::id()));
        drop(held);
        assert!(Lock::take(directory.path()).is_ok());
    }

    #[test]
    fn a_replaced_file_is_whole_and_private() {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.toml");
        replace(&path, PRIVATE, b"one").unwrap();
        replace(&path, PRIVATE, b"two").unwrap();
        assert_eq!(read_text(&path).unwrap(), "two");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, PRIVATE);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "nothing is left beside it");
    }

    #[test]
    fn a_file_over_its_bound_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("long");
        fs::write(&path, vec![b'a'; usize::try_from(FILE_BYTES_MAX).unwrap() + 1]).unwrap();
        assert!(read_text(&path).is_err());
    }
}
