//! The sagas of Windlass, one a file: input, plan table (`+ forward` over `- undo`), bindings, tests.
//!
//! A plan is data; what its end means for the resources (the bindings) is chosen by the saga's kind. A plan in the
//! journal is never changed by what is written here.

pub mod example;
mod policy;
mod registry;
pub(crate) mod server_create;
pub(crate) mod server_delete;
pub(crate) mod server_restore;
pub(crate) mod volume_attach;
pub(crate) mod volume_create;
pub(crate) mod volume_delete;
pub(crate) mod volume_detach;

use alloc::vec::Vec;

pub use self::registry::{REGISTERED, Registered, registered};
use crate::cell::Cell;
use crate::cell::state::{Saga, StepState};
use crate::ids::*;
use crate::record::{Endpoint, Event, Maker, StepInput, StepOutput};

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
