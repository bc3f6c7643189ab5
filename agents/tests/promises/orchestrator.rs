//! An orchestrator that does what a test says, behind real TLS on loopback: it takes agents' streams, reads what they
//! say and sends what the test wants sent. It can die and come back at the same address.

use std::net::{Shutdown, SocketAddr, TcpStream};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_stream::wrappers::{TcpListenerStream, UnboundedReceiverStream};
use tokio_stream::{Stream, StreamExt};
use tonic::{Request, Response, Status, Streaming};
use windlass_agent_wire::{Collector, ConsoleTold, decode_up};
use windlass_proto::agent::v1::agent_service_server::{AgentService, AgentServiceServer};
use windlass_proto::agent::v1::blob_service_server::{BlobService, BlobServiceServer};
use windlass_proto::agent::v1::join_service_server::{JoinService, JoinServiceServer};
use windlass_proto::agent::v1::{
    AgentMessage, BlobChunk, FetchBlobRequest, IssueVolumeCertificateRequest, IssueVolumeCertificateResponse,
    JoinRequest, JoinResponse, OrchestratorMessage, RenewRequest, RenewResponse,
};
use windlass_sagas::protocol::Up;
use windlass_sagas::record::Role;

use crate::authority::{Authority, CELL, HOST};
use crate::session::Session;

/// How long a test waits for what must come: only a hang is longer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// The secret of the one join token.
pub(crate) const SECRET: &str = "wlj_test";

/// A running orchestrator.
pub(crate) struct Orchestrator {
    pub(crate) address: SocketAddr,
    sessions: mpsc::UnboundedReceiver<Session>,
    server: JoinHandle<()>,
    connections: Arc<Mutex<Vec<TcpStream>>>,
    /// What it sends when it is asked for a blob; nothing: it has none.
    pub(crate) sends: Arc<Mutex<Sends>>,
}

/// What an orchestrator does about blobs.
#[derive(Default)]
pub(crate) struct Sends {
    /// The messages that are sent for every blob; empty: there is none.
    pub(crate) chunks: Vec<Result<BlobChunk, Status>>,
    /// The last message is followed by silence, not by the end.
    pub(crate) stays: bool,
    /// How often it was asked.
    pub(crate) asked: usize,
}

/// What hosts ask for beside their streams.
#[derive(Default)]
pub(crate) struct Asked {
    /// The requests to join, in order.
    pub(crate) joins: Vec<JoinRequest>,
    /// How often a certificate was renewed.
    pub(crate) renewals: usize,
    /// How many answers to joins are lost from now on.
    pub(crate) lose_joins: usize,
    /// The life of the next certificates, days behind and before them.
    pub(crate) life: Option<(i64, i64)>,
}

/// What all orchestrators of a cell share.
#[derive(Clone)]
pub(crate) struct Cell {
    pub(crate) authority: Arc<Authority>,
    pub(crate) asked: Arc<Mutex<Asked>>,
}

impl Cell {
    pub(crate) fn new() -> Self {
        Self { authority: Arc::new(Authority::new()), asked: Arc::default() }
    }

    /// Starts an orchestrator on a free port.
    pub(crate) async fn orchestrator(&self) -> Orchestrator {
        self.orchestrator_at("127.0.0.1:0".parse().expect("an address")).await
    }

    /// Starts one here; where one has just died the system may need a moment.
    pub(crate) async fn orchestrator_at(&self, address: SocketAddr) -> Orchestrator {
        let bind = async {
            loop {
                match TcpListener::bind(address).await {
                    Ok(listener) => return listener,
                    Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
                }
            }
        };
        let listener = timeout(PATIENCE, bind).await.expect("the address is free");
        let address = listener.local_addr().expect("it is bound");
        let (told, sessions) = mpsc::unbounded_channel();
        let sends = Arc::<Mutex<Sends>>::default();
        let service = Service { cell: self.clone(), address, told, sends: Arc::clone(&sends) };
        let router = tonic::transport::Server::builder()
            .tls_config(self.authority.server())
            .expect("a good certificate")
            .add_service(AgentServiceServer::new(service.clone()))
            .add_service(BlobServiceServer::new(service.clone()))
            .add_service(JoinServiceServer::new(service));
        let connections = Arc::<Mutex<Vec<TcpStream>>>::default();
        let kept = Arc::clone(&connections);
        let incoming = TcpListenerStream::new(listener).map(move |stream| {
            let stream = stream?.into_std()?;
            kept.lock().expect("no test panics while it holds this").push(stream.try_clone()?);
            tokio::net::TcpStream::from_std(stream)
        });
        let server = tokio::spawn(async move {
            router.serve_with_incoming(incoming).await.expect("it serves");
        });
        Orchestrator { address, sessions, server, connections, sends }
    }
}

impl Orchestrator {
    /// The next agent's stream, once it has said Hello.
    pub(crate) async fn session(&mut self) -> Session {
        timeout(PATIENCE, self.sessions.recv()).await.expect("an agent comes").expect("the server runs")
    }

    /// The next stream, on which this orchestrator then leads.
    pub(crate) async fn led(&mut self, elected: u64) -> Session {
        let mut session = self.session().await;
        session.lead(elected);
        session
    }

    /// Dies without a word: nobody is accepted any more, and every connection is cut.
    pub(crate) async fn die(self) -> SocketAddr {
        self.server.abort();
        // Aborted: that is what was asked for.
        self.server.await.ok();
        for connection in self.connections.lock().expect("no test panics while it holds this").drain(..) {
            // One that is closed already is cut.
            connection.shutdown(Shutdown::Both).ok();
        }
        self.address
    }
}

#[derive(Clone)]
struct Service {
    cell: Cell,
    address: SocketAddr,
    told: mpsc::UnboundedSender<Session>,
    sends: Arc<Mutex<Sends>>,
}

type Out = Pin<Box<dyn Stream<Item = Result<OrchestratorMessage, Status>> + Send>>;

#[tonic::async_trait]
impl AgentService for Service {
    type ConnectStream = Out;

    async fn connect(&self, request: Request<Streaming<AgentMessage>>) -> Result<Response<Out>, Status> {
        let certificates = request.peer_certs().filter(|all| !all.is_empty());
        let certificate =
            certificates.ok_or_else(|| Status::unauthenticated("show a certificate"))?[0].to_vec();
        let (out, mut messages) = mpsc::unbounded_channel();
        let (carried, carries) = mpsc::unbounded_channel();
        let told = self.told.clone();
        tokio::spawn(async move {
            let mut stream = request.into_inner();
            let mut collector = Collector::default();
            let (sender, ups) = mpsc::unbounded_channel();
            let (console, consoles) = mpsc::unbounded_channel();
            let mut first = Some((out, ups, consoles));
            loop {
                let message = tokio::select! {
                    biased;
                    message = stream.next() => message,
                    Some(down) = messages.recv() => {
                        // Where the agent is gone, its stream ends next.
                        carried.send(down).ok();
                        continue;
                    }
                };
                // The agent's end of the stream ends this one too, whoever still holds the session.
                let Some(Ok(message)) = message else { return };
                if let Some(told) = ConsoleTold::decode(&message).expect("an agent's message can be used") {
                    console.send(told).ok();
                    continue;
                }
                let up = decode_up(HOST, &mut collector, &message).expect("an agent's message can be used");
                match (up, first.take()) {
                    (Some(Up::Hello(hello)), Some((out, ups, consoles))) => {
                        // A test that is over wants no more sessions.
                        told.send(Session::new(hello, certificate.clone(), out, ups, consoles)).ok();
                    }
                    (Some(up), None) => {
                        sender.send(up).ok();
                    }
                    (None, None) => {}
                    (other, Some(_)) => unreachable!("the first message is no Hello: {other:?}"),
                }
            }
        });
        Ok(Response::new(Box::pin(UnboundedReceiverStream::new(carries))))
    }
}

#[tonic::async_trait]
impl BlobService for Service {
    type FetchBlobStream = Pin<Box<dyn Stream<Item = Result<BlobChunk, Status>> + Send>>;

    async fn fetch_blob(
        &self,
        request: Request<FetchBlobRequest>,
    ) -> Result<Response<Self::FetchBlobStream>, Status> {
        if request.peer_certs().is_none_or(|all| all.is_empty()) {
            return Err(Status::unauthenticated("show a certificate"));
        }
        let mut sends = self.sends.lock().expect("no test panics while it holds this");
        sends.asked += 1;
        if sends.chunks.is_empty() {
            return Err(Status::not_found("no such blob"));
        }
        let chunks = tokio_stream::iter(sends.chunks.clone());
        if sends.stays {
            return Ok(Response::new(Box::pin(chunks.chain(tokio_stream::pending()))));
        }
        Ok(Response::new(Box::pin(chunks)))
    }
}

#[tonic::async_trait]
impl JoinService for Service {
    async fn join(&self, request: Request<JoinRequest>) -> Result<Response<JoinResponse>, Status> {
        let join = request.into_inner();
        let mut asked = self.cell.asked.lock().expect("no test panics while it holds this");
        asked.joins.push(join.clone());
        if join.token != SECRET {
            return Err(Status::unauthenticated("the join token is unknown, used or revoked"));
        }
        if asked.lose_joins > 0 {
            asked.lose_joins -= 1;
            return Err(Status::unavailable("the answer is lost"));
        }
        let life = asked.life.unwrap_or((1, 30));
        Ok(Response::new(JoinResponse {
            cell: CELL.0.to_vec().into(),
            cell_name: "test".into(),
            host: HOST.0.to_vec().into(),
            certificate_chain_der: vec![self.cell.authority.host(&join.csr_der, life).into()],
            ca_certificate_der: self.cell.authority.certificate_der.clone().into(),
            orchestrators: vec![self.address.to_string()],
            roles: Role::ALL.iter().map(|role| i32::from(*role as u8)).collect(),
        }))
    }

    async fn renew(&self, request: Request<RenewRequest>) -> Result<Response<RenewResponse>, Status> {
        if request.peer_certs().is_none_or(|all| all.is_empty()) {
            return Err(Status::unauthenticated("show a certificate"));
        }
        self.cell.asked.lock().expect("no test panics while it holds this").renewals += 1;
        let csr = request.into_inner().csr_der;
        Ok(Response::new(RenewResponse {
            certificate_chain_der: vec![self.cell.authority.host(&csr, (1, 30)).into()],
            ca_certificate_der: self.cell.authority.certificate_der.clone().into(),
            orchestrators: Vec::new(),
        }))
    }

    async fn issue_volume_certificate(
        &self,
        _: Request<IssueVolumeCertificateRequest>,
    ) -> Result<Response<IssueVolumeCertificateResponse>, Status> {
        Err(Status::unimplemented("no driver here has data connections"))
    }
}
