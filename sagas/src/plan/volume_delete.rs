//! `volume.delete`: forward only; its step is the pivot when dispatched, since deleted bytes don't come back.
//!
//! | step | role | + forward | - undo | after |
//! |---|---|---|---|---|
//! | release_volume | storage | bytes deleted; closes the key that made them | none: the pivot | – |

use alloc::vec::Vec;

use super::example::{self, Begin, Example};
use super::policy::Steps;
use super::registry::{Registered, unchanged};
use crate::cell::Cell;
use crate::cell::state::{Saga, Volume, VolumeState};
use crate::record::*;

/// Its entry in the registry.
pub(super) const SAGA: Registered =
    Registered { kind: SagaKind::VolumeDelete, completed, rolled_back: unchanged, example };

fn example() -> Example {
    Example {
        before: alloc::vec![example::volume("red").into()],
        begin: Begin::asked(DeleteVolume { volume: "red".into() }),
    }
}

/// The plan; of zero steps for a volume without bytes.
pub(crate) fn plan(volume: &Volume) -> Plan {
    let made_by = match &volume.state {
        VolumeState::Ready(maker) => *maker,
        VolumeState::Creating | VolumeState::Failed(_) => return Plan::default(),
    };
    let mut steps = Steps::default();
    let ledger = LedgerId { host: volume.spec.host, role: Role::Storage };
    let input = StepInput::ReleaseVolume { volume: volume.spec.id, export_to: None, delete: true };
    let release = steps.onward(ledger, input, &[], alloc::vec![made_by]);
    steps.plan(Pivot::Dispatched(release), &[])
}

/// No more.
pub(crate) fn completed(_: &Cell, saga: &Saga) -> Vec<Event> {
    let ResourceRef::Volume(volume) = saga.subject else { return Vec::new() };
    alloc::vec![VolumeDeleted { volume }.into()]
}
