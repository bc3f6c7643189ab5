//! `windlass bench history`: a long journal, made here, and what it takes to read, fold, ask and check it, each set against
//! the bare reading of the same journal in the same run.

mod rows;
mod store;
mod told;
mod world;

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Instant;

use anyhow::Context as _;
use clap::Args;
use serde::{Deserialize, Serialize};
use windlass_journal::embedded::{self, Embedded};
use windlass_journal::{Append, Cursor, Frame};
use windlass_sagas::ids::Position;
use windlass_store::Store;

use crate::exit;
use crate::output::{self, Format};
use crate::serve::stop_signal;
use store::Beside;
use world::{Frames, World};

/// How far the stored image is behind the journal's end, commits.
const BEHIND: u64 = 100_000;
const JOURNAL: &str = "journal";
const STORE: &str = "store";

/// Measure a long history: how fast it is read, folded, asked and checked.
///
/// Makes a journal in a temporary directory (TMPDIR says where), without processes or a network: servers with five steps
/// that are created and deleted in eight projects, or with --sagas sagas of one commit each. Its last 100,000 commits are
/// not in the store. Removes all of it at the end. The rows:
///
///   raw          every frame read, none looked into: what the others are set against
///   fold         the whole journal folded
///   cold         a start without an image: opened, folded, and what changed noted for images and index
///   cold-image   a start from an image and the last 100,000 commits
///   at           the cell as it was at some position, from the nearest image
///   list         a page of 50 finished operations of one project
///   verify       the chain followed to its end
///   check        every fact decided again, and compared with what was decided then
///   export       everything written into one file
///
/// Example: windlass bench history --commits 100000 -o json
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub(super) struct History {
    /// Commits of the journal.
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1_000..=1_000_000_000))]
    commits: u64,
    /// Finished sagas of one commit each, instead.
    #[arg(long, conflicts_with = "commits", value_parser = clap::value_parser!(u64).range(1_000..=1_000_000_000))]
    sagas: Option<u64>,
    /// Questions of each kind about the past.
    #[arg(long, default_value_t = 40, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    questions: u16,
    /// Only make the journal, in this directory: a process of its own, so that its memory is not measured.
    #[arg(long, hide = true, value_name = "DIR")]
    make: Option<PathBuf>,
}

/// What was made.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Made {
    commits: u64,
    /// Finished sagas.
    sagas: u64,
    /// How long it took, with the store beside it.
    seconds: f64,
}

impl History {
    pub(super) async fn run(self, format: Format) -> anyhow::Result<u8> {
        if let Some(home) = &self.make {
            let made = self.make(home).await?;
            output::document(&serde_json::to_value(made)?)?;
            return Ok(exit::OK);
        }
        let stop = stop_signal()?;
        let home = tempfile::Builder::new().prefix("windlass-bench-").tempdir()?;
        let measured = tokio::select! {
            biased;
            () = stop.cancelled() => anyhow::bail!("told to stop; what was made is removed"),
            measured = self.measure(home.path()) => measured?,
        };
        match format {
            Format::Table => output::say(told::table(&measured))?,
            Format::Json => output::document(&told::json(&measured))?,
        }
        Ok(exit::OK)
    }

    async fn measure(&self, home: &Path) -> anyhow::Result<rows::Measured> {
        output::note("making the journal");
        let made = self.made_elsewhere(home).await?;
        output::note(format!("{} commits, {} finished sagas", made.commits, made.sagas));
        rows::measure(home, made, self.questions).await
    }

    /// Makes journal and store in a process of its own, which ends with this one.
    async fn made_elsewhere(&self, home: &Path) -> anyhow::Result<Made> {
        let mut command = tokio::process::Command::new(std::env::current_exe()?);
        command.args(["bench", "history", "--make"]).arg(home);
        match self.sagas {
            Some(sagas) => command.args(["--sagas", &sagas.to_string()]),
            None => command.args(["--commits", &self.commits.to_string()]),
        };
        command.args(["-o", "json"]).stdout(Stdio::piped()).kill_on_drop(true);
        let made = command.spawn()?.wait_with_output().await?;
        anyhow::ensure!(made.status.success(), "the journal could not be made");
        serde_json::from_slice(&made.stdout).context("what was made is not told")
    }

    async fn make(&self, home: &Path) -> anyhow::Result<Made> {
        let begun = Instant::now();
        let mut journal = Journal::open(home).await?;
        let (store, _) = Store::open(&home.join(STORE))?;
        // A saga of one commit: as many commits, and those that make the cell.
        let commits = self.sagas.unwrap_or(self.commits);
        let end = Position(commits.saturating_sub(BEHIND.min(commits / 2)));
        let mut beside = Beside::of(store, None, Some(end))?;
        let mut world = World::ready()?;
        let enough = |world: &World| match self.sagas {
            Some(sagas) => world.finished >= sagas,
            None => world.position().0 >= commits,
        };
        world.fill(&mut journal, &mut beside, self.sagas.is_some(), enough).await?;
        beside.close()?;
        journal.embedded.close().await;
        let seconds = begun.elapsed().as_secs_f64();
        Ok(Made { commits: world.position().0, sagas: world.finished, seconds })
    }
}

/// The journal that is being made.
struct Journal {
    embedded: Embedded,
    cursor: Cursor,
}

impl Journal {
    async fn open(home: &Path) -> anyhow::Result<Self> {
        let embedded = Embedded::open(embedded::Settings::new(home.join(JOURNAL))).await?;
        Ok(Self { embedded, cursor: Cursor::START })
    }
}

impl Frames for Journal {
    async fn take(&mut self, bytes: Vec<u8>) -> anyhow::Result<Cursor> {
        self.cursor = self.embedded.append(self.cursor, Frame::new(bytes)?).await?;
        Ok(self.cursor)
    }
}
