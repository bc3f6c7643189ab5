//! The process of a DHCP server: found by its command line, which names its configuration, never by a file that a dead
//! one left. It is no child of the agent, and goes on without it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use windlass_sagas::record::Refusal;

use crate::limits::SERVER_END_MAX;
use crate::linux::Tool;
use crate::linux::process::Process;
use crate::network::record::file_failed;

const PROGRAM: &str = "dnsmasq";

/// Starts it; it has its sockets when this returns.
pub(super) async fn start(configuration: &Path) -> Result<(), Refusal> {
    Tool::new(PROGRAM).arg(argument(configuration)).succeed().await.map(drop)
}

/// The servers that run on this machine, each by the argument that names its configuration.
#[derive(Debug, Default)]
pub(in crate::network) struct Running(BTreeMap<Vec<u8>, usize>);

impl Running {
    /// Looks.
    pub(in crate::network) fn look() -> Result<Self, Refusal> {
        let directory = Path::new("/proc");
        let mut running = Self::default();
        for entry in fs::read_dir(directory).map_err(|error| file_failed(directory, &error))? {
            let path = entry.map_err(|error| file_failed(directory, &error))?.path();
            // What is no process, or ends meanwhile, has no command line.
            let command = fs::read(path.join("cmdline")).unwrap_or_default();
            if let Some(argument) = server(&command) {
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
    for process in Process::all(PROGRAM, &argument(configuration)) {
        process.end(SERVER_END_MAX).await?;
    }
    Ok(())
}

fn argument(configuration: &Path) -> String {
    format!("--conf-file={}", configuration.display())
}

/// The first argument of a DHCP server.
fn server(command: &[u8]) -> Option<&[u8]> {
    let mut words = command.split(|byte| *byte == 0);
    words.next().filter(|program| program.ends_with(PROGRAM.as_bytes()))?;
    words.next()
}
