//! `server.reboot`: the guest powers down, and another one of the same server is booted. Forward only, so that nothing
//! of it is a change that can't be observed (`ops/decisions/0005-reboot.md`).
//!
//! | step | role | + forward | - undo | after |
//! |---|---|---|---|---|
//! | stop_vm | hypervisor | guest powered down, off once its grace is over; closes the boot's and the plugs' keys | none: the pivot | – |
//! | prepare_port (each) | network | found, or made where a reboot of the host took it | none | stop_vm |
//! | boot_vm | hypervisor | guest started with its root | none | ports |
//! | attach (each data volume) | hypervisor | hot-plugged into its place | none | boot_vm |
//! | confirm | hypervisor | evidence that the guest runs | none | all before |

use alloc::vec::Vec;

use super::example::{self, Begin, Example};
use super::policy::Steps;
use super::registry::{Registered, unchanged};
use super::server_create::confirm;
use super::server_start::{boot, booted};
use super::server_stop::stop;
use super::{lost_in_reboot, on_gone_host};
use crate::cell::Cell;
use crate::cell::state::{Saga, Server};
use crate::ids::StepIndex;
use crate::record::*;

/// Its entry in the registry.
pub(super) const SAGA: Registered =
    Registered { kind: SagaKind::ServerReboot, completed, rolled_back: unchanged, example };

fn example() -> Example {
    Example {
        before: alloc::vec![example::volume("red").into(), example::server("web", &["red"]).into()],
        begin: Begin::asked(RebootServer { server: "web".into(), grace_ms: 0 }),
    }
}

/// A step behind the stop, which nothing undoes.
fn onward(steps: &mut Steps, ledger: LedgerId, input: StepInput, after: &[StepIndex]) -> StepIndex {
    steps.onward(ledger, input, after, Vec::new())
}

/// The plan; `booted_by` made the guest that goes.
pub(crate) fn plan(
    cell: &Cell,
    server: &Server,
    ports: Vec<PortSetup>,
    booted_by: Maker,
    grace_ms: u32,
) -> Plan {
    let mut steps = Steps::default();
    let stop = stop(&mut steps, cell, server, booted_by, grace_ms);
    let booted = boot(&mut steps, cell, server, ports, &[stop], onward);
    confirm(&mut steps, &server.spec, &booted.all(), cell.boots_beside(&server.spec), onward);
    steps.plan(Pivot::Dispatched(stop), &[])
}

/// ACTIVE again. What its host's reboot took meanwhile is lost, as of any server there, and made again by a restore; a host
/// that is gone has no guest.
pub(crate) fn completed(cell: &Cell, saga: &Saga) -> Vec<Event> {
    match saga.subject {
        ResourceRef::Server(server) if on_gone_host(cell, saga) => {
            alloc::vec![ServerStopped { server }.into()]
        }
        _ if lost_in_reboot(cell, saga) => Vec::new(),
        _ => booted(cell, saga),
    }
}
