//! What leaves the leader after a commit is durable: calls to agents, and what the dispatcher must know to make them.
//!
//! Law: what a new leader must look up or send (`pending`) is every effect that no later commit settled.

use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use crate::cell::state::{Fault, Saga, StepState};
use crate::cell::{Cell, views};
use crate::ids::*;
use crate::plan;
use crate::protocol::{CallBody, Owner};
use crate::record::{BoundExport, Commit, Direction, Event, LedgerId, Retry, StepInput, StepKey, Undo};

/// One consequence of a durable commit outside the fold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// A step's call, in one direction, may leave.
    Call(Box<OpenCall>),
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
    /// This host has joined, maybe again: its ledgers are to be compared and admitted.
    Joined {
        /// Which.
        host: HostId,
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
    /// A fault is armed: its agents, or this leader, apply it until its lease ends.
    FaultArmed(Box<Fault>),
    /// A fault strikes no more.
    FaultEnded {
        /// Which.
        fault: FaultId,
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

/// The effects of one commit, to be released once it is durable; `cell` is the fold with it applied, `left` what
/// `views::left` says of the fold before it.
#[must_use]
pub fn effects(cell: &Cell, commit: &Commit, left: BTreeSet<HostId>) -> Vec<Effect> {
    let mut all: Vec<Effect> = commit.events.iter().flat_map(|event| of_event(cell, event)).collect();
    let mut hosts = views::touched(cell, commit);
    hosts.extend(left);
    all.extend(hosts.into_iter().map(|host| Effect::View { host }));
    all
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
        open.into_iter().chain(
            saga.indexes()
                .filter_map(|step| open_call(cell, saga, step).map(|call| Effect::Call(Box::new(call)))),
        )
    });
    let hosts = cell.hosts.values().map(|host| {
        if host.life.is_member() { Effect::View { host: host.id } } else { Effect::Retired { host: host.id } }
    });
    let faults = cell.faults_in_force(cell.time).map(|fault| Effect::FaultArmed(Box::new(fault.clone())));
    admitted.chain(sagas).chain(hosts).chain(faults).collect()
}

fn of_event(cell: &Cell, event: &Event) -> Vec<Effect> {
    if let Event::SagaUnwinding(e) = event {
        // Its forward calls are nobody's business any more: what they made is undone.
        let steps = cell.sagas.get(&e.saga).into_iter().flat_map(Saga::indexes);
        return steps.map(|step| settled(e.saga, step, Direction::Forward)).collect();
    }
    one_of_event(cell, event).into_iter().collect()
}

fn one_of_event(cell: &Cell, event: &Event) -> Option<Effect> {
    match event {
        Event::SagaStarted(e) => {
            let saga = cell.sagas.get(&e.saga)?;
            (!saga.late).then_some(Effect::SagaOpen { saga: saga.id, deadline: saga.deadline() })
        }
        Event::StepDispatched(e) => {
            let saga = cell.sagas.get(&e.saga)?;
            let call = open_call(cell, saga, e.step)?;
            (call.direction == e.direction && call.attempt == e.attempt).then(|| Effect::Call(Box::new(call)))
        }
        Event::StepDone(e) => Some(settled(e.saga, e.step, Direction::Forward)),
        Event::StepSkipped(e) => Some(settled(e.saga, e.step, Direction::Forward)),
        Event::StepUndone(e) => Some(settled(e.saga, e.step, Direction::Undo)),
        Event::StepRefused(e) => Some(settled(e.saga, e.step, e.direction)),
        Event::SagaCompleted(e) => Some(Effect::SagaEnded { saga: e.saga }),
        Event::SagaRolledBack(e) => Some(Effect::SagaEnded { saga: e.saga }),
        Event::SagaAbandoned(e) => Some(Effect::SagaEnded { saga: e.saga }),
        Event::IncarnationAdmitted(e) => {
            let ledger = LedgerId { host: e.host, role: e.role };
            Some(Effect::Admitted { ledger, incarnation: e.incarnation })
        }
        Event::HostJoined(e) => Some(Effect::Joined { host: e.id }),
        Event::HostGone(e) => Some(Effect::Retired { host: e.host }),
        Event::FaultArmed(e) => Some(Effect::FaultArmed(Box::new(cell.faults.get(&e.id)?.clone()))),
        Event::FaultDisarmed(e) => Some(Effect::FaultEnded { fault: e.fault }),
        Event::FaultForgotten(e) => Some(Effect::FaultEnded { fault: e.fault }),
        _ => None,
    }
}

const fn settled(saga: SagaId, step: StepIndex, direction: Direction) -> Effect {
    Effect::Settled { key: StepKey { saga, step }, direction }
}

/// The call that is open for a step, if one is.
fn open_call(cell: &Cell, saga: &Saga, step: StepIndex) -> Option<OpenCall> {
    let plan = saga.step(step)?;
    let (direction, dispatched, attempt, not_before, deadline, retry) = match (saga.at(step), &plan.undo) {
        (StepState::Forward { dispatched, attempt, not_before, since, late }, _)
            if saga.direction() == Direction::Forward =>
        {
            let deadline = (!late).then_some(since.plus_ms(plan.deadline_ms));
            (Direction::Forward, *dispatched, *attempt, *not_before, deadline, plan.retry)
        }
        (StepState::Undoing { dispatched, attempt, not_before, .. }, Undo::Call { retry, .. }) => {
            (Direction::Undo, *dispatched, *attempt, *not_before, None, *retry)
        }
        (
            StepState::Waiting
            | StepState::Forward { .. }
            | StepState::Done { .. }
            | StepState::Refused { .. }
            | StepState::Undoing { .. }
            | StepState::UndoRefused { .. }
            | StepState::Undone { .. },
            _,
        ) => return None,
    };
    let Retry { call_ms, .. } = retry;
    Some(OpenCall {
        key: StepKey { saga: saga.id, step },
        direction,
        attempt,
        dispatched,
        ledger: plan.ledger,
        not_before,
        deadline,
        call_ms,
        owner: Owner { cell: cell.id, project: saga.project },
        body: CallBody {
            input: plan.input.clone(),
            exports: exports(cell, saga, &plan.input),
            closes: plan.closes.clone(),
        },
    })
}

/// The exports that a step dials: opened by a step of its own saga, or known from the volume's attachment. Both stay as
/// they are while the step is open, so that every call of its key has the same body.
fn exports(cell: &Cell, saga: &Saga, input: &StepInput) -> Vec<BoundExport> {
    let volumes: &[VolumeId] = match input {
        StepInput::BootGuest(guest) | StepInput::BootKernel(guest, _) => &guest.volumes,
        StepInput::PlugVolume { volume, .. } | StepInput::UnplugVolume { volume, .. } => {
            core::slice::from_ref(volume)
        }
        StepInput::ReserveVolume { .. }
        | StepInput::ReleaseVolume { .. }
        | StepInput::PreparePort(_)
        | StepInput::RemovePort { .. }
        | StepInput::DestroyGuest { .. }
        | StepInput::ConfirmGuest { .. }
        | StepInput::StopGuest { .. } => &[],
    };
    let known = |volume: &VolumeId| {
        let attachments = &cell.volumes.get(volume)?.attachments;
        attachments.first().map(|attachment| attachment.export.clone())
    };
    let endpoint = |volume: &VolumeId| {
        plan::export_of(saga, *volume).map(|(endpoint, _)| endpoint).or_else(|| known(volume))
    };
    volumes
        .iter()
        .filter_map(|volume| endpoint(volume).map(|endpoint| BoundExport { volume: *volume, endpoint }))
        .collect()
}
