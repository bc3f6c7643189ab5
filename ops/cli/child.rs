//! A child process of a command that runs a whole cell: started, killed as a crash would, or ended in order. It never outlives us.

use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::Context as _;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child as Process, ChildStdout, Command};
use tokio::time::timeout;

/// How long a process that is told to end may take.
const END_TIME_MAX: Duration = Duration::from_secs(20);

/// A running `windlass`.
pub(crate) struct Child {
    what: String,
    process: Process,
    said: Lines<BufReader<ChildStdout>>,
}

impl Child {
    /// Starts this very program with other arguments; what it logs goes behind what is in `log` already.
    pub(crate) fn start(what: &str, arguments: &[&str], log: &Path) -> anyhow::Result<Self> {
        let program = std::env::current_exe().context("this program's own path is not known")?;
        let log = std::fs::OpenOptions::new().create(true).append(true).open(log)?;
        let mut command = Command::new(program);
        // It is told everything by its arguments: no journal or state of whoever has set the environment is its own.
        let inherited = std::env::vars_os().map(|(name, _)| name);
        for name in inherited.filter(|name| name.to_str().is_some_and(is_option)) {
            command.env_remove(name);
        }
        let mut process = command
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("{what} can't be started"))?;
        let out = process.stdout.take().with_context(|| format!("{what} has no output"))?;
        Ok(Self { what: what.to_owned(), process, said: BufReader::new(out).lines() })
    }

    /// Its process id; `None` once it has ended.
    pub(crate) fn id(&self) -> Option<u32> {
        self.process.id()
    }

    /// The next line that it says, within bounds.
    pub(crate) async fn line(&mut self, within: Duration) -> anyhow::Result<String> {
        let line = timeout(within, self.said.next_line()).await;
        let line = line.with_context(|| format!("{} says nothing", self.what))??;
        line.with_context(|| format!("{} ended before it said anything; see its log", self.what))
    }

    /// SIGKILL: what a crash does.
    pub(crate) async fn kill(mut self) -> anyhow::Result<()> {
        self.process.kill().await.with_context(|| format!("{} can't be killed", self.what))
    }

    /// SIGTERM, and its end.
    pub(crate) async fn end(mut self) -> anyhow::Result<()> {
        if let Some(id) = self.process.id().and_then(|id| i32::try_from(id).ok()) {
            let pid = rustix::process::Pid::from_raw(id).context("no process id")?;
            rustix::process::kill_process(pid, rustix::process::Signal::TERM)?;
        }
        let status = self.wait(END_TIME_MAX).await?;
        anyhow::ensure!(status.success(), "{} ended with {status}; see its log", self.what);
        Ok(())
    }

    /// Its end, within bounds.
    pub(crate) async fn wait(&mut self, within: Duration) -> anyhow::Result<ExitStatus> {
        let ended = timeout(within, self.process.wait()).await;
        Ok(ended.with_context(|| format!("{} does not end", self.what))??)
    }
}

/// Whether a variable of the environment stands for an option, other than of the log.
fn is_option(name: &str) -> bool {
    name.starts_with("WINDLASS_") && !name.starts_with("WINDLASS_LOG")
}
