//! Processes that outlive the agent: started in a session of their own, found again by what their command line says,
//! ended and waited for.
//!
//! Invariant: a process is ours only if its command line carries the mark that we gave it (a path below our run
//! directory); a file with a number in it proves nothing.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::time::{Instant, sleep};
use windlass_sagas::record::Refusal;

use crate::driver::driver_failed;
use crate::limits::{PROCESS_END_MAX, PROCESS_POLL};

/// A process of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Process {
    pid: Pid,
    mark: String,
}

impl Process {
    /// The process whose number stands in this file and whose command line carries the mark.
    pub(crate) fn of_file(file: &Path, mark: &str) -> Option<Self> {
        let number = fs::read_to_string(file).ok()?.trim().parse().ok()?;
        let process = Self { pid: Pid::from_raw(number)?, mark: mark.to_owned() };
        process.lives().then_some(process)
    }

    /// Every process of this program whose command line carries the mark.
    pub(crate) fn all(program: &str, mark: &str) -> Vec<Self> {
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
        let found = numbers.filter_map(|number| {
            let process = Self { pid: Pid::from_raw(number)?, mark: mark.to_owned() };
            (process.lives() && process.runs(program)).then_some(process)
        });
        found.collect()
    }

    /// Its number.
    pub(crate) const fn pid(&self) -> i32 {
        self.pid.as_raw_nonzero().get()
    }

    /// Whether it is there, and not only its remains that nobody has collected.
    pub(crate) fn lives(&self) -> bool {
        let marked = fs::read(self.entry("cmdline"))
            .is_ok_and(|line| line.windows(self.mark.len()).any(|part| part == self.mark.as_bytes()));
        marked && !self.is_zombie()
    }

    fn runs(&self, program: &str) -> bool {
        let line = fs::read(self.entry("cmdline")).unwrap_or_default();
        let first = line.split(|byte| *byte == 0).next().unwrap_or_default();
        Path::new(&*String::from_utf8_lossy(first)).file_name().is_some_and(|name| name == program)
    }

    fn is_zombie(&self) -> bool {
        let Ok(stat) = fs::read_to_string(self.entry("stat")) else { return true };
        // The name in brackets may hold anything; the state follows the last bracket.
        stat.rsplit_once(')')
            .is_none_or(|(_, rest)| matches!(rest.trim_start().chars().next(), Some('Z' | 'X')))
    }

    fn entry(&self, name: &str) -> PathBuf {
        Path::new("/proc").join(self.pid().to_string()).join(name)
    }

    /// Waits until it is gone.
    pub(crate) async fn gone_within(&self, time_max: Duration) -> bool {
        let end = Instant::now() + time_max;
        while self.lives() {
            if Instant::now() >= end {
                return false;
            }
            sleep(PROCESS_POLL).await;
        }
        true
    }

    /// Asks it to end, then ends it, and waits until it is gone.
    ///
    /// # Errors
    /// Where the kernel does not let it go (it waits for a disk, say).
    pub(crate) async fn end(&self, ask_first: Duration) -> Result<(), Refusal> {
        if !ask_first.is_zero() && self.signal(Signal::TERM) && self.gone_within(ask_first).await {
            return Ok(());
        }
        self.signal(Signal::KILL);
        if self.gone_within(PROCESS_END_MAX).await {
            return Ok(());
        }
        Err(driver_failed(&format!("process {} does not end", self.pid())))
    }

    fn signal(&self, signal: Signal) -> bool {
        self.lives() && kill_process(self.pid, signal).is_ok()
    }
}

/// Starts a program in a session of its own, reparented to init, so that nothing that ends the agent reaches it. What it
/// complains of goes to a file. Whether it came up is for the caller to see.
///
/// # Errors
/// Where it can't be started.
pub(crate) async fn start(program: &str, arguments: &[String], errors: &Path) -> Result<(), Refusal> {
    let failed = |error: std::io::Error| driver_failed(&format!("{program}: {error}"));
    let complaints = File::create(errors).map_err(failed)?;
    let mut command = tokio::process::Command::new("setsid");
    command.arg("--fork").arg(program).args(arguments);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(complaints);
    let status = command.status().await.map_err(failed)?;
    if status.success() { Ok(()) } else { Err(driver_failed(&format!("{program} can't be started"))) }
}

/// What a started program complained of, one line of bounded length.
pub(crate) fn complaint(errors: &Path) -> String {
    let text = fs::read(errors).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.take(4).collect::<Vec<_>>().join("; ").chars().take(600).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_process_is_found_by_its_mark_ended_and_gone() {
        let directory = tempfile::tempdir().unwrap();
        let mark = directory.path().join("mark").display().to_string();
        let errors = directory.path().join("errors");
        // One that never forks: between a fork and its exec a child has its parent's command line.
        fs::write(&mark, "").unwrap();
        let arguments = ["-f".to_owned(), mark.clone()];
        start("tail", &arguments, &errors).await.unwrap();
        let mut found = Process::all("tail", &mark);
        for _ in 0..200 {
            if !found.is_empty() {
                break;
            }
            sleep(Duration::from_millis(10)).await;
            found = Process::all("tail", &mark);
        }
        assert_eq!(found.len(), 1);
        let file = directory.path().join("pid");
        fs::write(&file, format!("{}\n", found[0].pid())).unwrap();
        assert_eq!(Process::of_file(&file, &mark).as_ref(), found.first());
        assert_eq!(Process::of_file(&file, "another mark"), None);
        found[0].end(Duration::from_secs(5)).await.unwrap();
        assert!(Process::all("tail", &mark).is_empty());
        assert_eq!(Process::of_file(&file, &mark), None);
    }
}
