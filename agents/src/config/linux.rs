//! `[linux]`: what a real host is worked on with. Each key states its default, unit and range.

use std::net::IpAddr;
use std::path::PathBuf;

use serde::Deserialize;

use super::file::{Bounded, Traits};

/// The real host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LinuxConfig {
    /// What is lost when the kernel starts anew; `None`: `/run/windlass/<host id>`.
    pub run: Option<PathBuf>,
    /// Where other hosts reach this one: tunnels end there, and volumes are served there. Required.
    pub address: Option<IpAddr>,
    /// Virtual CPUs to offer; `None`: those of the machine.
    pub vcpus: Option<u64>,
    /// Memory to offer, MiB; `None`: the machine's, less a sixteenth and at least 512 MiB.
    pub ram_mib: Option<u64>,
    /// What the host can do beside what it finds out itself.
    pub traits: Vec<String>,
    /// Guests.
    pub hypervisor: HypervisorConfig,
    /// Volumes.
    pub storage: StorageConfig,
}

/// How guests are run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HypervisorConfig {
    /// What runs a guest's instructions.
    pub accelerator: Accelerator,
    /// The kernel that is booted once a start to see whether KVM works; `None`: `/boot/vmlinuz-<release>`.
    pub probe_kernel: Option<PathBuf>,
    /// The user that guests' processes run as.
    pub user: String,
}

/// What runs a guest's instructions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Accelerator {
    /// KVM where a kernel boots by it, else emulation.
    #[default]
    Auto,
    /// KVM; an agent whose host can't does not start.
    Kvm,
    /// Emulation (QEMU's TCG).
    Tcg,
}

/// How volumes are kept and served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageConfig {
    /// The directory of the volumes; `None`: `pool` in the state directory.
    pub pool: Option<PathBuf>,
    /// First and last TCP port that volumes are served at, one each.
    pub ports: (u16, u16),
    /// The user that volumes are served as.
    pub user: String,
}

impl Default for HypervisorConfig {
    fn default() -> Self {
        Self { accelerator: Accelerator::Auto, probe_kernel: None, user: "nobody".into() }
    }
}

impl Default for StorageConfig {
    fn default() -> Self {
        Self { pool: None, ports: (10_809, 14_808), user: "nobody".into() }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenLinux {
    run: Option<PathBuf>,
    address: Option<IpAddr>,
    vcpus: Option<Bounded<1, 65_536>>,
    ram_mib: Option<Bounded<1, 16_777_216>>,
    #[serde(default)]
    traits: Traits,
    #[serde(default)]
    hypervisor: WrittenHypervisor,
    #[serde(default)]
    storage: WrittenStorage,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenHypervisor {
    accelerator: Option<AcceleratorName>,
    probe_kernel: Option<PathBuf>,
    user: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenStorage {
    pool: Option<PathBuf>,
    ports: Option<Ports>,
    user: Option<String>,
}

impl WrittenLinux {
    pub(super) fn checked(self) -> LinuxConfig {
        let (hypervisor, storage) = (HypervisorConfig::default(), StorageConfig::default());
        LinuxConfig {
            run: self.run,
            address: self.address,
            vcpus: self.vcpus.map(|it| it.0),
            ram_mib: self.ram_mib.map(|it| it.0),
            traits: self.traits.0,
            hypervisor: HypervisorConfig {
                accelerator: self.hypervisor.accelerator.map_or(hypervisor.accelerator, |it| it.0),
                probe_kernel: self.hypervisor.probe_kernel,
                user: self.hypervisor.user.unwrap_or(hypervisor.user),
            },
            storage: StorageConfig {
                pool: self.storage.pool,
                ports: self.storage.ports.map_or(storage.ports, |it| it.0),
                user: self.storage.user.unwrap_or(storage.user),
            },
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
struct AcceleratorName(Accelerator);

impl TryFrom<String> for AcceleratorName {
    type Error = String;
    fn try_from(name: String) -> Result<Self, String> {
        match name.as_str() {
            "auto" => Ok(Self(Accelerator::Auto)),
            "kvm" => Ok(Self(Accelerator::Kvm)),
            "tcg" => Ok(Self(Accelerator::Tcg)),
            _ => Err(format!("{name:?} is no accelerator; they are auto, kvm and tcg")),
        }
    }
}

/// `FIRST-LAST`.
#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
struct Ports((u16, u16));

impl TryFrom<String> for Ports {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        let range = text.split_once('-').and_then(|(first, last)| {
            let (first, last) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
            (1..=last).contains(&first).then_some((first, last))
        });
        range.map(Self).ok_or_else(|| format!("{text:?} is no range of ports; expected FIRST-LAST"))
    }
}
