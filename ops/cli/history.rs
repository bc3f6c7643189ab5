//! `windlass history`: the journal as a file, and its chain followed: of a live cell through its API, of a journal that
//! nobody leads, an exported file or one on NATS directly.

mod as_test;
mod export;
mod print;
mod verify;

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::app::App;
use crate::output::Format;
use crate::replay::Place;

pub(crate) use export::write_file;

/// Export and verify the history.
#[derive(Subcommand, Debug)]
pub(crate) enum History {
    /// Write the history, or a part of it, to one file, to be kept or sent; `--journal FILE` reads it.
    ///
    /// The file is compressed, holds no secret, and its chain verifies by itself. A live cell goes on meanwhile.
    #[command(
        after_help = "Example: windlass history export failed.wlj --operation 018f6e5a-0000-7000-8000-000000000001"
    )]
    Export(Box<Export>),
    /// Follow the chain of hashes: what was edited, dropped, moved or cut off, each with its position.
    ///
    /// Exits with 1 where anything is wrong.
    #[command(after_help = "Example: windlass history verify")]
    Verify(Box<Verify>),
}

/// Write the history, or a part of it, to one file.
#[derive(Args, Debug)]
pub(crate) struct Export {
    /// The file; it must not exist.
    #[arg(required_unless_present = "as_test")]
    file: Option<PathBuf>,
    /// Only this operation: every commit from its first to its last.
    #[arg(long, value_name = "ID", conflicts_with_all = ["of_project", "span"])]
    operation: Option<String>,
    /// Only this project, by name or id: its commits and those of no project.
    #[arg(long, value_name = "NAME", conflicts_with = "span")]
    of_project: Option<String>,
    /// Only every commit from A to B, both by position or time (2026-11-26T03:12:00Z, 03:12, -2h); either may be left out.
    #[arg(long, value_name = "A..B", allow_hyphen_values = true)]
    span: Option<String>,
    /// Write the operation as a case for the failure matrix: a directory of its own below this one.
    #[arg(long, value_name = "DIR", requires = "operation", conflicts_with = "file")]
    as_test: Option<PathBuf>,
    #[command(flatten)]
    place: Place,
}

/// Follow the chain of hashes.
#[derive(Args, Debug)]
pub(crate) struct Verify {
    /// A commit that was seen before, by its position and hash as `windlass cell` shows them; may be repeated.
    #[arg(long, value_name = "POSITION:HASH")]
    seen: Vec<String>,
    #[command(flatten)]
    place: Place,
}

/// Runs the command; `connect` makes the client of a live cell.
pub(crate) async fn run(
    command: History,
    format: Format,
    connect: impl AsyncFn() -> anyhow::Result<App>,
) -> anyhow::Result<u8> {
    match command {
        History::Export(command) => export::run(*command, format, connect).await,
        History::Verify(command) => verify::run(*command, format, connect).await,
    }
}
