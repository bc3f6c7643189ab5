//! What an agent is started with: defaults, then the file, then the environment, then flags; the later wins.
//!
//! Invariant: a `Config` has been checked whole; an agent with a bad one does not start, and is told the line at fault.

mod faults;
mod file;
mod host;
mod linux;

pub(crate) use faults::read_plan;
pub(crate) use host::{HostFile, read_host};
pub use linux::{Accelerator, HypervisorConfig, LinuxConfig, StorageConfig};

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use windlass_sagas::limits::NAME_BYTES_MAX;
use windlass_sagas::record::{Capacity, Direction, Role};

use crate::AgentError;
use crate::SharedLedgers;
use crate::limits::{LATENCY_MS_MAX, ORCHESTRATORS_MAX};
use file::{File, check_step};

/// A checked configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// The state directory: `identity/`, `ledger/<role>/`, `blobs/`, `world/` and `faults/` are below it.
    pub state: PathBuf,
    /// The roles to serve; empty: all that the certificate allows.
    pub roles: BTreeSet<Role>,
    /// What works on the host.
    pub driver: DriverKind,
    /// The name under which others reach this host; `None`: the one that it joined with, else its id.
    pub name: Option<String>,
    /// The orchestrators to dial, as `host:port`; empty: those that the cell named.
    pub orchestrators: Vec<String>,
    /// The plan of faults; `None`: there is none.
    pub faults: Option<PathBuf>,
    /// Whether faults may be armed at this agent by the cell's API.
    pub faults_allowed: bool,
    /// What to do when a planned fault takes the agent down.
    pub on_fall: OnFall,
    /// The simulated host; used by the drivers `sim` and `null` alone.
    pub sim: SimConfig,
    /// The real host; used by the driver `linux` alone.
    pub linux: LinuxConfig,
    /// When an answer leaves: no file or flag can say it.
    pub ledger: Durability,
    /// The bytes of blobs (images, user data) that are kept below the state directory at most; what was used within the
    /// last hour stays all the same.
    pub blob_cache_bytes: u64,
    /// A store that the ledgers share with those of other hosts; `None`: each has its own. No file or flag can say it, and
    /// it is refused with every driver but `null`.
    pub shared: Option<SharedLedgers>,
}

/// When an answer leaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// Once the ledger that holds it is synced.
    #[default]
    Synced,
    /// Once the ledger is written: a power cut loses what was answered. To measure what syncs cost; refused with every
    /// driver but `null`.
    Unsynced,
}

/// Which driver works on the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DriverKind {
    /// The simulated host: one world on disk, shared by all roles.
    Sim,
    /// The machine itself: QEMU, qemu-storage-daemon, bridges, tunnels and nftables.
    Linux,
    /// No host at all: every step is done at once and nothing is made. To measure what is around the steps; no file or
    /// flag can choose it.
    Null,
}

/// What a planned crash, power cut, reboot or loss does with the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnFall {
    /// Ends it on the spot, as a kill would. For an agent that has a process of its own.
    Abort,
    /// Lets `run` return at once with nothing more written. For an agent inside another process.
    Return,
}

/// The simulated host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SimConfig {
    /// What a new world offers; one that exists keeps what it was made with.
    pub capacity: Capacity,
    /// What the host says that it can do.
    pub traits: Vec<String>,
    /// The pause before each small step of driver work, by the step's name.
    pub latency: BTreeMap<String, Duration>,
    /// That pause where the step has none of its own.
    pub latency_default: Duration,
}

impl Default for SimConfig {
    fn default() -> Self {
        Self {
            capacity: Capacity { vcpus: 16, ram_mib: 64 * 1024, disk_gib: 1024 },
            traits: Vec::new(),
            latency: BTreeMap::new(),
            latency_default: Duration::ZERO,
        }
    }
}

impl SimConfig {
    /// The pause before each small step of this step's work.
    #[must_use]
    pub fn latency_of(&self, step: &str) -> Duration {
        self.latency.get(step).copied().unwrap_or(self.latency_default)
    }

    /// Takes a pause as options give it: `STEP=MS`, or `MS` for every step without one of its own.
    fn set_latency(&mut self, text: &str) -> Result<(), String> {
        let (step, ms) = text.split_once('=').map_or((None, text), |(step, ms)| (Some(step), ms));
        let ms = ms.parse::<u64>().ok().filter(|ms| *ms <= LATENCY_MS_MAX);
        let bad =
            || format!("latency {text:?}: expected STEP=MS or MS, of 0 to {LATENCY_MS_MAX} milliseconds");
        let pause = Duration::from_millis(ms.ok_or_else(bad)?);
        match step {
            None | Some("default") => self.latency_default = pause,
            Some(step) => {
                check_step(step)?;
                self.latency.insert(step.to_owned(), pause);
            }
        }
        Ok(())
    }
}

/// What the environment and flags say; laid over the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// The state directory.
    pub state: Option<PathBuf>,
    /// The roles, each by its name in lower case.
    pub roles: Vec<String>,
    /// The driver's name.
    pub driver: Option<String>,
    /// The host's name for others.
    pub name: Option<String>,
    /// The orchestrators, as `host:port`.
    pub orchestrators: Vec<String>,
    /// The plan of faults. No file can allow faults: only who starts the agent can.
    pub faults: Option<PathBuf>,
    /// Whether faults may be armed.
    pub faults_allowed: bool,
    /// Pauses before each small step of simulated work, as `STEP=MS`, or `MS` for every step without one of its own.
    pub latencies: Vec<String>,
}

impl Config {
    /// The file, if there is one, with the options laid over it.
    ///
    /// # Errors
    /// `Malformed` with the line of the file; `Setting` with the option.
    pub fn load(path: Option<&Path>, options: Options) -> Result<Self, AgentError> {
        let file = path.map(File::read).transpose()?.unwrap_or_default();
        let roles = options.roles.iter().map(|name| role_of(name)).collect::<Result<BTreeSet<_>, _>>();
        let roles = roles.map_err(setting)?;
        let driver = options.driver.as_deref().map(driver_of).transpose().map_err(setting)?;
        for orchestrator in &options.orchestrators {
            check_address(orchestrator).map_err(setting)?;
        }
        let mut sim = file.sim;
        for latency in &options.latencies {
            sim.set_latency(latency).map_err(setting)?;
        }
        let missing = |what: &str| AgentError::Setting(what.into());
        let no_state = "no state directory: name one with --state, WINDLASS_STATE or `state` in the file";
        let no_driver = "no driver: name one with --driver; this build has `sim` and `linux`";
        let config = Self {
            state: options.state.or(file.state).ok_or_else(|| missing(no_state))?,
            roles: if roles.is_empty() { file.roles } else { roles },
            driver: driver.or(file.driver).ok_or_else(|| missing(no_driver))?,
            name: options.name.or(file.name),
            orchestrators: if options.orchestrators.is_empty() {
                file.orchestrators
            } else {
                options.orchestrators
            },
            faults: options.faults,
            faults_allowed: options.faults_allowed,
            on_fall: OnFall::Abort,
            sim,
            linux: file.linux,
            ledger: Durability::Synced,
            blob_cache_bytes: file.blob_cache_bytes,
            shared: None,
        };
        config.check()
    }

    fn check(self) -> Result<Self, AgentError> {
        if self.driver == DriverKind::Linux && self.linux.address.is_none() {
            let message = "linux.address is missing: the address by which other hosts reach this one";
            return Err(AgentError::Setting(message.into()));
        }
        if self.orchestrators.len() > ORCHESTRATORS_MAX {
            let message = format!("{} orchestrators; at most {ORCHESTRATORS_MAX}", self.orchestrators.len());
            return Err(AgentError::Setting(message));
        }
        let length = self.name.as_ref().map_or(1, String::len);
        if length == 0 || length > NAME_BYTES_MAX {
            return Err(AgentError::Setting(format!("name: 1 to {NAME_BYTES_MAX} bytes")));
        }
        Ok(self)
    }
}

fn setting(message: String) -> AgentError {
    AgentError::Setting(message)
}

/// A role's name in files, flags and logs.
#[must_use]
pub const fn role_name(role: Role) -> &'static str {
    match role {
        Role::Hypervisor => "hypervisor",
        Role::Storage => "storage",
        Role::Network => "network",
    }
}

/// A direction's name in files and logs.
pub(crate) const fn direction_name(direction: Direction) -> &'static str {
    match direction {
        Direction::Forward => "forward",
        Direction::Undo => "undo",
    }
}

/// The role of this name.
///
/// # Errors
/// Which names there are.
pub fn role_of(name: &str) -> Result<Role, String> {
    let role = Role::ALL.iter().copied().find(|role| role_name(*role) == name);
    role.ok_or_else(|| format!("{name:?} is no role; the roles are hypervisor, storage and network"))
}

fn driver_of(name: &str) -> Result<DriverKind, String> {
    match name {
        "sim" => Ok(DriverKind::Sim),
        "linux" => Ok(DriverKind::Linux),
        _ => Err(format!("{name:?} is no driver; this build has `sim` and `linux`")),
    }
}

/// Whether this can be dialled: `host:port`, `1.2.3.4:port` or `[::1]:port`.
pub(crate) fn check_address(address: &str) -> Result<(), String> {
    let bad = || format!("{address:?} is no address; expected host:port");
    if address.parse::<SocketAddr>().is_ok() {
        return Ok(());
    }
    let (host, port) = address.rsplit_once(':').ok_or_else(bad)?;
    let named = !host.is_empty()
        && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_'));
    if named && port.parse::<u16>().is_ok_and(|port| port > 0) { Ok(()) } else { Err(bad()) }
}

#[cfg(test)]
mod tests;
