//! What a step asks of an agent and what it gives back: typed inputs, outputs, refusals, and the key of a call.

use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::resource::{Endpoint, Evidence, ImageFormat, Mac, Maker, Role};
use crate::ids::*;

recorded_enum! {
    /// Which way a step goes.
    Direction { Forward = 1, Undo = 2 }
}

recorded_enum! {
    /// Why an agent refused, for people and for retrying; never a reason not to undo.
    RefusalCode {
        /// The host lacks room.
        NoRoom = 1,
        /// The image's bytes don't have the recorded hash or format.
        BadImage = 2,
        /// What the step rests on is not there (a guest that is gone, a volume without bytes).
        Missing = 3,
        /// The name is taken by a thing that isn't ours.
        Foreign = 4,
        /// The guest does not let go of the device.
        GuestBusy = 5,
        /// No evidence that the guest runs arrived in time.
        NoEvidence = 6,
        /// The driver failed; its message says how.
        DriverFailed = 7,
        /// A fault plan said so.
        Injected = 8,
        /// The host's disk is full.
        DiskFull = 9,
    }
}

/// The ledger of one role on one host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LedgerId {
    /// The host.
    pub host: HostId,
    /// The role.
    pub role: Role,
}

/// What identifies a step to an agent over all attempts, look-ups and the undo.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct StepKey {
    /// The saga, which its cell is part of.
    pub saga: SagaId,
    /// The step.
    pub step: StepIndex,
}

/// A port, as the network agent needs it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortSetup {
    /// The port; link, rules and reservation are named from it.
    pub port: PortId,
    /// Its network; the bridge is named from it.
    pub network: NetworkId,
    /// VXLAN network identifier (RFC 7348).
    pub vni: u32,
    /// MTU inside the tunnel, bytes.
    pub mtu: u16,
    /// The guest's MAC.
    pub mac: Mac,
    /// The guest's addresses, each with its prefix length and its gateway.
    pub addresses: Vec<PortAddress>,
}

/// One address of a port, with what DHCP says beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortAddress {
    /// The address.
    pub ip: core::net::IpAddr,
    /// The subnet's prefix length, bits.
    pub prefix_bits: u8,
    /// The subnet's gateway.
    pub gateway: Option<core::net::IpAddr>,
}

/// The image that a volume's bytes come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageSource {
    /// The image.
    pub image: ImageId,
    /// SHA-256 of its bytes.
    pub sha256: Hash,
    /// Its format.
    pub format: ImageFormat,
}

/// A guest, as the hypervisor agent needs it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuestSetup {
    /// The server; the guest is named from it.
    pub server: ServerId,
    /// Its name, for people.
    pub name: String,
    /// Virtual CPUs.
    pub vcpus: u32,
    /// Memory, MiB.
    pub ram_mib: u64,
    /// The volumes that it boots with, the root first; the exports come with the call.
    pub volumes: Vec<VolumeId>,
    /// Its ports, in the guest's order.
    pub ports: Vec<PortId>,
    /// The public key for the guest.
    pub public_key: Option<String>,
    /// The blob with its user data.
    pub user_data: Option<Hash>,
    /// Metadata for the guest.
    pub metadata: Vec<(String, String)>,
}

/// What a guest boots with instead of its disk's own loader; kernel and initial RAM disk are fetched by hash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DirectBoot {
    /// SHA-256 of the kernel.
    pub kernel: Hash,
    /// SHA-256 of the initial RAM disk.
    pub initrd: Option<Hash>,
    /// The kernel's command line; at most `CMDLINE_BYTES_MAX`, printable ASCII.
    pub cmdline: String,
}

/// The inputs of a step. Forward and undo get the same; an undo never gets the forward's output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum StepInput {
    /// Storage: create or find the volume's bytes, and open its export for one host. Undo: close the export, and
    /// delete the bytes only where `made_here`.
    ReserveVolume {
        /// The volume.
        volume: VolumeId,
        /// Its size, GiB.
        size_gib: u64,
        /// Where its bytes come from; `None`: blank, or they exist.
        image: Option<ImageSource>,
        /// Whether this step makes the bytes.
        made_here: bool,
        /// The one host that may dial the export; `None`: no export.
        export_to: Option<HostId>,
    },
    /// Storage: close the volume's export, and delete its bytes where asked. Undo: open the export again
    /// (deleted bytes don't come back, so such a step is its plan's pivot).
    ReleaseVolume {
        /// The volume.
        volume: VolumeId,
        /// The host that the export was for.
        export_to: Option<HostId>,
        /// Whether the bytes go too.
        delete: bool,
    },
    /// Network: tap, bridge, VXLAN membership, reservation, anti-spoofing, rules. Undo: remove all of it.
    PreparePort(PortSetup),
    /// Network: remove all that `PreparePort` made.
    RemovePort {
        /// The port.
        port: PortId,
        /// Its network.
        network: NetworkId,
    },
    /// Hypervisor: define and start the guest. Undo: destroy it.
    BootGuest(GuestSetup),
    /// Hypervisor: destroy the guest.
    DestroyGuest {
        /// The server.
        server: ServerId,
    },
    /// Hypervisor: plug the volume into the guest. Undo: unplug it, evidenced.
    PlugVolume {
        /// The attachment; the device is named from it.
        attachment: AttachmentId,
        /// The server.
        server: ServerId,
        /// The volume.
        volume: VolumeId,
        /// The device's place in the guest.
        device: u8,
    },
    /// Hypervisor: unplug the volume, evidenced. Undo: plug it in again.
    UnplugVolume {
        /// The attachment.
        attachment: AttachmentId,
        /// The server.
        server: ServerId,
        /// The volume.
        volume: VolumeId,
        /// The device's place in the guest.
        device: u8,
    },
    /// Hypervisor or network: evidence that the guest runs. Changes nothing.
    ConfirmGuest {
        /// The server.
        server: ServerId,
        /// What counts as evidence.
        evidence: Evidence,
    },
    /// Hypervisor: as `BootGuest`, but from this kernel.
    BootKernel(GuestSetup, DirectBoot),
    /// Hypervisor: power the guest down by ACPI, hard once the grace is over, and forget it. Its ports and exports stay.
    /// A guest that is gone is stopped.
    StopGuest {
        /// The server.
        server: ServerId,
        /// How long the guest may take, milliseconds; 0: hard at once.
        grace_ms: u32,
    },
}

impl StepInput {
    /// Whether what the step makes is lost when its host's kernel starts anew.
    #[must_use]
    pub const fn makes_volatile(&self) -> bool {
        match self {
            Self::PreparePort(_) | Self::BootGuest(_) | Self::BootKernel(..) | Self::PlugVolume { .. } => {
                true
            }
            Self::ReserveVolume { .. }
            | Self::ReleaseVolume { .. }
            | Self::RemovePort { .. }
            | Self::DestroyGuest { .. }
            | Self::UnplugVolume { .. }
            | Self::ConfirmGuest { .. }
            | Self::StopGuest { .. } => false,
        }
    }

    /// The guest that the step boots, from whatever; `None` for a step that boots none.
    #[must_use]
    pub const fn boots(&self) -> Option<&GuestSetup> {
        match self {
            Self::BootGuest(setup) | Self::BootKernel(setup, _) => Some(setup),
            Self::ReserveVolume { .. }
            | Self::ReleaseVolume { .. }
            | Self::PreparePort(_)
            | Self::RemovePort { .. }
            | Self::DestroyGuest { .. }
            | Self::PlugVolume { .. }
            | Self::UnplugVolume { .. }
            | Self::ConfirmGuest { .. }
            | Self::StopGuest { .. } => None,
        }
    }

    /// The step that boots this guest, from the kernel where one is given.
    #[must_use]
    pub fn boot(setup: GuestSetup, kernel: Option<DirectBoot>) -> Self {
        match kernel {
            Some(kernel) => Self::BootKernel(setup, kernel),
            None => Self::BootGuest(setup),
        }
    }

    /// The names of all steps, in the order of the source.
    pub const NAMES: [&'static str; 10] = [
        "reserve_volume",
        "release_volume",
        "prepare_port",
        "remove_port",
        "boot_vm",
        "destroy_vm",
        "attach",
        "detach",
        "confirm",
        "stop_vm",
    ];

    /// The step's name in plans, histories and lists; one of `NAMES`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::ReserveVolume { .. } => "reserve_volume",
            Self::ReleaseVolume { .. } => "release_volume",
            Self::PreparePort(_) => "prepare_port",
            Self::RemovePort { .. } => "remove_port",
            Self::BootGuest(_) | Self::BootKernel(..) => "boot_vm",
            Self::DestroyGuest { .. } => "destroy_vm",
            Self::PlugVolume { .. } => "attach",
            Self::UnplugVolume { .. } => "detach",
            Self::ConfirmGuest { .. } => "confirm",
            Self::StopGuest { .. } => "stop_vm",
        }
    }
}

/// What a Done step gives to later ones.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum StepOutput {
    /// Nothing.
    #[default]
    None,
    /// Where the volume is exported.
    Export(Endpoint),
}

/// An agent's word that it refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// Why.
    pub code: RefusalCode,
    /// Whether the same call may succeed later.
    pub retryable: bool,
    /// For people; at most `TEXT_BYTES_MAX`.
    pub message: String,
}

/// An export that a step dials, bound when it is dispatched from the outputs before it or from the fold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BoundExport {
    /// The volume.
    pub volume: VolumeId,
    /// Where.
    pub endpoint: Endpoint,
}

/// A key that a step's success closes, since the step removes what the key made.
pub type ClosedKey = Maker;
