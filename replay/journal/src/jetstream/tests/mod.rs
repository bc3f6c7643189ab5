//! The contract over real servers, one and three; the script of odd appends; what only a broker can suffer.

mod killed;
mod lease;
mod odd;
mod safe;
mod shipped;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::time::{Duration, Instant};

use super::local::{Plan, Program, Server};
use super::{Connection, JetStream, Reader, Settings};
use crate::contract::Bench;

/// How long a cluster may take until it can make a stream.
const READY_TIME_MAX: Duration = Duration::from_secs(60);

/// Running servers and where they keep their files.
struct Broker {
    servers: Mutex<Vec<Option<Server>>>,
    directory: tempfile::TempDir,
}

fn program() -> Program {
    Program::find().expect("nats-server 2.11 or newer is on the PATH (ops/test.sh installs it)")
}

impl Broker {
    fn start(nodes: usize) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let plans = match nodes {
            1 => vec![Plan::alone(directory.path().to_path_buf()).unwrap()],
            _ => Plan::three(directory.path()).unwrap(),
        };
        let servers = plans.into_iter().map(|plan| Some(Server::start(&program(), plan).unwrap())).collect();
        Self { servers: Mutex::new(servers), directory }
    }

    fn plans(&self) -> Vec<Plan> {
        self.servers.lock().unwrap().iter().flatten().map(|server| server.plan.clone()).collect()
    }

    fn settings(&self, cell: &str) -> Settings {
        let plans = self.plans();
        let servers = plans.iter().map(Plan::url).collect();
        Settings { servers, cell: cell.to_owned(), replicas: plans.len(), ..Settings::default() }
    }

    async fn connect(&self, cell: &str) -> Connection {
        let (settings, until) = (self.settings(cell), Instant::now() + READY_TIME_MAX);
        loop {
            match Connection::open(&settings).await {
                Ok(connection) => return connection,
                Err(error) => assert!(Instant::now() < until, "{error}"),
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

/// The servers that the tests of this process share, each with cells of its own; they end with the last of them.
fn shared(nodes: usize) -> Arc<Broker> {
    static BROKERS: OnceLock<Mutex<[Weak<Broker>; 2]>> = OnceLock::new();
    let mut brokers = BROKERS.get_or_init(Mutex::default).lock().unwrap();
    let place = &mut brokers[usize::from(nodes > 1)];
    place.upgrade().unwrap_or_else(|| {
        let broker = Arc::new(Broker::start(nodes));
        *place = Arc::downgrade(&broker);
        broker
    })
}

/// A cell that no other test has.
fn cell() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    format!("t{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

struct OnBroker {
    broker: Arc<Broker>,
    cell: String,
}

impl Bench for OnBroker {
    type Append = JetStream;
    type Read = Reader;

    async fn open(&self) -> (JetStream, Reader) {
        let connection = self.broker.connect(&self.cell).await;
        (connection.appender(), connection.reader())
    }

    async fn close(&self, append: JetStream) {
        drop(append);
    }
}

fn bench(nodes: usize) -> OnBroker {
    OnBroker { broker: shared(nodes), cell: cell() }
}

mod one_node {
    use super::bench;
    crate::contract_suite!(bench(1));
}

mod three_nodes {
    use super::bench;
    crate::contract_suite!(bench(3));
}
