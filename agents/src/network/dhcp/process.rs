//! The process of a DHCP server: found by its command line, which names its configuration, never by a file that a dead
//! one left. It is no child of the agent, and goes on without it.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use windlass_sagas::record::Refusal;

use crate::driver::driver_failed;
use crate::limits::{SERVER_LOOK_EVERY, SERVER_LOOKS_MAX};
use crate::linux::Tool;
use crate::network::record::file_failed;

/// Starts it; it has its sockets when this returns.
pub(super) async fn start(configuration: &Path) -> Result<(), Refusal> {
    Tool::new("dnsmasq").arg(argument(configuration)).succeed().await.map(drop)
}

/// The servers that run on this machine, each by the argument that names its configuration.
#[derive(Debug, Default)]
pub(in crate::network) struct Running(BTreeMap<Vec<u8>, usize>);

impl Running {
    /// Looks.
    pub(in crate::network) fn look() -> Result<Self, Refusal> {
        let mut running = Self::default();
        for (_, path) in processes()? {
            if let Some(argument) = command_line(&path)?.as_deref().and_then(server) {
                *running.0.entry(argument.to_vec()).or_default() += 1;
            }
        }
        Ok(running)
    }

    /// How many run by this configuration.
    pub(super) fn by(&self, configuration: &Path) -> usize {
        self.0.get(argument(configuration).as_bytes()).copied().unwrap_or(0)
    }
}

/// Stops all that run, and waits until they are gone.
pub(super) async fn stop(configuration: &Path) -> Result<(), Refusal> {
    let (before_kill, looks_max) = SERVER_LOOKS_MAX;
    for look in 0..looks_max {
        let found = find(configuration)?;
        if found.is_empty() {
            return Ok(());
        }
        let signal = if look < before_kill { Signal::TERM } else { Signal::KILL };
        for process in found {
            // Whatever has ended meanwhile needs no signal.
            pidfd_send_signal(&process, signal).ok();
        }
        tokio::time::sleep(SERVER_LOOK_EVERY).await;
    }
    Err(driver_failed(&format!("the DHCP server of {} does not end", configuration.display())))
}

fn argument(configuration: &Path) -> String {
    format!("--conf-file={}", configuration.display())
}

/// The processes that live. A descriptor is taken before the command line is read, so it is of the one that was seen.
fn find(configuration: &Path) -> Result<Vec<OwnedFd>, Refusal> {
    let argument = argument(configuration);
    let is_it = |path: &Path| -> Result<bool, Refusal> {
        Ok(command_line(path)?.as_deref().and_then(server) == Some(argument.as_bytes()))
    };
    let mut found = Vec::new();
    for (pid, path) in processes()? {
        if is_it(&path)?
            && let Ok(process) = pidfd_open(pid, PidfdFlags::empty())
            && is_it(&path)?
        {
            found.push(process);
        }
    }
    Ok(found)
}

fn processes() -> Result<Vec<(Pid, PathBuf)>, Refusal> {
    let directory = Path::new("/proc");
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).map_err(|error| file_failed(directory, &error))? {
        let path = entry.map_err(|error| file_failed(directory, &error))?.path();
        let number = path.file_name().and_then(|name| name.to_str()?.parse().ok());
        found.extend(number.and_then(Pid::from_raw).map(|pid| (pid, path)));
    }
    Ok(found)
}

/// The first argument of a DHCP server.
fn server(command: &[u8]) -> Option<&[u8]> {
    let mut words = command.split(|byte| *byte == 0);
    words.next().filter(|program| program.ends_with(b"dnsmasq"))?;
    words.next()
}

/// What a process was started with; nothing, where it is dead or gone.
fn command_line(process: &Path) -> Result<Option<Vec<u8>>, Refusal> {
    match fs::read(process.join("cmdline")) {
        Ok(command) => Ok(Some(command)),
        Err(error) if error.kind() == ErrorKind::NotFound || error.raw_os_error() == Some(3) => Ok(None),
        Err(error) => Err(file_failed(process, &error)),
    }
}
