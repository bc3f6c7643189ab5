//! Ledgers of several hosts in one store, written by one thread: what measures many hosts on one machine, whose one disk
//! can't sync for each of them what each of them would sync on its own. Refused with every driver but `null`.
//!
//! Invariant: as with a ledger's own store, `Synced` is told only after the sync, and batches reach the disk in order.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use tokio::sync::mpsc;
use windlass_sagas::ids::Incarnation;
use windlass_sagas::protocol::ledger::{BatchId, Ledger, Row};
use windlass_sagas::record::LedgerId;

use super::rows::{Key, Rows};
use super::writer::Synced;
use crate::config::{Durability, role_name};
use crate::files::{Lock, make_directory};
use crate::limits::GROUP_BATCHES_MAX;
use crate::{AgentError, random};

/// A store for the ledgers of many hosts; cheap to clone. Its thread ends with its last handle.
#[derive(Clone)]
pub struct SharedLedgers {
    rows: Arc<Rows>,
    batches: Sender<Batch>,
}

/// Two are the same where they are one store.
impl PartialEq for SharedLedgers {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.rows, &other.rows)
    }
}

impl std::fmt::Debug for SharedLedgers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SharedLedgers")
    }
}

/// What one ledger wants written.
struct Batch {
    ledger: LedgerId,
    id: BatchId,
    rows: Vec<Row>,
    synced: mpsc::UnboundedSender<Synced>,
}

/// The handle of one ledger in a shared store.
pub(crate) struct Lane {
    ledger: LedgerId,
    batches: Sender<Batch>,
    synced: mpsc::UnboundedSender<Synced>,
}

impl SharedLedgers {
    /// Opens the store in `directory`, or makes one, and starts its thread.
    ///
    /// # Errors
    /// Where the directory, the store or the thread can't be made.
    pub fn open(directory: &Path, durability: Durability) -> Result<Self, AgentError> {
        make_directory(directory)?;
        let lock = Lock::take(directory)?;
        let path = directory.join("rows");
        let failed = |error| AgentError::Setting(format!("{}: {error}", directory.display()));
        let rows = Rows::open_files(&path, durability).map_err(failed)?;
        let (rows, (batches, queue)) = (Arc::new(rows), channel());
        let written = Arc::clone(&rows);
        let thread = std::thread::Builder::new().name("ledgers".into());
        let started = thread.spawn(move || {
            write_all(&written, &queue);
            // Every handle is gone by now, and with it its share of the store.
            drop((written, lock));
        });
        started.map_err(|_| AgentError::Thread("ledgers"))?;
        Ok(Self { rows, batches })
    }

    /// The ledger of a host's role, restored or new.
    pub(crate) fn ledger(
        &self,
        directory: &Path,
        id: LedgerId,
        synced: mpsc::UnboundedSender<Synced>,
    ) -> Result<(Ledger, Lane), AgentError> {
        let failed = |error: &dyn std::fmt::Display| AgentError::Ledger {
            role: id.role,
            directory: directory.into(),
            message: error.to_string(),
        };
        let stored = self.rows.read(&prefix(id)).map_err(|error| failed(&error))?;
        let ledger = if stored.is_empty() {
            let ledger = Ledger::new(id, Incarnation(random::id()?));
            let first = ledger.first_row();
            self.rows.write_as([(key(id, &first), &first)]).map_err(|error| failed(&error))?;
            ledger
        } else {
            Ledger::restore(stored).map_err(|error| failed(&error))?
        };
        Ok((ledger, Lane { ledger: id, batches: self.batches.clone(), synced }))
    }
}

impl Lane {
    /// Puts a batch behind those before it.
    ///
    /// # Errors
    /// Where the thread has ended: then nothing becomes durable any more.
    pub(crate) fn write(&self, id: BatchId, rows: Vec<Row>) -> Result<(), AgentError> {
        let batch = Batch { ledger: self.ledger, id, rows, synced: self.synced.clone() };
        self.batches.send(batch).map_err(|_| AgentError::Thread("ledgers"))
    }
}

/// Writes what waits as one group, again and again; ends at the first failure, and with it all that use it.
fn write_all(rows: &Rows, queue: &Receiver<Batch>) {
    while let Ok(first) = queue.recv() {
        let mut group = vec![first];
        group.extend(queue.try_iter().take(GROUP_BATCHES_MAX - 1));
        let all = group.iter().flat_map(|it| it.rows.iter().map(|row| (key(it.ledger, row), row)));
        if let Err(error) = rows.write_as(all) {
            tracing::error!(%error, "the shared ledgers can't be written");
            return;
        }
        for batch in group {
            // An agent that has ended is no error.
            batch.synced.send((batch.ledger.role, batch.id)).ok();
        }
    }
}

fn key(ledger: LedgerId, row: &Row) -> Key {
    let mut key = prefix(ledger);
    key.extend(row.key_bytes());
    key
}

fn prefix(ledger: LedgerId) -> Key {
    let mut prefix = ledger.host.0.to_vec();
    prefix.extend(role_name(ledger.role).bytes());
    prefix.push(b'/');
    prefix
}
