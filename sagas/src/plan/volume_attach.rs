//! `volume.attach`: the volume's export opened for the server's host, then plugged into its guest.
//!
//! | step | role | + forward | - undo | after |
//! |---|---|---|---|---|
//! | reserve_volume | storage | export opened for the one host | export closed | – |
//! | attach | hypervisor | hot-plugged | unplugged, evidenced: the pivot when done | reserve_volume |

use alloc::vec::Vec;

use super::example::{self, Begin, Example};
use super::policy::Steps;
use super::registry::{Registered, unchanged};
use super::server_create::{attachment_id, attachments};
use crate::cell::Cell;
use crate::cell::state::{Saga, Server, Volume};
use crate::ids::*;
use crate::record::*;

/// Its entry in the registry.
pub(super) const SAGA: Registered =
    Registered { kind: SagaKind::VolumeAttach, completed, rolled_back: unchanged, example };

fn example() -> Example {
    Example {
        before: alloc::vec![example::volume("red").into(), example::server("web", &[]).into()],
        begin: Begin::asked(AttachVolume { volume: "red".into(), server: "web".into() }),
    }
}

/// The plan; `device` is the first free place in the guest.
pub(crate) fn plan(saga: SagaId, volume: &Volume, server: &Server, device: u8) -> Plan {
    let mut steps = Steps::default();
    let (id, host) = (volume.spec.id, server.spec.host);
    let storage = LedgerId { host: volume.spec.host, role: Role::Storage };
    let size_gib = volume.spec.size_gib;
    let reserve = StepInput::ReserveVolume {
        volume: id,
        size_gib,
        image: None,
        made_here: false,
        export_to: Some(host),
    };
    let reserved = steps.add(storage, reserve, &[]);
    let attachment = attachment_id(saga, id);
    let plug = StepInput::PlugVolume { attachment, server: server.spec.id, volume: id, device };
    let plugged = steps.add(LedgerId { host, role: Role::Hypervisor }, plug, &[reserved]);
    steps.plan(Pivot::Done(plugged), &[])
}

/// In-use.
pub(crate) fn completed(_: &Cell, saga: &Saga) -> Vec<Event> {
    attachments(saga).collect()
}
