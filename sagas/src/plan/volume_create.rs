//! `volume.create`: a volume's bytes, without an export.
//!
//! | step | role | + forward | - undo | after |
//! |---|---|---|---|---|
//! | reserve_volume | storage | bytes made, from the image where asked | bytes deleted: the pivot when done | – |

use alloc::vec::Vec;

use super::maker;
use super::policy::Steps;
use crate::cell::state::Saga;
use crate::record::*;

/// The plan.
pub(crate) fn plan(volume: &VolumeSpec, image: Option<ImageSource>) -> Plan {
    let mut steps = Steps::default();
    let ledger = LedgerId { host: volume.host, role: Role::Storage };
    let (id, size_gib) = (volume.id, volume.size_gib);
    let input = StepInput::ReserveVolume { volume: id, size_gib, image, made_here: true, export_to: None };
    let reserve = steps.add(ledger, input, &[]);
    steps.plan(Pivot::Done(reserve), &[])
}

/// Available.
pub(crate) fn completed(saga: &Saga) -> Vec<Event> {
    let ResourceRef::Volume(volume) = saga.subject else { return Vec::new() };
    maker(saga, |input| matches!(input, StepInput::ReserveVolume { .. }))
        .map(|made_by| VolumeReady { volume, made_by }.into())
        .into_iter()
        .collect()
}

/// Error with the reason, holding nothing.
pub(crate) fn rolled_back(saga: &Saga) -> Vec<Event> {
    let ResourceRef::Volume(volume) = saga.subject else { return Vec::new() };
    alloc::vec![VolumeFailed { volume, reason: saga.reason() }.into()]
}
