//! Samples of the cell's own events and of those of a saga's life.

use windlass_sagas::ids::*;
use windlass_sagas::record::*;

use super::reports::{campaign, genesis};
use super::*;

pub(crate) fn all() -> Vec<Event> {
    let mut all = cell();
    all.extend(steps());
    all.extend(states());
    all
}

fn cell() -> Vec<Event> {
    vec![
        Event::Genesis(genesis()),
        Event::LeaderElected(campaign()),
        Event::FormatRaised(RaiseFormat { level: 2 }),
        Event::SagaStarted(SagaStarted {
            saga: SagaId(hex(1)),
            kind: SagaKind::VolumeAttach,
            project: ProjectId(hex(2)),
            subject: ResourceRef::Volume(VolumeId(hex(3))),
            holds: vec![ResourceRef::Volume(VolumeId(hex(3))), ResourceRef::Server(ServerId(hex(4)))],
            plan: plan(),
        }),
    ]
}

fn steps() -> Vec<Event> {
    let saga = SagaId(hex(1));
    let step = StepIndex(2);
    vec![
        Event::StepDispatched(StepDispatched {
            saga,
            step,
            direction: Direction::Undo,
            attempt: Attempt(3),
            not_before: Time(1_800_000_000_000_000),
        }),
        Event::StepDone(StepDone {
            saga,
            step,
            output: StepOutput::Export(Endpoint { host: "rack-4-8".into(), port: 10_809 }),
        }),
        Event::StepRefused(StepRefused {
            saga,
            step,
            direction: Direction::Forward,
            attempt: Attempt(3),
            refusal: refusal(),
        }),
        Event::StepUndone(StepUndone { saga, step, how: UndoneHow::Skipped("seen by hand".into()) }),
        Event::StepSkipped(StepSkipped { saga, step, reason: "seen by hand".into() }),
        Event::StepOverdue(StepOverdue { saga, step, direction: Direction::Undo }),
    ]
}

fn states() -> Vec<Event> {
    let saga = SagaId(hex(1));
    vec![
        Event::SagaUnwinding(SagaUnwinding { saga, reason: Turn::Refused(StepIndex(2), refusal()) }),
        Event::SagaStuck(SagaStuck { saga, step: Some(StepIndex(2)), reason: "the guest is deaf".into() }),
        Event::SagaResumed(SagaResumed { saga }),
        Event::SagaLate(SagaLate { saga }),
        Event::SagaCompleted(SagaCompleted { saga }),
        Event::SagaRolledBack(SagaRolledBack { saga }),
        Event::SagaAbandoned(SagaAbandoned { saga, reason: "the rack is gone".into() }),
    ]
}

/// A plan of two steps: one with an undo of its own, one that changes nothing.
fn plan() -> std::sync::Arc<Plan> {
    let reserve = Step {
        ledger: LedgerId { host: HostId(hex(5)), role: Role::Storage },
        input: StepInput::ReserveVolume {
            volume: VolumeId(hex(3)),
            size_gib: 300,
            image: None,
            made_here: false,
            export_to: Some(HostId(hex(6))),
        },
        after: vec![],
        retry: retry(5),
        undo: Undo::Call { retry: retry(0), after: vec![StepIndex(1)] },
        closes: vec![maker(7)],
        deadline_ms: 600_000,
    };
    let confirm = Step {
        ledger: LedgerId { host: HostId(hex(6)), role: Role::Hypervisor },
        input: StepInput::ConfirmGuest { server: ServerId(hex(4)), evidence: Evidence::Hello },
        after: vec![StepIndex(0)],
        retry: retry(9),
        undo: Undo::None,
        closes: vec![],
        deadline_ms: 60_000,
    };
    let (steps, pivot) = (vec![reserve, confirm], Some(Pivot::Done(StepIndex(1))));
    std::sync::Arc::new(Plan { steps, pivot, deadline_ms: 900_000 })
}

fn retry(attempts_max: u32) -> Retry {
    Retry { attempts_max, pause_first_ms: 200, pause_max_ms: 30_000, call_ms: 10_000 }
}
