//! Servers: everything that a create needs is resolved, placed and claimed in its first commit.

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::{Asked, Preview, at_most};
use crate::cell::authorize::{Permission, authorize};
use crate::cell::ipam::{self, Given};
use crate::cell::placement::{Demand, Placed, place};
use crate::cell::rejection::{Decline, Reason, Rejection};
use crate::cell::state::*;
use crate::cell::{lookup, quota};
use crate::ids::*;
use crate::limits::{
    HINTS_MAX, PORT_GROUPS_MAX, SERVER_PORTS_MAX, SERVER_VOLUMES_MAX, TAGS_MAX, VOLUME_GIB_MAX,
};
use crate::plan::{server_create, server_delete};
use crate::record::*;

pub(super) fn create(asked: Asked<'_>, body: &CreateServer) -> Result<Preview, Decline> {
    let cell = asked.cell;
    lookup::new_name(cell, asked.project, "server", &body.name)?;
    bounds(body)?;
    let flavor = lookup::flavor(cell, "flavor", &body.flavor)?;
    let image = lookup::image(cell, asked.project, "image", &body.image)?;
    let key_pair = body
        .key_pair
        .as_deref()
        .map(|name| lookup::key_pair(cell, asked.project, "key_pair", name))
        .transpose()?;
    let root_gib = root_size(body, flavor, image)?;
    let volumes = data_volumes(asked, body)?;
    let placed = place(cell, &demand(asked, body, flavor)?)?;
    let root_host = place(cell, &storage_demand(root_gib, body.placement.zone.as_deref()))
        .map_err(|rejection| rejection.of_field("root_gib"))?;

    let server_id = ServerId::derived(asked.id(), 0);
    let nics = interfaces(asked, body, server_id)?;
    let project = lookup::own_project(cell, asked.project)?;
    quota::admit(project, &claim(flavor, root_gib, nics.new.len()))?;

    let server = ServerSpec {
        id: server_id,
        project: asked.project,
        name: body.name.clone(),
        flavor: flavor.id,
        vcpus: flavor.vcpus,
        ram_mib: flavor.ram_mib,
        image: image.id,
        host: placed.host,
        root: VolumeId::derived(asked.id(), 0),
        keep_root: body.keep_root,
        ports: nics.setups.iter().map(|setup| setup.port).collect(),
        key_pair: key_pair.map(|key_pair| key_pair.id),
        user_data: body.user_data,
        metadata: body.metadata.clone(),
        evidence: image.evidence,
    };
    let root = VolumeSpec {
        id: server.root,
        project: asked.project,
        name: String::new(),
        size_gib: root_gib,
        image: Some(image.id),
        host: root_host.host,
        root_of: Some(server_id),
    };
    let input = server_create::Input {
        server,
        root,
        image: ImageSource { image: image.id, sha256: image.sha256, format: image.format },
        image_bytes: image.size_bytes,
        new_ports: nics.new,
        ports: nics.setups,
        volumes,
        kernel: image.boot.as_ref().map(ImageBoot::direct),
        public_key: key_pair.map(|key_pair| key_pair.public_key.clone()),
    };
    start(asked, input, placed, root_host)
}

fn start(
    asked: Asked<'_>,
    input: server_create::Input,
    placed: Placed,
    root_host: Placed,
) -> Result<Preview, Decline> {
    let plan = server_create::plan(asked.saga, &input, asked.cell.boots_beside(&input.server));
    let (server, root) = (input.server.id, input.root.id);
    let mut holds = alloc::vec![ResourceRef::Server(server), ResourceRef::Volume(root)];
    holds.extend(input.volumes.iter().map(|(volume, _, _)| ResourceRef::Volume(*volume)));
    holds.extend(input.server.ports.iter().map(|port| ResourceRef::Port(*port)));
    let host = input.server.host;
    let mut claims: Vec<Event> = input.new_ports.into_iter().map(Event::from).collect();
    claims.push(input.root.into());
    claims.extend(input.server.ports.iter().map(|port| PortBound { port: *port, server, host }.into()));
    claims.push(input.server.into());
    let mut preview =
        asked.begin(SagaKind::ServerCreate, ResourceRef::Server(server), claims, holds, plan)?;
    preview.placements.push((ResourceRef::Server(server), placed.explanation));
    preview.placements.push((ResourceRef::Volume(root), root_host.explanation));
    Ok(preview)
}

fn bounds(body: &CreateServer) -> Result<(), Rejection> {
    at_most("nics", body.nics.len(), SERVER_PORTS_MAX)?;
    at_most("volumes", body.volumes.len(), SERVER_VOLUMES_MAX - 1)?;
    at_most("metadata", body.metadata.len(), TAGS_MAX)?;
    at_most("placement.same_host_as", body.placement.same_host_as.len(), HINTS_MAX)?;
    at_most("placement.different_host_from", body.placement.different_host_from.len(), HINTS_MAX)?;
    at_most("placement.traits", body.placement.traits.len(), HINTS_MAX)?;
    if let Some((key, _)) =
        body.metadata.iter().find(|(key, value)| key.is_empty() || key.len() + value.len() > 512)
    {
        return Err(Rejection::field(
            "metadata",
            format!("metadata {key:?}: a key of at least one byte, and at most 512 bytes with its value"),
        ));
    }
    Ok(())
}

fn root_size(body: &CreateServer, flavor: &Flavor, image: &Image) -> Result<u64, Rejection> {
    if flavor.ram_mib < image.min_ram_mib {
        let message = format!(
            "image {} needs {} MiB, flavor {} has {}",
            image.name, image.min_ram_mib, flavor.name, flavor.ram_mib
        );
        return Err(Rejection::field("flavor", message));
    }
    let size = body.root_gib.unwrap_or(flavor.root_gib.max(image.min_disk_gib));
    if size < image.min_disk_gib.max(1) || size > VOLUME_GIB_MAX {
        let least = image.min_disk_gib.max(1);
        return Err(Rejection::field(
            "root_gib",
            format!("a root of {least} to {VOLUME_GIB_MAX} GiB, got {size}"),
        ));
    }
    Ok(size)
}

fn data_volumes(asked: Asked<'_>, body: &CreateServer) -> Result<Vec<(VolumeId, u64, HostId)>, Rejection> {
    let mut seen = BTreeSet::new();
    body.volumes
        .iter()
        .map(|name| {
            let volume = lookup::volume(asked.cell, asked.project, "volumes", name)?;
            attachable(volume)?;
            if !seen.insert(volume.spec.id) {
                return Err(Rejection::field("volumes", format!("volume {name} is named twice")));
            }
            Ok((volume.spec.id, volume.spec.size_gib, volume.spec.host))
        })
        .collect()
}

/// Refuses a volume that is busy, attached or without bytes.
pub(super) fn attachable(volume: &Volume) -> Result<(), Rejection> {
    let resource = ResourceRef::Volume(volume.spec.id);
    lookup::free(volume.lock, resource)?;
    if let Some(attachment) = volume.attachments.first() {
        let message = format!("{resource} is attached to server {}", attachment.server);
        return Err(Rejection::new(Reason::ResourceInUse, message, "detach it first").of(resource));
    }
    match &volume.state {
        VolumeState::Ready(_) => Ok(()),
        VolumeState::Creating | VolumeState::Failed(_) => {
            Err(Rejection::new(Reason::WrongState, format!("{resource} has no bytes"), "use another volume")
                .of(resource))
        }
    }
}

fn demand<'a>(asked: Asked<'_>, body: &'a CreateServer, flavor: &'a Flavor) -> Result<Demand<'a>, Rejection> {
    let hints = &body.placement;
    let hosts_of = |field: &str, names: &[String]| -> Result<BTreeSet<HostId>, Rejection> {
        let host = |name: &String| {
            lookup::server(asked.cell, asked.project, field, name).map(|server| server.spec.host)
        };
        names.iter().map(host).collect()
    };
    let host = match &hints.host {
        Some(name) => {
            // Hosts are the operators' business.
            authorize(asked.cell, asked.principal, Permission::Operate, asked.project)?;
            Some(lookup::host(asked.cell, "placement.host", name)?.id)
        }
        None => None,
    };
    Ok(Demand {
        role: Role::Hypervisor,
        needs: Capacity { vcpus: u64::from(flavor.vcpus), ram_mib: flavor.ram_mib, disk_gib: 0 },
        zone: hints.zone.as_deref(),
        host,
        same: hosts_of("placement.same_host_as", &hints.same_host_as)?,
        different: hosts_of("placement.different_host_from", &hints.different_host_from)?,
        traits: flavor.traits.iter().chain(&hints.traits).map(String::as_str).collect(),
        with_network: true,
    })
}

/// What a volume asks of a storage host.
pub(super) fn storage_demand(size_gib: u64, zone: Option<&str>) -> Demand<'_> {
    Demand {
        role: Role::Storage,
        needs: Capacity { vcpus: 0, ram_mib: 0, disk_gib: size_gib },
        zone,
        host: None,
        same: BTreeSet::new(),
        different: BTreeSet::new(),
        traits: Vec::new(),
        with_network: false,
    }
}

fn claim(flavor: &Flavor, root_gib: u64, ports: usize) -> Amounts {
    Amounts {
        servers: 1,
        vcpus: u64::from(flavor.vcpus),
        ram_mib: flavor.ram_mib,
        volumes: 1,
        gib: root_gib,
        networks: 0,
        ports: u64::try_from(ports).unwrap_or(u64::MAX),
    }
}

#[derive(Default)]
struct Interfaces {
    new: Vec<PortSpec>,
    setups: Vec<PortSetup>,
}

fn interfaces(asked: Asked<'_>, body: &CreateServer, server: ServerId) -> Result<Interfaces, Rejection> {
    let mut out = Interfaces::default();
    let mut given = Given::default();
    for (ordinal, nic) in body.nics.iter().enumerate() {
        let spec = match nic {
            Nic::Port(name) => existing(asked, name, &out)?,
            Nic::Network { network, ip, groups } => {
                let network = lookup::network(asked.cell, asked.project, "nics", network)?;
                let id = PortId::derived(asked.id(), u32::try_from(ordinal).unwrap_or(u32::MAX));
                let groups = group_ids(asked, groups)?;
                let address = ipam::address(asked.cell, network, *ip, &mut given, asked.now)?;
                let mac = ipam::mac(network, id, None, &mut given, asked.now)?;
                let (project, network) = (asked.project, network.id);
                let (name, addresses, server) = (String::new(), alloc::vec![address], Some(server));
                let spec = PortSpec { id, project, name, network, mac, addresses, groups, server };
                out.new.push(spec.clone());
                spec
            }
        };
        out.setups.push(setup(asked.cell, &spec));
    }
    Ok(out)
}

fn existing(asked: Asked<'_>, name: &str, so_far: &Interfaces) -> Result<PortSpec, Rejection> {
    let port = lookup::port(asked.cell, asked.project, "nics", name)?;
    let resource = ResourceRef::Port(port.spec.id);
    lookup::free(port.lock, resource)?;
    if let Some((user, _)) = port.user() {
        let message = format!("{resource} is used by server {user}");
        return Err(Rejection::new(Reason::ResourceInUse, message, "use another port").of(resource));
    }
    if so_far.setups.iter().any(|setup| setup.port == port.spec.id) {
        return Err(Rejection::field("nics", format!("port {name} is named twice")));
    }
    Ok(port.spec.clone())
}

/// Security groups by name or id; the project's default where none is named.
pub(super) fn group_ids(asked: Asked<'_>, names: &[String]) -> Result<Vec<SecurityGroupId>, Rejection> {
    at_most("groups", names.len(), PORT_GROUPS_MAX)?;
    if names.is_empty() {
        let project = lookup::own_project(asked.cell, asked.project)?;
        return Ok(alloc::vec![project.default_group]);
    }
    let group = |name: &String| {
        lookup::security_group(asked.cell, asked.project, "groups", name).map(|group| group.id)
    };
    names.iter().map(group).collect()
}

/// A port, as the network agent needs it.
pub(super) fn setup(cell: &Cell, spec: &PortSpec) -> PortSetup {
    let network = cell.networks.get(&spec.network);
    let addresses = spec.addresses.iter().filter_map(|address| {
        let subnet = cell.subnets.get(&address.subnet)?;
        Some(PortAddress { ip: address.ip, prefix_bits: subnet.cidr.prefix_bits, gateway: subnet.gateway })
    });
    PortSetup {
        port: spec.id,
        network: spec.network,
        vni: network.map_or(0, |network| network.vni),
        mtu: network.map_or(cell.settings.default_mtu, |network| network.mtu),
        mac: spec.mac,
        addresses: addresses.collect(),
    }
}

pub(super) fn delete(asked: Asked<'_>, body: &DeleteServer) -> Result<Preview, Decline> {
    let cell = asked.cell;
    let server = lookup::server(cell, asked.project, "server", &body.server)?;
    let id = server.spec.id;
    lookup::free(server.lock, ResourceRef::Server(id))?;
    let mut holds = alloc::vec![ResourceRef::Server(id)];
    for volume in server_delete::volumes_of(cell, id) {
        lookup::free(volume.lock, ResourceRef::Volume(volume.spec.id))?;
        holds.push(ResourceRef::Volume(volume.spec.id));
    }
    for port in server.spec.ports.iter().filter_map(|port| cell.ports.get(port)) {
        if port.user().is_some_and(|(user, _)| user == id) {
            lookup::free(port.lock, ResourceRef::Port(port.spec.id))?;
            holds.push(ResourceRef::Port(port.spec.id));
        }
    }
    let plan = server_delete::plan(cell, server);
    asked.begin(SagaKind::ServerDelete, ResourceRef::Server(id), Vec::new(), holds, plan)
}
