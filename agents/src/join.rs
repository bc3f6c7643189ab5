//! How a machine becomes a host: a key is made here, its certificate asked for with a join token, and the identity
//! written. The orchestrator is believed only if the cell's authority, known beforehand, has signed for it.
//!
//! Invariant: the request is on disk before it is sent, so that a join whose answer was lost is repeated with the same
//! bytes, and joins the same host.

mod pin;
mod token;

pub use token::Token;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use tokio::time::timeout;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};
use windlass_proto::agent::v1::join_service_client::JoinServiceClient;
use windlass_proto::agent::v1::{self, IpAddress, JoinRequest, JoinResponse};
use windlass_sagas::ids::Hash;
use windlass_sagas::record::Role;

use crate::config::{HostFile, check_address, read_host};
use crate::files::{Lock, PRIVATE, make_directory, read_text, replace};
use crate::identity::{Fresh, HOST, Identity, identity_directory, pem};
use crate::limits::{DIAL_TIME_MAX, JOIN_TIME_MAX};
use crate::runtime::{causes, ledgers, request};
use crate::{AgentError, clock};

/// Key and request of a join that has not been answered, behind the hash of its token.
const PENDING: &str = "join.pem";

/// What a join needs.
#[derive(Clone, Debug)]
pub struct Join {
    /// The token.
    pub token: Token,
    /// The orchestrator to ask, as `host:port`.
    pub orchestrator: String,
    /// Whom to believe.
    pub authority: Authority,
    /// The state directory; the identity goes below it.
    pub state: PathBuf,
    /// The host's name, which must be the token's; `None`: the token's.
    pub name: Option<String>,
    /// The roles that this machine is meant for, which must be the token's; empty: the token's.
    pub roles: BTreeSet<Role>,
    /// Where other hosts reach it; `None`: where the call comes from.
    pub address: Option<IpAddr>,
}

/// The cell's authority, known before anybody is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Authority {
    /// Its certificate in PEM.
    Pem(String),
    /// SHA-256 of its certificate's DER; the orchestrator shows the certificate.
    Sha256(Hash),
}

/// Joins the machine to a cell and writes its identity.
///
/// # Errors
/// `Joined` where the state directory is a host's already, whose certificate holds; `NotWiped` where it is no host's any more
/// and not empty; `Orchestrator` with what the orchestrator said.
pub async fn join(join: Join) -> Result<Identity, AgentError> {
    check_address(&join.orchestrator).map_err(AgentError::Setting)?;
    let directory = identity_directory(&join.state);
    make_directory(&directory)?;
    let _lock = Lock::take(&directory)?;
    let held = held(&join.state)?;
    let (key_pem, csr_der) = pending(&directory, &join.token)?;
    let answer = match timeout(JOIN_TIME_MAX, ask(&join, csr_der, held.as_ref())).await {
        Ok(answer) => answer,
        Err(_) => Err("it did not answer in time; the same command may be repeated".to_owned()),
    };
    let address = join.orchestrator.clone();
    let refused = |message| AgentError::Orchestrator { address: address.clone(), message };
    let answer = answer.map_err(refused)?;
    let mut file = host_file(&join, &answer).map_err(|field| refused(format!("its answer lacks {field}")))?;
    if let Some(held) = held {
        if (held.cell, held.host) != (file.cell, file.host) {
            return Err(refused(format!(
                "it answered for host {}, this machine is {}",
                file.host, held.host
            )));
        }
        file.name = join.name.clone().unwrap_or(held.name);
    }
    let fresh = Fresh {
        chain_der: answer.certificate_chain_der.iter().map(|der| der.to_vec()).collect(),
        key_pem,
        authority_der: answer.ca_certificate_der.to_vec(),
    };
    let identity = Identity::write(&directory, &file, &fresh)?;
    // Left behind it does no harm: another token has another request.
    if let Err(error) = std::fs::remove_file(directory.join(PENDING)) {
        tracing::debug!(%error, "the request of the join was left behind");
    }
    tracing::info!(host = %identity.host(), cell = identity.cell_name(), "joined");
    Ok(identity)
}

/// What a machine is by its state directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// No host.
    Nobody,
    /// A host that can show it.
    Host,
    /// A host whose certificate can't be shown any more: it joins again with all that it has.
    Ended,
}

/// What the machine with this state directory is.
#[must_use]
pub fn standing(state: &Path) -> Standing {
    let directory = identity_directory(state);
    if !directory.join(HOST).exists() {
        return Standing::Nobody;
    }
    let holds = |identity: &Identity| identity.validity().1 > clock::wall().0;
    if Identity::load(&directory).is_ok_and(|identity| holds(&identity)) {
        Standing::Host
    } else {
        Standing::Ended
    }
}

/// The host that the machine is already and can't show any more.
fn held(state: &Path) -> Result<Option<HostFile>, AgentError> {
    let (directory, ledgers) = (identity_directory(state), ledgers(state));
    match standing(state) {
        Standing::Nobody if ledgers.exists() => Err(AgentError::NotWiped(ledgers)),
        Standing::Nobody => Ok(None),
        Standing::Host => Err(AgentError::Joined(directory)),
        Standing::Ended => read_host(&directory.join(HOST)).map(Some),
    }
}

/// Key and request: those of an earlier try with this token, or new ones, which are on disk when this returns.
fn pending(directory: &Path, token: &Token) -> Result<(String, Vec<u8>), AgentError> {
    let path = directory.join(PENDING);
    let mark = Hash(Sha256::digest(token.secret()).into()).to_string();
    let text = if path.exists() { read_text(&path)? } else { String::new() };
    if text.starts_with(&mark) {
        let key = pem::find(&text, "PRIVATE KEY").map(|der| pem::encode("PRIVATE KEY", &der));
        if let (Some(key), Some(csr)) = (key, pem::find(&text, "CERTIFICATE REQUEST")) {
            return Ok((key, csr));
        }
    }
    let (key_pem, csr_der) = request().map_err(AgentError::Certificate)?;
    let text = format!("{mark}\n{key_pem}{}", pem::encode("CERTIFICATE REQUEST", &csr_der));
    replace(&path, PRIVATE, text.as_bytes()).map_err(|error| AgentError::File { path, error })?;
    Ok((key_pem, csr_der))
}

async fn ask(join: &Join, csr_der: Vec<u8>, held: Option<&HostFile>) -> Result<JoinResponse, String> {
    let authority_pem = match &join.authority {
        Authority::Pem(pem) => pem.clone(),
        Authority::Sha256(hash) => {
            let der = pin::authority(&join.orchestrator, *hash).await?;
            pem::encode("CERTIFICATE", &der)
        }
    };
    let mut client = JoinServiceClient::new(channel(&join.orchestrator, &authority_pem).await?);
    let request = JoinRequest {
        token: join.token.secret().to_owned(),
        csr_der: csr_der.into(),
        host_name: join.name.clone().unwrap_or_default(),
        roles: join.roles.iter().map(|role| i32::from(*role as u8)).collect(),
        address: join.address.map(address),
        clock_us: clock::wall().0,
        host: held.map(|held| held.host.0.to_vec()).unwrap_or_default().into(),
    };
    let answer = client.join(request).await;
    answer
        .map(tonic::Response::into_inner)
        .map_err(|status| format!("{:?}: {}", status.code(), status.message()))
}

async fn channel(orchestrator: &str, authority_pem: &str) -> Result<Channel, String> {
    let tls = ClientTlsConfig::new()
        .ca_certificate(Certificate::from_pem(authority_pem))
        .domain_name(pin::host_of(orchestrator));
    Endpoint::from_shared(format!("https://{orchestrator}"))
        .and_then(|endpoint| endpoint.tls_config(tls))
        .map_err(|error| causes(&error))?
        .connect_timeout(DIAL_TIME_MAX)
        .connect()
        .await
        .map_err(|error| causes(&error))
}

/// What the answer says of this machine; the field that is missing or wrong otherwise.
fn host_file(join: &Join, answer: &JoinResponse) -> Result<HostFile, &'static str> {
    let role = |role: &i32| match v1::Role::try_from(*role) {
        Ok(v1::Role::Hypervisor) => Ok(Role::Hypervisor),
        Ok(v1::Role::Storage) => Ok(Role::Storage),
        Ok(v1::Role::Network) => Ok(Role::Network),
        Ok(v1::Role::Unspecified) | Err(_) => Err("roles"),
    };
    // A cell that names no orchestrators is asked where it was found.
    let orchestrators = match answer.orchestrators.as_slice() {
        [] => vec![join.orchestrator.clone()],
        named => named.to_vec(),
    };
    Ok(HostFile {
        cell: answer.cell.as_ref().try_into().map_err(|_| "cell")?,
        cell_name: answer.cell_name.clone(),
        host: answer.host.as_ref().try_into().map_err(|_| "host")?,
        name: join.name.clone().unwrap_or_default(),
        roles: answer.roles.iter().map(role).collect::<Result<_, _>>()?,
        orchestrators,
    })
}

fn address(ip: IpAddr) -> IpAddress {
    let bytes = match ip {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    };
    IpAddress { bytes: bytes.into() }
}
