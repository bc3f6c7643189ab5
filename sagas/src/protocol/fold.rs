//! The fold of a journal: the cell, the tip of its valid chain and the cursor of the last frame taken in.
//!
//! `absorb` is the one way in for a frame from the journal. It is all or nothing: what it can't read changes nothing and
//! stops the fold with its position, since in a total order nothing is skipped. Void commits move the cursor only.

use alloc::vec::Vec;

use super::Cursor;
use crate::cell::Cell;
use crate::ids::*;
use crate::planted::{self, Bug};
use crate::record::{
    Commit, DecodeError, Event, FORMAT_LEVEL, Frame, Header, StoredCommit, Tip, Validity, VoidReason,
};

/// The state of a cell up to a frame. Leaders fold what they decide at once: there, cell and tip run ahead of the
/// cursor, which names the last acknowledged frame.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fold {
    cell: Cell,
    tip: Tip,
    cursor: Cursor,
    /// The frame that the tip came with; behind it, up to the cursor, all was void.
    tip_cursor: Cursor,
    expected: Option<CellId>,
}

/// What a frame brought.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Absorbed {
    /// Its valid commits, applied.
    pub commits: Vec<Commit>,
    /// How many commits at its end are void, and why the first of them is.
    pub void: Option<(usize, VoidReason)>,
    /// The highest generation that its void commits name; 0: none does.
    pub void_generation: u32,
}

/// The fold can't go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the fold stops at position {position}")]
pub struct Poisoned {
    /// The position that could not be applied.
    pub position: Position,
    /// Why.
    #[source]
    pub error: PoisonError,
}

/// Why a fold can't go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PoisonError {
    /// A frame, or a valid commit, that this build can't read.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// The frame is not the one after the last.
    #[error("frame {got} where frame {expected} comes next", got = got.0, expected = expected.0)]
    Gap {
        /// The next cursor.
        expected: Cursor,
        /// The frame's.
        got: Cursor,
    },
    /// The journal is another cell's.
    #[error("the journal is of cell {found}, not of {expected}")]
    ForeignCell {
        /// Ours.
        expected: CellId,
        /// Its.
        found: CellId,
    },
    /// The cell writes a format that this build does not know: install a newer build.
    #[error("the cell is at format level {level}, this build reads up to {FORMAT_LEVEL}")]
    FormatLevel {
        /// The cell's.
        level: u16,
    },
    /// A stored image whose cell and tip do not belong together.
    #[error("the image's cell and tip do not belong together")]
    Image,
}

impl Fold {
    /// Before genesis. With `expected`, the journal of another cell is refused.
    #[must_use]
    pub fn new(expected: Option<CellId>) -> Self {
        Self { expected, ..Self::default() }
    }

    /// A stored image of acknowledged state.
    ///
    /// # Errors
    /// Where cell and tip do not belong together, the cell is not the expected one or its format level is unknown.
    pub fn restored(
        mut cell: Cell,
        tip: Tip,
        cursor: Cursor,
        expected: Option<CellId>,
    ) -> Result<Self, Poisoned> {
        if planted::on(Bug::ImageForgetsTimers) {
            cell.sagas.values_mut().for_each(|saga| saga.late = true);
        }
        let poisoned = |error| Poisoned { position: tip.position, error };
        let belongs = cell.position == tip.position && cell.term == tip.term && cell.time == tip.time;
        if !belongs || (cursor == Cursor::START) != (tip.position == Position(0)) {
            return Err(poisoned(PoisonError::Image));
        }
        if tip.position != Position(0) {
            admit(expected, cell.id, cell.level).map_err(poisoned)?;
        }
        Ok(Self { cell, tip, cursor, tip_cursor: cursor, expected })
    }

    /// The cell.
    #[must_use]
    pub const fn cell(&self) -> &Cell {
        &self.cell
    }

    /// The state alone, for who reads it and folds no further.
    #[must_use]
    pub fn into_cell(self) -> Cell {
        self.cell
    }

    /// The last valid commit: what the next one must chain to.
    #[must_use]
    pub const fn tip(&self) -> &Tip {
        &self.tip
    }

    /// The last frame taken in.
    #[must_use]
    pub const fn cursor(&self) -> Cursor {
        self.cursor
    }

    /// The frame that the tip came with: at the cursor, or before it where only void commits followed.
    #[must_use]
    pub const fn tip_cursor(&self) -> Cursor {
        self.tip_cursor
    }

    /// Steps back to the frame of the tip: what came behind it was void, and is judged again as it is read again. So the
    /// fold rests on no frame but those that its chain of hashes proves.
    pub(super) const fn step_back(&mut self) {
        self.cursor = self.tip_cursor;
    }

    /// The cell that the journal must be of.
    #[must_use]
    pub const fn expected(&self) -> Option<CellId> {
        self.expected
    }

    /// Takes in the frame at `cursor`: valid commits are applied in order; from the first void one on, the rest of the
    /// frame is void too. The cursor moves either way.
    ///
    /// # Errors
    /// Where `cursor` is not the next one, the frame or a valid commit can't be read, the cell is a foreign one or its
    /// format level is above ours. Nothing has changed then.
    pub fn absorb(&mut self, cursor: Cursor, bytes: &[u8]) -> Result<Absorbed, Poisoned> {
        if cursor != self.cursor.next() {
            let error = PoisonError::Gap { expected: self.cursor.next(), got: cursor };
            return Err(Poisoned { position: self.tip.position.next(), error });
        }
        let (absorbed, tip) = self.judge(bytes)?;
        for commit in &absorbed.commits {
            self.cell.fold(commit);
            self.tip_cursor = cursor;
        }
        self.tip = tip;
        self.cursor = cursor;
        Ok(absorbed)
    }

    /// What the frame brings, and the tip behind its valid commits.
    fn judge(&self, bytes: &[u8]) -> Result<(Absorbed, Tip), Poisoned> {
        let mut tip = self.tip;
        let at = |position, error| Poisoned { position, error };
        let frame = Frame::decode(bytes).map_err(|error| at(tip.position.next(), error.into()))?;
        let mut commits = Vec::with_capacity(frame.commits.len());
        for (index, stored) in frame.commits.iter().enumerate() {
            let position = tip.position.next();
            match tip.judge(stored).map_err(|error| at(position, error.into()))? {
                Validity::Valid(commit, next) => {
                    self.readable(&commit).map_err(|error| at(position, error))?;
                    commits.push(*commit);
                    tip = next;
                }
                Validity::Void(reason) => {
                    let rest = frame.commits.iter().skip(index).map(|stored| stored.header.term.generation);
                    let void = Some((frame.commits.len() - index, reason));
                    let void_generation = rest.max().unwrap_or_default();
                    return Ok((Absorbed { commits, void, void_generation }, tip));
                }
            }
        }
        Ok((Absorbed { commits, void: None, void_generation: 0 }, tip))
    }

    fn readable(&self, commit: &Commit) -> Result<(), PoisonError> {
        commit.events.iter().try_for_each(|event| match event {
            Event::Genesis(genesis) => admit(self.expected, genesis.cell, genesis.level),
            Event::FormatRaised(raised) => admit(None, CellId::default(), raised.level),
            _ => Ok(()),
        })
    }

    /// Folds what the owner has decided itself, before it is durable; the cursor stays.
    pub(super) fn speculate(&mut self, commit: &Commit, stored: &StoredCommit) -> Tip {
        let Header { position, time, term, .. } = commit.header;
        self.cell.fold(commit);
        self.tip = Tip { position, hash: stored.hash(), time, term };
        self.tip
    }

    /// The frame of what was speculated is durable.
    pub(super) const fn acknowledge(&mut self, cursor: Cursor) {
        self.cursor = cursor;
        self.tip_cursor = cursor;
    }

    /// Whether the journal's frame at `tip_cursor` is the one that ends in the tip: the proof that the fold is of this
    /// journal.
    pub(super) fn ends_in(&self, bytes: &[u8]) -> bool {
        Frame::decode(bytes)
            .is_ok_and(|frame| frame.commits.iter().any(|commit| commit.hash() == self.tip.hash))
    }
}

fn admit(expected: Option<CellId>, found: CellId, level: u16) -> Result<(), PoisonError> {
    match expected {
        Some(expected) if expected != found => Err(PoisonError::ForeignCell { expected, found }),
        Some(_) | None if level > FORMAT_LEVEL => Err(PoisonError::FormatLevel { level }),
        Some(_) | None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;

    #[test]
    fn valid_commits_are_applied_and_the_cursor_follows() {
        let mut fold = Fold::new(Some(CELL));
        let first = first_frame(1);
        let absorbed = fold.absorb(Cursor(1), &first.bytes).expect("valid");
        assert_eq!(absorbed.commits.len(), 2);
        assert_eq!(absorbed.void, None);
        assert_eq!((fold.cursor(), fold.tip().position), (Cursor(1), Position(2)));
        assert_eq!(fold.cell().id, CELL);
    }

    #[test]
    fn a_void_commit_takes_the_rest_of_its_frame_with_it_and_moves_only_the_cursor() {
        let mut fold = Fold::new(None);
        fold.absorb(Cursor(1), &first_frame(1).bytes).expect("valid");
        let before = fold.cell().clone();
        // The same first frame again: its positions are taken.
        let absorbed = fold.absorb(Cursor(2), &first_frame(2).bytes).expect("void, not poisonous");
        assert_eq!(absorbed.void, Some((2, VoidReason::Position)));
        assert!(absorbed.commits.is_empty());
        assert_eq!((fold.cell(), fold.cursor(), fold.tip().position), (&before, Cursor(2), Position(2)));
    }

    #[test]
    fn a_cursor_that_is_not_the_next_one_is_an_error() {
        let mut fold = Fold::new(None);
        let error = fold.absorb(Cursor(2), &first_frame(1).bytes).expect_err("a gap").error;
        assert_eq!(error, PoisonError::Gap { expected: Cursor(1), got: Cursor(2) });
        assert_eq!(fold, Fold::new(None));
    }

    #[test]
    fn another_cells_journal_is_refused() {
        let mut fold = Fold::new(Some(CellId([9; 16])));
        let poisoned = fold.absorb(Cursor(1), &first_frame(1).bytes).expect_err("foreign");
        let error = PoisonError::ForeignCell { expected: CellId([9; 16]), found: CELL };
        assert_eq!(poisoned, Poisoned { position: Position(1), error });
        assert_eq!(fold.cursor(), Cursor::START);
    }

    #[test]
    fn a_format_level_above_ours_is_refused_with_nothing_changed() {
        let mut fold = Fold::new(None);
        let poisoned = fold.absorb(Cursor(1), &genesis_frame(FORMAT_LEVEL + 1)).expect_err("too new");
        assert_eq!(poisoned.error, PoisonError::FormatLevel { level: FORMAT_LEVEL + 1 });
        assert_eq!(fold, Fold::new(None));
    }

    #[test]
    fn a_valid_commit_that_can_not_be_read_stops_the_fold_with_its_position() {
        let mut fold = Fold::new(None);
        let mut bytes = first_frame(1).bytes;
        let last = bytes.len() - 1;
        bytes.truncate(last);
        let poisoned = fold.absorb(Cursor(1), &bytes).expect_err("short");
        assert_eq!(poisoned.position, Position(1));
        assert!(matches!(poisoned.error, PoisonError::Decode(_)));
    }

    #[test]
    fn an_image_comes_back_as_it_was_and_a_mixed_one_does_not() {
        let mut fold = Fold::new(Some(CELL));
        fold.absorb(Cursor(1), &first_frame(1).bytes).expect("valid");
        let (cell, tip) = (fold.cell().clone(), *fold.tip());
        assert_eq!(Fold::restored(cell.clone(), tip, Cursor(1), Some(CELL)), Ok(fold));
        let other = Tip { position: Position(9), ..tip };
        assert_eq!(
            Fold::restored(cell.clone(), other, Cursor(1), None).map_err(|poisoned| poisoned.error),
            Err(PoisonError::Image)
        );
        let foreign = Some(CellId([9; 16]));
        assert!(Fold::restored(cell, tip, Cursor(1), foreign).is_err());
    }
}
