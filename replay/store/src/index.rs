//! What a stretch of commits adds to the index: where the commits of sagas and resources stand, how sagas stand, and
//! now and then a place of the journal.

use std::collections::BTreeMap;

use windlass_sagas::ids::*;
use windlass_sagas::protocol::Cursor;

use crate::limits::{PLACE_EVERY_COMMITS, PLACE_EVERY_MS};
use crate::row::RowKey;
use crate::summary::Summary;

/// Additions to the index, from behind one position up to another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Additions {
    /// How sagas that changed stand now.
    pub(crate) summaries: BTreeMap<SagaId, Summary>,
    /// The commits that speak of a saga, and the frames that hold them.
    pub(crate) saga_commits: BTreeMap<(SagaId, Position), Cursor>,
    /// The commits that name a resource.
    pub(crate) resource_commits: BTreeMap<(RowKey, Position), Cursor>,
    /// The first commit of some frames: cursor and time.
    pub(crate) places: BTreeMap<Position, (Cursor, Time)>,
}

/// Decides which frames get a place in the index.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sparse(Option<(Position, Time)>);

impl Sparse {
    /// Whether the frame that begins with this commit gets one.
    pub(crate) fn wants(&mut self, position: Position, time: Time) -> bool {
        let far = self.0.is_none_or(|(last, at)| {
            position.0.saturating_sub(last.0) >= PLACE_EVERY_COMMITS || time.ms_since(at) >= PLACE_EVERY_MS
        });
        if far {
            self.0 = Some((position, time));
        }
        far
    }
}
