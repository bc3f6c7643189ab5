//! A driver's work as small steps: look, change, sync, report. The simulator and the agents' `sim` driver run this and
//! no other, so that every crash point of one is a crash point of the other.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use windlass_sagas::planted::{self, Bug};
use windlass_sagas::protocol::ledger::{Observed, Op, Work, WorkResult};
use windlass_sagas::record::{BoundExport, Direction, Refusal, StepInput, StepKey};

use crate::change::Change;
use crate::world::World;

/// One piece of work on one host. It holds nothing of the world: after a crash, a new one goes on from what is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    op: Op,
    key: StepKey,
    input: StepInput,
    exports: Vec<BoundExport>,
    changed: bool,
    /// Only where `ExecuteTrustsLedger` is planted: what a driver does that does not look.
    script: Option<VecDeque<Change>>,
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
        let (op, key, input, exports) = (work.op, work.key, work.input.clone(), work.exports.clone());
        Self { op, key, input, exports, changed: false, script: None }
    }

    /// Takes one small step.
    pub fn step(&mut self, world: &mut World) -> Progress {
        match self.next(world) {
            Ok(Some(change)) => {
                world.apply(&change);
                self.changed = true;
                Progress::Changed(change)
            }
            // What is there, or gone, may be the unsynced work of a process that died: always sync before reporting.
            Ok(None) if !self.synced(world) => {
                world.sync();
                Progress::Synced
            }
            Ok(None) => Progress::Finished(match self.op {
                Op::Observe => WorkResult::Observed(Ok(self.observe(world))),
                Op::Execute => WorkResult::Executed(Ok(world.output(&self.input))),
                Op::Undo => WorkResult::Undone(Ok(())),
            }),
            Err(refusal) => Progress::Finished(match self.op {
                Op::Observe => WorkResult::Observed(Err(refusal)),
                Op::Execute => WorkResult::Executed(Err(refusal)),
                Op::Undo => WorkResult::Undone(Err(refusal)),
            }),
        }
    }

    fn next(&mut self, world: &World) -> Result<Option<Change>, Refusal> {
        match self.op {
            Op::Observe => Ok(None),
            Op::Execute if planted::on(Bug::ExecuteTrustsLedger) => self.blindly(world),
            Op::Execute => {
                let next = world.next_change(&self.input, Direction::Forward, &self.exports)?;
                Ok(next.or_else(|| self.to_own(world)))
            }
            Op::Undo => world.next_change(&self.input, Direction::Undo, &self.exports),
        }
    }

    /// A guest that another step has started is this one's once it says so: its end is this one's end.
    fn to_own(&self, world: &World) -> Option<Change> {
        let server = match &self.input {
            StepInput::BootGuest(setup) | StepInput::BootKernel(setup, _) => setup.server,
            _ => return None,
        };
        (world.booted_by.get(&server) != Some(&self.key)).then_some(Change::Own { server, by: self.key })
    }

    fn observe(&self, world: &World) -> Observed {
        match world.observe(&self.input, &self.exports) {
            Observed::Present(_) if self.to_own(world).is_some() => Observed::Partial,
            seen => seen,
        }
    }

    /// The planted driver: it makes every change that it would make if nothing of the step were there.
    fn blindly(&mut self, world: &World) -> Result<Option<Change>, Refusal> {
        if self.script.is_none() {
            self.script = Some(from_nothing(world, &self.input, &self.exports)?);
        }
        Ok(self.script.as_mut().and_then(VecDeque::pop_front))
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

/// Every change of a step, on a copy of the world that holds nothing of it.
fn from_nothing(
    world: &World,
    input: &StepInput,
    exports: &[BoundExport],
) -> Result<VecDeque<Change>, Refusal> {
    let mut copy = world.clone();
    while let Some(change) = copy.next_change(input, Direction::Undo, exports)? {
        copy.apply(&change);
    }
    let mut script = VecDeque::new();
    while let Some(change) = copy.next_change(input, Direction::Forward, exports)? {
        copy.apply(&change);
        script.push_back(change);
    }
    Ok(script)
}
