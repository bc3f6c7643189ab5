//! A process of the real binary. It ends with the test, however that ends; only processes started here are killed.

use std::path::Path;
use std::process::{ExitStatus, Output, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child as Process, ChildStdout, Command};
use tokio::time::timeout;

/// The binary under test.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_windlass");

/// A process.
pub(crate) struct Child {
    process: Process,
    said: Lines<BufReader<ChildStdout>>,
}

impl Child {
    /// Starts a build's binary; what it logs goes behind what is in `log` already.
    pub(crate) fn start(program: &Path, arguments: &[&str], log: &Path) -> Self {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(log).unwrap();
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log).kill_on_drop(true);
        let mut process = command.spawn().unwrap();
        let out = process.stdout.take().unwrap();
        Self { process, said: BufReader::new(out).lines() }
    }

    /// The next line that it says; empty where it ended.
    pub(crate) async fn line_within(&mut self, within: Duration) -> String {
        timeout(within, self.said.next_line()).await.expect("it says nothing").unwrap().unwrap_or_default()
    }

    pub(crate) fn id(&self) -> u32 {
        self.process.id().expect("it runs")
    }

    /// SIGKILL.
    pub(crate) async fn kill(mut self) {
        self.process.kill().await.unwrap();
    }

    /// SIGTERM, and its end.
    pub(crate) async fn end(mut self, within: Duration) -> ExitStatus {
        if let Some(id) = self.process.id() {
            let pid = Pid::from_raw(i32::try_from(id).unwrap()).unwrap();
            kill_process(pid, Signal::TERM).unwrap();
        }
        self.ends_within(within).await
    }

    pub(crate) async fn ends_within(&mut self, within: Duration) -> ExitStatus {
        timeout(within, self.process.wait()).await.expect("it does not end").unwrap()
    }
}

/// Runs the binary to its end.
pub(crate) async fn windlass(arguments: &[&str]) -> Output {
    let mut command = Command::new(PROGRAM);
    command.args(arguments).stdin(Stdio::null()).kill_on_drop(true);
    timeout(Duration::from_secs(60), command.output()).await.expect("it does not end").unwrap()
}
