//! The sagas of Windlass, one a file: input, plan table (`+ forward` over `- undo`), bindings, tests.
//!
//! A plan is data; what its end means for the resources (the bindings) is chosen by the saga's kind. A plan in the
//! journal is never changed by what is written here.

pub mod example;
mod policy;
mod registry;
pub(crate) mod server_create;
pub(crate) mod server_delete;
pub(crate) mod server_reboot;
pub(crate) mod server_restore;
pub(crate) mod server_start;
pub(crate) mod server_stop;
pub(crate) mod volume_attach;
pub(crate) mod volume_create;
pub(crate) mod volume_delete;
pub(crate) mod volume_detach;

use alloc::vec::Vec;

pub use self::registry::{REGISTERED, Registered, registered};
use crate::cell::Cell;
use crate::cell::state::{HostLife, Saga, StepState};
use crate::ids::*;
use crate::record::{Endpoint, Event, Maker, Step, StepInput, StepOutput};

/// What the resources become when the saga completes, in the same commit.
pub(crate) fn completed(cell: &Cell, saga: &Saga) -> Vec<Event> {
    registered(saga.kind).map(|it| (it.completed)(cell, saga)).unwrap_or_default()
}

/// What the resources become when the saga is undone, in the same commit.
pub(crate) fn rolled_back(cell: &Cell, saga: &Saga) -> Vec<Event> {
    registered(saga.kind).map(|it| (it.rolled_back)(cell, saga)).unwrap_or_default()
}

/// The first step whose input answers `wanted`, as the maker of what it made.
fn maker(saga: &Saga, wanted: impl Fn(&StepInput) -> bool) -> Option<Maker> {
    saga.indexes().find_map(|index| {
        let step = saga.step(index)?;
        let dispatched = saga.at(index).dispatched()?;
        wanted(&step.input).then_some(Maker { saga: saga.id, step: index, dispatched })
    })
}

/// Whether a host started anew since the saga made something volatile there: it is lost, or may be.
pub(crate) fn lost_in_reboot(cell: &Cell, saga: &Saga) -> bool {
    let lost = |index: StepIndex| {
        let Some((plan, made)) = saga.step(index).zip(saga.at(index).dispatched()) else { return false };
        let host = cell.hosts.get(&plan.ledger.host);
        plan.input.makes_volatile()
            && host.and_then(|host| host.rebooted).is_some_and(|rebooted| made < rebooted)
    };
    saga.indexes().any(lost)
}

/// Whether a host that the saga works on was declared gone.
fn on_gone_host(cell: &Cell, saga: &Saga) -> bool {
    let gone = |step: &Step| {
        cell.hosts.get(&step.ledger.host).is_none_or(|host| matches!(host.life, HostLife::Gone { .. }))
    };
    saga.plan.steps.iter().any(gone)
}

/// The export that a step of this saga opened for the volume, and who opened it.
pub(crate) fn export_of(saga: &Saga, wanted: VolumeId) -> Option<(Endpoint, Maker)> {
    saga.indexes().find_map(|index| {
        let step = saga.step(index)?;
        let StepInput::ReserveVolume { volume, .. } = &step.input else { return None };
        let StepState::Done { dispatched, output: StepOutput::Export(endpoint) } = saga.at(index) else {
            return None;
        };
        let maker = Maker { saga: saga.id, step: index, dispatched: *dispatched };
        (*volume == wanted).then(|| (endpoint.clone(), maker))
    })
}
