//! One orchestrator process over its journal: opens what is on disk, leads or follows the cell, serves its API and its
//! agents on one TLS port, and ends in order.
//!
//! Invariant: nothing is served before the journal is open, and what was acknowledged is durable however it ends.

mod opened;
mod tls;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use windlass_journal::{Append, Read, embedded, jetstream};
use windlass_proto::agent::v1::agent_service_server::AgentServiceServer;
use windlass_proto::agent::v1::blob_service_server::BlobServiceServer;
use windlass_proto::agent::v1::join_service_server::JoinServiceServer;
use windlass_sagas::ids::{Position, WriterId};
use windlass_sagas::protocol::orchestrator::Config as Node;
use windlass_store::Store;

use crate::api::finished::Finished;
use crate::api::{About, Access, Parts, routes};
use crate::blobs::Directory;
use crate::config::Config;
use crate::dispatch::{AgentEvent, Agents, Contacts, Fetching, Joining, Streams};
use crate::faults::{Faulty, OwnFaults};
use crate::feed::{self, Publisher};
use crate::history::{Folds, History};
use crate::identity::{CellIdentity, IdentityError, random_id};
use crate::lead::handle::{Leader, WATCH_LAG_MAX};
use crate::lead::seen::SeenFile;
use crate::lead::shell::{self, Ended, Setup};
use crate::metrics;
use opened::Opened;
use tls::Keeper;
pub(crate) use tls::{Shown, incoming as connections};

/// What this build says of itself.
pub const BUILD: &str = concat!("windlass ", env!("CARGO_PKG_VERSION"));
/// Proposals and reads that may wait for the leader's task.
const WAKES_QUEUE: usize = 4096;
/// Words of agents that may wait for it; then their streams wait.
pub(crate) const AGENTS_QUEUE: usize = 4096;
/// How long a proposal may take in all: an election of the broker's, which takes up to 9 s, is waited out.
const LEADER_DEADLINE: Duration = Duration::from_secs(10);
/// How long calls that run may take to end once the process is told to.
const GRACE: Duration = Duration::from_secs(5);
/// The pause between two keep-alive pings on a connection, and how long one may stay unanswered.
const KEEP_ALIVE: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(10));
/// Streams that one connection may hold open.
const STREAMS_PER_CONNECTION_MAX: u32 = 1024;
/// The largest message of an agent, bytes.
const AGENT_BYTES_MAX: usize = 1024 * 1024;

/// Why an orchestrator does not start, or ends before it was told to.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// The cell's identity.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The journal.
    #[error(transparent)]
    Journal(#[from] embedded::OpenError),
    /// The journal on NATS.
    #[error(transparent)]
    Nats(#[from] jetstream::OpenError),
    /// The note of what was seen.
    #[error("what was seen of the journal before can't be read")]
    Seen(#[source] std::io::Error),
    /// The store.
    #[error(transparent)]
    Store(#[from] windlass_store::OpenError),
    /// The blobs' directory.
    #[error("the blobs' directory can't be made")]
    Blobs(#[source] std::io::Error),
    /// The address can't be listened on.
    #[error("can't listen on {address}")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// Why.
        #[source]
        error: std::io::Error,
    },
    /// TLS, or the server on top of it.
    #[error("the server failed")]
    Server(#[from] tonic::transport::Error),
    /// The metrics can't be served.
    #[error("metrics can't be served: {0}")]
    Metrics(String),
    /// The API's description of itself.
    #[error("the API can't be described")]
    Reflection(#[from] tonic_reflection::server::Error),
    /// The leader's task.
    #[error(transparent)]
    Ended(#[from] Ended),
    /// The leader's task panicked: the process must not go on without it.
    #[error("the leader's task panicked")]
    Panicked,
}

/// Runs an orchestrator until `stop` is cancelled. `ready` is told the address once calls are served.
///
/// # Errors
/// As `ProcessError` says; nothing acknowledged is lost by any of them.
pub async fn run(
    config: Config,
    stop: CancellationToken,
    ready: oneshot::Sender<SocketAddr>,
) -> Result<(), ProcessError> {
    let identity = Arc::new(CellIdentity::load(&config.state.join("identity"))?);
    if let Some(address) = config.metrics {
        serve_metrics(address)?;
    }
    let writer = WriterId(random_id()?);
    let faults = Arc::new(OwnFaults::new(config.faults_allowed));
    let process = Process { config, identity, writer, faults, stop, ready };
    match process.config.nats.clone() {
        None => {
            let opened = opened::embedded(&process.config.state).await?;
            Box::pin(process.over_maybe_faulty(opened)).await
        }
        Some(nats) => {
            let opened =
                opened::on_nats(&nats, &process.identity.genesis.name, writer, &process.stop).await?;
            Box::pin(process.over_maybe_faulty(opened)).await
        }
    }
}

/// What a process is, before its journal is open.
struct Process {
    config: Config,
    identity: Arc<CellIdentity>,
    writer: WriterId,
    faults: Arc<OwnFaults>,
    stop: CancellationToken,
    ready: oneshot::Sender<SocketAddr>,
}

impl Process {
    /// Serves the cell over an open journal, which may fail on purpose only where faults are allowed.
    async fn over_maybe_faulty<A, R>(self, opened: Opened<A, R>) -> Result<(), ProcessError>
    where
        A: Append + 'static,
        R: Read + Clone + 'static,
    {
        if !self.faults.allowed() {
            return self.over(opened).await;
        }
        let Opened { journal, reader, lease, kind, warnings } = opened;
        let journal = Faulty::new(journal, Arc::clone(&self.faults));
        self.over(Opened { journal, reader, lease, kind, warnings }).await
    }

    /// Serves the cell over an open journal.
    async fn over<A, R>(self, opened: Opened<A, R>) -> Result<(), ProcessError>
    where
        A: Append + 'static,
        R: Read + Clone + 'static,
    {
        let Self { config, identity, writer, faults, stop, ready } = self;
        let Opened { journal, reader, lease, kind, warnings } = opened;
        let (store, image) = Store::open(&config.state.join("store"))?;
        let seen = SeenFile::open(&config.state).map_err(ProcessError::Seen)?;
        let blobs = Directory::open(config.state.join("blobs")).map_err(ProcessError::Blobs)?;
        let incoming = listen(config.listen)?;
        let address = incoming.local_addr().map_err(|error| listen_error(config.listen, error))?;

        let (wakes, woken) = mpsc::channel(WAKES_QUEUE);
        let (events, agents) = mpsc::channel(AGENTS_QUEUE);
        let (commits, _) = broadcast::channel(WATCH_LAG_MAX);
        let leader = Leader::new(wakes, commits.clone(), LEADER_DEADLINE);
        let from = image.as_ref().map_or(Position(0), |image| image.tip.position);
        let history = History::follow(leader.clone(), store.clone(), reader.clone(), from);
        if let Some(every) = config.verify_every {
            history.keep_verified(every, stop.clone());
        }
        let (leads, led) = watch::channel(false);
        let (reached, whole) = (history.reached(), history.whole());
        let past = Arc::new(Folds::new(reader.clone(), Some(store.clone()), Some(identity.genesis.cell)));
        let finished: Arc<dyn Finished> = Arc::new(history);
        publish(&config, &identity, (Arc::clone(&finished), reached), led, stop.clone());
        let setup = Setup {
            config: Node {
                writer,
                build: BUILD.to_owned(),
                genesis: Some(identity.genesis.clone()),
                recover: None,
            },
            journal,
            reader,
            lease,
            seen: Some(seen),
            cell: identity.genesis.cell,
            store: Some((store, image)),
            wakes: woken,
            agents,
            commits,
            faults: Arc::clone(&faults),
            leads,
        };
        let contacts = Arc::new(Contacts::default());
        let parts = Parts {
            leader: leader.clone(),
            finished,
            whole,
            past,
            access: Access::Tokens,
            inventories: Arc::new(Agents::new(leader.clone(), Arc::clone(&contacts), faults)),
            blobs: Some(blobs.clone()),
            about: About {
                build: BUILD.to_owned(),
                writer,
                address: address.to_string(),
                journal: kind,
                ca_certificate_der: identity.authority.certificate_der(),
                warnings,
            },
        };
        let served = Served { config: &config, identity, leader, events, contacts, blobs, address };
        let leading = tokio::spawn(shell::run(setup, stop.clone()));
        let ended = served.serve(parts, incoming, &stop, leading, ready).await;
        tracing::info!("the orchestrator ends");
        ended
    }
}

/// Publishes the cell's events whenever this orchestrator leads, where its journal is on NATS and nobody says no.
fn publish(
    config: &Config,
    identity: &CellIdentity,
    (finished, reached): (Arc<dyn Finished>, watch::Receiver<Position>),
    led: watch::Receiver<bool>,
    stop: CancellationToken,
) {
    let genesis = &identity.genesis;
    let Some((settings, plan)) = config.nats.as_ref().and_then(|nats| nats.feed(&genesis.name)) else {
        return;
    };
    let source = feed::Source { finished, reached };
    let publisher = Publisher { cell: genesis.cell, source, sink: feed::Nats::new(settings, plan) };
    // Beside the leader's task and never in its way; ends with the process.
    tokio::spawn(publisher.run(led, stop));
}

/// What the server needs.
struct Served<'a> {
    config: &'a Config,
    identity: Arc<CellIdentity>,
    leader: Leader,
    events: mpsc::Sender<AgentEvent>,
    contacts: Arc<Contacts>,
    blobs: Directory,
    address: SocketAddr,
}

impl Served<'_> {
    /// Serves until told to stop, or until the leader's task ends.
    async fn serve(
        self,
        parts: Parts,
        incoming: TcpIncoming,
        stop: &CancellationToken,
        mut leading: JoinHandle<Result<(), Ended>>,
        ready: oneshot::Sender<SocketAddr>,
    ) -> Result<(), ProcessError> {
        let (api, _health) = routes(parts).await?;
        let advertised = match self.config.advertise.as_slice() {
            [] => vec![self.address.to_string()],
            named => named.to_vec(),
        };
        let end = stop.child_token();
        let directory = self.config.state.join("identity");
        let keeper = Keeper::new(directory, Arc::clone(&self.identity), &advertised);
        let shown = Shown::new(&keeper.look()?.certificate)?;
        let incoming = connections(incoming, &self.identity, Arc::clone(&shown), end.clone())?;
        tokio::spawn(keeper.keep(shown, end.clone()));
        let streams = Streams::new(self.identity.genesis.cell, self.events, self.contacts);
        let fetching = Fetching::new(self.identity.genesis.cell, self.blobs);
        let joining = Joining::new(Arc::clone(&self.identity), self.leader, advertised);
        let all = api
            .add_service(AgentServiceServer::new(streams).max_decoding_message_size(AGENT_BYTES_MAX))
            .add_service(BlobServiceServer::new(fetching))
            .add_service(JoinServiceServer::new(joining));
        let server =
            server().add_routes(all).serve_with_incoming_shutdown(incoming, end.clone().cancelled_owned());
        tracing::info!(address = %self.address, cell = self.identity.genesis.name, build = BUILD, "serving");
        // Whoever started this may not care.
        ready.send(self.address).ok();
        tokio::pin!(server);
        tokio::select! {
            biased;
            ended = &mut leading => {
                end.cancel();
                // What calls that are under way are told matters less than why the leader's task ended.
                drop(tokio::time::timeout(GRACE, server).await);
                return ended.map_err(|_| ProcessError::Panicked)?.map_err(ProcessError::from);
            }
            served = &mut server => served?,
        }
        leading.await.map_err(|_| ProcessError::Panicked)?.map_err(ProcessError::from)
    }
}

/// The server on which everything is served, with the bounds of its connections.
pub(crate) fn server() -> Server {
    Server::builder()
        .http2_keepalive_interval(Some(KEEP_ALIVE.0))
        .http2_keepalive_timeout(Some(KEEP_ALIVE.1))
        .max_concurrent_streams(STREAMS_PER_CONNECTION_MAX)
}

pub(crate) fn listen(address: SocketAddr) -> Result<TcpIncoming, ProcessError> {
    let incoming = TcpIncoming::bind(address).map_err(|error| listen_error(address, error))?;
    Ok(incoming.with_nodelay(Some(true)))
}

const fn listen_error(address: SocketAddr, error: std::io::Error) -> ProcessError {
    ProcessError::Listen { address, error }
}

fn serve_metrics(address: SocketAddr) -> Result<(), ProcessError> {
    let exporter = metrics_exporter_prometheus::PrometheusBuilder::new().with_http_listener(address);
    exporter.install().map_err(|error| ProcessError::Metrics(error.to_string()))?;
    metrics::describe();
    Ok(())
}
