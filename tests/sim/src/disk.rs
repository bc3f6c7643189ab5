//! The disk under one ledger: rows that are synced, and batches on their way there.
//!
//! Invariant: what a sync has confirmed stays; of what it has not, a crash or a power cut keeps a prefix, never a part
//! of a batch and never a later batch without the earlier ones.

use std::collections::{BTreeMap, VecDeque};

/// One row: its key's bytes, and its value's; `None` deletes.
pub(crate) type Stored = (Vec<u8>, Option<Vec<u8>>);

/// The disk under one ledger.
#[derive(Clone, Debug, Default)]
pub(crate) struct Disk {
    synced: BTreeMap<Vec<u8>, Vec<u8>>,
    under_way: VecDeque<(u64, Vec<Stored>)>,
}

impl Disk {
    /// A disk with these rows synced.
    #[must_use]
    pub(crate) fn new(rows: impl IntoIterator<Item = Stored>) -> Self {
        let mut disk = Self::default();
        disk.under_way.push_back((0, rows.into_iter().collect()));
        disk.sync(0);
        disk
    }

    /// The synced rows.
    pub(crate) fn rows(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.synced.iter().map(|(key, value)| (key.as_slice(), value.as_slice()))
    }

    /// A batch begins its way.
    pub(crate) fn write(&mut self, batch: u64, rows: Vec<Stored>) {
        self.under_way.push_back((batch, rows));
    }

    /// The batch, and every earlier one, is durable.
    pub(crate) fn sync(&mut self, batch: u64) {
        while let Some((_, rows)) = self.under_way.pop_front_if(|(number, _)| *number <= batch) {
            self.take(rows);
        }
    }

    /// The process or the power went: of so many batches under way, the first `kept` are there, the rest is not.
    pub(crate) fn cut(&mut self, kept: impl FnOnce(u64) -> u64) {
        for _ in 0..kept(u64::try_from(self.under_way.len()).unwrap_or(u64::MAX)) {
            if let Some((_, rows)) = self.under_way.pop_front() {
                self.take(rows);
            }
        }
        self.under_way.clear();
    }

    fn take(&mut self, rows: Vec<Stored>) {
        for (key, value) in rows {
            match value {
                Some(value) => self.synced.insert(key, value),
                None => self.synced.remove(&key),
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(key: u8, value: Option<u8>) -> Stored {
        (vec![key], value.map(|value| vec![value]))
    }

    #[test]
    fn a_cut_keeps_a_prefix_and_all_that_was_synced() {
        let mut lengths = std::collections::BTreeSet::new();
        for seed in 0..40 {
            let mut disk = Disk::new([row(0, Some(1))]);
            for batch in 1..=4 {
                disk.write(batch, vec![row(u8::try_from(batch).unwrap(), Some(1)), row(0, Some(2))]);
            }
            disk.sync(1);
            disk.cut(|all| seed % (all + 1));
            let keys: Vec<u8> = disk.rows().map(|(key, _)| key[0]).collect();
            let prefix: Vec<u8> = (0..u8::try_from(keys.len()).unwrap()).collect();
            assert_eq!(keys, prefix);
            assert!(keys.len() >= 2);
            lengths.insert(keys.len());
        }
        assert_eq!(lengths.len(), 4, "every prefix occurs");
    }

    #[test]
    fn a_row_without_a_value_is_deleted() {
        let mut disk = Disk::new([row(1, Some(1)), row(2, Some(2))]);
        disk.write(1, vec![row(1, None)]);
        disk.sync(1);
        assert_eq!(disk.rows().count(), 1);
    }
}
