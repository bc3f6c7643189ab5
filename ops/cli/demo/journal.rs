//! The demonstration's journal: on a NATS server of its own where one is installed, on one that is named, or embedded.

use std::path::Path;

use anyhow::Context as _;
use windlass_journal::embedded::{self, Embedded};
use windlass_journal::jetstream::local::{Plan, Program, Server};
use windlass_journal::jetstream::{Connection, Settings};
use windlass_orchestrator::identity::random_id;
use windlass_replay::Source;

use crate::nats::Servers;

/// Where the journal is.
pub(super) struct Journal {
    /// The cell's name: on a broker that others use too, nobody else's.
    pub(super) cell: String,
    place: Place,
}

enum Place {
    Embedded,
    /// A server that is started here and ends with us.
    Own(Server, String),
    Named(Servers),
}

impl Journal {
    /// Chooses, and starts the server if it is to be our own.
    pub(super) fn choose(servers: &Servers, home: &Path) -> anyhow::Result<Self> {
        if !servers.nats.is_empty() {
            let id = random_id()?;
            let cell = id[..4].iter().fold("demo-".to_owned(), |name, byte| format!("{name}{byte:02x}"));
            return Ok(Self { cell, place: Place::Named(servers.clone()) });
        }
        let place = match Program::find() {
            None => Place::Embedded,
            Some(program) => {
                let (major, minor, patch) = program.version;
                let server = Server::start(&program, Plan::alone(home.join("nats"))?);
                let server = server.context("the nats-server on the PATH can't be used")?;
                Place::Own(server, format!("{major}.{minor}.{patch}"))
            }
        };
        Ok(Self { cell: "demo".to_owned(), place })
    }

    /// What it is, for people.
    pub(super) fn line(&self) -> String {
        match &self.place {
            Place::Embedded => {
                "embedded (one directory; no nats-server 2.11 or newer is on the PATH)".to_owned()
            }
            Place::Own(_, version) => {
                format!("NATS JetStream (nats-server {version} of its own, syncing every acknowledgement)")
            }
            Place::Named(servers) => format!("NATS JetStream at {}", servers.nats.join(", ")),
        }
    }

    /// What an orchestrator is told.
    pub(super) fn arguments(&self) -> Vec<String> {
        match &self.place {
            Place::Embedded => Vec::new(),
            Place::Own(server, _) => {
                let (url, monitor) = (server.plan.url(), server.plan.monitor());
                vec!["--nats".into(), url, "--nats-monitor".into(), monitor]
            }
            Place::Named(servers) => servers.arguments(),
        }
    }

    fn settings(&self) -> Option<Settings> {
        let (servers, access) = match &self.place {
            Place::Embedded => return None,
            Place::Own(server, _) => (vec![server.plan.url()], Default::default()),
            Place::Named(servers) => (servers.nats.clone(), servers.access()),
        };
        Some(Settings { servers, cell: self.cell.clone(), replicas: 1, access })
    }

    /// Opens it to be read; nobody leads any more.
    pub(super) async fn open(&self, home: &Path) -> anyhow::Result<Source> {
        match self.settings() {
            Some(settings) => Ok(Source::on_nats(&settings).await?),
            None => {
                let settings = embedded::Settings::new(home.join("journal"));
                Ok(Source::Embedded(Embedded::open(settings).await?))
            }
        }
    }

    /// Keeps it as a file where its server ends with us; what to look at it with.
    pub(super) async fn keep(&self, home: &Path) -> anyhow::Result<String> {
        if matches!(self.place, Place::Embedded) {
            return Ok(format!("--state {}", home.display()));
        }
        let path = home.join("journal.wlj");
        let source = self.open(home).await?;
        let mut file = std::io::BufWriter::new(std::fs::File::create(&path)?);
        windlass_replay::export(&source, &mut file).await?;
        file.into_inner()?.sync_all()?;
        Ok(format!("--journal {}", path.display()))
    }

    /// Leaves nothing behind on a broker that is not our own.
    pub(super) async fn remove(&self) -> anyhow::Result<()> {
        match (&self.place, self.settings()) {
            (Place::Named(_), Some(settings)) => {
                Ok(Connection::existing(&settings).await?.delete_journal().await?)
            }
            (Place::Embedded | Place::Own(..) | Place::Named(_), _) => Ok(()),
        }
    }
}
