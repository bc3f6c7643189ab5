//! The thread that writes one ledger: it takes what waits, writes and syncs it as one batch, and only then says so.
//!
//! Invariant: a group that can't be written is written again, whole and before any later one, until it is there or the
//! agent ends; nothing is written once the gate is shut.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};

use tokio::sync::{mpsc, oneshot};
use windlass_sagas::protocol::ledger::{BatchId, Row};
use windlass_sagas::record::Role;

use super::rows::{Rows, StoreError};
use super::shared::Lane;
use crate::AgentError;
use crate::config::Durability;
use crate::files::Lock;
use crate::limits::{DISK_RESERVE_BYTES, FLUSH_TIME_MAX, GROUP_BATCHES_MAX, STORE_AGAIN};
use crate::runtime::Gate;

/// This role's ledger is durable up to this batch.
pub(crate) type Synced = (Role, BatchId);

/// The way of one ledger's batches to the disk. Its queue is bounded by the calls that a ledger takes at a time.
pub(crate) enum Writer {
    /// A thread of its own.
    Own(Own),
    /// One that it shares.
    Shared(Lane),
}

/// The handle of one ledger's thread.
pub(crate) struct Own {
    batches: Sender<Batch>,
    /// Says that the agent ends: a group that can't be written is given up. Dropped, it says the same.
    give_up: Sender<()>,
    ended: oneshot::Receiver<()>,
}

struct Batch {
    id: BatchId,
    rows: Vec<Row>,
}

impl Writer {
    /// Starts the thread over an open store.
    pub(super) fn start(
        role: Role,
        path: PathBuf,
        durability: Durability,
        rows: Rows,
        lock: Lock,
        gate: Arc<Gate>,
        synced: mpsc::UnboundedSender<Synced>,
    ) -> Result<Self, AgentError> {
        let (batches, queue) = channel();
        let (give_up, given_up) = channel();
        let (end, ended) = oneshot::channel();
        let thread = Thread { role, path, durability, rows: Some(rows), queue, given_up, gate, synced };
        let named = std::thread::Builder::new().name(format!("ledger-{}", role.name()));
        let started = named.spawn(move || {
            thread.run();
            drop(lock);
            // Whoever waited for the end may have given up waiting.
            end.send(()).ok();
        });
        started.map_err(|_| AgentError::Thread("ledger"))?;
        Ok(Self::Own(Own { batches, give_up, ended }))
    }

    /// Puts a batch behind those before it.
    ///
    /// # Errors
    /// Where the thread has ended: then nothing becomes durable any more.
    pub(crate) fn write(&self, id: BatchId, rows: Vec<Row>) -> Result<(), AgentError> {
        match self {
            Self::Own(own) => own.batches.send(Batch { id, rows }).map_err(|_| AgentError::Thread("ledger")),
            Self::Shared(lane) => lane.write(id, rows),
        }
    }

    /// Writes what waits, closes the store and gives the directory free; bounded.
    pub(crate) async fn close(self) {
        // A shared thread goes on; a quiet ledger's batches are behind it.
        let Self::Own(Own { batches, give_up, ended }) = self else { return };
        drop(batches);
        // An error of the inner kind means that the thread is gone, which is what is waited for.
        if tokio::time::timeout(FLUSH_TIME_MAX, ended).await.is_err() {
            tracing::warn!("a ledger's thread did not end in time");
        }
        drop(give_up);
    }
}

struct Thread {
    role: Role,
    path: PathBuf,
    durability: Durability,
    /// None after a failed write, until it is opened again.
    rows: Option<Rows>,
    queue: Receiver<Batch>,
    given_up: Receiver<()>,
    gate: Arc<Gate>,
    synced: mpsc::UnboundedSender<Synced>,
}

impl Thread {
    fn run(mut self) {
        while let Ok(first) = self.queue.recv() {
            let mut last = first.id;
            let mut rows = first.rows;
            for batch in self.queue.try_iter().take(GROUP_BATCHES_MAX - 1) {
                last = batch.id;
                rows.extend(batch.rows);
            }
            if !self.write(&rows) || self.synced.send((self.role, last)).is_err() {
                return;
            }
        }
    }

    /// Writes the group, however long the disk refuses; `false` where the agent ends before.
    fn write(&mut self, group: &[Row]) -> bool {
        let (gate, mut told) = (Arc::clone(&self.gate), false);
        loop {
            let Some(pass) = gate.pass() else { return false };
            let written = self.try_write(group);
            drop(pass);
            match written {
                Ok(()) => {
                    if told {
                        tracing::info!(role = self.role.name(), "the ledger is written again");
                    }
                    return true;
                }
                Err(error) if !told => {
                    tracing::error!(role = self.role.name(), %error, "the ledger can't be written; replies wait");
                    told = true;
                }
                Err(_) => {}
            }
            match self.given_up.recv_timeout(STORE_AGAIN) {
                Err(RecvTimeoutError::Timeout) => {}
                Ok(()) | Err(RecvTimeoutError::Disconnected) => return false,
            }
        }
    }

    fn try_write(&mut self, group: &[Row]) -> Result<(), StoreError> {
        if lacks_space(&self.path) {
            return Err(StoreError::Io(std::io::ErrorKind::StorageFull.into()));
        }
        let rows = match self.rows.take() {
            Some(rows) => rows,
            None => Rows::open(&self.path, self.durability)?.0,
        };
        rows.write(group)?;
        self.rows = Some(rows);
        Ok(())
    }
}

/// Whether writing would use up the room that the store needs to finish its own work. Asked before anything is written,
/// so that a full disk is a clean refusal.
fn lacks_space(path: &Path) -> bool {
    match rustix::fs::statvfs(path) {
        Ok(space) => space.f_bavail.saturating_mul(space.f_frsize) < DISK_RESERVE_BYTES,
        Err(error) => {
            tracing::debug!(%error, "the free space of the ledger's disk is not known");
            false
        }
    }
}
