//! Folding servers, volumes and the catalogue; what they claim on hosts and in projects is claimed and given back here.

use alloc::string::ToString;

use crate::cell::lookup::NO_PROJECT;
use crate::cell::state::*;
use crate::ids::*;
use crate::planted::{self, Bug};
use crate::record::*;

impl Cell {
    pub(super) fn server_claimed(&mut self, spec: &ServerSpec) {
        self.name_taken(spec.project, "server", &spec.name, spec.id.0);
        self.claim(spec.host, spec.project, spec, 1);
        let (created, updated) = (self.time, self.time);
        let (state, attached, lock) = (ServerState::Building, alloc::vec::Vec::new(), Lock::Free);
        let server = Server { spec: spec.clone(), state, attached, lock, created, updated };
        self.building.insert((spec.host, spec.id));
        self.servers.insert(spec.id, server);
    }

    pub(super) fn server_activated(&mut self, e: &ServerActivated) {
        if planted::on(Bug::CapacityClaimedTwice)
            && let Some(lost) =
                self.servers.get(&e.server).filter(|it| matches!(it.state, ServerState::Lost(_)))
        {
            let spec = lost.spec.clone();
            self.claim(spec.host, spec.project, &spec, 1);
        }
        self.change_server(e.server, ServerState::Active(e.booted_by));
    }

    pub(super) fn server_lost(&mut self, id: ServerId) {
        if let Some(ServerState::Active(maker)) = self.servers.get(&id).map(|server| server.state.clone()) {
            self.change_server(id, ServerState::Lost(maker));
        }
    }

    pub(super) fn server_stopped(&mut self, id: ServerId) {
        if let Some(ServerState::Active(maker) | ServerState::Lost(maker)) =
            self.servers.get(&id).map(|server| server.state.clone())
        {
            self.change_server(id, ServerState::Stopped(maker));
        }
    }

    /// What a failed server claimed is given back; its name stays until it is deleted.
    pub(super) fn server_failed(&mut self, e: &ServerFailed) {
        if let Some(server) = self.servers.get(&e.server).cloned() {
            self.claim(server.spec.host, server.spec.project, &server.spec, -1);
            self.change_server(e.server, ServerState::Failed(e.reason.clone()));
        }
    }

    pub(super) fn server_deleted(&mut self, id: ServerId) {
        let Some(server) = self.servers.remove(&id) else { return };
        self.building.remove(&(server.spec.host, id));
        self.lost_servers.remove(&(server.spec.host, id));
        self.name_freed(server.spec.project, "server", &server.spec.name);
        if !matches!(server.state, ServerState::Failed(_)) {
            self.claim(server.spec.host, server.spec.project, &server.spec, -1);
        }
    }

    fn change_server(&mut self, id: ServerId, state: ServerState) {
        let time = self.time;
        if let Some(server) = self.servers.get_mut(&id) {
            let place = (server.spec.host, id);
            // Whatever it becomes, it is no longer being made.
            self.building.remove(&place);
            if matches!(state, ServerState::Lost(_)) {
                self.lost_servers.insert(place);
            } else {
                self.lost_servers.remove(&place);
            }
            server.state = state;
            server.updated = time;
        }
    }

    fn claim(&mut self, host: HostId, project: ProjectId, spec: &ServerSpec, sign: i8) {
        let vcpus = u64::from(spec.vcpus);
        self.use_host(host, Capacity { vcpus, ram_mib: spec.ram_mib, disk_gib: 0 }, sign);
        self.use_quota(
            project,
            Amounts { servers: 1, vcpus, ram_mib: spec.ram_mib, ..Amounts::default() },
            sign,
        );
    }

    /// Adds to (`sign` 1) or takes from what is claimed on a host.
    fn use_host(&mut self, host: HostId, amount: Capacity, sign: i8) {
        let Some(host) = self.hosts.get_mut(&host) else { return };
        let change =
            |old: u64, by: u64| if sign > 0 { old.saturating_add(by) } else { old.saturating_sub(by) };
        host.claimed = Capacity {
            vcpus: change(host.claimed.vcpus, amount.vcpus),
            ram_mib: change(host.claimed.ram_mib, amount.ram_mib),
            disk_gib: change(host.claimed.disk_gib, amount.disk_gib),
        };
    }

    /// Adds to (`sign` 1) or takes from what a project holds.
    pub(super) fn use_quota(&mut self, project: ProjectId, amount: Amounts, sign: i8) {
        if let Some(project) = self.projects.get_mut(&project) {
            project.usage = if sign > 0 { project.usage.plus(amount) } else { project.usage.minus(amount) };
        }
    }

    pub(super) fn volume_claimed(&mut self, spec: &VolumeSpec) {
        self.name_taken(spec.project, "volume", &spec.name, spec.id.0);
        self.claim_volume(spec, 1);
        let (created, updated) = (self.time, self.time);
        let (state, lock) = (VolumeState::Creating, Lock::Free);
        let attachments = alloc::vec::Vec::new();
        self.volumes
            .insert(spec.id, Volume { spec: spec.clone(), state, attachments, lock, created, updated });
    }

    fn claim_volume(&mut self, spec: &VolumeSpec, sign: i8) {
        self.use_host(spec.host, Capacity { vcpus: 0, ram_mib: 0, disk_gib: spec.size_gib }, sign);
        self.use_quota(spec.project, Amounts { volumes: 1, gib: spec.size_gib, ..Amounts::default() }, sign);
    }

    pub(super) fn volume_ready(&mut self, e: &VolumeReady) {
        self.change_volume(e.volume, |volume| volume.state = VolumeState::Ready(e.made_by));
    }

    pub(super) fn volume_failed(&mut self, e: &VolumeFailed) {
        if let Some(spec) = self.volumes.get(&e.volume).map(|volume| volume.spec.clone()) {
            self.claim_volume(&spec, -1);
        }
        self.change_volume(e.volume, |volume| volume.state = VolumeState::Failed(e.reason.clone()));
    }

    /// A second record of the same attachment replaces the first.
    pub(super) fn volume_attached(&mut self, e: &AttachmentSpec) {
        self.change_volume(e.volume, |volume| {
            volume.attachments.retain(|old| old.id != e.id);
            volume.attachments.push(e.clone());
        });
        if let Some(server) = self.servers.get_mut(&e.server)
            && !server.attached.contains(&e.volume)
        {
            server.attached.push(e.volume);
        }
    }

    pub(super) fn volume_detached(&mut self, e: &VolumeDetached) {
        if let Some(volume) = self.volumes.get(&e.volume) {
            for attachment in volume.attachments.iter().filter(|a| a.id == e.attachment) {
                if let Some(server) = self.servers.get_mut(&attachment.server) {
                    server.attached.retain(|id| *id != e.volume);
                }
            }
        }
        self.change_volume(e.volume, |volume| volume.attachments.retain(|old| old.id != e.attachment));
    }

    pub(super) fn volume_deleted(&mut self, id: VolumeId) {
        let Some(volume) = self.volumes.remove(&id) else { return };
        for server in volume.attachments.iter().map(|attachment| attachment.server) {
            if let Some(server) = self.servers.get_mut(&server) {
                server.attached.retain(|attached| *attached != id);
            }
        }
        self.name_freed(volume.spec.project, "volume", &volume.spec.name);
        if !matches!(volume.state, VolumeState::Failed(_)) {
            self.claim_volume(&volume.spec, -1);
        }
    }

    fn change_volume(&mut self, id: VolumeId, change: impl FnOnce(&mut Volume)) {
        let time = self.time;
        if let Some(volume) = self.volumes.get_mut(&id) {
            change(volume);
            volume.updated = time;
        }
    }

    pub(super) fn flavor_created(&mut self, e: &FlavorCreated) {
        self.name_taken(NO_PROJECT, "flavor", &e.name, e.id.0);
        let FlavorCreated { id, name, vcpus, ram_mib, root_gib, traits } = e.clone();
        self.flavors.insert(id, Flavor { id, name, vcpus, ram_mib, root_gib, traits });
    }

    pub(super) fn flavor_deleted(&mut self, id: FlavorId) {
        if let Some(flavor) = self.flavors.remove(&id) {
            self.name_freed(NO_PROJECT, "flavor", &flavor.name);
        }
    }

    pub(super) fn image_registered(&mut self, e: &ImageRegistered) {
        self.name_taken(image_scope(e.project, e.visibility), "image", &e.name, e.id.0);
        let image = Image {
            id: e.id,
            project: e.project,
            name: e.name.clone(),
            sha256: e.sha256,
            size_bytes: e.size_bytes,
            format: e.format,
            min_disk_gib: e.min_disk_gib,
            min_ram_mib: e.min_ram_mib,
            evidence: e.evidence,
            visibility: e.visibility,
            boot: None,
            created: self.time,
        };
        self.images.insert(e.id, image);
    }

    pub(super) fn image_deleted(&mut self, id: ImageId) {
        if let Some(image) = self.images.remove(&id) {
            self.name_freed(image_scope(image.project, image.visibility), "image", &image.name);
        }
    }

    pub(super) fn image_boot_set(&mut self, e: &ImageBootSet) {
        let ImageBootSet { kernel, kernel_sha256, initrd, cmdline, .. } = e.clone();
        if let Some(image) = self.images.get_mut(&e.image) {
            image.boot = Some(ImageBoot { kernel, kernel_sha256, initrd, cmdline });
        }
    }

    pub(super) fn key_pair_created(&mut self, e: &KeyPairCreated) {
        self.name_taken(e.project, "key pair", &e.name, e.id.0);
        let KeyPairCreated { id, project, name, public_key } = e.clone();
        self.key_pairs.insert(id, KeyPair { id, project, name, public_key, created: self.time });
    }

    pub(super) fn key_pair_deleted(&mut self, id: KeyPairId) {
        if let Some(key_pair) = self.key_pairs.remove(&id) {
            self.name_freed(key_pair.project, "key pair", &key_pair.name);
        }
    }

    /// Unnamed things (a server's own ports and root) take no name.
    pub(super) fn name_taken(&mut self, project: ProjectId, noun: &str, name: &str, id: [u8; 16]) {
        if !name.is_empty() {
            self.names.insert((project, noun.to_string(), name.to_string()), id);
        }
    }

    pub(super) fn name_freed(&mut self, project: ProjectId, noun: &str, name: &str) {
        if !name.is_empty() {
            self.names.remove(&(project, noun.to_string(), name.to_string()));
        }
    }
}

/// A public image's name is the whole cell's.
pub(crate) const fn image_scope(project: ProjectId, visibility: Visibility) -> ProjectId {
    match visibility {
        Visibility::Private => project,
        Visibility::Public => NO_PROJECT,
    }
}
