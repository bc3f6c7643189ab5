//! Fetches the cell's authority from an orchestrator of which only the authority's hash is known. What is fetched is
//! believed for its hash alone; the call that follows verifies the orchestrator against it.

use std::net::TcpStream;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, Error, SignatureScheme};
use sha2::{Digest, Sha256};
use windlass_sagas::ids::Hash;

use crate::limits::DIAL_TIME_MAX;

/// The certificate with this hash among those that the orchestrator shows, in DER.
pub(super) async fn authority(orchestrator: &str, hash: Hash) -> Result<Vec<u8>, String> {
    let orchestrator = orchestrator.to_owned();
    let shown = tokio::task::spawn_blocking(move || shown(&orchestrator)).await;
    let shown = shown.map_err(|error| error.to_string())??;
    let found = shown.iter().find(|der| Hash(Sha256::digest(der).into()) == hash);
    found.cloned().ok_or_else(|| {
        format!(
            "none of the {} certificates that it shows has the hash {hash}: it is of another cell, or does not show \
             its authority; then give the authority's file with --ca",
            shown.len()
        )
    })
}

/// The host part of `host:port`, without the brackets of an address.
pub(super) fn host_of(address: &str) -> String {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    host.trim_start_matches('[').trim_end_matches(']').to_owned()
}

/// Every certificate that the orchestrator shows.
fn shown(orchestrator: &str) -> Result<Vec<Vec<u8>>, String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let seen = Arc::new(Look { provider: Arc::clone(&provider), chain: Mutex::default() });
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(Arc::clone(&seen) as Arc<dyn ServerCertVerifier>)
        .with_no_client_auth();
    let name = ServerName::try_from(host_of(orchestrator)).map_err(|error| error.to_string())?;
    let mut tls = ClientConnection::new(Arc::new(config), name).map_err(|error| error.to_string())?;
    let mut tcp = dial(orchestrator).map_err(|error| error.to_string())?;
    while tls.is_handshaking() {
        tls.complete_io(&mut tcp).map_err(|error| format!("TLS: {error}"))?;
    }
    let mut chain = seen.chain.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(std::mem::take(&mut *chain))
}

fn dial(orchestrator: &str) -> std::io::Result<TcpStream> {
    let mut last = std::io::ErrorKind::NotFound.into();
    for address in std::net::ToSocketAddrs::to_socket_addrs(orchestrator)? {
        match TcpStream::connect_timeout(&address, DIAL_TIME_MAX) {
            Ok(tcp) => {
                tcp.set_read_timeout(Some(DIAL_TIME_MAX))?;
                tcp.set_write_timeout(Some(DIAL_TIME_MAX))?;
                return Ok(tcp);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Looks at the certificates and concludes nothing: no word goes over this connection.
#[derive(Debug)]
struct Look {
    provider: Arc<CryptoProvider>,
    chain: Mutex<Vec<Vec<u8>>>,
}

impl ServerCertVerifier for Look {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let all = std::iter::once(end_entity).chain(intermediates);
        let mut chain = self.chain.lock().unwrap_or_else(PoisonError::into_inner);
        *chain = all.map(|der| der.to_vec()).collect();
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
