//! `windlass events`: what happens in the cell, event by event.

use clap::Subcommand;

use crate::app::App;
use crate::rebuild::Rebuild;
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
    /// Make the public feed's events of a span again from the journal, byte for byte: a line of JSON each.
    #[command(after_help = "Example: windlass events rebuild --from 1 --to 100 --journal cell.wlj")]
    Rebuild(Box<Rebuild>),
}

pub(crate) async fn run(app: &App, command: Events) -> anyhow::Result<u8> {
    match command {
        Events::Tail(command) => tail::run(app, command).await,
        Events::Rebuild(command) => command.run(app.format).await,
    }
}
