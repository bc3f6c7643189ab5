//! The claim on a journal directory: a file that the kernel unlocks when its holder dies, however it dies.
//!
//! Invariant: two processes never have one directory. The process id in the file is for people only, and proves nothing.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::Path;

use rustix::fs::{FlockOperation, flock};

/// A held claim; dropping it gives the directory free.
#[derive(Debug)]
pub(super) struct Lock {
    file: File,
}

/// Why a directory can't be claimed.
#[derive(Debug)]
pub(super) enum LockError {
    /// Another holds it: the process of this id, if it can be read.
    Held(Option<u32>),
    /// The file can't be made, locked or written.
    Io(io::Error),
}

impl Lock {
    /// Claims the directory of the lock file at `path`, without waiting.
    pub(super) fn take(path: &Path) -> Result<Self, LockError> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let mut file = options.open(path).map_err(LockError::Io)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => return Err(LockError::Held(pid_in(&mut file))),
            Err(errno) => return Err(LockError::Io(errno.into())),
        }
        // On a full disk the id may be missing; the claim holds all the same.
        match file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id())) {
            Ok(()) => {}
            Err(error) => tracing::warn!(%error, "the lock file does not name its holder"),
        }
        Ok(Self { file })
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing the file is not enough while a child that is being started still holds a copy of its descriptor.
        if let Err(error) = flock(&self.file, FlockOperation::Unlock) {
            tracing::debug!(%error, "the lock was not given up by hand");
        }
    }
}

fn pid_in(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    // As much as a process id can take; another holder may be writing it right now.
    file.take(16).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}
