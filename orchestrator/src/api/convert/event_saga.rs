//! What the events of a saga's life say.

use windlass_sagas::ids::ProjectId;
use windlass_sagas::record::{Direction, Event, ResourceRef, StepOutput, Turn, UndoneHow};

use super::event::Told;
use super::operation::refusal_code;
use crate::api::fields::rfc3339;
use crate::api::names;

/// `None`: another family's event.
pub(super) fn told(event: &Event, project: ProjectId) -> Option<Told> {
    Some(match event {
        Event::SagaStarted(e) => {
            let plan = format!("{} of {} steps begins", e.kind.operation(), e.plan.steps.len());
            let holds: Vec<String> = e.holds.iter().map(|held| names::of(*held, project)).collect();
            Told::new("saga.started", plan)
                .of(e.subject)
                .with("saga_kind", e.kind.operation())
                .with("steps", e.plan.steps.len())
                .with("holds", holds.join(" "))
        }
        Event::StepDispatched(e) => {
            let what = match e.direction {
                Direction::Forward => "step",
                Direction::Undo => "undo of step",
            };
            let told = Told::new(
                "step.dispatched",
                format!("{what} {} may be called, attempt {}", e.step, e.attempt),
            );
            let mut told = told.step(e.step).going(e.direction).with("not_before", rfc3339(e.not_before));
            told.attempt = Some(e.attempt);
            told
        }
        Event::StepDone(e) => {
            let told = Told::new("step.done", format!("step {} is done", e.step));
            let told = told.step(e.step).going(Direction::Forward);
            match &e.output {
                StepOutput::None => told,
                StepOutput::Export(at) => told.with("export", format!("{}:{}", at.host, at.port)),
            }
        }
        Event::StepRefused(e) => {
            let code = refusal_code(e.refusal.code);
            let summary =
                format!("step {} was refused at attempt {}: {}", e.step, e.attempt, e.refusal.message);
            let mut told = Told::new("step.refused", summary).step(e.step).going(e.direction);
            told.attempt = Some(e.attempt);
            told.with("code", code).with("retryable", e.refusal.retryable).with("message", &e.refusal.message)
        }
        Event::StepUndone(e) => {
            let (how, why) = match &e.how {
                UndoneHow::ByAgent => ("by_agent", "by its agent".to_owned()),
                UndoneHow::Nothing => ("nothing_to_undo", "it changed nothing".to_owned()),
                UndoneHow::HostGone => ("host_gone", "its host is gone".to_owned()),
                UndoneHow::Skipped(reason) => ("skipped", format!("an operator says so: {reason}")),
            };
            let told = Told::new("step.undone", format!("step {} is undone: {why}", e.step));
            told.step(e.step).going(Direction::Undo).with("how", how)
        }
        Event::StepSkipped(e) => {
            let told = Told::new("step.skipped", format!("step {} counts as done: {}", e.step, e.reason));
            told.step(e.step).going(Direction::Forward).with("reason", &e.reason)
        }
        Event::StepOverdue(e) => {
            Told::new("step.overdue", format!("step {} is overdue", e.step)).step(e.step).going(e.direction)
        }
        Event::SagaUnwinding(e) => unwinding(&e.reason).of(ResourceRef::Saga(e.saga)),
        Event::SagaStuck(e) => {
            let mut told = Told::new("saga.stuck", format!("an operator is needed: {}", e.reason));
            told.step = e.step;
            told.with("reason", &e.reason)
        }
        Event::SagaResumed(e) => {
            Told::new("saga.resumed", "it goes on").of(ResourceRef::Saga(e.saga)).changes()
        }
        Event::SagaLate(_) => Told::new("saga.overdue", "it passed its deadline"),
        Event::SagaCompleted(_) => Told::new("saga.completed", "everything is done"),
        Event::SagaRolledBack(_) => Told::new("saga.rolled_back", "everything is undone"),
        Event::SagaAbandoned(e) => Told::new("saga.abandoned", format!("given up: {}", e.reason))
            .of(ResourceRef::Saga(e.saga))
            .changes()
            .with("reason", &e.reason),
        // The other families' events.
        _ => return None,
    })
}

fn unwinding(turn: &Turn) -> Told {
    let (why, code, step) = match turn {
        Turn::Cancelled => ("it was cancelled".to_owned(), "CANCELLED", None),
        Turn::Refused(step, refusal) => {
            (format!("step {step} was refused: {}", refusal.message), refusal_code(refusal.code), Some(*step))
        }
        Turn::StepOverdue(step) => (format!("step {step} is overdue"), "STEP_OVERDUE", Some(*step)),
        Turn::SagaOverdue => ("it is overdue".to_owned(), "OPERATION_OVERDUE", None),
        Turn::HostGone(step) => (format!("the host of step {step} is gone"), "HOST_GONE", Some(*step)),
        Turn::HostRebooted(step) => {
            (format!("the host of step {step} rebooted"), "HOST_REBOOTED", Some(*step))
        }
    };
    let mut told = Told::new("saga.unwinding", format!("it turns back: {why}")).changes().with("code", code);
    told.step = step;
    told
}
