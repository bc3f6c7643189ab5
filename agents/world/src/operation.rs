//! A driver's work as small steps: look, change, sync, report. The simulator and the agents' `sim` driver run this and
//! no other, so that every crash point of one is a crash point of the other.

use alloc::vec::Vec;

use windlass_sagas::planted::{self, Bug};
use windlass_sagas::protocol::ledger::{Op, Work, WorkResult};
use windlass_sagas::record::{BoundExport, Direction, StepInput};

use crate::change::Change;
use crate::world::World;

/// One piece of work on one host. It holds nothing of the world: after a crash, a new one goes on from what is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    op: Op,
    input: StepInput,
    exports: Vec<BoundExport>,
    changed: bool,
}

/// What one step of an operation did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// It made this sub-change.
    Changed(Change),
    /// It made durable what it changed.
    Synced,
    /// It is over; nothing more happens.
    Finished(WorkResult),
}

impl Operation {
    /// The work that a ledger asks for.
    #[must_use]
    pub fn of(work: &Work) -> Self {
        Self { op: work.op, input: work.input.clone(), exports: work.exports.clone(), changed: false }
    }

    /// Takes one small step.
    pub fn step(&mut self, world: &mut World) -> Progress {
        let direction = match self.op {
            Op::Observe => {
                return Progress::Finished(WorkResult::Observed(Ok(
                    world.observe(&self.input, &self.exports)
                )));
            }
            Op::Execute => Direction::Forward,
            Op::Undo => Direction::Undo,
        };
        match world.next_change(&self.input, direction, &self.exports) {
            Ok(Some(change)) => {
                world.apply(&change);
                self.changed = true;
                Progress::Changed(change)
            }
            // What somebody changed before a crash may not be synced either: always sync before reporting.
            Ok(None) if !self.synced(world) => {
                world.sync();
                Progress::Synced
            }
            Ok(None) => Progress::Finished(match self.op {
                Op::Observe | Op::Execute => WorkResult::Executed(Ok(world.output(&self.input))),
                Op::Undo => WorkResult::Undone(Ok(())),
            }),
            Err(refusal) => Progress::Finished(match self.op {
                Op::Observe | Op::Execute => WorkResult::Executed(Err(refusal)),
                Op::Undo => WorkResult::Undone(Err(refusal)),
            }),
        }
    }

    fn synced(&self, world: &World) -> bool {
        planted::on(Bug::OutcomeBeforeDurable) || world.disk == world.synced
    }

    /// Whether it made a sub-change so far.
    #[must_use]
    pub const fn changed(&self) -> bool {
        self.changed
    }
}
