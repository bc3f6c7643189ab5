//! A saga's life as an `Operation`: its state, what it waits for, why it ended otherwise than asked.

use std::collections::BTreeSet;

use windlass_proto::v1;
use windlass_proto::v1::saga::wait::For;
use windlass_sagas::cell::Cell;
use windlass_sagas::cell::state::{Ended, HostLife, SagaState, StepState};
use windlass_sagas::ids::{HostId, Position, StepIndex};
use windlass_sagas::record::{Direction, Pivot, Principal, RefusalCode, Turn, Undo};

use super::step;
use crate::api::fields::stamp;
use crate::api::life::Life;
use crate::api::names;

/// The hosts that take no calls now.
pub(in crate::api) type Down = BTreeSet<HostId>;

/// The hosts that take no calls now: silent, gone, or without an admitted ledger.
pub(in crate::api) fn down(cell: &Cell) -> Down {
    let serves = |host: &windlass_sagas::cell::state::Host| {
        host.life == HostLife::Up && host.roles.iter().all(|role| host.incarnations.contains_key(role))
    };
    cell.hosts.values().filter(|host| !serves(host)).map(|host| host.id).collect()
}

/// The operation as it stands at `position`; what it made is added where it is completed.
pub(in crate::api) fn operation(life: &Life, position: Position, down: &Down) -> v1::Operation {
    v1::Operation { metadata: Some(saga(life, down)), ..shell(life, position) }
}

/// The operation without its metadata.
fn shell(life: &Life, position: Position) -> v1::Operation {
    let result = match life.ended {
        None => None,
        Some((Ended::Completed, _)) => {
            Some(v1::operation::Result::Response(v1::OperationResponse::default()))
        }
        Some((Ended::RolledBack | Ended::Abandoned, _)) => Some(v1::operation::Result::Error(error(life))),
    };
    v1::Operation {
        name: names::operation(life.saga.id),
        metadata: None,
        done: life.ended.is_some(),
        result,
        position: position.0,
    }
}

/// The same without its steps, what it holds, waits for and made.
pub(in crate::api) fn basic(life: &Life, position: Position) -> v1::Operation {
    v1::Operation { metadata: Some(head(life)), ..shell(life, position) }
}

fn saga(life: &Life, down: &Down) -> v1::Saga {
    let saga = &life.saga;
    let indexes = saga.indexes().zip(&life.steps);
    v1::Saga {
        steps: indexes.filter_map(|(index, lived)| step::step(saga, index, lived)).collect(),
        holds: saga.holds.iter().map(|held| names::of(*held, saga.project)).collect(),
        waits: if life.ended.is_none() { waits(life, down) } else { Vec::new() },
        ..head(life)
    }
}

fn head(life: &Life) -> v1::Saga {
    let saga = &life.saga;
    let project = saga.project;
    let stuck = life.ended.is_none() && matches!(saga.state, SagaState::Stuck(_));
    v1::Saga {
        uid: saga.id.to_string(),
        kind: saga.kind.operation().to_owned(),
        state: state(life).into(),
        project: names::project(project),
        subject: names::of(saga.subject, project),
        principal: principal(life.principal),
        request_id: life.request.map(|id| id.to_string()).unwrap_or_default(),
        create_time: stamp(saga.started),
        update_time: stamp(life.last.1),
        end_time: life.ended.and_then(|(_, time)| stamp(time)),
        steps: Vec::new(),
        holds: Vec::new(),
        pivot: saga.plan.pivot.map(|pivot| v1::saga::Pivot {
            step: match pivot {
                Pivot::Done(step) | Pivot::Dispatched(step) => u32::from(step.0),
            },
            from_dispatch: matches!(pivot, Pivot::Dispatched(_)),
            passed: saga.past_pivot(),
        }),
        cancellable: life.ended.is_none() && saga.direction() == Direction::Forward && !saga.past_pivot(),
        deadline: (saga.plan.deadline_ms > 0).then(|| saga.deadline()).and_then(stamp),
        overdue: saga.late,
        waits: Vec::new(),
        reason: reason(life),
        stuck_steps: if stuck { stuck_steps(life) } else { Vec::new() },
        start_position: saga.position.0,
        last_position: life.last.0.0,
    }
}

/// Who asked; empty for the cell itself.
pub(in crate::api) fn principal(principal: Principal) -> String {
    match principal {
        Principal::User(id) => names::principal(id),
        Principal::Host(id) => names::host(id),
        Principal::Cell => String::new(),
    }
}

fn state(life: &Life) -> v1::saga::State {
    match (life.ended, life.saga.state) {
        (Some((Ended::Completed, _)), _) => v1::saga::State::Completed,
        (Some((Ended::RolledBack, _)), _) => v1::saga::State::RolledBack,
        (Some((Ended::Abandoned, _)), _) => v1::saga::State::Abandoned,
        (None, SagaState::Running) => v1::saga::State::Running,
        (None, SagaState::Unwinding) => v1::saga::State::Unwinding,
        (None, SagaState::Stuck(_)) => v1::saga::State::Stuck,
    }
}

fn reason(life: &Life) -> String {
    if let Some(reason) = &life.given_up {
        return reason.clone();
    }
    let stuck = life.saga.stuck.as_ref().filter(|_| life.ended.is_none());
    stuck.map_or_else(|| life.saga.reason(), |(_, reason)| reason.clone())
}

/// The steps that keep a stuck saga from going on.
fn stuck_steps(life: &Life) -> Vec<u32> {
    let cause = life.saga.stuck.as_ref().and_then(|(step, _)| *step);
    let failed = |index: &StepIndex| match life.saga.at(*index) {
        StepState::UndoRefused { .. } => true,
        StepState::Refused { .. } => life.saga.direction() == Direction::Forward,
        StepState::Waiting
        | StepState::Forward { .. }
        | StepState::Done { .. }
        | StepState::Undoing { .. }
        | StepState::Undone { .. } => cause == Some(*index),
    };
    life.saga.indexes().filter(failed).map(|index| u32::from(index.0)).collect()
}

/// What an open saga waits for: every open call, and an operator where it is stuck.
fn waits(life: &Life, down: &Down) -> Vec<v1::saga::Wait> {
    let saga = &life.saga;
    let mut waits = Vec::new();
    if let (SagaState::Stuck(_), Some((step, reason))) = (saga.state, &saga.stuck) {
        waits.push(v1::saga::Wait {
            what: For::Operator.into(),
            step: step.map(|step| u32::from(step.0)),
            host: String::new(),
            until: None,
            message: format!("an operator to retry, skip or abandon: {reason}"),
        });
    }
    waits.extend(saga.indexes().filter_map(|index| wait(life, index, down)));
    if waits.is_empty() {
        waits.push(v1::saga::Wait {
            what: For::Outcome.into(),
            message: "the next commit".to_owned(),
            ..Default::default()
        });
    }
    waits
}

fn wait(life: &Life, index: StepIndex, down: &Down) -> Option<v1::saga::Wait> {
    let step = life.saga.step(index)?;
    let (not_before, attempt, deadline, undo) = match (life.saga.at(index), &step.undo) {
        (StepState::Forward { not_before, attempt, since, .. }, _) => {
            (*not_before, *attempt, Some(since.plus_ms(step.deadline_ms)), false)
        }
        (StepState::Undoing { not_before, attempt, .. }, Undo::Call { .. }) => {
            (*not_before, *attempt, None, true)
        }
        _ => return None,
    };
    let name = step.input.name();
    let (what, until, message) = if down.contains(&step.ledger.host) {
        (For::Host, deadline, format!("{name}: its host, which takes no calls now"))
    } else if not_before > life.last.1 {
        (For::BackOff, Some(not_before), format!("{name}: the pause before attempt {attempt}"))
    } else if undo {
        (For::UndoOutcome, None, format!("{name}: the outcome of its undo"))
    } else {
        (For::Outcome, deadline, format!("{name}: its outcome"))
    };
    Some(v1::saga::Wait {
        what: what.into(),
        step: Some(u32::from(index.0)),
        host: names::host(step.ledger.host),
        until: until.and_then(stamp),
        message,
    })
}

/// Why an operation ended otherwise than asked.
fn error(life: &Life) -> v1::OperationError {
    let message = reason(life);
    let (code, reason, step, hint) = match (&life.given_up, &life.saga.turn) {
        (Some(_), _) => (
            tonic::Code::Cancelled,
            "ABANDONED",
            None,
            "what it held stands in quarantine: adopt or discard it",
        ),
        (None, Some(Turn::Cancelled)) => (tonic::Code::Aborted, "CANCELLED", None, ""),
        (None, Some(Turn::Refused(step, refusal))) => (
            tonic::Code::FailedPrecondition,
            refusal_code(refusal.code),
            Some(*step),
            refusal_hint(refusal.code),
        ),
        (None, Some(Turn::StepOverdue(step))) => {
            (tonic::Code::DeadlineExceeded, "STEP_OVERDUE", Some(*step), "look at the step's host")
        }
        (None, Some(Turn::SagaOverdue)) => {
            (tonic::Code::DeadlineExceeded, "OPERATION_OVERDUE", None, "look at the hosts of its steps")
        }
        (None, Some(Turn::HostGone(step))) => {
            (tonic::Code::Aborted, "HOST_GONE", Some(*step), "ask again: another host may be chosen")
        }
        (None, Some(Turn::HostRebooted(step))) => {
            (tonic::Code::Aborted, "HOST_REBOOTED", Some(*step), "ask again")
        }
        (None, None) => (tonic::Code::Unknown, "", None, ""),
    };
    v1::OperationError {
        code: code as i32,
        reason: reason.to_owned(),
        message,
        step: step.map(|step| u32::from(step.0)),
        hint: hint.to_owned(),
    }
}

/// An agent's refusal code as the API names it.
pub(in crate::api) const fn refusal_code(code: RefusalCode) -> &'static str {
    match code {
        RefusalCode::NoRoom => "NO_ROOM",
        RefusalCode::BadImage => "BAD_IMAGE",
        RefusalCode::Missing => "MISSING",
        RefusalCode::Foreign => "FOREIGN",
        RefusalCode::GuestBusy => "GUEST_BUSY",
        RefusalCode::NoEvidence => "NO_EVIDENCE",
        RefusalCode::DriverFailed => "DRIVER_FAILED",
        RefusalCode::Injected => "INJECTED",
        RefusalCode::DiskFull => "DISK_FULL",
    }
}

const fn refusal_hint(code: RefusalCode) -> &'static str {
    match code {
        RefusalCode::NoRoom | RefusalCode::DiskFull => {
            "ask again: another host may be chosen; or ask for less"
        }
        RefusalCode::BadImage => "register the image anew with the hash of its bytes",
        RefusalCode::Missing => "look at what the step rests on: it is not on the host",
        RefusalCode::Foreign => "an operator removes what stands under this name on the host",
        RefusalCode::GuestBusy => "let the guest give the device up, then ask again",
        RefusalCode::NoEvidence => "look at the guest's console: it did not show that it runs",
        RefusalCode::DriverFailed => "look at the agent's log on the host",
        RefusalCode::Injected => "a fault plan said so: disarm it",
    }
}
