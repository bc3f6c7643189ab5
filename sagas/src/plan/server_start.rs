//! `server.start`: a server that is SHUTOFF gets a guest again, with all that it had.
//!
//! | step | role | + forward | - undo | after |
//! |---|---|---|---|---|
//! | prepare_port (each) | network | found, or made where a reboot of the host took it | all of it removed | – |
//! | boot_vm | hypervisor | guest started with its root | guest destroyed | ports |
//! | attach (each data volume) | hypervisor | hot-plugged into its place | unplugged; behind boot_vm's undo | boot_vm |
//! | confirm | hypervisor | evidence that the guest runs | none: the pivot | all before |
//!
//! Exports stay open while a server is SHUTOFF, so that no storage host has a step here.

use alloc::vec::Vec;

use super::example::{self, Begin, Example};
use super::maker;
use super::policy::Steps;
use super::registry::{Registered, unchanged};
use super::server_create::{confirm, guest, kernel, ports_ready, public_key};
use super::server_delete::volumes_of;
use crate::cell::Cell;
use crate::cell::state::{Attachment, Saga, Server};
use crate::ids::*;
use crate::record::*;

/// Its entry in the registry. Turned back it stays SHUTOFF, as it was.
pub(super) const SAGA: Registered =
    Registered { kind: SagaKind::ServerStart, completed: booted, rolled_back: unchanged, example };

fn example() -> Example {
    Example {
        before: alloc::vec![
            example::volume("red").into(),
            example::server("web", &["red"]).into(),
            StopServer { server: "web".into(), grace_ms: 0 }.into(),
        ],
        begin: Begin::asked(StartServer { server: "web".into() }),
    }
}

/// The plan.
pub(crate) fn plan(cell: &Cell, server: &Server, ports: Vec<PortSetup>) -> Plan {
    let mut steps = Steps::default();
    let booted = boot(&mut steps, cell, server, ports, &[], Steps::add);
    let boots = cell.boots_beside(&server.spec);
    let confirm = confirm(&mut steps, &server.spec, &booted.all(), boots, Steps::look);
    let instead: Vec<_> = booted.plugged.iter().map(|plugged| (*plugged, booted.boot)).collect();
    steps.plan(Pivot::Done(confirm), &instead)
}

/// The steps that boot a guest and plug its volumes in.
pub(super) struct Booted {
    boot: StepIndex,
    plugged: Vec<StepIndex>,
}

impl Booted {
    /// All that comes before the evidence that the guest runs.
    pub(super) fn all(&self) -> Vec<StepIndex> {
        let mut all = alloc::vec![self.boot];
        all.extend(&self.plugged);
        all
    }
}

/// Adds the steps, each as `add` does, the first of them behind `after`.
pub(super) fn boot(
    steps: &mut Steps,
    cell: &Cell,
    server: &Server,
    ports: Vec<PortSetup>,
    after: &[StepIndex],
    add: fn(&mut Steps, LedgerId, StepInput, &[StepIndex]) -> StepIndex,
) -> Booted {
    let (id, host) = (server.spec.id, server.spec.host);
    let on = |role| LedgerId { host, role };
    let mut boot_after = after.to_vec();
    for port in ports {
        boot_after.push(add(steps, on(Role::Network), StepInput::PreparePort(port), after));
    }
    let setup = guest(&server.spec, public_key(cell, &server.spec));
    let input = StepInput::boot(setup, kernel(cell, &server.spec));
    let boot = add(steps, on(Role::Hypervisor), input, &boot_after);
    let plug = |attachment: &Attachment| {
        let (volume, device) = (attachment.volume, attachment.device);
        let plug = StepInput::PlugVolume { attachment: attachment.id, server: id, volume, device };
        add(steps, on(Role::Hypervisor), plug, &[boot])
    };
    let plugged = data_volumes(cell, id).into_iter().map(plug).collect();
    Booted { boot, plugged }
}

/// The attachments of a server but its root's, in the order of their devices.
fn data_volumes(cell: &Cell, server: ServerId) -> Vec<&Attachment> {
    let own = |attachment: &&Attachment| attachment.server == server && attachment.device != 0;
    let mut all: Vec<&Attachment> =
        volumes_of(cell, server).flat_map(|volume| volume.attachments.iter().filter(own)).collect();
    all.sort_unstable_by_key(|attachment| attachment.device);
    all
}

/// ACTIVE, in one commit with the new makers of the guest, of its devices and of its ports.
pub(super) fn booted(cell: &Cell, saga: &Saga) -> Vec<Event> {
    let ResourceRef::Server(id) = saga.subject else { return Vec::new() };
    let Some(server) = cell.servers.get(&id) else { return Vec::new() };
    let Some(booted_by) = maker(saga, |input| input.boots().is_some()) else { return Vec::new() };
    let plugged_by = |wanted: &Attachment| match wanted.device {
        0 => Some(booted_by),
        _ => maker(
            saga,
            |input| matches!(input, StepInput::PlugVolume { attachment, .. } if *attachment == wanted.id),
        ),
    };
    let attachments = volumes_of(cell, id).flat_map(|volume| &volume.attachments).filter(|a| a.server == id);
    let mut events: Vec<Event> = attachments
        .filter_map(|a| Some(AttachmentSpec { plugged_by: plugged_by(a)?, ..a.clone() }.into()))
        .collect();
    events.extend(ports_ready(saga, server));
    events.push(ServerActivated { server: id, booted_by }.into());
    events
}
