//! `server.delete`: the create's undos in reverse, forward only; its first step is the pivot when dispatched.
//!
//! | step | role | + forward | - undo | after |
//! |---|---|---|---|---|
//! | destroy_vm | hypervisor | guest destroyed; closes the boot's and the plugs' keys | none: the pivot | – |
//! | remove_port (each) | network | all of it removed; closes its key | none | destroy_vm |
//! | release_volume (each) | storage | export closed, root's bytes deleted unless kept; closes the keys | none | destroy_vm |

use alloc::vec::Vec;

use super::example::{self, Begin, Example};
use super::policy::Steps;
use super::registry::{Registered, unchanged};
use crate::cell::Cell;
use crate::cell::state::{PortState, Saga, Server, ServerState, Volume, VolumeState};
use crate::ids::*;
use crate::record::*;

/// Its entry in the registry.
pub(super) const SAGA: Registered =
    Registered { kind: SagaKind::ServerDelete, completed, rolled_back: unchanged, example };

fn example() -> Example {
    Example {
        before: alloc::vec![example::volume("red").into(), example::server("web", &["red"]).into()],
        begin: Begin::asked(DeleteServer { server: "web".into() }),
    }
}

/// The plan; of zero steps for a server that holds nothing.
pub(crate) fn plan(cell: &Cell, server: &Server) -> Plan {
    let booted_by = match &server.state {
        ServerState::Active(maker) | ServerState::Lost(maker) | ServerState::Stopped(maker) => *maker,
        ServerState::Building | ServerState::Failed(_) => return Plan::default(),
    };
    let id = server.spec.id;
    let on = |role| LedgerId { host: server.spec.host, role };
    let volumes: Vec<&Volume> = volumes_of(cell, id).collect();
    let plugs =
        volumes.iter().flat_map(|volume| &volume.attachments).filter(|a| a.server == id && a.device != 0);
    let mut closes = alloc::vec![booted_by];
    closes.extend(plugs.map(|attachment| attachment.plugged_by));

    let mut steps = Steps::default();
    let destroy = steps.onward(on(Role::Hypervisor), StepInput::DestroyGuest { server: id }, &[], closes);
    for port in server.spec.ports.iter().filter_map(|port| cell.ports.get(port)) {
        let closes =
            if let PortState::Ready(_, _, maker) = port.state { alloc::vec![maker] } else { Vec::new() };
        let input = StepInput::RemovePort { port: port.spec.id, network: port.spec.network };
        steps.onward(on(Role::Network), input, &[destroy], closes);
    }
    for volume in volumes {
        let delete = volume.spec.root_of == Some(id) && !server.spec.keep_root;
        let input =
            StepInput::ReleaseVolume { volume: volume.spec.id, export_to: Some(server.spec.host), delete };
        let ledger = LedgerId { host: volume.spec.host, role: Role::Storage };
        steps.onward(ledger, input, &[destroy], keys_of(volume, id, delete));
    }
    steps.plan(Pivot::Dispatched(destroy), &[])
}

/// The keys that releasing a volume closes: who opened its export, and, with its bytes, who made them.
fn keys_of(volume: &Volume, server: ServerId, delete: bool) -> Vec<Maker> {
    let mut keys: Vec<Maker> =
        volume.attachments.iter().filter(|a| a.server == server).map(|a| a.exported_by).collect();
    if let (true, VolumeState::Ready(made_by)) = (delete, &volume.state)
        && !keys.contains(made_by)
    {
        keys.push(*made_by);
    }
    keys
}

/// The volumes attached to a server.
pub(crate) fn volumes_of(cell: &Cell, server: ServerId) -> impl Iterator<Item = &Volume> {
    let attached = cell.servers.get(&server).map(|server| server.attached.as_slice()).unwrap_or_default();
    attached.iter().filter_map(|id| cell.volumes.get(id))
}

/// The server, its own ports and its root are no more; other ports and volumes are free.
pub(crate) fn completed(cell: &Cell, saga: &Saga) -> Vec<Event> {
    let ResourceRef::Server(id) = saga.subject else { return Vec::new() };
    let Some(server) = cell.servers.get(&id) else { return Vec::new() };
    let mut events: Vec<Event> = Vec::new();
    for volume in volumes_of(cell, id) {
        if volume.spec.root_of == Some(id) && !server.spec.keep_root {
            events.push(VolumeDeleted { volume: volume.spec.id }.into());
            continue;
        }
        for attachment in volume.attachments.iter().filter(|a| a.server == id) {
            events.push(VolumeDetached { volume: volume.spec.id, attachment: attachment.id }.into());
        }
    }
    for port in server.spec.ports.iter().filter_map(|port| cell.ports.get(port)) {
        match (port.spec.server == Some(id), port.user()) {
            (true, _) => events.push(PortDeleted { port: port.spec.id }.into()),
            (false, Some((user, _))) if user == id => events.push(PortUnbound { port: port.spec.id }.into()),
            (false, Some(_) | None) => {}
        }
    }
    events.push(ServerDeleted { server: id }.into());
    events
}
