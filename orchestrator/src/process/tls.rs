//! Connections as they come in: TLS by the cell's authority, with the certificate that is in force at that moment, and
//! bounds on those that do not get as far as that.

use std::collections::BTreeSet;
use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{RootCertStore, ServerConfig};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::server::TcpIncoming;

use super::ProcessError;
use crate::clock;
use crate::identity::{CellIdentity, IdentityError, Issued, Own};
use crate::metrics;

/// How long a connection may take to shake hands; then it is closed.
const HANDSHAKE_TIME_MAX: Duration = Duration::from_secs(10);
/// Connections that may shake hands, or wait for the server, at once; others wait to be accepted.
const HANDSHAKES_MAX: usize = 1024;
/// Connections that may wait for the server.
const READY_QUEUE: usize = 64;
/// The pause after a connection could not be accepted (no file descriptors are left, say).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// The pause between two looks at the certificate.
const LOOK_EVERY: Duration = Duration::from_secs(3600);

/// The certificate that is shown to whoever dials; connections that stand keep the one that they began with.
#[derive(Debug)]
pub(crate) struct Shown(RwLock<Arc<CertifiedKey>>);

impl Shown {
    pub(crate) fn new(own: &Issued) -> Result<Arc<Self>, IdentityError> {
        certified(own).map(|key| Arc::new(Self(RwLock::new(key))))
    }

    /// Shows this from now on.
    pub(crate) fn set(&self, own: &Issued) -> Result<(), IdentityError> {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = certified(own)?;
        Ok(())
    }
}

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

/// The connections of a port once they have shaken hands. Whoever shows a certificate must have it of the cell's
/// authority; who shows none is let in, and to what is the services' affair. The port closes with the stream, or
/// when told to `stop`: whoever dials then is refused at once, and asks elsewhere.
pub(crate) fn incoming(
    mut port: TcpIncoming,
    identity: &CellIdentity,
    shown: Arc<Shown>,
    stop: CancellationToken,
) -> Result<ReceiverStream<io::Result<TlsStream<TcpStream>>>, ProcessError> {
    let acceptor = TlsAcceptor::from(Arc::new(config(identity, shown)?));
    let (ready, connections) = mpsc::channel(READY_QUEUE);
    let places = Arc::new(Semaphore::new(HANDSHAKES_MAX));
    tokio::spawn(async move {
        loop {
            let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
            let accepted = tokio::select! {
                () = ready.closed() => return,
                () = stop.cancelled() => return,
                accepted = port.next() => accepted,
            };
            let stream = match accepted {
                None => return,
                Some(Err(error)) => {
                    tracing::warn!(%error, "a connection can't be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
                Some(Ok(stream)) => stream,
            };
            let (handshake, ready) = (acceptor.accept(stream), ready.clone());
            // It ends with its deadline at the latest.
            tokio::spawn(async move {
                match timeout(HANDSHAKE_TIME_MAX, handshake).await {
                    // An error means that the server is gone.
                    Ok(Ok(stream)) => drop(ready.send(Ok(stream)).await),
                    Ok(Err(error)) => tracing::debug!(%error, "a connection does not speak TLS as it should"),
                    Err(_) => tracing::debug!("a connection did not shake hands in time"),
                }
                drop(place);
            });
        }
    });
    Ok(ReceiverStream::new(connections))
}

fn config(identity: &CellIdentity, shown: Arc<Shown>) -> Result<ServerConfig, IdentityError> {
    let provider = Arc::new(ring::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(identity.authority.certificate_der().into()).map_err(bad)?;
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
        .allow_unauthenticated()
        .build()
        .map_err(bad)?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(bad)?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(shown);
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(config)
}

fn certified(own: &Issued) -> Result<Arc<CertifiedKey>, IdentityError> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(own.certificate_pem.as_bytes()).collect();
    let key = PrivateKeyDer::from_pem_slice(own.key_pem.as_bytes()).map_err(bad)?;
    let key = CertifiedKey::from_der(chain.map_err(bad)?, key, &ring::default_provider()).map_err(bad)?;
    Ok(Arc::new(key))
}

fn bad(error: impl std::fmt::Display) -> IdentityError {
    IdentityError::Certificate(error.to_string())
}

/// What an orchestrator's certificate rests on.
pub(super) struct Keeper {
    /// Where it lies.
    directory: PathBuf,
    /// Whose authority signs it.
    identity: Arc<CellIdentity>,
    /// The names that it must have.
    hosts: BTreeSet<String>,
}

impl Keeper {
    /// For an orchestrator that agents dial at these addresses (`host:port`).
    pub(super) fn new(directory: PathBuf, identity: Arc<CellIdentity>, advertised: &[String]) -> Self {
        let hosts = advertised.iter().map(|address| host_of(address)).collect();
        Self { directory, identity, hosts }
    }

    /// Looks at the certificate; makes it anew where that is due.
    pub(super) fn look(&self) -> Result<Own, IdentityError> {
        let own = Own::ensure(&self.directory, &self.identity.authority, &self.hosts, clock::now())?;
        metrics::certificate(own.remaining_s);
        if let Some(why) = &own.renewed {
            tracing::info!(
                why,
                remaining_s = own.remaining_s,
                "this orchestrator's certificate is made anew"
            );
        }
        Ok(own)
    }

    /// Keeps a good certificate shown until `stop`. One that somebody has put in its place is taken, too.
    pub(super) async fn keep(self, shown: Arc<Shown>, stop: CancellationToken) {
        while timeout(LOOK_EVERY, stop.cancelled()).await.is_err() {
            let looked = self.look().and_then(|own| shown.set(&own.certificate));
            if let Err(error) = looked {
                tracing::error!(%error, "this orchestrator's certificate can't be kept; looking again in an hour");
            }
        }
    }
}

/// The host of `host:port`, an IPv6 address without its brackets, as certificates have it.
fn host_of(address: &str) -> String {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    host.parse::<IpAddr>().map_or_else(|_| host.to_owned(), |address| address.to_string())
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use rustls::ClientConfig;
    use rustls::pki_types::ServerName;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio_rustls::TlsConnector;

    use super::*;
    use crate::identity::init;

    /// A port of a new cell, what it shows, and who is let in.
    struct Port {
        _directory: tempfile::TempDir,
        keeper: Keeper,
        shown: Arc<Shown>,
        address: SocketAddr,
        connections: ReceiverStream<io::Result<TlsStream<TcpStream>>>,
        stop: CancellationToken,
    }

    fn open() -> Port {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("identity");
        init(&path, "blue", &["localhost".into()]).expect("made");
        let identity = Arc::new(CellIdentity::load(&path).expect("read"));
        let port = TcpIncoming::bind(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a free port");
        let address = port.local_addr().expect("bound");
        let keeper = Keeper::new(path, Arc::clone(&identity), &["o1.example:7700".into()]);
        let stop = CancellationToken::new();
        let shown = Shown::new(&keeper.look().expect("a certificate").certificate).expect("usable");
        let connections = incoming(port, &identity, Arc::clone(&shown), stop.clone()).expect("it listens");
        Port { _directory: directory, keeper, shown, address, connections, stop }
    }

    impl Port {
        /// Dials, and says which certificate was shown.
        async fn dial(&mut self) -> Vec<u8> {
            let mut roots = RootCertStore::empty();
            roots.add(self.keeper.identity.authority.certificate_der().into()).expect("an authority");
            let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
                .with_safe_default_protocol_versions()
                .expect("versions")
                .with_root_certificates(roots)
                .with_no_client_auth();
            let stream = TcpStream::connect(self.address).await.expect("connected");
            let name = ServerName::try_from("o1.example").expect("a name");
            let (client, served) = tokio::join!(
                TlsConnector::from(Arc::new(config)).connect(name, stream),
                self.connections.next()
            );
            served.expect("a connection").expect("it stands");
            let client = client.expect("hands are shaken");
            client.get_ref().1.peer_certificates().expect("shown")[0].to_vec()
        }
    }

    #[tokio::test]
    async fn the_next_connection_is_shown_the_new_certificate() {
        let mut port = open();
        let first = port.dial().await;
        assert_eq!(port.dial().await, first);
        std::fs::remove_file(port.keeper.directory.join("orchestrator.key")).expect("removed");
        let own = port.keeper.look().expect("made anew");
        assert!(own.renewed.is_some());
        port.shown.set(&own.certificate).expect("usable");
        assert_ne!(port.dial().await, first);
    }

    #[tokio::test]
    async fn who_does_not_shake_hands_is_closed_and_keeps_nobody_out() {
        let mut port = open();
        let mut silent = TcpStream::connect(port.address).await.expect("connected");
        let mut loud = TcpStream::connect(port.address).await.expect("connected");
        loud.write_all(b"GET / HTTP/1.1\r\n\r\n").await.expect("written");
        port.dial().await;
        let mut said = Vec::new();
        loud.read_to_end(&mut said).await.expect("closed");
        // Its time passes at once.
        tokio::time::pause();
        assert_eq!(silent.read_to_end(&mut said).await.expect("closed"), 0);
    }

    #[tokio::test]
    async fn a_port_that_was_told_to_stop_refuses_at_once() {
        let mut port = open();
        port.dial().await;
        port.stop.cancel();
        assert!(port.connections.next().await.is_none(), "the accepting task has ended");
        let refused = TcpStream::connect(port.address).await.expect_err("nobody listens");
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
    }

    #[test]
    fn an_addresss_host_is_as_certificates_have_it() {
        for (address, host) in [
            ("o1.example:7700", "o1.example"),
            ("10.0.0.1:7700", "10.0.0.1"),
            ("[fd00:0::1]:7700", "fd00::1"),
        ] {
            assert_eq!(host_of(address), host);
        }
    }
}
