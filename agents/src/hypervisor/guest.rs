//! A guest on this host: a directory below the run directory, named from the server, with its record, sockets, console
//! and seed, and a process that carries the directory's path in its command line.
//!
//! Invariant: the record comes first and the directory goes last, so that whatever is there of a guest is found by the
//! server's id alone.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep};
use windlass_sagas::ids::{PortId, ServerId, StepIndex, VolumeId};
use windlass_sagas::record::{GuestSetup, Refusal, StepKey};

use super::qmp::Qmp;
use crate::driver::driver_failed;
use crate::files::{PRIVATE, replace};
use crate::limits::{LAUNCH_TIME_MAX, PROCESS_POLL};
use crate::linux::process::{self, Process};

pub(super) const PROGRAM: &str = "qemu-system-x86_64";

/// What a guest was made of, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    /// Whose it is, for people: cell, project, saga and step.
    pub(super) owner: [String; 4],
    /// Its name, for people.
    pub(super) name: String,
    pub(super) vcpus: u32,
    pub(super) ram_mib: u64,
    /// The volumes that it booted with.
    pub(super) volumes: Vec<VolumeId>,
    /// Its ports, in the guest's order.
    pub(super) ports: Vec<PortId>,
    /// When it was made, microseconds since 1970: evidence from before is of another guest.
    pub(super) made_us: i64,
}

/// How a guest stands.
pub(super) enum Standing {
    /// Nothing of it is there.
    Absent,
    /// It has a record and no process.
    Named,
    /// Its process answers.
    Runs(Qmp, String),
}

/// Where a guest's things are.
#[derive(Clone, Debug)]
pub(super) struct Guest {
    directory: PathBuf,
}

impl Record {
    pub(super) fn new(setup: &GuestSetup, owner: [String; 4], made_us: i64) -> Self {
        Self {
            owner,
            name: setup.name.clone(),
            vcpus: setup.vcpus,
            ram_mib: setup.ram_mib,
            volumes: setup.volumes.clone(),
            ports: setup.ports.clone(),
            made_us,
        }
    }

    /// The step that it was made by; `None` where nobody can tell.
    pub(super) fn booted_by(&self) -> Option<StepKey> {
        let [_, _, saga, step] = &self.owner;
        Some(StepKey { saga: saga.parse().ok()?, step: StepIndex(step.parse().ok()?) })
    }
}

impl Guest {
    pub(super) fn of(guests: &Path, server: ServerId) -> Self {
        Self { directory: guests.join(server.to_string()) }
    }

    /// Every guest of which anything is there.
    pub(super) fn all(guests: &Path) -> io::Result<Vec<(ServerId, Self)>> {
        let mut all = Vec::new();
        for entry in fs::read_dir(guests)? {
            let name = entry?.file_name();
            if let Some(server) = name.to_str().and_then(|name| name.parse().ok()) {
                all.push((server, Self::of(guests, server)));
            }
        }
        all.sort_by_key(|(server, _)| *server);
        Ok(all)
    }

    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    pub(super) fn at(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    fn mark(&self) -> String {
        self.at("pid").display().to_string()
    }

    pub(super) fn is_there(&self) -> bool {
        self.directory.exists()
    }

    /// Its record; `None` before it is written.
    pub(super) fn record(&self) -> Result<Option<Record>, Refusal> {
        match fs::read(self.at("record.json")) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map(Some)
                .map_err(|error| driver_failed(&format!("{}: {error}", self.directory.display()))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.failed(&error)),
        }
    }

    pub(super) fn write(&self, record: &Record) -> Result<(), Refusal> {
        let written = fs::create_dir_all(&self.directory)
            .and_then(|()| serde_json::to_vec(record).map_err(io::Error::other))
            .and_then(|bytes| replace(&self.at("record.json"), PRIVATE, &bytes));
        written.map_err(|error| self.failed(&error))
    }

    pub(super) fn process(&self) -> Option<Process> {
        Process::of_file(&self.at("pid"), &self.mark())
            .or_else(|| Process::all(PROGRAM, &self.mark()).into_iter().next())
    }

    /// How it stands; one whose process does not answer is an error: nothing is concluded about it.
    pub(super) async fn standing(&self) -> Result<Standing, Refusal> {
        if !self.is_there() {
            return Ok(Standing::Absent);
        }
        if self.process().is_none() {
            return Ok(Standing::Named);
        }
        let monitor = Qmp::connect(&self.at("qmp")).await?;
        let status = monitor.status().await?;
        Ok(Standing::Runs(monitor, status))
    }

    /// Starts its process and waits until it answers, or says why it does not.
    pub(super) async fn launch(&self, arguments: &[String]) -> Result<(), Refusal> {
        for name in ["qmp", "watch", "agent", "con"] {
            // What a dead process left; that it is not there is as good.
            fs::remove_file(self.at(name)).ok();
        }
        let errors = self.at("errors");
        process::start(PROGRAM, arguments, &errors).await?;
        let end = Instant::now() + LAUNCH_TIME_MAX;
        while Instant::now() < end {
            if self.at("qmp").exists()
                && let Ok(monitor) = Qmp::connect(&self.at("qmp")).await
            {
                drop(monitor);
                return Ok(());
            }
            let complaint = process::complaint(&errors);
            if !complaint.is_empty() && self.process().is_none() {
                return Err(driver_failed(&format!("the guest does not start: {complaint}")));
            }
            sleep(PROCESS_POLL).await;
        }
        Err(driver_failed("the guest's process does not answer"))
    }

    /// Ends its process, first in good order by the power button where a grace is given.
    pub(super) async fn end(&self, grace: Duration) -> Result<(), Refusal> {
        let Some(process) = self.process() else { return Ok(()) };
        let end = Instant::now() + grace;
        while Instant::now() < end {
            // A guest that is still starting does not hear the button: it is pressed again.
            if let Ok(monitor) = Qmp::connect(&self.at("qmp")).await
                && monitor.power_down().await.is_err()
            {
                break;
            }
            let pause = Duration::from_secs(3).min(end.saturating_duration_since(Instant::now()));
            if process.gone_within(pause).await {
                return Ok(());
            }
        }
        process.end(Duration::ZERO).await
    }

    pub(super) fn forget(&self) -> Result<(), Refusal> {
        match fs::remove_dir_all(&self.directory) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(self.failed(&error)),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    pub(super) fn failed(&self, error: &io::Error) -> Refusal {
        driver_failed(&format!("{}: {error}", self.directory.display()))
    }
}
