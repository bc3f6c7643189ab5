//! Real NATS servers of one test, and a wire to them that can hold back what a client sends.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use windlass_journal::jetstream::local::{Plan, Program, Server};
use windlass_journal::jetstream::{Connection, Settings};

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

    /// A connection of the test's own to the journal of the cell of that name.
    pub(crate) async fn connect(&self, cell: &str) -> Connection {
        let servers = self.plans().map(Plan::url).collect();
        let settings = Settings { servers, cell: cell.to_owned(), replicas: 1, ..Settings::default() };
        Connection::existing(&settings).await.unwrap()
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

/// A wire to a server.
pub(crate) struct Wire {
    pub(crate) address: String,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    holds: AtomicBool,
    /// Bytes that are held back.
    held: AtomicUsize,
    moved: Notify,
}

impl Wire {
    pub(crate) async fn to(server: String) -> Self {
        let listener = TcpListener::bind(super::free_address()).await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let state = Arc::new(State::default());
        let shared = Arc::clone(&state);
        // Ends with the test's runtime.
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(&server).await.unwrap();
                let ((mut from_client, mut to_client), (mut from_server, mut to_server)) =
                    (client.into_split(), server.into_split());
                tokio::spawn(async move { tokio::io::copy(&mut from_server, &mut to_client).await });
                let state = Arc::clone(&shared);
                tokio::spawn(async move {
                    let mut bytes = vec![0; 64 * 1024];
                    while let Ok(count @ 1..) = from_client.read(&mut bytes).await {
                        state.held.fetch_add(count, Ordering::SeqCst);
                        while state.holds.load(Ordering::SeqCst) {
                            state.moved.notified().await;
                        }
                        state.held.fetch_sub(count, Ordering::SeqCst);
                        if to_server.write_all(&bytes[..count]).await.is_err() {
                            return;
                        }
                    }
                });
            }
        });
        Self { address, state }
    }

    pub(crate) fn hold(&self) {
        self.state.holds.store(true, Ordering::SeqCst);
    }

    pub(crate) fn held_bytes(&self) -> usize {
        self.state.held.load(Ordering::SeqCst)
    }

    pub(crate) fn release(&self) {
        self.state.holds.store(false, Ordering::SeqCst);
        self.state.moved.notify_waiters();
    }
}
