//! The process of a DHCP server: found by its command line, which names its configuration, never by a file that a dead
//! one left. It is no child of the agent, and goes on without it.

use std::fs;
use std::io::ErrorKind;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use windlass_sagas::record::Refusal;

use crate::driver::driver_failed;
use crate::linux::Tool;
use crate::network::record::file_failed;

/// How often a process that must end is looked for, how long it gets after SIGTERM, and how long in all.
const LOOK_EVERY: Duration = Duration::from_millis(5);
const LOOKS_BEFORE_KILL: u32 = 400;
const LOOKS_MAX: u32 = 1000;

/// Starts it; it has its sockets when this returns.
pub(super) async fn start(configuration: &Path) -> Result<(), Refusal> {
    Tool::new("dnsmasq").arg(argument(configuration)).succeed().await.map(drop)
}

/// Whether exactly one runs.
pub(super) fn one_runs(configuration: &Path) -> Result<bool, Refusal> {
    Ok(find(configuration)?.len() == 1)
}

/// Stops all that run, and waits until they are gone.
pub(super) async fn stop(configuration: &Path) -> Result<(), Refusal> {
    for look in 0..LOOKS_MAX {
        let found = find(configuration)?;
        if found.is_empty() {
            return Ok(());
        }
        let signal = if look < LOOKS_BEFORE_KILL { Signal::TERM } else { Signal::KILL };
        for process in found {
            // Whatever has ended meanwhile needs no signal.
            pidfd_send_signal(&process, signal).ok();
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Err(driver_failed(&format!("the DHCP server of {} does not end", configuration.display())))
}

fn argument(configuration: &Path) -> String {
    format!("--conf-file={}", configuration.display())
}

/// The processes that live. A descriptor is taken before the command line is read, so it is of the one that was seen.
fn find(configuration: &Path) -> Result<Vec<OwnedFd>, Refusal> {
    let argument = argument(configuration);
    let processes = Path::new("/proc");
    let mut found = Vec::new();
    for entry in fs::read_dir(processes).map_err(|error| file_failed(processes, &error))? {
        let entry = entry.map_err(|error| file_failed(processes, &error))?;
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()).and_then(Pid::from_raw) else {
            continue;
        };
        let Some(command) = command_line(&entry.path())? else { continue };
        if !is_ours(&command, &argument) {
            continue;
        }
        let Ok(process) = pidfd_open(pid, PidfdFlags::empty()) else { continue };
        if command_line(&entry.path())?.is_some_and(|command| is_ours(&command, &argument)) {
            found.push(process);
        }
    }
    Ok(found)
}

fn is_ours(command: &[u8], argument: &str) -> bool {
    let mut words = command.split(|byte| *byte == 0);
    words.next().is_some_and(|program| program.ends_with(b"dnsmasq")) && words.next() == Some(argument.as_bytes())
}

/// What a process was started with; nothing, where it is dead or gone.
fn command_line(process: &Path) -> Result<Option<Vec<u8>>, Refusal> {
    match fs::read(process.join("cmdline")) {
        Ok(command) => Ok(Some(command)),
        Err(error) if error.kind() == ErrorKind::NotFound || error.raw_os_error() == Some(3) => Ok(None),
        Err(error) => Err(file_failed(process, &error)),
    }
}
