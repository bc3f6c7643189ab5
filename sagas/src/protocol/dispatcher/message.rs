//! What a dispatcher is told and what it wants done; plain values, driven by shell and simulator alike.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::super::orchestrator::{Led, Stop};
use super::super::{Down, Inventory, PlacedView, Up};
use crate::cell::Effect;
use crate::ids::*;
use crate::record::{Fact, LedgerId, StepKey};

/// One stream of one agent, numbered by the shell and never used again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(pub u64);

/// What a dispatcher is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// This node leads: everything pending is looked up first.
    TakeOver(Box<Led>),
    /// It no longer does: every call is forgotten; streams stay.
    SteppedDown,
    /// Commits are durable.
    Durable {
        /// What may leave.
        effects: Vec<Effect>,
        /// The last position.
        position: Position,
        /// Its hash.
        hash: Hash,
    },
    /// An agent says something; its first word on a stream is `Hello`.
    Up {
        /// On which stream.
        link: LinkId,
        /// What.
        up: Box<Up>,
    },
    /// A stream is gone.
    LinkDown {
        /// Which.
        link: LinkId,
    },
    /// The leader's low water for a ledger.
    LowWater {
        /// Whose.
        ledger: LedgerId,
        /// Its admitted id.
        incarnation: Incarnation,
        /// The position.
        position: Position,
    },
    /// A view that was asked for, of a durable position.
    View {
        /// Which host's.
        host: HostId,
        /// The view.
        view: Box<PlacedView>,
    },
    /// Time passes.
    Tick,
}

/// What a dispatcher wants done, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Send this down a stream.
    Send {
        /// Which.
        link: LinkId,
        /// What.
        down: Down,
    },
    /// Close a stream.
    Close {
        /// Which.
        link: LinkId,
    },
    /// Let the leader decide this.
    Fact(Box<Fact>),
    /// Leading must stop.
    StopLeading(Stop),
    /// Compare this with the fold (`cell::reconcile`) and let the leader decide what comes out.
    Reconcile(Inventory),
    /// Tell this node's orchestrator machine what an agent has seen.
    Seen {
        /// Whose agent.
        host: HostId,
        /// The last durable commit that it was shown.
        seen: (Position, Hash),
        /// The highest term that it knows.
        highest: Term,
    },
    /// Compute this host's view from the fold and answer with `View` once the fold's position is durable.
    PushView {
        /// Which host.
        host: HostId,
    },
    /// Tick at this time at the latest; replaces the one before.
    WakeAt(Time),
    /// For people.
    Alarm(Alarm),
}

/// What people should know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alarm {
    /// Two agents claim one host at one time: the newer stream is kept.
    HostClaimedTwice {
        /// Which.
        host: HostId,
    },
    /// An agent can't put the host's view in force; its log says why. It is sent again.
    ViewNotApplied {
        /// Which host.
        host: HostId,
    },
    /// An agent takes no faults, although its host's traits say that it does.
    FaultsRefused {
        /// Which host.
        host: HostId,
    },
    /// An agent of another cell came; its stream is closed.
    ForeignCell {
        /// Which host it says it is.
        host: HostId,
        /// Its cell.
        cell: CellId,
    },
    /// An agent knows this key with another body.
    KeyConflict {
        /// The step.
        key: StepKey,
        /// The ledger.
        ledger: LedgerId,
    },
}
