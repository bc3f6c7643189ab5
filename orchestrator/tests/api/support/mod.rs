//! A cell under test: the leader's task over a memory journal, the API on a loopback socket, clients by token.

pub(crate) mod agent;
pub(crate) mod console;
pub(crate) mod furniture;
pub(crate) mod history;
pub(crate) mod raw;
pub(crate) mod rows;
pub(crate) mod rows_cell;
pub(crate) mod stage;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use tokio::sync::{broadcast, mpsc};
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use windlass_client::{Client, ClientError, Config as ClientConfig, NewSecret, Retry, Unary};
use windlass_journal::Memory;
use windlass_journal::memory::{Replicas, Settings, Sync};
use windlass_orchestrator::api::{About, Access, Parts, routes};
use windlass_orchestrator::blobs::Directory;
use windlass_orchestrator::clock;
use windlass_orchestrator::dispatch::AgentEvent;
use windlass_orchestrator::history::Folds;
use windlass_orchestrator::history::whole::Journal as Whole;
use windlass_orchestrator::lead::handle::Leader;
use windlass_orchestrator::lead::lease::Holding;
use windlass_orchestrator::lead::shell::{Setup, run};
use windlass_proto::v1::{ErrorReason, Operation};
use windlass_sagas::ids::*;
use windlass_sagas::protocol::Cursor;
use windlass_sagas::protocol::orchestrator::Config;
use windlass_sagas::record::*;

use console::Consoles;
use history::History;

pub(crate) const CELL: CellId = CellId([1; 16]);
pub(crate) const ADMIN: PrincipalId = PrincipalId([9; 16]);
/// The administrator's token, as a client makes one.
pub(crate) const TOKEN: &str = "wlt_0000000000000000000000000000000000000000000000000000000000000001";
/// How often something that must come is looked for, 10 ms apart.
pub(crate) const LOOKS_MAX: usize = 1_000;

/// A cell that is served.
pub(crate) struct World {
    pub(crate) journal: Memory,
    pub(crate) leader: Leader,
    pub(crate) agents: mpsc::Sender<AgentEvent>,
    pub(crate) history: Arc<History>,
    pub(crate) address: SocketAddr,
    /// The same services, without a socket.
    pub(crate) routes: Routes,
    /// Where images' bytes are kept.
    pub(crate) blobs: TempDir,
    stop: CancellationToken,
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

pub(crate) fn journal() -> Memory {
    Memory::new(Settings { replicas: Replicas::One, sync: Sync::Always, duplicate_window_ms: 120_000 })
}

pub(crate) fn genesis() -> Genesis {
    Genesis {
        cell: CELL,
        name: "test".into(),
        level: FORMAT_LEVEL,
        admin: ADMIN,
        credential: CredentialId([8; 16]),
        secret_sha256: hash(&NewSecret::of(TOKEN).sha256),
    }
}

/// A hash by its digits.
pub(crate) fn hash(text: &str) -> Hash {
    Hash(from_hex(text).expect("64 digits"))
}

impl World {
    /// An empty cell.
    pub(crate) async fn start() -> Self {
        Self::on(journal(), 1, 4096).await
    }

    /// A cell on a journal, by a process of its own; `lag_max` commits may wait for a watcher.
    pub(crate) async fn on(journal: Memory, writer: u8, lag_max: usize) -> Self {
        let history = Arc::new(History::of(journal.connect()));
        let before = Position(history.commits().await.len() as u64);
        let (wakes, woken) = mpsc::channel(8192);
        let (agents, heard) = mpsc::channel(1024);
        let (commits, _) = broadcast::channel(lag_max);
        let leader = Leader::new(wakes, commits.clone(), Duration::from_secs(20));
        let stop = CancellationToken::new();
        let config = Config {
            writer: WriterId([writer; 16]),
            build: "test".into(),
            genesis: Some(genesis()),
            recover: None,
        };
        let setup = Setup {
            config,
            journal: journal.connect(),
            reader: journal.connect(),
            lease: Holding::Held,
            seen: None,
            cell: CELL,
            store: None,
            wakes: woken,
            agents: heard,
            commits,
            faults: Arc::default(),
            leads: Default::default(),
        };
        tokio::spawn(run(setup, stop.clone()));
        let about = About {
            build: "test".into(),
            writer: WriterId([writer; 16]),
            address: "127.0.0.1:7700".into(),
            journal: "memory",
            ca_certificate_der: Vec::new(),
            warnings: Arc::new(Vec::new),
        };
        let blobs = tempfile::tempdir().expect("a directory");
        let parts = Parts {
            leader: leader.clone(),
            finished: Arc::clone(&history) as _,
            whole: Arc::new(Whole::new(journal.connect(), None)),
            past: Arc::new(Folds::new(journal.connect(), None, Some(CELL))),
            access: Access::Tokens,
            inventories: Arc::new(Consoles(leader.clone())),
            blobs: Some(Directory::open(blobs.path().into()).expect("a directory")),
            about,
        };
        let (routes, _health) = routes(parts).await.expect("the descriptor reflects");
        let incoming = TcpIncoming::bind("127.0.0.1:0".parse().expect("an address")).expect("a free port");
        // As in production: a small answer would wait for the acknowledgement of the one before, 40 ms.
        let incoming = incoming.with_nodelay(Some(true));
        let address = incoming.local_addr().expect("bound");
        let router = Server::builder().add_routes(routes.clone());
        tokio::spawn(router.serve_with_incoming_shutdown(incoming, stop.clone().cancelled_owned()));
        let world = Self { journal, leader, agents, history, address, routes, blobs, stop };
        world.until("it leads", move |cell| cell.term.elected > before).await;
        world
    }

    /// Ends it, in order; what is left is the journal.
    pub(crate) async fn end(self) -> Memory {
        self.stop.cancel();
        self.journal.connect()
    }

    /// Waits until the fold says so.
    pub(crate) async fn until(
        &self,
        what: &str,
        so: impl Fn(&windlass_sagas::cell::Cell) -> bool + Clone + Send + 'static,
    ) {
        for _ in 0..LOOKS_MAX {
            let look = so.clone();
            if self.leader.read(Position(0), move |cell| look(cell)).await.is_ok_and(|(_, so)| so) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("it never came to be that {what}");
    }

    /// A client that shows this token and does not try again.
    pub(crate) fn client(&self, token: Option<&str>) -> Client {
        let mut config = ClientConfig::new([format!("http://{}", self.address)]);
        config.token = token.map(str::to_owned);
        config.retry =
            Retry { first: Duration::from_millis(10), longest: Duration::from_millis(10), times: 0 };
        Client::new(&config).expect("loopback needs no more")
    }

    /// The administrator's client.
    pub(crate) fn admin(&self) -> Client {
        self.client(Some(TOKEN))
    }

    /// The journal's last frame: a refusal does not move it.
    pub(crate) fn last(&self) -> Cursor {
        self.journal.with(|broker| broker.last())
    }

    /// The position of the last durable commit.
    pub(crate) async fn position(&self) -> u64 {
        self.leader.read(Position(0), |cell| cell.position).await.expect("it leads").0.0
    }
}

/// A change that must be taken.
pub(crate) async fn ask<M: Unary<Answer = Operation>>(client: &Client, request: M) -> Operation {
    match client.call(request).await {
        Ok(operation) => operation,
        Err(error) => panic!("{}: {error}, {:?}, {:?}", M::PATH, error.fields, error.metadata),
    }
}

/// A call that must be refused.
pub(crate) async fn refused<M: Unary>(client: &Client, request: M) -> ClientError {
    match client.call(request).await {
        Ok(_) => panic!("{} was taken", M::PATH),
        Err(error) => error,
    }
}

/// The reason of a refusal, and the first field at fault.
pub(crate) fn why(error: &ClientError) -> (ErrorReason, &str) {
    let reason = error.reason.unwrap_or(ErrorReason::Unspecified);
    (reason, error.metadata.get("field").map_or("", String::as_str))
}

/// A request id made so many milliseconds from now, and told from others by its number.
pub(crate) fn request_id(from_now_ms: i64, number: u64) -> String {
    let made_ms = clock::now().0 / 1000 + from_now_ms;
    let mut id = [0; 16];
    id[..6].copy_from_slice(&made_ms.to_be_bytes()[2..]);
    id[8..].copy_from_slice(&number.to_be_bytes());
    id[6] = 0x70;
    id[8] = 0x80 | (id[8] & 0x3f);
    RequestId(id).to_string()
}
