//! Every saga that has steps, in one list. What runs over all of them (the engine's bindings, the failure matrix) reads
//! it here and nowhere else, so that a new saga is in all of it once it is listed.

use alloc::vec::Vec;

use super::example::Example;
use super::{
    server_create, server_delete, server_reboot, server_restore, server_start, server_stop, volume_attach,
    volume_create, volume_delete, volume_detach,
};
use crate::cell::Cell;
use crate::cell::state::Saga;
use crate::record::{Event, SagaKind};

/// What a saga's end means for the resources.
type Binding = fn(&Cell, &Saga) -> Vec<Event>;

/// One saga.
#[derive(Clone, Copy, Debug)]
pub struct Registered {
    /// Its kind.
    pub kind: SagaKind,
    /// What the resources become when it completes, in the same commit.
    pub(crate) completed: Binding,
    /// What they become when it is undone, in the same commit.
    pub(crate) rolled_back: Binding,
    /// One of it, for whatever tries every saga.
    pub example: fn() -> Example,
}

/// All of them.
pub const REGISTERED: &[Registered] = &[
    server_create::SAGA,
    server_delete::SAGA,
    server_restore::SAGA,
    server_start::SAGA,
    server_stop::SAGA,
    server_reboot::SAGA,
    volume_create::SAGA,
    volume_delete::SAGA,
    volume_attach::SAGA,
    volume_detach::SAGA,
];

/// The saga of a kind; `None` for one without steps.
#[must_use]
pub fn registered(kind: SagaKind) -> Option<&'static Registered> {
    REGISTERED.iter().find(|saga| saga.kind == kind)
}

/// Nothing changes beside the locks.
pub(super) const fn unchanged(_: &Cell, _: &Saga) -> Vec<Event> {
    Vec::new()
}
