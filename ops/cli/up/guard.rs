//! The guard of a site: a process of its own that removes the site when the one that made it ends, however it ends.
//! It learns of that by the end of its input, which the kernel closes even after SIGKILL.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use tokio::process::{Child, ChildStdin, Command};

use super::site::Site;
use crate::exit;

/// How long the site may take to go.
const REMOVE_TIME_MAX: Duration = Duration::from_secs(60);

/// What the guard is started with; `up` does that.
#[derive(Args, Debug)]
pub(crate) struct Guard {
    /// What the site is.
    #[arg(long, value_name = "JSON")]
    site: String,
    /// What lives no longer than the site.
    #[arg(long, value_name = "DIR")]
    run: PathBuf,
}

impl Guard {
    pub(crate) async fn run(self) -> anyhow::Result<u8> {
        let site: Site = serde_json::from_str(&self.site).context("no site")?;
        // Nothing that ends a terminal's processes may end the guard before its work is done.
        std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink())?;
        remove(&site, &self.run).await?;
        Ok(exit::OK)
    }
}

/// Removes the site, and what lives no longer than it.
pub(crate) async fn remove(site: &Site, run: &Path) -> anyhow::Result<()> {
    site.remove().await?;
    match std::fs::remove_dir_all(run) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("remove {}", run.display()))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

/// The handle of a guard.
pub(crate) struct Guarded {
    process: Child,
    /// Its input: closed, it begins.
    input: ChildStdin,
}

impl Guarded {
    /// Starts a guard of the site.
    pub(crate) fn start(site: &Site, run: &Path, log: &Path) -> anyhow::Result<Self> {
        let program = std::env::current_exe().context("this program's own path is not known")?;
        let log = std::fs::OpenOptions::new().create(true).append(true).open(log)?;
        let mut process = Command::new("setsid")
            .arg(program)
            .args(["up-guard", "--site", &serde_json::to_string(site)?, "--run"])
            .arg(run)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .context("the guard can't be started")?;
        let input = process.stdin.take().context("the guard has no input")?;
        Ok(Self { process, input })
    }

    /// Lets it remove the site, and waits for it.
    pub(crate) async fn end(self) -> anyhow::Result<()> {
        let Self { mut process, input } = self;
        drop(input);
        let status = tokio::time::timeout(REMOVE_TIME_MAX, process.wait()).await;
        let status = status.context("the site is not removed in time")??;
        anyhow::ensure!(status.success(), "the site could not be removed; see guard.log");
        Ok(())
    }
}
