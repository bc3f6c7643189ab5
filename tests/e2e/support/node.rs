//! One orchestrator's process of a test: its own state directory, its address and its metrics.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::{Child, READY_TIME_MAX, Weather, Wire, free_address};

/// An orchestrator, running or not.
pub(crate) struct Node {
    pub(crate) state: PathBuf,
    pub(crate) address: String,
    log: PathBuf,
    metrics: String,
    /// The binary that it is started from next.
    pub(crate) program: PathBuf,
    /// What it is told beside its state and its addresses.
    pub(crate) arguments: Vec<String>,
    child: Option<Child>,
    /// What the agents reach it over; `None`: directly.
    pub(crate) wire: Option<Wire>,
}

impl Node {
    /// Not started yet.
    pub(crate) fn new(state: &Path, log: PathBuf, program: &Path, arguments: Vec<String>) -> Self {
        let (state, address, metrics) = (state.to_path_buf(), free_address(), free_address());
        Self { state, address, log, metrics, program: program.into(), arguments, child: None, wire: None }
    }

    pub(crate) async fn start(&mut self) {
        let state = self.state.to_str().unwrap();
        let mut all =
            vec!["orchestrator", "--state", state, "--listen", &self.address, "--metrics", &self.metrics];
        all.extend(self.arguments.iter().map(String::as_str));
        let mut child = Child::start(&self.program, &all, &self.log);
        let line = child.line_within(READY_TIME_MAX).await;
        assert!(line.starts_with("listening on "), "{line}: {}", self.said());
        self.child = Some(child);
    }

    pub(crate) async fn kill(&mut self) {
        self.child.take().unwrap().kill().await;
    }

    pub(crate) async fn end(&mut self) {
        let status = self.child.take().unwrap().end(READY_TIME_MAX).await;
        assert!(status.success(), "{}", self.said());
    }

    /// Waits for the end of a process that a planned fault takes down.
    pub(crate) async fn falls(&mut self) -> std::process::ExitStatus {
        self.child.take().unwrap().ends_within(READY_TIME_MAX).await
    }

    /// Forgets what it has seen of the journal.
    pub(crate) fn forget(&self) {
        std::fs::remove_file(self.state.join("seen.toml")).unwrap();
        std::fs::remove_dir_all(self.state.join("store")).unwrap();
    }

    pub(crate) fn runs(&self) -> bool {
        self.child.is_some()
    }

    /// SIGSTOP or SIGCONT.
    pub(crate) fn signal(&self, signal: Signal) {
        let id = self.child.as_ref().unwrap().id();
        kill_process(Pid::from_raw(i32::try_from(id).unwrap()).unwrap(), signal).unwrap();
    }

    /// The weather between it and the agents.
    pub(crate) fn weather(&self, weather: Weather) {
        self.wire.as_ref().unwrap().set(weather);
    }

    pub(crate) fn said(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// The value of one of its metrics; `None` where it has none, or does not answer.
    pub(crate) async fn metric(&self, name: &str) -> Option<f64> {
        let asked = async {
            let mut stream = tokio::net::TcpStream::connect(&self.metrics).await.ok()?;
            stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").await.ok()?;
            let mut text = String::new();
            stream.read_to_string(&mut text).await.ok()?;
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))?;
            line.trim().parse().ok()
        };
        tokio::time::timeout(Duration::from_secs(5), asked).await.ok()?
    }

    pub(crate) async fn leads(&self) -> bool {
        self.runs() && self.metric("windlass_leading").await == Some(1.0)
    }
}
