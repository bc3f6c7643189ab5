//! What is kept beside the volumes of each export: for whom, at which port, and whose. It lasts over a start of the
//! kernel, since a volume that is attached must be served again at the same port.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use windlass_sagas::ids::{HostId, VolumeId};

use crate::files::{PRIVATE, replace, sync_parent};

/// An export, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Export {
    /// The one host that may dial it.
    pub(super) to: HostId,
    /// The TCP port that it is served at.
    pub(super) port: u16,
    /// It is being closed: it is not served again.
    pub(super) closing: bool,
    /// Whose it is, for people: cell, project, saga and step.
    pub(super) owner: [String; 4],
}

/// The exports' records: one file each, named from the volume.
#[derive(Clone, Debug)]
pub(super) struct Records(PathBuf);

impl Records {
    pub(super) const fn new(directory: PathBuf) -> Self {
        Self(directory)
    }

    fn file(&self, volume: VolumeId) -> PathBuf {
        self.0.join(format!("{volume}.json"))
    }

    /// The record of a volume's export; one that can't be read is an error, never none.
    pub(super) fn get(&self, volume: VolumeId) -> io::Result<Option<Export>> {
        match fs::read(self.file(volume)) {
            Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(io::Error::other),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Writes it, durably.
    pub(super) fn put(&self, volume: VolumeId, export: &Export) -> io::Result<()> {
        let bytes = serde_json::to_vec(export).map_err(io::Error::other)?;
        replace(&self.file(volume), PRIVATE, &bytes)
    }

    /// Removes it, durably.
    pub(super) fn remove(&self, volume: VolumeId) -> io::Result<()> {
        fs::remove_file(self.file(volume))?;
        sync_parent(&self.file(volume))
    }

    /// All of them.
    pub(super) fn all(&self) -> io::Result<Vec<(VolumeId, Export)>> {
        let mut all = Vec::new();
        for volume in ids_in(&self.0, ".json")? {
            if let Some(export) = self.get(volume)? {
                all.push((volume, export));
            }
        }
        Ok(all)
    }

    /// The lowest port of the range that no record names and nobody listens at.
    pub(super) fn free_port(
        &self,
        (first, last): (u16, u16),
        address: std::net::IpAddr,
    ) -> io::Result<Option<u16>> {
        let taken: BTreeSet<u16> = self.all()?.into_iter().map(|(_, export)| export.port).collect();
        let unused =
            |port: &u16| !taken.contains(port) && std::net::TcpListener::bind((address, *port)).is_ok();
        Ok((first..=last).find(unused))
    }
}

/// The volumes that files in a directory are named from, each with this ending.
pub(super) fn ids_in(directory: &Path, ending: &str) -> io::Result<BTreeSet<VolumeId>> {
    let mut ids = BTreeSet::new();
    for entry in fs::read_dir(directory)? {
        let name = entry?.file_name();
        let stem = name.to_str().and_then(|name| name.strip_suffix(ending));
        ids.extend(stem.and_then(|stem| stem.parse::<VolumeId>().ok()));
    }
    Ok(ids)
}
