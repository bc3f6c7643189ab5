//! Servers, volumes, and the catalogue that they are made from.

use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::lock::Lock;
use crate::ids::*;
use crate::record::{
    AttachmentSpec, DirectBoot, Evidence, ImageFormat, Maker, ServerSpec, Visibility, VolumeSpec,
};

/// Where a server stands, apart from what a saga does with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ServerState {
    /// Claimed; its guest is being made.
    Building,
    /// Its guest runs; the step that booted it.
    Active(Maker),
    /// Its guest was lost with its host's volatile state, and is to be made again; the step that booted it.
    Lost(Maker),
    /// Its guest is not there and is not made again by itself; the step that last booted it.
    Stopped(Maker),
    /// Its create was undone, for this reason; it holds nothing but its name.
    Failed(String),
}

/// A server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Server {
    /// As it was made.
    pub spec: ServerSpec,
    /// Where it stands.
    pub state: ServerState,
    /// The volumes attached to it, its root included.
    pub attached: Vec<VolumeId>,
    /// Who holds it.
    pub lock: Lock,
    /// When it was made.
    pub created: Time,
    /// When it last changed.
    pub updated: Time,
}

/// Where a volume stands, apart from its attachments and what a saga does with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum VolumeState {
    /// Claimed; its bytes are being made.
    Creating,
    /// Its bytes exist; the step that made them.
    Ready(Maker),
    /// Its create was undone, for this reason; it holds nothing but its name.
    Failed(String),
}

/// One attachment of a volume.
pub type Attachment = AttachmentSpec;

/// A volume.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Volume {
    /// As it was made.
    pub spec: VolumeSpec,
    /// Where it stands.
    pub state: VolumeState,
    /// Where it is attached; at most one until multi-attach types exist.
    pub attachments: Vec<Attachment>,
    /// Who holds it.
    pub lock: Lock,
    /// When it was made.
    pub created: Time,
    /// When it last changed.
    pub updated: Time,
}

/// A named template of servers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flavor {
    /// Its id.
    pub id: FlavorId,
    /// Its name, unique in the cell.
    pub name: String,
    /// Virtual CPUs.
    pub vcpus: u32,
    /// Memory, MiB.
    pub ram_mib: u64,
    /// The root's size, GiB.
    pub root_gib: u64,
    /// Traits that a host must have.
    pub traits: Vec<String>,
}

/// An image, registered by hash and size.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// Its id.
    pub id: ImageId,
    /// Its project.
    pub project: ProjectId,
    /// Its name.
    pub name: String,
    /// SHA-256 of its bytes.
    pub sha256: Hash,
    /// Its size, bytes.
    pub size_bytes: u64,
    /// Its format.
    pub format: ImageFormat,
    /// The smallest root that it fits, GiB.
    pub min_disk_gib: u64,
    /// The least memory that it runs in, MiB.
    pub min_ram_mib: u64,
    /// What proves that a guest of it runs.
    pub evidence: Evidence,
    /// Who may see it.
    pub visibility: Visibility,
    /// What its guests boot with; `None`: their disk's own loader. No server of it outlives it, nor sees it change.
    pub boot: Option<ImageBoot>,
    /// When it was registered.
    pub created: Time,
}

/// What the guests of an image boot with: other images, raw.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageBoot {
    /// The kernel.
    pub kernel: ImageId,
    /// SHA-256 of the kernel's bytes.
    pub kernel_sha256: Hash,
    /// The initial RAM disk, and SHA-256 of its bytes.
    pub initrd: Option<(ImageId, Hash)>,
    /// The kernel's command line.
    pub cmdline: String,
}

impl ImageBoot {
    /// Whether it needs this image's bytes.
    #[must_use]
    pub fn uses(&self, image: ImageId) -> bool {
        self.kernel == image || self.initrd.is_some_and(|(initrd, _)| initrd == image)
    }

    /// As a hypervisor agent needs it.
    #[must_use]
    pub fn direct(&self) -> DirectBoot {
        let initrd = self.initrd.map(|(_, sha256)| sha256);
        DirectBoot { kernel: self.kernel_sha256, initrd, cmdline: self.cmdline.clone() }
    }
}

/// A public key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyPair {
    /// Its id.
    pub id: KeyPairId,
    /// Its project.
    pub project: ProjectId,
    /// Its name.
    pub name: String,
    /// The public half.
    pub public_key: String,
    /// When it was registered.
    pub created: Time,
}
