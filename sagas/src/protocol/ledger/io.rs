//! What goes into a ledger and what comes out of it: streams and their messages, driver work, rows and their syncs.
//!
//! The shell only carries these; it never decides what a call means, and never answers one itself.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::row::Row;
use crate::ids::*;
use crate::protocol::{Call, Owner, PlacedView, Up};
use crate::record::{BoundExport, Refusal, StepInput, StepKey, StepOutput};

/// One stream to one orchestrator, numbered by the shell and never used again once lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(pub u64);

/// One piece of driver work, numbered from 1 since the process started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkId(pub u64);

/// One atomic write of rows, numbered from 1 since the process started. Batches are made durable in their order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BatchId(pub u64);

/// What happens to a ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// An orchestrator leads, and says so on this stream.
    Lead {
        /// The stream.
        link: LinkId,
        /// Its term.
        term: Term,
        /// Its last durable position.
        position: Position,
        /// That commit's hash.
        hash: Hash,
    },
    /// A call came.
    Call {
        /// The stream.
        link: LinkId,
        /// The call.
        call: Box<Call>,
    },
    /// Every call strictly below a position is settled.
    LowWater {
        /// The stream.
        link: LinkId,
        /// The ledger that is meant.
        incarnation: Incarnation,
        /// The leader's term.
        term: Term,
        /// The position.
        position: Position,
    },
    /// The last durable commit, to be remembered (O6).
    Seen {
        /// The stream.
        link: LinkId,
        /// The leader's term.
        term: Term,
        /// Its position.
        position: Position,
        /// Its hash.
        hash: Hash,
    },
    /// What the host should know (A9); for the network role.
    View {
        /// The stream.
        link: LinkId,
        /// The leader's term.
        term: Term,
        /// The view.
        view: Box<PlacedView>,
    },
    /// The driver has applied the view of this position, durably where it can be, or could not.
    Applied {
        /// Of which position.
        position: Position,
        /// How it ended.
        result: Result<(), Refusal>,
    },
    /// The stream is gone: nothing more comes from it, nothing more goes there.
    LinkLost {
        /// The stream.
        link: LinkId,
    },
    /// Driver work ended.
    Worked {
        /// Which.
        work: WorkId,
        /// How.
        result: WorkResult,
    },
    /// This batch, and with it every earlier one, is durable.
    Synced {
        /// Which.
        batch: BatchId,
    },
    /// Take no more calls; what runs goes on.
    Drain,
}

/// What a ledger wants done. The order of one step's outputs is the order to do them in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Begin this driver work; answer it with `Worked`, once, unless the process dies.
    Begin(Box<Work>),
    /// Put this view in force: all of it, and nothing else of its kind. Answer with `Applied`, once.
    Apply(Box<PlacedView>),
    /// Write these rows atomically, behind the batches before; answer with `Synced` once they are durable.
    Persist {
        /// The batch's number.
        batch: BatchId,
        /// What to write, in this order.
        rows: Vec<Row>,
    },
    /// Send this, if the stream still stands.
    Send {
        /// The stream.
        link: LinkId,
        /// The message.
        up: Up,
    },
}

/// What a driver can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Op {
    /// Look whether the step's change is there.
    Observe,
    /// Make the change, or finish it.
    Execute,
    /// Remove whatever of the change is there; nothing there is success.
    Undo,
}

/// One piece of driver work. Its key, and every key that it closes, is locked until it ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Work {
    /// Its number.
    pub id: WorkId,
    /// The step, for logs and owner tags; what a driver finds rests on names alone.
    pub key: StepKey,
    /// What to do.
    pub op: Op,
    /// The step's inputs.
    pub input: StepInput,
    /// The exports that it dials.
    pub exports: Vec<BoundExport>,
    /// Who owns what it makes.
    pub owner: Owner,
    /// How long the longest waiting caller will wait, milliseconds; above 0.
    pub remaining_ms: u32,
}

/// How driver work ended. A change that is told of, or its removal, is durable already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WorkResult {
    /// What an `Observe` saw, or why it could not look.
    Observed(Result<Observed, Refusal>),
    /// An `Execute` made the change, or the driver says that it did not.
    Executed(Result<StepOutput, Refusal>),
    /// An `Undo` left nothing, or the driver could not remove it.
    Undone(Result<(), Refusal>),
}

/// How much of a step's change the world holds. For a step that removes, "there" means that the thing is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Observed {
    /// All of it.
    Present(StepOutput),
    /// Something of it.
    Partial,
    /// Nothing of it.
    Absent,
}
