//! `windlass demo`: a cell of real processes that is made, used, killed in the middle of its work and counted at the end.
//! Real code paths only; it fails where anything of what it claims does not hold.

mod account;
mod cell;
mod journal;
mod story;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::Args;

use crate::exit;
use crate::nats::Servers;
use crate::output;
use crate::serve::{Log, stop_signal};

/// The longest that a demonstration may take.
const DEMO_TIME_MAX: Duration = Duration::from_secs(120);

/// See it work: provision servers, watch one be rolled back, kill an agent and the orchestrator in the middle, and count.
///
/// Starts an orchestrator and four agents with simulated hosts, each a process of its own, on loopback, in a directory
/// of its own, and removes all of it at the end. The journal is on a NATS server of its own where `nats-server` 2.11 or
/// newer is on the PATH, on the one that --nats names, else embedded; the first line says which. The last line counts
/// what was done, and what was done twice or left over (nothing); the exit code says the same.
#[derive(Args, Debug)]
pub(crate) struct Demo {
    /// Where to keep the cell; it must not exist, and stays there afterwards. By default a temporary directory.
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    #[command(flatten)]
    servers: Servers,
    #[command(flatten)]
    log: Log,
}

impl Demo {
    pub(crate) async fn run(self) -> anyhow::Result<u8> {
        self.log.start()?;
        let stop = stop_signal()?;
        let temporary = match &self.keep {
            Some(path) => {
                std::fs::create_dir(path).with_context(|| format!("make {}", path.display()))?;
                None
            }
            None => Some(tempfile::Builder::new().prefix("windlass-demo-").tempdir()?),
        };
        let home = self.keep.clone().or_else(|| temporary.as_ref().map(|it| it.path().to_path_buf()));
        let home = home.context("no directory")?;
        let (journal, line) = journal::choose(&self.servers, &home)?;
        output::tell(format!("journal: {line}"));
        let told = tokio::select! {
            biased;
            () = stop.cancelled() => anyhow::bail!("told to stop; every process of the demonstration is ended"),
            told = tokio::time::timeout(DEMO_TIME_MAX, story::tell(&home, &journal)) => told,
        };
        let account = told.map_err(|_| anyhow::anyhow!("not done after {} s", DEMO_TIME_MAX.as_secs()))??;
        if let Some(kept) = &self.keep {
            let place = journal::keep(&journal, kept).await?;
            output::tell(format!("kept in {}: try `windlass replay check {place}`", kept.display()));
        }
        journal.remove().await?;
        output::tell("");
        output::tell("where to go next:");
        output::tell(
            "  windlass up                     a cell that stays, with a context for every other command",
        );
        output::tell(
            "  windlass sim --worlds 1000      the same code in simulated worlds, with faults of every kind",
        );
        output::tell("  windlass --help                 everything else");
        output::tell("");
        output::tell(account.line());
        Ok(if account.holds() { exit::OK } else { exit::FAILED })
    }
}

/// Says what happens, with the seconds since the begin.
pub(crate) struct Teller(Instant);

impl Teller {
    fn begin() -> Self {
        Self(Instant::now())
    }

    /// A chapter.
    fn chapter(&self, text: &str) {
        output::tell("");
        output::tell(format!("{:>6.2}s  {text}", self.0.elapsed().as_secs_f64()));
    }

    /// What is seen in it.
    fn line(&self, text: &str) {
        output::tell(format!("{:>6.2}s    {text}", self.0.elapsed().as_secs_f64()));
    }
}
