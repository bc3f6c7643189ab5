//! Orders about sagas: cancel, retry, skip, abandon; and about what an abandoned one left: adopt, discard.
//!
//! Each order is a saga of zero steps of its own, so that it is audited and its repeat is known like any request's.

use alloc::format;
use alloc::vec::Vec;

use super::{Asked, Preview};
use crate::cell::authorize::{Permission, authorize};
use crate::cell::engine::Draft;
use crate::cell::lookup;
use crate::cell::rejection::{Decline, Reason, Rejection};
use crate::cell::state::*;
use crate::ids::*;
use crate::record::*;

fn open<'a>(asked: Asked<'a>, id: SagaId) -> Result<&'a Saga, Rejection> {
    let saga = asked.cell.sagas.get(&id);
    let operator = authorize(asked.cell, asked.principal, Permission::Operate, asked.project).is_ok();
    saga.filter(|saga| operator || saga.project == asked.project).ok_or_else(|| {
        Rejection::new(
            Reason::NotFound,
            format!("no open operation {id}"),
            "it ended, or never was: get it to see how it ended",
        )
        .of_field("operation")
    })
}

fn stuck<'a>(asked: Asked<'a>, id: SagaId) -> Result<&'a Saga, Rejection> {
    let saga = open(asked, id)?;
    match saga.state {
        SagaState::Stuck(_) => Ok(saga),
        SagaState::Running | SagaState::Unwinding => Err(Rejection::new(
            Reason::NotStuck,
            format!("operation {id} is not stuck"),
            "only a stuck operation waits for an operator",
        )
        .of(ResourceRef::Saga(id))),
    }
}

impl Asked<'_> {
    fn order(&self, kind: SagaKind, saga: SagaId, events: Vec<Event>) -> Result<Preview, Decline> {
        self.at_once(kind, ResourceRef::Saga(saga), events)
    }
}

pub(super) fn cancel(asked: Asked<'_>, body: &CancelSaga) -> Result<Preview, Decline> {
    let saga = open(asked, body.saga)?;
    let refuse = |reason, message: &str, hint: &str| {
        Rejection::new(reason, format!("operation {} {message}", saga.id), hint)
            .of(ResourceRef::Saga(saga.id))
    };
    if saga.direction() == Direction::Undo {
        return Err(refuse(Reason::WrongState, "already turned back", "wait for it to end").into());
    }
    if saga.past_pivot() {
        return Err(refuse(
            Reason::PastPivot,
            "is past the point where it can be turned back",
            "wait for it to end",
        )
        .into());
    }
    let events = Draft::new(asked.cell, saga.clone(), asked.now).cancel();
    asked.order(SagaKind::OperationCancel, saga.id, events)
}

pub(super) fn retry(asked: Asked<'_>, body: &RetrySaga) -> Result<Preview, Decline> {
    let saga = stuck(asked, body.saga)?;
    let events = Draft::new(asked.cell, saga.clone(), asked.now).retry();
    asked.order(SagaKind::OperationRetry, saga.id, events)
}

pub(super) fn skip(asked: Asked<'_>, body: &SkipStep) -> Result<Preview, Decline> {
    let saga = stuck(asked, body.saga)?;
    lookup::reason_given(&body.reason)?;
    // What it was stuck at may have found its outcome since, while another step keeps it from going on.
    let resolved = matches!(saga.at(body.step), StepState::Done { .. } | StepState::Undone { .. });
    let blocked = saga.stuck.as_ref().and_then(|(step, _)| *step) == Some(body.step) && !resolved;
    let failed = matches!(saga.at(body.step), StepState::Refused { .. } | StepState::UndoRefused { .. });
    if !blocked && !failed {
        return Err(Rejection::field(
            "step",
            format!("step {} is not what the operation is stuck at", body.step),
        )
        .into());
    }
    if saga.direction() == Direction::Forward && !saga.past_pivot() {
        let message = format!("operation {} still needs step {}", saga.id, body.step);
        return Err(Rejection::new(Reason::WrongState, message, "retry it, or cancel the operation").into());
    }
    let events = Draft::new(asked.cell, saga.clone(), asked.now).skip(body.step, body.reason.clone());
    asked.order(SagaKind::OperationSkip, saga.id, events)
}

pub(super) fn abandon(asked: Asked<'_>, body: &AbandonSaga) -> Result<Preview, Decline> {
    let saga = stuck(asked, body.saga)?;
    lookup::reason_given(&body.reason)?;
    let event = SagaAbandoned { saga: saga.id, reason: body.reason.clone() };
    asked.order(SagaKind::OperationAbandon, saga.id, alloc::vec![event.into()])
}

/// Where a quarantined resource stands: whether it came to be.
fn quarantined(cell: &Cell, resource: ResourceRef) -> Result<bool, Rejection> {
    let found = match resource {
        ResourceRef::Server(id) => cell.servers.get(&id).map(|server| {
            let exists = match server.state {
                ServerState::Active(_) | ServerState::Lost(_) | ServerState::Stopped(_) => true,
                ServerState::Building | ServerState::Failed(_) => false,
            };
            (server.lock, exists)
        }),
        ResourceRef::Volume(id) => {
            cell.volumes.get(&id).map(|volume| (volume.lock, matches!(volume.state, VolumeState::Ready(_))))
        }
        ResourceRef::Port(id) => {
            cell.ports.get(&id).map(|port| (port.lock, port.spec.server.is_none() && port.user().is_none()))
        }
        _ => None,
    };
    match found {
        Some((Lock::Quarantined(_), exists)) => Ok(exists),
        Some((Lock::Free | Lock::Held(_), _)) | None => Err(Rejection::new(
            Reason::WrongState,
            format!("{resource} is not in quarantine"),
            "list what is in quarantine",
        )
        .of(resource)),
    }
}

pub(super) fn adopt(asked: Asked<'_>, body: &AdoptResource) -> Result<Preview, Decline> {
    lookup::reason_given(&body.reason)?;
    if !quarantined(asked.cell, body.resource)? {
        let message = format!("{} never came to be", body.resource);
        let hint = "remove what is left of it on its host, then discard it";
        return Err(Rejection::new(Reason::WrongState, message, hint).of(body.resource).into());
    }
    let event = ResourceAdopted { resource: body.resource, reason: body.reason.clone() };
    asked.at_once(SagaKind::ResourceAdopt, body.resource, alloc::vec![event.into()])
}

pub(super) fn discard(asked: Asked<'_>, body: &DiscardResource) -> Result<Preview, Decline> {
    lookup::reason_given(&body.reason)?;
    quarantined(asked.cell, body.resource)?;
    if let ResourceRef::Server(id) = body.resource {
        let user = asked.cell.ports.values().find(|port| port.user().is_some_and(|(server, _)| server == id));
        if let Some(port) = user {
            let message = format!("{} still has port {}", body.resource, port.spec.id);
            return Err(Rejection::new(Reason::ResourceInUse, message, "discard its ports first")
                .of(body.resource)
                .into());
        }
        let attached = asked.cell.servers.get(&id).and_then(|server| server.attached.first());
        if let Some(volume) = attached {
            let message = format!("{} still has volume {volume}", body.resource);
            let hint = "discard its volumes first, or adopt the server and delete it";
            return Err(Rejection::new(Reason::ResourceInUse, message, hint).of(body.resource).into());
        }
    }
    let event = ResourceDiscarded { resource: body.resource, reason: body.reason.clone() };
    asked.at_once(SagaKind::ResourceDiscard, body.resource, alloc::vec![event.into()])
}
