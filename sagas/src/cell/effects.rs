//! What leaves the leader after a commit is durable: calls to agents, and what the dispatcher must know to make them.
//!
//! Law: what a new leader must look up or send (`pending`) is every effect that no later commit settled.

use alloc::vec::Vec;

use crate::cell::Cell;
use crate::cell::state::{Saga, StepState};
use crate::ids::*;
use crate::protocol::{CallBody, Owner};
use crate::record::{BoundExport, Commit, Direction, Event, LedgerId, Retry, StepInput, StepKey, StepOutput, Undo};

/// One consequence of a durable commit outside the fold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// A step's call, in one direction, may leave.
    Call(OpenCall),
    /// A step's call has its outcome, or none is wanted any more: forget it.
    Settled {
        /// The step.
        key: StepKey,
        /// Which way.
        direction: Direction,
    },
    /// A saga runs: watch its deadline.
    SagaOpen {
        /// Which.
        saga: SagaId,
        /// Until when, in commit time.
        deadline: Time,
    },
    /// A saga is terminal: forget its deadline, tell its watchers.
    SagaEnded {
        /// Which.
        saga: SagaId,
    },
    /// Calls to this ledger name this incarnation from now on.
    Admitted {
        /// The ledger.
        ledger: LedgerId,
        /// Its id.
        incarnation: Incarnation,
    },
    /// Nothing more goes to this host.
    Retired {
        /// Which.
        host: HostId,
    },
    /// What this host should know has changed.
    View {
        /// Which.
        host: HostId,
    },
}

/// Everything that the dispatcher needs to make a call and to try it again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenCall {
    /// The step.
    pub key: StepKey,
    /// Which way.
    pub direction: Direction,
    /// Which try.
    pub attempt: Attempt,
    /// The position of the commit that first dispatched the step.
    pub dispatched: Position,
    /// Whose ledger.
    pub ledger: LedgerId,
    /// Not to be sent before this time.
    pub not_before: Time,
    /// When it is overdue, in commit time; `None`: an undo, which never is given up.
    pub deadline: Option<Time>,
    /// How long one call may stay unanswered, milliseconds.
    pub call_ms: u32,
    /// Who owns what it makes.
    pub owner: Owner,
    /// What is asked.
    pub body: CallBody,
}

/// The effects of one commit, to be released once it is durable; `cell` is the fold with it applied.
#[must_use]
pub fn effects(cell: &Cell, commit: &Commit) -> Vec<Effect> {
    commit.events.iter().flat_map(|event| of_event(cell, event)).collect()
}

/// What a new leader must look up or send: every effect of the past that is not settled.
#[must_use]
pub fn pending(cell: &Cell) -> Vec<Effect> {
    let admitted = cell.hosts.values().flat_map(|host| {
        host.incarnations.iter().map(|(role, incarnation)| Effect::Admitted {
            ledger: LedgerId { host: host.id, role: *role },
            incarnation: *incarnation,
        })
    });
    let sagas = cell.sagas.values().flat_map(|saga| {
        let open = (!saga.late).then_some(Effect::SagaOpen { saga: saga.id, deadline: saga.deadline() });
        open.into_iter().chain(saga.indexes().filter_map(|step| open_call(cell, saga, step).map(Effect::Call)))
    });
    let views = cell.hosts.values().filter(|host| host.life.is_member()).map(|host| Effect::View { host: host.id });
    admitted.chain(sagas).chain(views).collect()
}
