//! Rows on their way to the disk, and the replies that wait for them.
//!
//! Invariant: a reply that rests on a batch leaves only once that batch is durable; other keys' replies don't wait for it.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::io::{BatchId, LinkId, Output};
use super::row::Row;
use crate::protocol::Up;

#[derive(Clone, Debug, Default)]
pub(super) struct Durable {
    /// The rows of the step that is being taken: they will be the next batch.
    rows: Vec<Row>,
    /// The last batch given out.
    last: BatchId,
    /// The last batch known to be durable, and with it all before.
    synced: BatchId,
    waiting: BTreeMap<BatchId, Vec<(LinkId, Up)>>,
}

impl Durable {
    /// Adds a row to this step's batch, and names that batch.
    pub(super) fn put(&mut self, row: Row) -> BatchId {
        self.rows.push(row);
        BatchId(self.last.0 + 1)
    }

    /// Sends once `rests_on` is durable.
    pub(super) fn send(&mut self, link: LinkId, up: Up, rests_on: BatchId, out: &mut Vec<Output>) {
        if rests_on <= self.synced {
            out.push(Output::Send { link, up });
        } else {
            self.waiting.entry(rests_on).or_default().push((link, up));
        }
    }

    /// A batch, and every earlier one, is durable.
    pub(super) fn synced(&mut self, batch: BatchId, out: &mut Vec<Output>) {
        self.synced = self.synced.max(batch.min(self.last));
        let later = self.waiting.split_off(&BatchId(self.synced.0 + 1));
        let ready = core::mem::replace(&mut self.waiting, later);
        out.extend(ready.into_values().flatten().map(|(link, up)| Output::Send { link, up }));
    }

    /// Nothing goes to this stream any more.
    pub(super) fn forget(&mut self, link: LinkId) {
        self.waiting.retain(|_, replies| {
            replies.retain(|(to, _)| *to != link);
            !replies.is_empty()
        });
    }

    /// Gives out this step's batch, if it has rows.
    pub(super) fn flush(&mut self, out: &mut Vec<Output>) {
        if !self.rows.is_empty() {
            self.last = BatchId(self.last.0 + 1);
            out.push(Output::Persist { batch: self.last, rows: core::mem::take(&mut self.rows) });
        }
    }

    /// Replies that wait for a sync.
    pub(super) fn replies(&self) -> usize {
        self.waiting.values().map(Vec::len).sum()
    }

    /// Whether every batch given out is durable.
    pub(super) fn is_quiet(&self) -> bool {
        self.synced == self.last
    }
}
