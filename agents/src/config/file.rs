//! The configuration file, as it is written: TOML, every key optional, none unknown. Values are refused where they
//! stand, so that the message names the line.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use windlass_sagas::fault::{self, FAULTS_TRAIT};
use windlass_sagas::limits::{NAME_BYTES_MAX, TRAITS_MAX};
use windlass_sagas::record::{Capacity, Role, StepInput};

use super::linux::WrittenLinux;
use super::{DriverKind, LinuxConfig, SimConfig, check_address, driver_of, role_of};
use crate::AgentError;
use crate::files::read_text;
use crate::limits::{BLOB_CACHE_BYTES, LATENCY_MS_MAX};

/// What the file says, checked value by value.
#[derive(Debug)]
pub(super) struct File {
    pub(super) state: Option<PathBuf>,
    pub(super) roles: BTreeSet<Role>,
    pub(super) driver: Option<DriverKind>,
    pub(super) name: Option<String>,
    pub(super) orchestrators: Vec<String>,
    pub(super) blob_cache_bytes: u64,
    pub(super) sim: SimConfig,
    pub(super) linux: LinuxConfig,
}

impl Default for File {
    fn default() -> Self {
        Self::checked(Written::default())
    }
}

impl File {
    pub(super) fn read(path: &Path) -> Result<Self, AgentError> {
        let written: Written = toml::from_str(&read_text(path)?).map_err(|error| {
            let message = error.to_string().trim_end().to_owned();
            AgentError::Malformed { path: path.to_path_buf(), message }
        })?;
        Ok(Self::checked(written))
    }

    fn checked(written: Written) -> Self {
        const GIB: u64 = 1024 * 1024 * 1024;
        Self {
            state: written.state,
            roles: written.roles.into_iter().map(|role| role.0).collect(),
            driver: written.driver.map(|driver| driver.0),
            name: written.name,
            orchestrators: written.orchestrators.into_iter().map(|address| address.0).collect(),
            blob_cache_bytes: written.blob_cache_gib.map_or(BLOB_CACHE_BYTES, |gib| gib.0 * GIB),
            sim: written.sim.checked(),
            linux: written.linux.checked(),
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    state: Option<PathBuf>,
    #[serde(default)]
    roles: Vec<RoleName>,
    driver: Option<DriverName>,
    name: Option<String>,
    #[serde(default)]
    orchestrators: Vec<Address>,
    /// GiB of images and user data to keep, 1 to 1 PiB; 20.
    blob_cache_gib: Option<Bounded<1, 1_048_576>>,
    #[serde(default)]
    sim: WrittenSim,
    #[serde(default)]
    linux: WrittenLinux,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenSim {
    /// Virtual CPUs, 1 to 65536; 16.
    vcpus: Option<Bounded<1, 65_536>>,
    /// Memory, MiB, 1 to 16 TiB; 65536.
    ram_mib: Option<Bounded<1, 16_777_216>>,
    /// Storage, GiB, 1 to 1 EiB; 1024.
    disk_gib: Option<Bounded<1, 1_073_741_824>>,
    /// What the host can do, as words; none.
    #[serde(default)]
    traits: Traits,
    /// Milliseconds before each small step, by the step's name or `default`; 0.
    #[serde(default)]
    latency_ms: BTreeMap<LatencyOf, Bounded<0, LATENCY_MS_MAX>>,
}

impl WrittenSim {
    fn checked(self) -> SimConfig {
        let Capacity { vcpus, ram_mib, disk_gib } = SimConfig::default().capacity;
        let pause = |ms: &Bounded<0, LATENCY_MS_MAX>| Duration::from_millis(ms.0);
        let default = self.latency_ms.get(&LatencyOf("default".into())).map(pause);
        let steps = self.latency_ms.iter().filter(|(of, _)| of.0 != "default");
        SimConfig {
            capacity: Capacity {
                vcpus: self.vcpus.map_or(vcpus, |it| it.0),
                ram_mib: self.ram_mib.map_or(ram_mib, |it| it.0),
                disk_gib: self.disk_gib.map_or(disk_gib, |it| it.0),
            },
            traits: self.traits.0,
            latency: steps.map(|(of, ms)| (of.0.clone(), pause(ms))).collect(),
            latency_default: default.unwrap_or_default(),
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct RoleName(pub(super) Role);

impl TryFrom<String> for RoleName {
    type Error = String;
    fn try_from(name: String) -> Result<Self, String> {
        role_of(&name).map(Self)
    }
}

#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
struct DriverName(DriverKind);

impl TryFrom<String> for DriverName {
    type Error = String;
    fn try_from(name: String) -> Result<Self, String> {
        driver_of(&name).map(Self)
    }
}

#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
struct Address(String);

impl TryFrom<String> for Address {
    type Error = String;
    fn try_from(address: String) -> Result<Self, String> {
        check_address(&address).map(|()| Self(address))
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(try_from = "Vec<String>")]
pub(super) struct Traits(pub(super) Vec<String>);

impl TryFrom<Vec<String>> for Traits {
    type Error = String;
    fn try_from(traits: Vec<String>) -> Result<Self, String> {
        let fits = |word: &String| (1..=NAME_BYTES_MAX).contains(&word.len());
        if fault::allowed_by(&traits) {
            return Err(format!(
                "{FAULTS_TRAIT:?} is shown by an agent that was started with `--faults allow`"
            ));
        }
        if traits.len() < TRAITS_MAX && traits.iter().all(fits) {
            Ok(Self(traits))
        } else {
            Err(format!("at most {} traits of 1 to {NAME_BYTES_MAX} bytes", TRAITS_MAX - 1))
        }
    }
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
struct LatencyOf(String);

impl TryFrom<String> for LatencyOf {
    type Error = String;
    fn try_from(name: String) -> Result<Self, String> {
        if name == "default" { Ok(Self(name)) } else { check_step(&name).map(|()| Self(name)) }
    }
}

/// Whether a step of this name exists.
pub(super) fn check_step(name: &str) -> Result<(), String> {
    if StepInput::NAMES.contains(&name) {
        return Ok(());
    }
    Err(format!("{name:?} is no step; the steps are {}", StepInput::NAMES.join(", ")))
}

/// A whole number within its range.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "i64")]
pub(super) struct Bounded<const MIN: u64, const MAX: u64>(pub(super) u64);

impl<const MIN: u64, const MAX: u64> TryFrom<i64> for Bounded<MIN, MAX> {
    type Error = String;
    fn try_from(number: i64) -> Result<Self, String> {
        let fits = u64::try_from(number).ok().filter(|number| (MIN..=MAX).contains(number));
        fits.map(Self).ok_or_else(|| format!("expected a whole number from {MIN} to {MAX}"))
    }
}
