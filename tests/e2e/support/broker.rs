//! Real NATS servers of one test.

use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;
use windlass_journal::jetstream::local::{Plan, Program, Server};
use windlass_journal::jetstream::{Connection, Feed, FeedPlan, Settings};

/// Running servers; they end with the test.
pub(crate) struct Broker {
    servers: Vec<Option<Server>>,
    _directory: TempDir,
}

impl Broker {
    pub(crate) fn start(nodes: usize) -> Self {
        let program =
            Program::find().expect("nats-server 2.11 or newer is on the PATH (ops/test.sh installs it)");
        let directory = tempfile::tempdir().unwrap();
        let plans = match nodes {
            1 => vec![Plan::alone(directory.path().to_path_buf()).unwrap()],
            _ => Plan::three(directory.path()).unwrap(),
        };
        let start = |plan| Some(Server::start(&program, plan).unwrap());
        Self { servers: plans.into_iter().map(start).collect(), _directory: directory }
    }

    fn plans(&self) -> impl Iterator<Item = &Plan> {
        self.servers.iter().flatten().map(|server| &server.plan)
    }

    /// What an orchestrator is told to use it.
    pub(crate) fn arguments(&self) -> Vec<String> {
        let urls: Vec<String> = self.plans().map(Plan::url).collect();
        let monitors: Vec<String> = self.plans().map(Plan::monitor).collect();
        vec![
            "--nats".into(),
            urls.join(","),
            "--nats-monitor".into(),
            monitors.join(","),
            "--require-durable".into(),
        ]
    }

    /// `host:port` of the first server.
    pub(crate) fn address(&self) -> String {
        self.plans().next().unwrap().url().trim_start_matches("nats://").to_owned()
    }

    fn settings(&self, cell: &str) -> Settings {
        let servers = self.plans().map(Plan::url).collect();
        Settings { servers, cell: cell.to_owned(), replicas: 1, ..Settings::default() }
    }

    /// A connection of the test's own to the feed of the cell of that name.
    pub(crate) async fn feed(&self, cell: &str) -> Feed {
        Feed::connect(&self.settings(cell), FeedPlan::of_cell(cell, 1, Duration::ZERO)).await.unwrap()
    }

    /// A connection of the test's own to the journal of the cell of that name.
    pub(crate) async fn connect(&self, cell: &str) -> Connection {
        Connection::existing(&self.settings(cell)).await.unwrap()
    }

    /// Copies the only server's data, as they are when it has ended, and starts it again.
    pub(crate) fn copy_data(&mut self, to: &Path) {
        self.while_ended(|data| super::copy_all(data, to));
    }

    /// Puts a copy in the place of the only server's data.
    pub(crate) fn restore_data(&mut self, from: &Path) {
        self.while_ended(|data| {
            std::fs::remove_dir_all(data).unwrap();
            super::copy_all(from, data);
        });
    }

    fn while_ended(&mut self, change: impl FnOnce(&Path)) {
        let plan = self.servers[0].take().unwrap().stop();
        change(&plan.directory.join("store"));
        self.servers[0] = Some(Server::start(&Program::find().unwrap(), plan).unwrap());
    }

    /// Ends a server in order, and starts it again.
    pub(crate) fn restart(&mut self, server: usize) {
        let plan = self.servers[server].take().unwrap().stop();
        self.servers[server] = Some(Server::start(&Program::find().unwrap(), plan).unwrap());
    }

    /// Kills a server, and starts it again.
    pub(crate) fn crash(&mut self, server: usize) {
        let plan = self.servers[server].take().unwrap().kill();
        self.servers[server] = Some(Server::start(&Program::find().unwrap(), plan).unwrap());
    }

    /// Ends the server that leads the journal's stream, at once or in order, and starts it again.
    pub(crate) async fn end_leader(&mut self, cell: &str, hard: bool) {
        let leader = self.connect(cell).await.stream_leader().await.unwrap();
        let name = |server: &Server| server.plan.cluster.as_ref().map(|place| place.name.clone());
        let index =
            self.servers.iter().position(|it| it.as_ref().and_then(name).as_ref() == Some(&leader)).unwrap();
        let server = self.servers[index].take().unwrap();
        let plan = if hard { server.kill() } else { server.stop() };
        self.servers[index] = Some(Server::start(&Program::find().unwrap(), plan).unwrap());
    }
}
