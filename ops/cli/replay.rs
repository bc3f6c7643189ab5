//! `windlass replay`: decides a journal again: an embedded one that nobody leads, an exported file, or one on NATS. It never
//! changes one.
//!
//! What could not be looked at is no pass: every way of not looking ends with a code other than 0.

mod print;

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Args, Subcommand};
use windlass_journal::{Read, jetstream};
use windlass_replay::{Intended, Metered, Source, SourceError};

use crate::exit::{self, Hinted, Usage};
use crate::meter::Meter;
use crate::nats::Servers;
use crate::output::Format;

/// Decide a journal again: one that nobody leads, an exported one, or one on NATS.
#[derive(Subcommand, Debug)]
pub(crate) enum Replay {
    /// Decide every recorded fact again with this build, and compare with what was decided then.
    ///
    /// Exits with 1 where anything differs or could not be looked at. Run it with a new build on an old journal before
    /// an upgrade.
    #[command(after_help = "Example: windlass replay check --state /var/lib/windlass")]
    Check {
        #[command(flatten)]
        place: Place,
        /// The reviewed differences (TOML): [[intended]] with build, rule and reason.
        #[arg(long, value_name = "FILE")]
        intended: Option<PathBuf>,
    },
}

/// Where the journal is.
#[derive(Args, Debug)]
pub(crate) struct Place {
    /// An orchestrator's state directory, its process stopped; the journal lies below it.
    #[arg(long, env = "WINDLASS_STATE", value_name = "DIR")]
    state: Option<PathBuf>,
    /// An exported file, a stopped orchestrator's state directory or a journal's own, or `nats://host:port/CELL`.
    #[arg(long, value_name = "FILE|DIR|URL")]
    journal: Option<String>,
    #[command(flatten)]
    servers: Servers,
    /// The cell's name, where the journal is on NATS.
    #[arg(long, value_name = "NAME", help_heading = "Journal on NATS")]
    cell: Option<String>,
}

impl Place {
    /// Where it is on NATS; a path that is named wins over an environment that speaks of NATS.
    fn on_nats(&self) -> anyhow::Result<Option<jetstream::Settings>> {
        let servers = &self.servers;
        let Some(cell) = self.cell.clone().filter(|_| !servers.nats.is_empty()) else {
            let half = self.cell.is_some() || (!servers.nats.is_empty() && self.text().is_err());
            let message = "a journal on NATS is named by both --nats and --cell";
            return if half { Err(Usage(message.into()).into()) } else { Ok(None) };
        };
        let settings = jetstream::Settings {
            servers: servers.nats.clone(),
            cell,
            replicas: 1,
            access: servers.access(),
        };
        Ok(Some(settings))
    }

    /// The servers that are named, also where the journal is none of theirs.
    pub(crate) const fn servers(&self) -> &Servers {
        &self.servers
    }

    /// What `--journal` says, or would.
    fn text(&self) -> anyhow::Result<String> {
        let below = |state: &PathBuf| state.join("journal").display().to_string();
        let text = self.journal.clone().or_else(|| self.state.as_ref().map(below));
        let none = "no journal: name one with --state, --journal, or --nats and --cell";
        text.ok_or_else(|| Usage(none.into()).into())
    }

    /// Whether any is named, by an option or the environment.
    pub(crate) fn is_named(&self) -> bool {
        self.text().is_ok() || self.cell.is_some() || !self.servers.nats.is_empty()
    }

    /// Opens it; nothing is made where there is none.
    pub(crate) async fn open(&self) -> anyhow::Result<Source> {
        if let Some(settings) = self.on_nats()? {
            return Source::on_nats(&settings).await.map_err(|error| explained(error, Path::new("")));
        }
        Ok(named(&self.text()?).await?.0)
    }
}

/// The journal that `text` names: an exported file, a journal's own directory, a stopped orchestrator's state directory, or
/// `nats://host:port/CELL`; and where it is on the disk.
pub(crate) async fn named(text: &str) -> anyhow::Result<(Source, Option<PathBuf>)> {
    if text.starts_with("nats://") || text.starts_with("tls://") {
        let settings = on_nats_named(text)?;
        let source = Source::on_nats(&settings).await.map_err(|error| explained(error, Path::new(text)))?;
        return Ok((source, None));
    }
    let path = Path::new(text);
    let path = Some(path.join("journal")).filter(|below| below.is_dir()).unwrap_or_else(|| path.to_owned());
    let source = Source::open(&path).await.map_err(|error| explained(error, &path))?;
    Ok((source, Some(path)))
}

/// A cell's journal on NATS by its URL, `nats://host:port/CELL`; how to get in is said by the environment.
fn on_nats_named(url: &str) -> anyhow::Result<jetstream::Settings> {
    let usage = || Usage(format!("{url}: nats://host:port/CELL is expected"));
    let (server, cell) =
        url.rsplit_once('/').filter(|(server, _)| server.contains("://")).ok_or_else(usage)?;
    if cell.is_empty() || server.ends_with(':') || server.ends_with('/') {
        return Err(usage().into());
    }
    let servers = Servers::of_environment();
    let (servers, access) = (vec![server.to_owned()], servers.access());
    Ok(jetstream::Settings { servers, cell: cell.to_owned(), replicas: 1, access })
}

/// What would help against a journal that can't be opened.
fn explained(error: SourceError, path: &Path) -> anyhow::Error {
    let (hint, code) = match &error {
        SourceError::Held { .. } => (
            "ask it: leave --state and --journal out; or read a file that `windlass history export` writes while it runs"
                .to_string(),
            exit::CONFLICT,
        ),
        SourceError::Missing(_) | SourceError::NoJournal(_) => (
            format!("--state takes an orchestrator's state directory, --journal a journal's own; looked at {}", path.display()),
            exit::NOT_FOUND,
        ),
        SourceError::Nats(jetstream::OpenError::Stream { .. }) => {
            ("is the cell's name right? its stream is WINDLASS_<cell>".to_string(), exit::NOT_FOUND)
        }
        SourceError::Nats(_) | SourceError::Embedded(_) | SourceError::File(_) | SourceError::Io { .. } => return error.into(),
    };
    Hinted { message: error.to_string(), hint, code }.into()
}

pub(crate) async fn run(command: Replay, format: Format) -> anyhow::Result<u8> {
    match command {
        Replay::Check { place, intended } => check(&place, intended.as_deref(), format).await,
    }
}

async fn check(place: &Place, intended: Option<&Path>, format: Format) -> anyhow::Result<u8> {
    let intended = match intended {
        None => Vec::new(),
        Some(path) => {
            let text = std::fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
            Intended::parse(&text).with_context(|| format!("read {}", path.display()))?
        }
    };
    let source = place.open().await?;
    let meter = Meter::new("deciding again", "frame", source.last().await?.0);
    let checked =
        windlass_replay::check(&Metered::new(&source, |cursor| meter.at(cursor.0)), &intended).await;
    meter.end();
    source.close().await;
    print::checked(&checked, format)?;
    Ok(if checked.verdict().passes() { exit::OK } else { exit::FAILED })
}
