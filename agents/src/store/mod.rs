//! The disk under one ledger: opened with its machine restored from it, then written by a thread of its own.
//!
//! Invariant: `Synced` is told only after the sync, batches reach the disk in their order and whole, and a directory
//! belongs to one process at a time. What the rows mean is the machine's affair.

mod rows;
mod shared;
mod writer;

pub use shared::SharedLedgers;
pub(crate) use writer::{Synced, Writer};

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::mpsc;
use windlass_sagas::ids::Incarnation;
use windlass_sagas::protocol::ledger::Ledger;
use windlass_sagas::record::LedgerId;

use crate::config::Durability;
use crate::files::{Lock, make_directory, sync_parent};
use crate::runtime::Gate;
use crate::{AgentError, random};
use rows::Rows;

/// Opens the ledger in `directory`, or makes a new one with a new incarnation where there is none.
pub(crate) fn open(
    directory: &Path,
    id: LedgerId,
    durability: Durability,
    gate: Arc<Gate>,
    synced: mpsc::UnboundedSender<Synced>,
) -> Result<(Ledger, Writer), AgentError> {
    make_directory(directory)?;
    let lock = Lock::take(directory)?;
    remove_lost(directory)?;
    let broken = |message: String| AgentError::Ledger { role: id.role, directory: directory.into(), message };
    let path = rows_path(directory);
    if !path.exists() {
        let ledger = Ledger::new(id, Incarnation(random::id()?));
        let first = ledger.first_row();
        Rows::make(&path, &first).map_err(|error| broken(error.to_string()))?;
        tracing::info!(role = id.role.name(), incarnation = %ledger.incarnation(), "a new ledger begins");
    }
    let (rows, stored) = Rows::open(&path, durability).map_err(|error| broken(error.to_string()))?;
    let ledger = Ledger::restore(stored).map_err(|error| broken(error.to_string()))?;
    if ledger.id() != id {
        return Err(broken(format!(
            "it is the {} ledger of host {}",
            ledger.id().role.name(),
            ledger.id().host
        )));
    }
    tracing::info!(
        role = id.role.name(), incarnation = %ledger.incarnation(), entries = ledger.entry_count(),
        highest = %ledger.highest(), low_water = %ledger.low_water(), "the ledger is open"
    );
    let writer = Writer::start(id.role, path, durability, rows, lock, gate, synced)?;
    Ok((ledger, writer))
}

/// Loses the ledger in `directory`, as a broken disk would: what comes next is another incarnation.
pub(crate) fn lose(directory: &Path) -> std::io::Result<()> {
    let lost = directory.join("rows.lost");
    fs::rename(rows_path(directory), &lost)?;
    sync_parent(&lost)
}

fn remove_lost(directory: &Path) -> Result<(), AgentError> {
    let path = directory.join("rows.lost");
    match fs::remove_dir_all(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(AgentError::File { path, error }),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn rows_path(directory: &Path) -> PathBuf {
    directory.join("rows")
}

#[cfg(test)]
mod tests;
