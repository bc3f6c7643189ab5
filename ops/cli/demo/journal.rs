//! The demonstration's journal: on a NATS server of its own where one is installed, on one that is named, or embedded.

use std::path::Path;

use anyhow::Context as _;
use windlass_journal::jetstream::local::{Plan, Program, Server};

use crate::journal::{Journal, Place};
use crate::nats::Servers;

/// Chooses, and starts the server if it is to be our own; what was chosen, for people.
pub(super) fn choose(servers: &Servers, home: &Path) -> anyhow::Result<(Journal, String)> {
    let (place, line) = if !servers.nats.is_empty() {
        (Place::Named(servers.clone()), format!("NATS JetStream at {}", servers.nats.join(", ")))
    } else if let Some(program) = Program::find() {
        let server = Server::start(&program, Plan::alone(home.join("nats"))?);
        let server = server.context("the nats-server on the PATH can't be used")?;
        let line = format!("NATS JetStream ({program} of its own, syncing every acknowledgement)");
        (Place::Own(vec![server]), line)
    } else {
        let line = "embedded (one directory; no nats-server 2.11 or newer is on the PATH)".to_owned();
        (Place::Embedded, line)
    };
    Ok((Journal::new("demo", place)?, line))
}

/// Keeps it as a file where its server ends with us; what to look at it with.
pub(super) async fn keep(journal: &Journal, home: &Path) -> anyhow::Result<String> {
    if matches!(journal.place, Place::Embedded) {
        return Ok(format!("--state {}", home.display()));
    }
    let path = home.join("journal.wlj");
    let source = journal.open(home).await?;
    crate::history::write_file(&source, windlass_replay::Ask::cell(), &path).await?;
    Ok(format!("--journal {}", path.display()))
}
