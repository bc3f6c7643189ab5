//! `server.restore`: what a reboot of its host took from a server is made again, from the fold alone (A6).
//!
//! | step | role | + forward | - undo | after |
//! |---|---|---|---|---|
//! | prepare_port (each) | network | tap, tunnel, reservation, rules | all of it removed | – |
//! | boot_vm | hypervisor | guest started with all its volumes | guest destroyed | ports |
//! | confirm | hypervisor | evidence that the guest runs | none: the pivot | boot_vm |

use alloc::vec::Vec;

use super::example::{self, Begin, Example};
use super::maker;
use super::policy::Steps;
use super::registry::Registered;
use super::server_create::{confirm, guest, kernel, ports_ready, public_key};
use super::server_delete::volumes_of;
use crate::cell::Cell;
use crate::cell::state::{Attachment, Saga, Server};
use crate::ids::*;
use crate::record::*;

/// Its entry in the registry.
pub(super) const SAGA: Registered =
    Registered { kind: SagaKind::ServerRestore, completed, rolled_back, example };

fn example() -> Example {
    Example {
        before: alloc::vec![example::volume("red").into(), example::server("web", &["red"]).into()],
        begin: Begin::HostReboots,
    }
}

/// The plan. Exports are on the storage hosts and outlive a hypervisor's reboot. An attachment that is `detached` by now is
/// left out: its export is closed. `boots` other guests boot on its host meanwhile.
pub(crate) fn plan(
    cell: &Cell,
    server: &Server,
    ports: Vec<PortSetup>,
    boots: usize,
    detached: impl Fn(AttachmentId) -> bool,
) -> Plan {
    let on = |role| LedgerId { host: server.spec.host, role };
    let mut steps = Steps::default();
    let prepared: Vec<StepIndex> = ports
        .into_iter()
        .map(|port| steps.add(on(Role::Network), StepInput::PreparePort(port), &[]))
        .collect();
    let volumes = in_device_order(cell, server.spec.id, detached);
    let setup = GuestSetup { volumes, ..guest(&server.spec, public_key(cell, &server.spec)) };
    let boot = StepInput::boot(setup, kernel(cell, &server.spec));
    let boot = steps.add(on(Role::Hypervisor), boot, &prepared);
    let confirm = confirm(&mut steps, &server.spec, &[boot], boots, Steps::look);
    steps.plan(Pivot::Done(confirm), &[])
}

fn in_device_order(cell: &Cell, server: ServerId, detached: impl Fn(AttachmentId) -> bool) -> Vec<VolumeId> {
    let there = |a: &&Attachment| a.server == server && !detached(a.id);
    let mut devices: Vec<(u8, VolumeId)> = volumes_of(cell, server)
        .flat_map(|volume| volume.attachments.iter().filter(there).map(|a| (a.device, a.volume)))
        .collect();
    devices.sort_unstable();
    devices.into_iter().map(|(_, volume)| volume).collect()
}

/// ACTIVE again; the guest and the ports have new makers.
pub(crate) fn completed(cell: &Cell, saga: &Saga) -> Vec<Event> {
    let ResourceRef::Server(id) = saga.subject else { return Vec::new() };
    let Some(server) = cell.servers.get(&id) else { return Vec::new() };
    let Some(booted_by) = maker(saga, |input| input.boots().is_some()) else {
        return Vec::new();
    };
    let mut events = ports_ready(saga, server);
    events.push(ServerActivated { server: id, booted_by }.into());
    events
}

/// Turned back by another reboot it is tried again (it stays lost); else the server stays without a guest.
pub(crate) fn rolled_back(_: &Cell, saga: &Saga) -> Vec<Event> {
    match (saga.subject, &saga.turn) {
        (ResourceRef::Server(_), Some(Turn::HostRebooted(_))) => Vec::new(),
        (ResourceRef::Server(server), _) => alloc::vec![ServerStopped { server }.into()],
        _ => Vec::new(),
    }
}
