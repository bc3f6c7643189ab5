//! `windlass replay`: reads a journal: an embedded one that nobody leads, an exported file, or one on NATS. It never
//! changes one.
//!
//! What could not be looked at is no pass: every way of not looking ends with a code other than 0.

mod print;

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Args, Subcommand};
use windlass_journal::{Read, jetstream};
use windlass_replay::{Intended, Metered, Seen, Source, SourceError};
use windlass_sagas::ids::{Hash, Position, SagaId, from_hex};

use crate::exit::{self, Hinted, Usage};
use crate::meter::Meter;
use crate::nats::Servers;
use crate::output::{Format, note, say};

/// Read a journal that nobody leads, an exported one, or one on NATS.
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
    /// Follow the chain of hashes: what was edited, dropped, moved or cut off.
    #[command(after_help = "Example: windlass replay verify --journal cell.wlj")]
    Verify {
        #[command(flatten)]
        place: Place,
        /// A commit that was seen before, by its position and hash as `windlass cell` shows them; may be repeated.
        #[arg(long, value_name = "POSITION:HASH")]
        seen: Vec<String>,
    },
    /// Tell one operation's life, step by step; without an id, list the operations.
    #[command(after_help = "Example: windlass replay timeline --state /var/lib/windlass")]
    Timeline {
        /// The operation's id.
        id: Option<String>,
        #[command(flatten)]
        place: Place,
        /// How many operations a list shows, the newest; those that have not ended are always shown.
        #[arg(long, default_value_t = 1000)]
        limit: usize,
    },
    /// Write the whole journal to one file, to be kept or sent; the other commands read it.
    #[command(after_help = "Example: windlass replay export cell.wlj --state /var/lib/windlass")]
    Export {
        /// The file; it must not exist.
        file: PathBuf,
        #[command(flatten)]
        place: Place,
    },
}

/// Where the journal is.
#[derive(Args, Debug)]
pub(crate) struct Place {
    /// An orchestrator's state directory, its process stopped; the journal lies below it.
    #[arg(long, env = "WINDLASS_STATE", value_name = "DIR")]
    state: Option<PathBuf>,
    /// A journal's own directory, or an exported file.
    #[arg(long, value_name = "PATH")]
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
            let half = self.cell.is_some() || (!servers.nats.is_empty() && self.path().is_err());
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

    fn path(&self) -> anyhow::Result<PathBuf> {
        let below = |state: &PathBuf| state.join("journal");
        let path = self.journal.as_ref().map(PathBuf::from).or_else(|| self.state.as_ref().map(below));
        let none = "no journal: name one with --state, --journal, or --nats and --cell";
        path.ok_or_else(|| Usage(none.into()).into())
    }

    async fn open(&self) -> anyhow::Result<Source> {
        if let Some(settings) = self.on_nats()? {
            return Source::on_nats(&settings).await.map_err(|error| explained(error, Path::new("")));
        }
        let path = self.path()?;
        Source::open(&path).await.map_err(|error| explained(error, &path))
    }
}

/// A cell's journal on NATS by its URL, `nats://host:port/CELL`; how to get in is said by the environment.
pub(crate) fn on_nats_named(url: &str) -> anyhow::Result<jetstream::Settings> {
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
pub(crate) fn explained(error: SourceError, path: &Path) -> anyhow::Error {
    let (hint, code) = match &error {
        SourceError::Held { .. } => (
            "stop that orchestrator and try again, or read a file that `windlass replay export` wrote while it was stopped"
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
        Replay::Verify { place, seen } => verify(&place, &seen, format).await,
        Replay::Timeline { id: Some(id), place, limit: _ } => timeline(&place, &id, format).await,
        Replay::Timeline { id: None, place, limit } => sagas(&place, limit, format).await,
        Replay::Export { file, place } => export(&place, &file, format).await,
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

async fn verify(place: &Place, seen: &[String], format: Format) -> anyhow::Result<u8> {
    let seen = seen.iter().map(|text| witness(text)).collect::<Result<Vec<_>, _>>()?;
    let source = place.open().await?;
    // A damaged journal does not know its end; it is read all the same.
    let meter = Meter::new("verifying", "frame", source.last().await.unwrap_or_default().0);
    let verified = windlass_replay::verify(&Metered::new(&source, |cursor| meter.at(cursor.0)), &seen).await;
    meter.end();
    source.close().await;
    let verified = verified?;
    print::verified(&verified, seen.len(), format)?;
    Ok(if verified.is_whole() { exit::OK } else { exit::FAILED })
}

/// `POSITION:HASH`.
fn witness(text: &str) -> anyhow::Result<Seen> {
    let usage =
        || Usage(format!("--seen {text}: POSITION:HASH is expected, the hash with 64 hexadecimal digits"));
    let (position, hash) = text.split_once(':').ok_or_else(usage)?;
    let position = Position(position.parse().map_err(|_| usage())?);
    let hash = from_hex(hash).map(Hash).ok_or_else(usage)?;
    Ok(Seen { position, hash })
}

async fn timeline(place: &Place, id: &str, format: Format) -> anyhow::Result<u8> {
    let text = id.rsplit('/').next().unwrap_or(id);
    let saga: SagaId =
        text.parse().map_err(|_| Usage(format!("{id} is no operation's id: a UUID is expected")))?;
    let source = place.open().await?;
    let meter = Meter::new("reading", "frame", source.last().await?.0);
    let metered = Metered::new(&source, |cursor| meter.at(cursor.0));
    let told = windlass_replay::timeline_and_hosts(&metered, saga).await;
    meter.end();
    source.close().await;
    let (timeline, hosts) = told?;
    if timeline.begun().is_none() {
        anyhow::bail!(Hinted {
            message: format!("operation {saga} is not in this journal"),
            hint: "`windlass replay timeline` without an id lists its operations".into(),
            code: exit::NOT_FOUND,
        });
    }
    print::timeline(&timeline, &hosts, format)?;
    Ok(exit::OK)
}

async fn sagas(place: &Place, limit: usize, format: Format) -> anyhow::Result<u8> {
    let source = place.open().await?;
    let meter = Meter::new("reading", "frame", source.last().await?.0);
    let found = windlass_replay::sagas(&Metered::new(&source, |cursor| meter.at(cursor.0)), limit).await;
    meter.end();
    source.close().await;
    let (lines, left_out) = found?;
    print::sagas(&lines, left_out, format)?;
    Ok(exit::OK)
}

async fn export(place: &Place, file: &Path, format: Format) -> anyhow::Result<u8> {
    if file.try_exists().with_context(|| format!("look at {}", file.display()))? {
        anyhow::bail!(Hinted {
            message: format!("{} exists", file.display()),
            hint: "an export never writes over a file: name another".into(),
            code: exit::CONFLICT,
        });
    }
    let source = place.open().await?;
    let meter = Meter::new("exporting", "frame", source.last().await?.0);
    // Written beside its place and moved there whole, so that a half is never taken for an export.
    let beside = file.with_extension("part");
    let written = write(&Metered::new(&source, |cursor| meter.at(cursor.0)), &beside).await;
    meter.end();
    source.close().await;
    let exported = match written.and_then(|exported| Ok((exported, std::fs::rename(&beside, file)?))) {
        Ok((exported, ())) => exported,
        Err(error) => {
            std::fs::remove_file(&beside).ok();
            return Err(error.context(format!("export to {}", file.display())));
        }
    };
    match format {
        Format::Table => {
            note(format!("{} frames, {} bytes in {}", exported.frames, exported.bytes, file.display()));
        }
        Format::Json => say(serde_json::json!({ "frames": exported.frames, "bytes": exported.bytes }))?,
    }
    Ok(exit::OK)
}

/// Writes the whole journal to the file at `path`, which lasts once this returns.
pub(crate) async fn write<R: Read>(journal: &R, path: &Path) -> anyhow::Result<windlass_replay::Exported> {
    let mut out = std::io::BufWriter::new(std::fs::File::create(path)?);
    let exported = windlass_replay::export(journal, &mut out).await?;
    out.into_inner()?.sync_all()?;
    Ok(exported)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_witness_is_a_position_and_a_whole_hash() {
        let seen = witness(&format!("7:{}", "0f".repeat(32))).expect("well formed");
        assert_eq!((seen.position, seen.hash), (Position(7), Hash([0x0f; 32])));
        for bad in
            ["", "7", "7:", "7:0f", &format!("x:{}", "0f".repeat(32)), &format!("7:{}", "0g".repeat(32))]
        {
            assert!(witness(bad).is_err_and(|error| error.is::<Usage>()), "{bad}");
        }
    }
}
