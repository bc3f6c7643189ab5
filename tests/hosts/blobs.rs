//! What a host gets from the orchestrators beside its calls: blobs by hash, and the certificate of its data connections,
//! which must open nothing here.

use std::path::Path;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use tokio::sync::watch;
use tokio_stream::StreamExt as _;
use tonic::Code;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity as Shown};
use windlass_agent_wire::encode_up;
use windlass_agents::blobs::{Blobs, FetchError};
use windlass_agents::identity::Identity;
use windlass_agents::identity::volume::{ensure_volume_certificate, volume_directory};
use windlass_agents::join::Token;
use windlass_proto::agent::v1::agent_service_client::AgentServiceClient;
use windlass_proto::agent::v1::blob_service_client::BlobServiceClient;
use windlass_proto::agent::v1::join_service_client::JoinServiceClient;
use windlass_proto::agent::v1::{
    AgentMessage, FetchBlobRequest, IssueVolumeCertificateRequest, RenewRequest,
};
use windlass_sagas::ids::*;
use windlass_sagas::protocol::{Answer, Hello, Reply, Up, Verb};
use windlass_sagas::record::{Capacity, LedgerId, StepKey};

use crate::cell::{self, Running};
use crate::{ROLES, join_with};

/// A machine that has joined this cell, without an agent.
async fn joined(cell: &Running, state: &Path) -> Identity {
    let secret = cell.token("h1", &ROLES).await;
    let token = Token::new(&secret, cell.authority_pem()).expect("a token");
    join_with(cell, token, state).await.expect("joined");
    Identity::load(&state.join("identity")).expect("an identity")
}

/// A connection that shows this certificate, or none.
async fn dial(cell: &Running, shown: Option<Shown>) -> Channel {
    let tls = ClientTlsConfig::new()
        .ca_certificate(Certificate::from_pem(cell.authority_pem()))
        .domain_name("127.0.0.1");
    let tls = match shown {
        Some(shown) => tls.identity(shown),
        None => tls,
    };
    let endpoint = Endpoint::from_shared(format!("https://{}", cell.address)).expect("an address");
    endpoint.tls_config(tls).expect("good certificates").connect().await.expect("connected")
}

fn shown(directory: &Path, certificate: &str, key: &str) -> Shown {
    let read = |name: &str| std::fs::read(directory.join(name)).expect("written");
    Shown::from_pem(read(certificate), read(key))
}

#[tokio::test]
async fn a_host_fetches_what_this_orchestrator_has_and_nobody_else_does() {
    let (cell, state) = (cell::start().await, tempfile::tempdir().unwrap());
    let identity = joined(&cell, state.path()).await;
    let body: Vec<u8> = (0..200_000_u32).flat_map(u32::to_be_bytes).collect();
    let hash = |bytes: &[u8]| Hash(Sha256::digest(bytes).into());
    for bytes in [body.as_slice(), b"#cloud-config", b""] {
        assert_eq!(cell.blobs.keep(bytes.to_vec()).await.unwrap(), hash(bytes));
    }
    let (_, identities) = watch::channel(Arc::new(identity));
    let blobs = Blobs::new(state.path(), 1 << 30, identities, vec![cell.address.to_string()]);
    for bytes in [body.as_slice(), b"#cloud-config", b""] {
        let path = blobs.fetch(hash(bytes), 1 << 20).await.unwrap();
        assert_eq!(std::fs::read(path).unwrap(), bytes);
    }
    let none = blobs.fetch(hash(b"never uploaded"), 1).await.unwrap_err();
    assert_eq!(none, FetchError::Missing(hash(b"never uploaded")));
    assert!(none.to_string().contains("windlass image create --file"), "{none}");

    let request = || FetchBlobRequest { sha256: hash(&body).0.to_vec().into() };
    let refused = BlobServiceClient::new(dial(&cell, None).await).fetch_blob(request()).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated, "{refused}");
    let identity = state.path().join("identity");
    let mut host = BlobServiceClient::new(dial(&cell, Some(shown(&identity, "host.pem", "host.pem"))).await);
    let short = host.fetch_blob(FetchBlobRequest { sha256: vec![1; 31].into() }).await.unwrap_err();
    assert_eq!(short.code(), Code::InvalidArgument, "{short}");
    let none = host.fetch_blob(FetchBlobRequest { sha256: vec![1; 32].into() }).await.unwrap_err();
    assert_eq!(none.code(), Code::NotFound);
    assert!(none.message().contains("windlass image create --file"), "{none}");
    cell.stop().await;
}

#[tokio::test]
async fn a_stream_begins_with_one_hello_and_its_agent_is_told_why_it_ends() {
    let (cell, state) = (cell::start().await, tempfile::tempdir().unwrap());
    let identity = joined(&cell, state.path()).await;
    let shown = shown(&state.path().join("identity"), "host.pem", "host.pem");
    let mut agents = AgentServiceClient::new(dial(&cell, Some(shown)).await);
    let hello = |build: &str| {
        let up = Up::Hello(Hello {
            cell: identity.cell(),
            host: identity.host(),
            boot: BootId([1; 16]),
            ledgers: Vec::new(),
            highest: Term::default(),
            seen: Default::default(),
            capacity: Capacity::default(),
            traits: Vec::new(),
        });
        encode_up(identity.cell(), build, &up).remove(0)
    };
    let heartbeat = || encode_up(identity.cell(), "", &Up::Heartbeat { host: identity.host() }).remove(0);
    let of_another_host = Up::Reply(Reply {
        ledger: LedgerId { host: HostId([9; 16]), role: ROLES[0] },
        incarnation: Incarnation([1; 16]),
        key: StepKey { saga: SagaId([2; 16]), step: StepIndex(0) },
        verb: Verb::Execute,
        attempt: Attempt(1),
        answer: Answer::Undone,
    });
    let of_another_host = encode_up(identity.cell(), "", &of_another_host).remove(0);
    for (messages, code, why) in [
        (vec![heartbeat()], Code::InvalidArgument, "the first message must be Hello"),
        (vec![AgentMessage::default()], Code::InvalidArgument, "the first message must be Hello"),
        (vec![hello("b"), heartbeat(), hello("b")], Code::InvalidArgument, "a second Hello"),
        (vec![hello(&"b".repeat(129))], Code::InvalidArgument, "field build"),
        (vec![hello("b"), of_another_host], Code::PermissionDenied, "certificate does not cover"),
    ] {
        let said = tokio_stream::iter(messages).chain(tokio_stream::pending());
        let mut stream = agents.connect(said).await.unwrap().into_inner();
        let ended = loop {
            match stream.message().await {
                Ok(Some(_)) => {}
                Ok(None) => panic!("nobody said why: {why}"),
                Err(status) => break status,
            }
        };
        assert_eq!(ended.code(), code, "{ended}");
        assert!(ended.message().contains(why), "{ended}");
    }
    cell.stop().await;
}

#[tokio::test]
async fn a_volume_certificate_is_the_hosts_and_opens_nothing_at_an_orchestrator() {
    let (cell, state) = (cell::start().await, tempfile::tempdir().unwrap());
    let identity = joined(&cell, state.path()).await;
    ensure_volume_certificate(state.path(), &identity, &[]).await.unwrap();
    let directory = volume_directory(state.path());
    let read = |name: &str| std::fs::read_to_string(directory.join(name)).unwrap();
    assert_eq!(read("ca-cert.pem"), cell.authority_pem());
    let certificate = read("server-cert.pem");
    assert_eq!(certificate, read("client-cert.pem"));
    assert_eq!(read("server-key.pem"), read("client-key.pem"));
    assert!(read("server-key.pem").starts_with("-----BEGIN PRIVATE KEY-----"), "PKCS #8");
    ensure_volume_certificate(state.path(), &identity, &[]).await.unwrap();
    assert_eq!(read("server-cert.pem"), certificate, "a good one is not asked for again");

    let volume = dial(&cell, Some(shown(&directory, "client-cert.pem", "client-key.pem"))).await;
    let mut agents = AgentServiceClient::new(volume.clone());
    let refused = agents.connect(tokio_stream::pending()).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied, "{refused}");
    let mut blobs = BlobServiceClient::new(volume.clone());
    let refused = blobs.fetch_blob(FetchBlobRequest { sha256: vec![1; 32].into() }).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied, "{refused}");
    let mut joining = JoinServiceClient::new(volume);
    let csr_der = || cell::csr().into();
    let refused = joining.renew(RenewRequest { csr_der: csr_der() }).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated, "{refused}");
    let another = IssueVolumeCertificateRequest { csr_der: csr_der() };
    let refused = joining.issue_volume_certificate(another.clone()).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated, "{refused}");
    let mut nobody = JoinServiceClient::new(dial(&cell, None).await);
    let refused = nobody.issue_volume_certificate(another).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated, "{refused}");

    let own = shown(&state.path().join("identity"), "host.pem", "host.pem");
    let mut host = JoinServiceClient::new(dial(&cell, Some(own)).await);
    let garbage = IssueVolumeCertificateRequest { csr_der: b"no request".to_vec().into() };
    let refused = host.issue_volume_certificate(garbage).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument, "{refused}");
    let long = IssueVolumeCertificateRequest { csr_der: vec![0; 17 * 1024].into() };
    let refused = host.issue_volume_certificate(long).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument, "{refused}");
    cell.stop().await;
}
