//! A cell in this process: its identity on disk, a leader's task over a memory journal, and the agents' services over
//! TLS on a free port of loopback.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{broadcast, mpsc};
use tokio::task::JoinHandle;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Identity, Server, ServerTlsConfig};
use windlass_agents::CancellationToken;
use windlass_journal::Memory;
use windlass_journal::memory::{Replicas, Settings, Sync};
use windlass_orchestrator::blobs::Directory;
use windlass_orchestrator::clock;
use windlass_orchestrator::dispatch::{Fetching, Joining, Streams};
use windlass_orchestrator::identity::{CellIdentity, Own, Secret, init};
use windlass_orchestrator::lead::handle::{Leader, Receipt, Refused};
use windlass_orchestrator::lead::lease::Holding;
use windlass_orchestrator::lead::shell::{Ended, Setup, run};
use windlass_proto::agent::v1::agent_service_server::AgentServiceServer;
use windlass_proto::agent::v1::blob_service_server::BlobServiceServer;
use windlass_proto::agent::v1::join_service_client::JoinServiceClient;
use windlass_proto::agent::v1::join_service_server::JoinServiceServer;
use windlass_proto::agent::v1::{JoinRequest, JoinResponse};
use windlass_sagas::cell::Cell;
use windlass_sagas::ids::*;
use windlass_sagas::protocol::orchestrator::Config;
use windlass_sagas::record::*;

/// A running cell.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) blobs: Directory,
    identity: Arc<CellIdentity>,
    leader: Leader,
    requests: AtomicU64,
    stop: CancellationToken,
    task: JoinHandle<Result<(), Ended>>,
    server: JoinHandle<()>,
    _directory: tempfile::TempDir,
}

pub(crate) async fn start() -> Running {
    let directory = tempfile::tempdir().expect("a directory");
    init(&directory.path().join("identity"), "blue", &["127.0.0.1".into()]).expect("a new cell");
    let identity = Arc::new(CellIdentity::load(&directory.path().join("identity")).expect("its identity"));
    let cell = identity.genesis.cell;
    let (wakes, woken) = mpsc::channel(64);
    let (events, agents) = mpsc::channel(64);
    let (commits, _) = broadcast::channel(64);
    let leader = Leader::new(wakes, commits.clone(), Duration::from_secs(20));
    let settings = Settings { replicas: Replicas::One, sync: Sync::Always, duplicate_window_ms: 120_000 };
    let journal = Memory::new(settings);
    let genesis = Some(identity.genesis.clone());
    let setup = Setup {
        config: Config { writer: WriterId([1; 16]), build: "test".into(), genesis, recover: None },
        journal: journal.connect(),
        reader: journal.connect(),
        lease: Holding::Held,
        seen: None,
        cell,
        store: None,
        wakes: woken,
        agents,
        commits,
        faults: Arc::default(),
        leads: Default::default(),
    };
    let stop = CancellationToken::new();
    let task = tokio::spawn(run(setup, stop.clone()));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    let own =
        Own::ensure(&directory.path().join("identity"), &identity.authority, &BTreeSet::new(), clock::now());
    let own = own.expect("a certificate").certificate;
    let tls = ServerTlsConfig::new()
        .identity(Identity::from_pem(&own.certificate_pem, &own.key_pem))
        .client_ca_root(Certificate::from_pem(identity.authority.certificate_pem()))
        .client_auth_optional(true);
    let joining = Joining::new(Arc::clone(&identity), leader.clone(), vec![address.to_string()]);
    let blobs = Directory::open(directory.path().join("blobs")).expect("a directory");
    let router = Server::builder()
        .tls_config(tls)
        .expect("good certificates")
        .add_service(AgentServiceServer::new(Streams::new(cell, events, Arc::default())))
        .add_service(BlobServiceServer::new(Fetching::new(cell, blobs.clone())))
        .add_service(JoinServiceServer::new(joining));
    let server = tokio::spawn(async move {
        router.serve_with_incoming(TcpListenerStream::new(listener)).await.expect("it serves");
    });
    let requests = AtomicU64::new(1);
    Running { address, blobs, identity, leader, requests, stop, task, server, _directory: directory }
}

impl Running {
    pub(crate) fn authority_pem(&self) -> &str {
        self.identity.authority.certificate_pem()
    }

    /// What the fold says.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Cell) -> Option<T> + Send + 'static,
    ) -> Option<T> {
        self.leader.read(Position(0), read).await.ok()?.1
    }

    /// Asks for this as the administrator, in the one project; waits until this orchestrator leads, bounded.
    pub(crate) async fn ask(&self, body: impl Into<Body>) -> Receipt {
        let project = self.read(|cell| cell.projects.values().find(|it| it.name == "blue").map(|it| it.id));
        let fact = Fact::Request(Request {
            id: crate::uuid(self.requests.fetch_add(1, Ordering::Relaxed)),
            project: project.await.unwrap_or_default(),
            principal: Principal::User(self.identity.genesis.admin),
            body: body.into(),
        });
        for _ in 0..500 {
            match self.leader.propose(Cause::default(), fact.clone()).await {
                Err(Refused::NotLeader | Refused::TakingOver) => {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                answer => return answer.expect("it can be done"),
            }
        }
        unreachable!("nobody leads")
    }

    /// Tells the leader that nothing was heard of a host for the grace period.
    pub(crate) async fn silent(&self, host: HostId) {
        let fact = Fact::Report(Report::HostSilent(HostSilent { host }));
        self.leader.propose(Cause::default(), fact).await.expect("it was up");
    }

    /// A join token's secret.
    pub(crate) async fn token(&self, host: &str, roles: &[Role]) -> String {
        let secret = Secret::random().expect("randomness");
        self.ask(CreateJoinToken {
            host: host.into(),
            roles: roles.to_vec(),
            zone: "a".into(),
            secret_sha256: secret.hash(),
            expires: clock::now().plus_ms(600_000),
        })
        .await;
        secret.text()
    }

    /// A project with a network, a flavor and an image.
    pub(crate) async fn cloud(&self) {
        self.ask(CreateProject { name: "blue".into(), quota: None }).await;
        self.ask(CreateNetwork { name: "net".into(), mtu: None }).await;
        let cidr = Cidr { address: "10.0.0.0".parse().expect("an address"), prefix_bits: 24 };
        let (name, network) = ("sub".into(), "net".into());
        self.ask(CreateSubnet { name, network, cidr, gateway: None, pools: vec![], dns: vec![], dhcp: true })
            .await;
        let (name, traits) = ("small".into(), vec![]);
        self.ask(CreateFlavor { name, vcpus: 2, ram_mib: 1024, root_gib: 4, traits }).await;
        self.ask(RegisterImage {
            name: "debian".into(),
            sha256: Hash([3; 32]),
            size_bytes: 1 << 20,
            format: ImageFormat::Qcow2,
            min_disk_gib: 1,
            min_ram_mib: 64,
            evidence: Evidence::Runs,
            visibility: Visibility::Public,
        })
        .await;
    }

    /// Asks to join, as the wire has it.
    pub(crate) async fn join_raw(
        &self,
        secret: &str,
        csr_der: &[u8],
        roles: &[Role],
    ) -> Result<JoinResponse, tonic::Status> {
        self.join_as(JoinRequest {
            token: secret.into(),
            csr_der: csr_der.to_vec().into(),
            roles: roles.iter().map(|role| i32::from(*role as u8)).collect(),
            clock_us: clock::now().0,
            ..Default::default()
        })
        .await
    }

    /// The same, as it stands.
    pub(crate) async fn join_as(&self, request: JoinRequest) -> Result<JoinResponse, tonic::Status> {
        let tls = ClientTlsConfig::new()
            .ca_certificate(Certificate::from_pem(self.authority_pem()))
            .domain_name("127.0.0.1");
        let endpoint = Endpoint::from_shared(format!("https://{}", self.address)).expect("an address");
        let channel = endpoint.tls_config(tls).expect("a good authority").connect().await.expect("connected");
        JoinServiceClient::new(channel).join(request).await.map(tonic::Response::into_inner)
    }

    pub(crate) async fn stop(self) {
        self.stop.cancel();
        self.task.await.expect("no panic").expect("an orderly end");
        self.server.abort();
    }
}

/// A new certificate request.
pub(crate) fn csr() -> Vec<u8> {
    let key = rcgen::KeyPair::generate().expect("a key");
    let params = rcgen::CertificateParams::new(Vec::new()).expect("params");
    params.serialize_request(&key).expect("a request").der().to_vec()
}

pub(crate) fn create_server(name: &str) -> CreateServer {
    CreateServer {
        name: name.into(),
        flavor: "small".into(),
        image: "debian".into(),
        nics: vec![Nic::Network { network: "net".into(), ip: None, groups: vec![] }],
        volumes: vec![],
        key_pair: None,
        user_data: None,
        metadata: vec![],
        root_gib: None,
        keep_root: false,
        placement: PlacementHints::default(),
    }
}
