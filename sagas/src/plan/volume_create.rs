//! `volume.create`: a volume's bytes, without an export.
//!
//! | step | role | + forward | - undo | after |
//! |---|---|---|---|---|
//! | reserve_volume | storage | bytes made, from the image where asked | bytes deleted: the pivot when done | – |

use alloc::vec::Vec;

use super::example::{self, Begin, Example};
use super::maker;
use super::policy::Steps;
use super::registry::Registered;
use crate::cell::Cell;
use crate::cell::state::Saga;
use crate::record::*;

/// Its entry in the registry.
pub(super) const SAGA: Registered =
    Registered { kind: SagaKind::VolumeCreate, completed, rolled_back, example };

fn example() -> Example {
    Example { before: Vec::new(), begin: Begin::asked(example::volume("red")) }
}

/// The plan; `image` with its bytes.
pub(crate) fn plan(volume: &VolumeSpec, image: Option<(ImageSource, u64)>) -> Plan {
    let mut steps = Steps::default();
    let ledger = LedgerId { host: volume.host, role: Role::Storage };
    let (id, size_gib) = (volume.id, volume.size_gib);
    let (image, bytes) = image.unzip();
    let input = StepInput::ReserveVolume { volume: id, size_gib, image, made_here: true, export_to: None };
    let reserve = steps.add(ledger, input, &[]);
    steps.copies(reserve, bytes.unwrap_or(0));
    steps.plan(Pivot::Done(reserve), &[])
}

/// Available.
pub(crate) fn completed(_: &Cell, saga: &Saga) -> Vec<Event> {
    let ResourceRef::Volume(volume) = saga.subject else { return Vec::new() };
    maker(saga, |input| matches!(input, StepInput::ReserveVolume { .. }))
        .map(|made_by| VolumeReady { volume, made_by }.into())
        .into_iter()
        .collect()
}

/// Error with the reason, holding nothing.
pub(crate) fn rolled_back(_: &Cell, saga: &Saga) -> Vec<Event> {
    let ResourceRef::Volume(volume) = saga.subject else { return Vec::new() };
    alloc::vec![VolumeFailed { volume, reason: saga.reason() }.into()]
}
