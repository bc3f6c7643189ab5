//! `server.stop`: the guest powers down; what it was plugged into stays for the next start. Forward only.
//!
//! | step | role | + forward | - undo | after |
//! |---|---|---|---|---|
//! | stop_vm | hypervisor | guest powered down, off once its grace is over; closes the boot's and the plugs' keys | none: the pivot | – |

use alloc::vec::Vec;

use super::example::{self, Begin, Example};
use super::policy::Steps;
use super::registry::{Registered, unchanged};
use super::server_delete::volumes_of;
use crate::cell::Cell;
use crate::cell::state::{Saga, Server};
use crate::ids::*;
use crate::record::*;

/// Its entry in the registry.
pub(super) const SAGA: Registered =
    Registered { kind: SagaKind::ServerStop, completed, rolled_back: unchanged, example };

/// A guest that does not listen is off after a second.
const EXAMPLE_GRACE_MS: u32 = 1_000;

fn example() -> Example {
    Example {
        before: alloc::vec![example::volume("red").into(), example::server("web", &["red"]).into()],
        begin: Begin::asked(StopServer { server: "web".into(), grace_ms: EXAMPLE_GRACE_MS }),
    }
}

/// The plan; `booted_by` made the guest.
pub(crate) fn plan(cell: &Cell, server: &Server, booted_by: Maker, grace_ms: u32) -> Plan {
    let mut steps = Steps::default();
    let stop = stop(&mut steps, cell, server, booted_by, grace_ms);
    steps.plan(Pivot::Dispatched(stop), &[])
}

/// The step that stops the guest: nothing that made a part of it can make it again.
pub(super) fn stop(
    steps: &mut Steps,
    cell: &Cell,
    server: &Server,
    booted_by: Maker,
    grace_ms: u32,
) -> StepIndex {
    let id = server.spec.id;
    let plugs = volumes_of(cell, id)
        .flat_map(|volume| &volume.attachments)
        .filter(|a| a.server == id && a.device != 0);
    let mut closes = alloc::vec![booted_by];
    closes.extend(plugs.map(|attachment| attachment.plugged_by));
    let ledger = LedgerId { host: server.spec.host, role: Role::Hypervisor };
    let stop = steps.onward(ledger, StepInput::StopGuest { server: id, grace_ms }, &[], closes);
    steps.answers_within(stop, grace_ms);
    stop
}

/// SHUTOFF, with its volumes and ports.
pub(crate) fn completed(_: &Cell, saga: &Saga) -> Vec<Event> {
    match saga.subject {
        ResourceRef::Server(server) => alloc::vec![ServerStopped { server }.into()],
        _ => Vec::new(),
    }
}
