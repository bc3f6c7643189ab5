//! Servers and volumes as messages.

use windlass_proto::v1;
use windlass_sagas::cell::state::{Attachment, Server, ServerState, Volume, VolumeState};
use windlass_sagas::cell::{ServerStatus, VolumeStatus, server_status, volume_status};
use windlass_sagas::ids::*;
use windlass_sagas::record::ResourceRef;

use crate::api::fields::stamp;
use crate::api::names;
use crate::api::view::{View, quarantined};

impl View<'_> {
    pub(in crate::api) fn server(&self, server: &Server) -> v1::Server {
        let spec = &server.spec;
        let project = spec.project;
        let name = |resource| self.name(resource, project);
        let failed = matches!(server.state, ServerState::Failed(_));
        let host = self.cell.hosts.get(&spec.host).filter(|_| !failed);
        v1::Server {
            name: names::within(project, "servers", spec.id),
            uid: spec.id.to_string(),
            display_name: spec.name.clone(),
            create_time: stamp(server.created),
            update_time: stamp(server.updated),
            position: self.position(),
            operation: Self::holder(server.lock),
            state: server_state(server_status(self.cell, server)).into(),
            fault: fault(&server.state, server.updated),
            flavor: name(ResourceRef::Flavor(spec.flavor)),
            image: name(ResourceRef::Image(spec.image)),
            vcpus: spec.vcpus,
            ram_mib: spec.ram_mib,
            interfaces: if failed { Vec::new() } else { self.interfaces(server) },
            root: Some(self.root(server)),
            volumes: self.attachments(server),
            key_pair: spec.key_pair.map(|id| name(ResourceRef::KeyPair(id))).unwrap_or_default(),
            user_data: Vec::new(),
            user_data_sha256: spec.user_data.map(|hash| hash.to_string()).unwrap_or_default(),
            metadata: spec.metadata.iter().cloned().collect(),
            placement: None,
            host: host.map(|host| names::host(host.id)).unwrap_or_default(),
            zone: host.map(|host| host.zone.clone()).unwrap_or_default(),
            launch_time: launched(server).and_then(stamp),
            quarantined: quarantined(server.lock),
        }
    }

    fn interfaces(&self, server: &Server) -> Vec<v1::server::Interface> {
        let ports = server.spec.ports.iter().filter_map(|port| self.cell.ports.get(port));
        ports
            .map(|port| v1::server::Interface {
                network: self.name(ResourceRef::Network(port.spec.network), port.spec.project),
                port: names::within(port.spec.project, "ports", port.spec.id),
                fixed_ips: self.fixed_ips(&port.spec),
                mac_address: port.spec.mac.to_string(),
                security_groups: self.groups(&port.spec),
            })
            .collect()
    }

    fn root(&self, server: &Server) -> v1::server::Root {
        let volume = self.cell.volumes.get(&server.spec.root);
        v1::server::Root {
            size_gib: volume.map_or(0, |volume| volume.spec.size_gib),
            keep: server.spec.keep_root,
            volume: volume
                .map(|volume| names::within(volume.spec.project, "volumes", volume.spec.id))
                .unwrap_or_default(),
        }
    }

    /// The data volumes in the order of their devices.
    fn attachments(&self, server: &Server) -> Vec<v1::Attachment> {
        let volumes = server.attached.iter().filter_map(|id| self.cell.volumes.get(id));
        let mut all: Vec<v1::Attachment> = volumes
            .flat_map(|volume| volume.attachments.iter().map(move |attachment| (volume, attachment)))
            .filter(|(_, attachment)| attachment.server == server.spec.id && attachment.device != 0)
            .map(|(volume, attachment)| self.attachment(volume, attachment))
            .collect();
        all.sort_by_key(|attachment| attachment.device_index);
        all
    }

    fn attachment(&self, volume: &Volume, attachment: &Attachment) -> v1::Attachment {
        let serial = attachment.volume.to_string().replace('-', "");
        v1::Attachment {
            uid: attachment.id.to_string(),
            volume: names::within(volume.spec.project, "volumes", attachment.volume),
            server: self.name(ResourceRef::Server(attachment.server), volume.spec.project),
            device_index: u32::from(attachment.device),
            serial: serial.get(..20).unwrap_or_default().to_owned(),
            attach_time: stamp(volume.updated),
        }
    }

    pub(in crate::api) fn volume(&self, volume: &Volume) -> v1::Volume {
        let spec = &volume.spec;
        let name = |resource| self.name(resource, spec.project);
        let host = self.cell.hosts.get(&spec.host);
        v1::Volume {
            name: names::within(spec.project, "volumes", spec.id),
            uid: spec.id.to_string(),
            display_name: spec.name.clone(),
            create_time: stamp(volume.created),
            update_time: stamp(volume.updated),
            position: self.position(),
            operation: Self::holder(volume.lock),
            state: volume_state(volume_status(self.cell, volume)).into(),
            fault: volume_fault(volume),
            size_gib: spec.size_gib,
            image: spec.image.map(|id| name(ResourceRef::Image(id))).unwrap_or_default(),
            zone: host.map(|host| host.zone.clone()).unwrap_or_default(),
            host: host.filter(|_| self.operator).map(|host| names::host(host.id)).unwrap_or_default(),
            attachments: volume.attachments.iter().map(|it| self.attachment(volume, it)).collect(),
            root_of: spec.root_of.map(|id| name(ResourceRef::Server(id))).unwrap_or_default(),
            quarantined: quarantined(volume.lock),
        }
    }
}

/// The words of a server's status.
pub(in crate::api) const fn server_state(status: ServerStatus) -> v1::server::State {
    match status {
        ServerStatus::Build => v1::server::State::Build,
        ServerStatus::Active => v1::server::State::Active,
        ServerStatus::Shutoff => v1::server::State::Shutoff,
        ServerStatus::Reboot => v1::server::State::Reboot,
        ServerStatus::Error => v1::server::State::Error,
    }
}

/// The words of a volume's status.
pub(in crate::api) const fn volume_state(status: VolumeStatus) -> v1::volume::State {
    match status {
        VolumeStatus::Creating => v1::volume::State::Creating,
        VolumeStatus::Available => v1::volume::State::Available,
        VolumeStatus::Reserved => v1::volume::State::Reserved,
        VolumeStatus::Attaching => v1::volume::State::Attaching,
        VolumeStatus::InUse => v1::volume::State::InUse,
        VolumeStatus::Detaching => v1::volume::State::Detaching,
        VolumeStatus::Deleting => v1::volume::State::Deleting,
        VolumeStatus::Error => v1::volume::State::Error,
    }
}

fn fault(state: &ServerState, updated: Time) -> Option<v1::Fault> {
    match state {
        ServerState::Failed(reason) => Some(failed(reason, updated)),
        ServerState::Building | ServerState::Active(_) | ServerState::Lost(_) | ServerState::Stopped(_) => {
            None
        }
    }
}

fn volume_fault(volume: &Volume) -> Option<v1::Fault> {
    match &volume.state {
        VolumeState::Failed(reason) => Some(failed(reason, volume.updated)),
        VolumeState::Creating | VolumeState::Ready(_) => None,
    }
}

/// The fold keeps a failure's words only; code and operation stand in the operation.
fn failed(reason: &str, time: Time) -> v1::Fault {
    v1::Fault {
        reason: String::new(),
        message: reason.to_owned(),
        time: stamp(time),
        operation: String::new(),
    }
}

/// When the server became ACTIVE, where that was by the saga that made it: later ones don't tell of the first time.
fn launched(server: &Server) -> Option<Time> {
    match &server.state {
        ServerState::Active(maker) if ServerId::derived(&maker.saga.0, 0) == server.spec.id => {
            Some(server.updated)
        }
        ServerState::Building
        | ServerState::Active(_)
        | ServerState::Lost(_)
        | ServerState::Stopped(_)
        | ServerState::Failed(_) => None,
    }
}
