//! `server.create`: volumes reserved, ports prepared, the guest booted, data volumes attached, confirmed.
//!
//! | step | role | + forward | - undo | after |
//! |---|---|---|---|---|
//! | reserve_volume (each) | storage | bytes found or made, export opened | export closed, bytes deleted if made here | – |
//! | prepare_port (each) | network | tap, tunnel, reservation, rules | all of it removed | – |
//! | boot_vm | hypervisor | guest defined and started | guest destroyed | root reserved, ports |
//! | attach (each data volume) | hypervisor | hot-plugged | unplugged; behind boot_vm's undo | boot_vm, its reserve_volume |
//! | confirm | hypervisor | evidence that the guest runs | none: the pivot | all before |

use alloc::vec::Vec;

use super::example::{self, Begin, Example};
use super::policy::Steps;
use super::registry::Registered;
use super::{export_of, maker};
use crate::cell::Cell;
use crate::cell::state::{ImageBoot, PortState, Saga, Server};
use crate::ids::*;
use crate::record::*;

/// Its entry in the registry.
pub(super) const SAGA: Registered =
    Registered { kind: SagaKind::ServerCreate, completed, rolled_back, example };

fn example() -> Example {
    Example {
        before: alloc::vec![example::volume("red").into()],
        begin: Begin::asked(example::server("web", &["red"])),
    }
}

/// What `decide` resolved.
pub(crate) struct Input {
    /// The server to be.
    pub(crate) server: ServerSpec,
    /// Its root volume to be.
    pub(crate) root: VolumeSpec,
    /// Where the root's bytes come from.
    pub(crate) image: ImageSource,
    /// How many those are.
    pub(crate) image_bytes: u64,
    /// Ports to be made.
    pub(crate) new_ports: Vec<PortSpec>,
    /// Its ports, as the network agent needs them, in the guest's order.
    pub(crate) ports: Vec<PortSetup>,
    /// Data volumes: id, size in GiB, storage host.
    pub(crate) volumes: Vec<(VolumeId, u64, HostId)>,
    /// What the guest boots with, where not from its disk.
    pub(crate) kernel: Option<DirectBoot>,
    /// The public key for the guest.
    pub(crate) public_key: Option<alloc::string::String>,
}

/// The attachment that this saga makes of a volume.
pub(crate) fn attachment_id(saga: SagaId, volume: VolumeId) -> AttachmentId {
    AttachmentId::derived(&saga.0, u32::from_be_bytes([volume.0[0], volume.0[1], volume.0[2], volume.0[3]]))
}

/// The plan, beside so many other guests that boot on its host.
pub(crate) fn plan(saga: SagaId, input: &Input, boots: usize) -> Plan {
    let host = input.server.host;
    let on = |role| LedgerId { host, role };
    let mut steps = Steps::default();
    let reserve = |volume, size_gib, image, made_here| StepInput::ReserveVolume {
        volume,
        size_gib,
        image,
        made_here,
        export_to: Some(host),
    };
    let storage = |host| LedgerId { host, role: Role::Storage };
    let root = reserve(input.root.id, input.root.size_gib, Some(input.image.clone()), true);
    let root = steps.add(storage(input.root.host), root, &[]);
    steps.copies(root, input.image_bytes);
    let mut boot_after = alloc::vec![root];
    let reserved: Vec<StepIndex> = input
        .volumes
        .iter()
        .map(|(volume, size, at)| steps.add(storage(*at), reserve(*volume, *size, None, false), &[]))
        .collect();
    for port in &input.ports {
        boot_after.push(steps.add(on(Role::Network), StepInput::PreparePort(port.clone()), &[]));
    }
    let guest = guest(&input.server, input.public_key.clone());
    let boot = StepInput::boot(guest, input.kernel.clone());
    let boot = steps.add(on(Role::Hypervisor), boot, &boot_after);
    let mut last = alloc::vec![boot];
    let mut instead = Vec::new();
    for ((volume, _, _), reserved) in input.volumes.iter().zip(reserved) {
        let device = u8::try_from(last.len()).unwrap_or(u8::MAX);
        let server = input.server.id;
        let attachment = attachment_id(saga, *volume);
        let plug = StepInput::PlugVolume { attachment, server, volume: *volume, device };
        let plugged = steps.add(on(Role::Hypervisor), plug, &[boot, reserved]);
        instead.push((plugged, boot));
        last.push(plugged);
    }
    let confirm = confirm(&mut steps, &input.server, &last, boots, Steps::look);
    steps.plan(Pivot::Done(confirm), &instead)
}

/// The guest of a server that boots with its root alone.
pub(crate) fn guest(server: &ServerSpec, public_key: Option<alloc::string::String>) -> GuestSetup {
    GuestSetup {
        server: server.id,
        name: server.name.clone(),
        vcpus: server.vcpus,
        ram_mib: server.ram_mib,
        volumes: alloc::vec![server.root],
        ports: server.ports.clone(),
        public_key,
        user_data: server.user_data,
        metadata: server.metadata.clone(),
    }
}

/// Waits for evidence that a server's guest runs, `boots` others booting beside it on its host; `add` adds the step.
pub(super) fn confirm(
    steps: &mut Steps,
    server: &ServerSpec,
    after: &[StepIndex],
    boots: usize,
    add: fn(&mut Steps, LedgerId, StepInput, &[StepIndex]) -> StepIndex,
) -> StepIndex {
    let input = StepInput::ConfirmGuest { server: server.id, evidence: server.evidence };
    let ledger = LedgerId { host: server.host, role: Role::Hypervisor };
    let index = add(steps, ledger, input, after);
    steps.boots_beside(index, boots);
    index
}

/// What a server that exists boots with, where not from its disk: its image's word, which stands as long as the server.
pub(crate) fn kernel(cell: &Cell, server: &ServerSpec) -> Option<DirectBoot> {
    cell.images.get(&server.image)?.boot.as_ref().map(ImageBoot::direct)
}

/// The public key of a server that exists.
pub(crate) fn public_key(cell: &Cell, server: &ServerSpec) -> Option<alloc::string::String> {
    cell.key_pairs.get(&server.key_pair?).map(|key_pair| key_pair.public_key.clone())
}

/// ACTIVE, and everything that a client reads with it, in one commit.
pub(crate) fn completed(cell: &Cell, saga: &Saga) -> Vec<Event> {
    let ResourceRef::Server(id) = saga.subject else { return Vec::new() };
    let Some(server) = cell.servers.get(&id) else { return Vec::new() };
    let Some(booted_by) = maker(saga, |input| input.boots().is_some()) else {
        return Vec::new();
    };
    let mut events: Vec<Event> = Vec::new();
    let root = server.spec.root;
    if let Some((export, exported_by)) = export_of(saga, root) {
        events.push(VolumeReady { volume: root, made_by: exported_by }.into());
        let id = attachment_id(saga.id, root);
        let (volume, server) = (root, server.spec.id);
        events.push(
            AttachmentSpec { id, volume, server, device: 0, export, exported_by, plugged_by: booted_by }
                .into(),
        );
    }
    events.extend(attachments(saga));
    events.extend(ports_ready(saga, server));
    events.push(ServerActivated { server: id, booted_by }.into());
    events
}

/// The ports of a server that the saga prepared.
pub(super) fn ports_ready(saga: &Saga, server: &Server) -> Vec<Event> {
    let ready = |port: &PortId| {
        let prepares =
            |input: &StepInput| matches!(input, StepInput::PreparePort(setup) if setup.port == *port);
        Some(PortReady { port: *port, prepared_by: maker(saga, prepares)? }.into())
    };
    server.spec.ports.iter().filter_map(ready).collect()
}

/// The attachments that the saga's plugs made.
pub(super) fn attachments(saga: &Saga) -> impl Iterator<Item = Event> + '_ {
    saga.indexes().filter_map(|index| {
        let StepInput::PlugVolume { attachment, server, volume, device } = saga.step(index)?.input else {
            return None;
        };
        let (export, exported_by) = export_of(saga, volume)?;
        let plugged_by = Maker { saga: saga.id, step: index, dispatched: saga.at(index).dispatched()? };
        Some(
            AttachmentSpec { id: attachment, volume, server, device, export, exported_by, plugged_by }.into(),
        )
    })
}

/// ERROR with the reason; what was made here is no more, what was given is as it was.
pub(crate) fn rolled_back(cell: &Cell, saga: &Saga) -> Vec<Event> {
    let ResourceRef::Server(id) = saga.subject else { return Vec::new() };
    let Some(server) = cell.servers.get(&id) else { return Vec::new() };
    let mut events: Vec<Event> = alloc::vec![VolumeDeleted { volume: server.spec.root }.into()];
    for port in server.spec.ports.iter().filter_map(|port| cell.ports.get(port)) {
        let own = port.spec.server == Some(id);
        match (own, port.state) {
            (true, _) => events.push(PortDeleted { port: port.spec.id }.into()),
            (false, PortState::Unbound) => {}
            (false, PortState::Bound(..) | PortState::Ready(..)) => {
                events.push(PortUnbound { port: port.spec.id }.into());
            }
        }
    }
    events.push(ServerFailed { server: id, reason: saga.reason() }.into());
    events
}
