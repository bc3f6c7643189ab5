//! `volume.detach`: unplugged, evidenced, then its export closed. Rolls back to in-use until the unplug is evidenced.
//!
//! | step | role | + forward | - undo | after |
//! |---|---|---|---|---|
//! | detach | hypervisor | unplugged, evidenced; closes the plug's key: the pivot when done | plugged in again | – |
//! | release_volume | storage | export closed; closes its key | none: behind the pivot | detach |

use alloc::vec::Vec;

use super::example::{self, Begin, Example};
use super::policy::Steps;
use super::registry::{Registered, unchanged};
use crate::cell::Cell;
use crate::cell::state::{Attachment, Saga, Server, Volume};
use crate::record::*;

/// Its entry in the registry.
pub(super) const SAGA: Registered =
    Registered { kind: SagaKind::VolumeDetach, completed, rolled_back: unchanged, example };

fn example() -> Example {
    Example {
        before: alloc::vec![
            example::volume("red").into(),
            example::server("web", &[]).into(),
            AttachVolume { volume: "red".into(), server: "web".into() }.into()
        ],
        begin: Begin::asked(DetachVolume { volume: "red".into() }),
    }
}

/// The plan.
pub(crate) fn plan(volume: &Volume, attachment: &Attachment, server: &Server) -> Plan {
    let mut steps = Steps::default();
    let host = server.spec.host;
    let unplug = StepInput::UnplugVolume {
        attachment: attachment.id,
        server: attachment.server,
        volume: attachment.volume,
        device: attachment.device,
    };
    let unplugged = steps.add(LedgerId { host, role: Role::Hypervisor }, unplug, &[]);
    steps.closes(unplugged, alloc::vec![attachment.plugged_by]);
    let storage = LedgerId { host: volume.spec.host, role: Role::Storage };
    let input = StepInput::ReleaseVolume { volume: volume.spec.id, export_to: Some(host), delete: false };
    steps.onward(storage, input, &[unplugged], alloc::vec![attachment.exported_by]);
    steps.plan(Pivot::Done(unplugged), &[])
}

/// Available.
pub(crate) fn completed(cell: &Cell, saga: &Saga) -> Vec<Event> {
    let ResourceRef::Volume(id) = saga.subject else { return Vec::new() };
    let Some(volume) = cell.volumes.get(&id) else { return Vec::new() };
    let detached = |a: &Attachment| VolumeDetached { volume: id, attachment: a.id }.into();
    volume.attachments.iter().map(detached).collect()
}
