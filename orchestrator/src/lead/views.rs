//! Views of hosts on their way out. A view is a read of the fold: computed now, it leaves once its position is durable.
//! Those that wait for the same read are one read.

use std::collections::{BTreeMap, BTreeSet};

use windlass_sagas::cell::Cell;
use windlass_sagas::cell::views::host_views;
use windlass_sagas::ids::{HostId, Position};
use windlass_sagas::protocol::PlacedView;

/// Views that are computed at a time, before the leader's task does anything else.
const VIEWS_OF_ONE_READ: usize = 512;

/// The reads that are views, by token.
#[derive(Default)]
pub(super) struct Views(BTreeMap<u64, Batch>);

#[derive(Default)]
struct Batch {
    hosts: BTreeSet<HostId>,
    /// The position that they are of, once they are computed.
    position: Option<Position>,
    computed: Vec<(HostId, Box<PlacedView>)>,
}

impl Views {
    /// Takes a host's view into a read that has not been computed; `false`: there is none, begin one.
    pub(super) fn join(&mut self, host: HostId) -> bool {
        let open = |batch: &&mut Batch| batch.position.is_none() && batch.hosts.len() < VIEWS_OF_ONE_READ;
        let batch = self.0.values_mut().find(open);
        batch.map(|batch| batch.hosts.insert(host)).is_some()
    }

    /// Begins a read with this token.
    pub(super) fn begin(&mut self, token: u64, host: HostId) {
        self.0.insert(token, Batch { hosts: BTreeSet::from([host]), ..Batch::default() });
    }

    /// Whether a read is one of views; if so, they are computed now.
    pub(super) fn compute(&mut self, token: u64, position: Position, cell: Option<&Cell>) -> bool {
        let Some(batch) = self.0.get_mut(&token) else { return false };
        if let Some(cell) = cell {
            batch.position = Some(position);
            let all = host_views(cell, &batch.hosts).into_iter();
            let placed = |content| Box::new(PlacedView::new(position, content));
            batch.computed = all.map(|(host, content)| (host, placed(content))).collect();
        }
        true
    }

    /// What was computed for a token; nothing of it is kept.
    pub(super) fn take(&mut self, token: u64) -> Vec<(HostId, Box<PlacedView>)> {
        self.0.remove(&token).map(|batch| batch.computed).unwrap_or_default()
    }
}
