//! `windlass events`: what happens in the cell, event by event.

use clap::Subcommand;

use crate::app::App;
use crate::tail::{self, Tail};

/// Events.
#[derive(Subcommand, Debug)]
pub(crate) enum Events {
    /// Follow events as they happen: a line an event, until you stop it.
    ///
    /// What was missed by a lost connection is caught up by itself, none twice. With -o json each line is one `Event`.
    #[command(
        after_help = "Example: windlass events tail --after 0 --filter kind=step.refused --no-follow -o json"
    )]
    Tail(Tail),
}

pub(crate) async fn run(app: &App, command: Events) -> anyhow::Result<u8> {
    match command {
        Events::Tail(command) => tail::run(app, command).await,
    }
}
