//! What changed between two images, encoded: made on the leader's thread, written on the store's own.

use std::sync::Arc;

use windlass_sagas::ids::Position;
use windlass_sagas::protocol::Cursor;
use windlass_sagas::record::Tip;

use crate::index::Additions;
use crate::row::RowKey;

/// The step from one image to the next. It may be written only once the frame at its cursor is durable, and only onto
/// the image that it begins at.
#[derive(Clone, Debug)]
pub struct Delta {
    /// The position of the image before; 0: none.
    pub(crate) base: Position,
    pub(crate) cursor: Cursor,
    pub(crate) tip: Tip,
    /// The encoded `CellRow`.
    pub(crate) cell: Vec<u8>,
    /// Rows as they are now; `None`: no longer there.
    pub(crate) rows: Vec<(RowKey, Option<Vec<u8>>)>,
    /// The chunks of the requests remembered since, as they are now.
    pub(crate) requests: Vec<(u64, Vec<u8>)>,
    /// The chunk of the oldest request that is still remembered: those before it are forgotten.
    pub(crate) requests_from: u64,
    pub(crate) index: Arc<Additions>,
}

impl Delta {
    /// The frame that must be durable before this is written.
    #[must_use]
    pub const fn cursor(&self) -> Cursor {
        self.cursor
    }

    /// The position that the image will stand at.
    #[must_use]
    pub const fn position(&self) -> Position {
        self.tip.position
    }

    /// How many rows it writes or removes.
    #[must_use]
    pub const fn rows(&self) -> usize {
        self.rows.len()
    }

    /// The encoded size of its rows, bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.rows.iter().filter_map(|(_, row)| row.as_ref()).map(Vec::len).sum()
    }
}
