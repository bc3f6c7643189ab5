//! A step of a plan as a message: where it stands, both ways, and what it does in words.

use windlass_proto::v1;
use windlass_sagas::cell::state::Saga;
use windlass_sagas::ids::StepIndex;
use windlass_sagas::record::{Direction, ResourceRef, Step, StepInput, Undo};

use super::operation::refusal_code;
use super::role;
use crate::api::fields::stamp;
use crate::api::life::{Forward, StepLife, Undoing};
use crate::api::names;

/// A step as it stands; `None` for one that the plan does not have.
pub(super) fn step(saga: &Saga, index: StepIndex, lived: &StepLife) -> Option<v1::Step> {
    let plan = saga.step(index)?;
    let refusal = lived.refusal.as_ref().map(|(refusal, attempt, direction)| v1::Refusal {
        code: refusal_code(refusal.code).to_owned(),
        retryable: refusal.retryable,
        message: refusal.message.clone(),
        attempt: attempt.0,
        undo: *direction == Direction::Undo,
    });
    let deadline = lived.start.map(|start| start.plus_ms(plan.deadline_ms));
    Some(v1::Step {
        index: u32::from(index.0),
        kind: plan.input.name().to_owned(),
        role: role(plan.ledger.role).into(),
        host: names::host(plan.ledger.host),
        resource: names::of(resource(&plan.input), saga.project),
        depends_on: plan.after.iter().map(|step| u32::from(step.0)).collect(),
        state: state(lived.forward).into(),
        attempt: lived.attempt,
        start_time: lived.start.and_then(stamp),
        end_time: lived.end.and_then(stamp),
        refusal,
        deadline: deadline.and_then(stamp),
        overdue: lived.overdue,
        undo_state: undo_state(lived.undo).into(),
        undo_attempt: lived.undo_attempt,
        undo_start_time: lived.undo_start.and_then(stamp),
        undo_end_time: lived.undo_end.and_then(stamp),
        skip_reason: lived.skipped.clone(),
        dispatch_position: saga.at(index).dispatched().unwrap_or_default().0,
        forward: forward(plan).to_owned(),
        undo: undo(plan).to_owned(),
        progress_permille: 0,
    })
}

const fn state(forward: Forward) -> v1::step::State {
    match forward {
        Forward::Waiting => v1::step::State::Waiting,
        Forward::Running => v1::step::State::Running,
        Forward::Done => v1::step::State::Done,
        Forward::Refused => v1::step::State::Refused,
        Forward::Skipped => v1::step::State::Skipped,
        Forward::NeverDispatched => v1::step::State::NeverDispatched,
    }
}

const fn undo_state(undo: Undoing) -> v1::step::UndoState {
    match undo {
        Undoing::Not => v1::step::UndoState::Unspecified,
        Undoing::Waiting => v1::step::UndoState::UndoWaiting,
        Undoing::Running => v1::step::UndoState::UndoRunning,
        Undoing::Undone => v1::step::UndoState::Undone,
        Undoing::NotNeeded => v1::step::UndoState::UndoNotNeeded,
        Undoing::HostGone => v1::step::UndoState::UndoHostGone,
        Undoing::Skipped => v1::step::UndoState::UndoSkipped,
        Undoing::Refused => v1::step::UndoState::UndoRefused,
    }
}

/// What a step works on.
pub(super) const fn resource(input: &StepInput) -> ResourceRef {
    match input {
        StepInput::ReserveVolume { volume, .. }
        | StepInput::ReleaseVolume { volume, .. }
        | StepInput::PlugVolume { volume, .. }
        | StepInput::UnplugVolume { volume, .. } => ResourceRef::Volume(*volume),
        StepInput::PreparePort(setup) => ResourceRef::Port(setup.port),
        StepInput::RemovePort { port, .. } => ResourceRef::Port(*port),
        StepInput::BootGuest(guest) | StepInput::BootKernel(guest, _) => ResourceRef::Server(guest.server),
        StepInput::DestroyGuest { server }
        | StepInput::ConfirmGuest { server, .. }
        | StepInput::StopGuest { server, .. } => ResourceRef::Server(*server),
    }
}

/// What a step does, for people.
pub(super) const fn forward(step: &Step) -> &'static str {
    match &step.input {
        StepInput::ReserveVolume { made_here: true, export_to: Some(_), .. } => {
            "make the volume's bytes and export them to the host"
        }
        StepInput::ReserveVolume { made_here: true, export_to: None, .. } => "make the volume's bytes",
        StepInput::ReserveVolume { made_here: false, .. } => "export the volume to the host",
        StepInput::ReleaseVolume { delete: true, .. } => "close the volume's export and delete its bytes",
        StepInput::ReleaseVolume { delete: false, .. } => "close the volume's export",
        StepInput::PreparePort(_) => "make the port's link, rules and reservation",
        StepInput::RemovePort { .. } => "remove the port's link, rules and reservation",
        StepInput::BootGuest(_) => "define and start the guest",
        StepInput::BootKernel(..) => "define and start the guest, from its image's kernel",
        StepInput::StopGuest { grace_ms: 0, .. } => "power the guest off",
        StepInput::StopGuest { .. } => "power the guest down, and off once its grace is over",
        StepInput::DestroyGuest { .. } => "destroy the guest",
        StepInput::PlugVolume { .. } => "plug the volume into the guest",
        StepInput::UnplugVolume { .. } => "unplug the volume from the guest, with evidence",
        StepInput::ConfirmGuest { .. } => "see the evidence that the guest runs",
    }
}

/// What its undo does, for people; `none` where there is none.
pub(super) const fn undo(step: &Step) -> &'static str {
    if matches!(step.undo, Undo::None) {
        return "none";
    }
    match &step.input {
        StepInput::ReserveVolume { made_here: true, .. } => "close the export and delete the bytes",
        StepInput::ReserveVolume { made_here: false, .. } => "close the export",
        StepInput::ReleaseVolume { .. } => "open the export again",
        StepInput::PreparePort(_) => "remove the port's link, rules and reservation",
        StepInput::RemovePort { .. } => "make the port's link, rules and reservation again",
        StepInput::BootGuest(_) | StepInput::BootKernel(..) => "destroy the guest",
        StepInput::DestroyGuest { .. } | StepInput::StopGuest { .. } => "start the guest again",
        StepInput::PlugVolume { .. } => "unplug the volume from the guest, with evidence",
        StepInput::UnplugVolume { .. } => "plug the volume in again",
        StepInput::ConfirmGuest { .. } => "none",
    }
}
