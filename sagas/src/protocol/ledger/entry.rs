//! What a ledger knows of one key. Sticky are only Done and the tombstone; a refusal answers attempts up to its own.

use alloc::collections::{BTreeMap, BTreeSet};

use super::durable::Durable;
use super::io::BatchId;
use super::row::Row;
use crate::ids::{Attempt, Hash, Position};
use crate::planted::{self, Bug};
use crate::record::{Maker, Refusal, StepKey, StepOutput};

/// The record of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The dispatch position that every call of the key carries.
    pub dispatched: Position,
    /// The body that every call of the key carries; `None`: closed by another key before any call of it came.
    pub body: Option<Hash>,
    /// What became of the change.
    pub forward: Forward,
    /// What became of its removal.
    pub undo: Backward,
}

/// What became of a key's change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Forward {
    /// Nothing is known.
    #[default]
    Open,
    /// This attempt, and with it every lower one, was refused.
    Refused(Attempt, Refusal),
    /// It is there.
    Done(StepOutput),
}

/// What became of the removal of a key's change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Backward {
    /// Nothing is known.
    #[default]
    Open,
    /// This attempt, and with it every lower one, was refused.
    Refused(Attempt, Refusal),
    /// The tombstone: nothing is ever made under this key again.
    Closed,
}

impl Entry {
    /// Whether the key has a tombstone.
    #[must_use]
    pub const fn is_closed(&self) -> bool {
        match self.undo {
            Backward::Closed => true,
            Backward::Open | Backward::Refused(..) => false,
        }
    }
}

/// Every record of a ledger, and the batch that each was last written in (0: durable when the process started).
#[derive(Clone, Debug, Default)]
pub(super) struct Entries {
    entries: BTreeMap<StepKey, (Entry, BatchId)>,
    by_position: BTreeSet<(Position, StepKey)>,
}

impl Entries {
    pub(super) fn get(&self, key: &StepKey) -> Option<&(Entry, BatchId)> {
        self.entries.get(key)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&StepKey, &Entry)> {
        self.entries.iter().map(|(key, (entry, _))| (key, entry))
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Takes a record as it was stored.
    pub(super) fn restore(&mut self, key: StepKey, entry: Entry) {
        self.insert(key, entry, BatchId::default());
    }

    /// Writes a record; the batch that holds it.
    pub(super) fn put(&mut self, key: StepKey, entry: Entry, durable: &mut Durable) -> BatchId {
        let batch = durable.put(Row::Entry(key, alloc::boxed::Box::new(entry.clone())));
        self.insert(key, entry, batch);
        batch
    }

    /// Leaves a tombstone for a key that another one removes, at that key's own position.
    pub(super) fn close(&mut self, closed: &Maker, durable: &mut Durable) {
        let key = StepKey { saga: closed.saga, step: closed.step };
        let (dispatched, body) = match self.entries.get(&key) {
            Some((entry, _)) => (entry.dispatched, entry.body),
            None => (closed.dispatched, None),
        };
        self.put(key, Entry { dispatched, body, forward: Forward::Open, undo: Backward::Closed }, durable);
    }

    pub(super) fn remove(&mut self, key: StepKey, durable: &mut Durable) {
        if let Some((entry, _)) = self.entries.remove(&key) {
            self.by_position.remove(&(entry.dispatched, key));
            durable.put(Row::Dropped(key));
        }
    }

    /// The keys strictly below a position.
    pub(super) fn below(&self, position: Position) -> alloc::vec::Vec<StepKey> {
        let drop_from = if planted::on(Bug::TombstoneDroppedEarly) { position.next() } else { position };
        self.by_position.iter().take_while(|(at, _)| *at < drop_from).map(|(_, key)| *key).collect()
    }

    /// Drops every tombstone: for a planted bug, which takes a new term for the end of all late calls.
    pub(super) fn drop_closed(&mut self, durable: &mut Durable) {
        let closed = self.iter().filter(|(_, entry)| entry.is_closed()).map(|(key, _)| *key);
        for key in closed.collect::<alloc::vec::Vec<_>>() {
            self.remove(key, durable);
        }
    }

    fn insert(&mut self, key: StepKey, entry: Entry, batch: BatchId) {
        let dispatched = entry.dispatched;
        if let Some((old, _)) = self.entries.insert(key, (entry, batch)) {
            self.by_position.remove(&(old.dispatched, key));
        }
        self.by_position.insert((dispatched, key));
    }
}
