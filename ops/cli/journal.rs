//! The journal of a cell that a command makes and throws away, as the demonstration and the benchmark do: embedded, on
//! NATS servers of its own that end with it, or on servers that run already, where it leaves nothing behind.

use std::path::Path;

use windlass_journal::embedded::{self, Embedded};
use windlass_journal::jetstream::local::Server;
use windlass_journal::jetstream::{Connection, Settings};
use windlass_orchestrator::identity::random_id;
use windlass_replay::Source;

use crate::nats::Servers;

/// A cell's journal.
pub(crate) struct Journal {
    /// The cell's name: on a broker that others use too, nobody else's.
    pub(crate) cell: String,
    /// Where it is.
    pub(crate) place: Place,
}

/// Where a journal is.
pub(crate) enum Place {
    /// Below the orchestrator's state directory.
    Embedded,
    /// On servers that were started for it and end with it.
    Own(Vec<Server>),
    /// On servers that run already.
    Named(Servers),
}

impl Journal {
    /// A new one for a cell that is called `name`, with something behind it where others might have one of that name.
    pub(crate) fn new(name: &str, place: Place) -> anyhow::Result<Self> {
        let cell = match &place {
            Place::Embedded | Place::Own(_) => name.to_owned(),
            Place::Named(_) => {
                let id = random_id()?;
                id[..4].iter().fold(format!("{name}-"), |name, byte| format!("{name}{byte:02x}"))
            }
        };
        Ok(Self { cell, place })
    }

    /// What an orchestrator is told.
    pub(crate) fn arguments(&self) -> Vec<String> {
        match &self.place {
            Place::Embedded => Vec::new(),
            Place::Own(servers) => {
                let monitors: Vec<String> = servers.iter().map(|server| server.plan.monitor()).collect();
                vec!["--nats".into(), urls(servers).join(","), "--nats-monitor".into(), monitors.join(",")]
            }
            Place::Named(servers) => servers.arguments(),
        }
    }

    /// How to reach it on NATS; `None` where it is embedded.
    pub(crate) fn settings(&self) -> Option<Settings> {
        let (servers, access) = match &self.place {
            Place::Embedded => return None,
            Place::Own(servers) => (urls(servers), Default::default()),
            Place::Named(servers) => (servers.nats.clone(), servers.access()),
        };
        // As an orchestrator chooses that was told these servers and nothing else.
        let replicas = if servers.len() < 3 { 1 } else { 3 };
        Some(Settings { servers, cell: self.cell.clone(), replicas, access })
    }

    /// Opens it to be read; nobody leads any more.
    pub(crate) async fn open(&self, home: &Path) -> anyhow::Result<Source> {
        match self.settings() {
            Some(settings) => Ok(Source::on_nats(&settings).await?),
            None => {
                let settings = embedded::Settings::new(home.join("journal"));
                Ok(Source::Embedded(Embedded::open(settings).await?))
            }
        }
    }

    /// Leaves nothing behind on a broker that is not our own.
    pub(crate) async fn remove(&self) -> anyhow::Result<()> {
        match (&self.place, self.settings()) {
            (Place::Named(_), Some(settings)) => Ok(Connection::delete_journal(&settings).await?),
            (Place::Embedded | Place::Own(..) | Place::Named(_), _) => Ok(()),
        }
    }
}

fn urls(servers: &[Server]) -> Vec<String> {
    servers.iter().map(|server| server.plan.url()).collect()
}
