//! A blob that is written as it comes, without its hash being known yet: beside the others until it is whole, then synced
//! and moved to its place.
//!
//! Invariant: what is dropped before `finish` leaves nothing.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;

use sha2::{Digest, Sha256};
use windlass_sagas::ids::Hash;

use super::Directory;
use super::format::HEAD_BYTES;
use super::limits::{DISK_LOOK_BYTES, DISK_RESERVE_BYTES};

/// A blob on its way in. Its methods block.
#[derive(Debug)]
pub struct Writing {
    directory: Directory,
    file: File,
    path: PathBuf,
    hasher: Sha256,
    bytes: u64,
    head: Vec<u8>,
    /// Beyond so many bytes the free space is looked at again.
    looked: u64,
}

impl Writing {
    pub(super) fn begin(directory: Directory, path: PathBuf, expected: u64) -> io::Result<Self> {
        room(&directory, expected)?;
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        Ok(Self {
            directory,
            file,
            path,
            hasher: Sha256::new(),
            bytes: 0,
            head: Vec::new(),
            looked: DISK_LOOK_BYTES,
        })
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    /// What the disk says; `StorageFull` also where too few bytes would be left for others.
    pub fn write(&mut self, data: &[u8]) -> io::Result<()> {
        if self.bytes >= self.looked {
            room(&self.directory, DISK_LOOK_BYTES)?;
            self.looked = self.bytes.saturating_add(DISK_LOOK_BYTES);
        }
        let head = data.len().min(HEAD_BYTES - self.head.len());
        self.head.extend_from_slice(&data[..head]);
        self.hasher.update(data);
        self.bytes += data.len() as u64;
        self.file.write_all(data)
    }

    /// How many bytes came.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The first of them: `HEAD_BYTES`, or all where fewer came.
    #[must_use]
    pub fn head(&self) -> &[u8] {
        &self.head
    }

    /// The hash of what came.
    #[must_use]
    pub fn sha256(&self) -> Hash {
        Hash(self.hasher.clone().finalize().into())
    }

    /// Puts it at its place, durably; the same bytes that are there already are no error.
    ///
    /// # Errors
    /// What the disk says; then nothing is left.
    pub fn finish(self) -> io::Result<()> {
        self.file.sync_all()?;
        let place = self.directory.place(self.sha256());
        let shelf = place.parent().unwrap_or(&self.directory.path);
        fs::create_dir_all(shelf)?;
        fs::rename(&self.path, &place)?;
        File::open(shelf)?.sync_all()?;
        File::open(&self.directory.path)?.sync_all()
    }
}

/// Whether so many bytes leave enough for others on the same disk.
fn room(directory: &Directory, bytes: u64) -> io::Result<()> {
    let stat = rustix::fs::statvfs(&directory.path)?;
    let free = stat.f_bavail.saturating_mul(stat.f_frsize);
    if free < bytes.saturating_add(DISK_RESERVE_BYTES) {
        let why = format!("{free} bytes are free, and {DISK_RESERVE_BYTES} of them are kept for others");
        return Err(io::Error::new(io::ErrorKind::StorageFull, why));
    }
    Ok(())
}

impl Drop for Writing {
    fn drop(&mut self) {
        match fs::remove_file(&self.path) {
            // It is at its place.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => tracing::warn!(%error, "a part of an upload was left behind until the next start"),
            Ok(()) => {}
        }
    }
}
