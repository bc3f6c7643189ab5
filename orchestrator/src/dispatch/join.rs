//! How a machine becomes a host: its token is exchanged for a certificate, and the join is committed before it is told.

use std::sync::Arc;

use sha2::{Digest, Sha256};
use tonic::{Request, Response, Status};
use windlass_agent_wire::HostIdentity;
use windlass_proto::agent::v1::join_service_server::JoinService;
use windlass_proto::agent::v1::{
    self, IssueVolumeCertificateRequest, IssueVolumeCertificateResponse, JoinRequest, JoinResponse,
    RenewRequest, RenewResponse,
};
use windlass_sagas::cell::state::{Host, HostLife, JoinToken};
use windlass_sagas::cell::{Reason, Rejection};
use windlass_sagas::ids::{Hash, HostId, Position, RequestId};
use windlass_sagas::record::{Body, Cause, Fact, JoinHost, Principal, Request as Asked, Role};

use crate::clock;
use crate::identity::{CellIdentity, Secret, address_of, host_identity, random_id};
use crate::lead::handle::{Leader, Refused};

/// The longest certificate request, bytes.
const CSR_BYTES_MAX: usize = 16 * 1024;
/// The longest token, bytes.
const TOKEN_BYTES_MAX: usize = 128;
/// How far a joining machine's clock may be off, microseconds.
const CLOCK_SKEW_US_MAX: u64 = 5_000_000;

/// The service.
pub struct Joining {
    identity: Arc<CellIdentity>,
    leader: Leader,
    orchestrators: Vec<String>,
}

impl Joining {
    /// A service for the cell of this identity; agents are told to dial `orchestrators` (`host:port`).
    #[must_use]
    pub const fn new(identity: Arc<CellIdentity>, leader: Leader, orchestrators: Vec<String>) -> Self {
        Self { identity, leader, orchestrators }
    }

    async fn token(&self, text: &str) -> Result<JoinToken, Status> {
        let hash = Secret::hash_of(text);
        let read = move |cell: &windlass_sagas::cell::Cell| {
            cell.join_tokens.values().find(|token| token.secret_sha256 == hash).cloned()
        };
        let (_, token) =
            self.leader.read(Position(0), read).await.map_err(|refused| unavailable(&refused))?;
        token.ok_or_else(|| Status::unauthenticated("the join token is unknown, used or revoked"))
    }

    /// The host of a token, as it is at a position; none before its first join.
    async fn host(&self, name: String, position: Position) -> Result<Option<Host>, Status> {
        let read = move |cell: &windlass_sagas::cell::Cell| {
            cell.hosts.values().find(|host| host.name == name).cloned()
        };
        let (_, host) = self.leader.read(position, read).await.map_err(|refused| unavailable(&refused))?;
        Ok(host)
    }

    /// Refuses a machine that is not the silent host which the token is for, or that was another host: its ledgers would
    /// be another machine's. Gives the host that joins again.
    async fn same_machine(&self, token: &JoinToken, machine: &[u8]) -> Result<Option<Host>, Status> {
        let machine = (!machine.is_empty()).then(|| HostId::try_from(machine)).transpose();
        let machine = machine.map_err(|_| Status::invalid_argument("host: not 16 bytes"))?;
        let host = self.host(token.host.clone(), Position(0)).await?;
        let name = &token.host;
        let joined = host.as_ref().filter(|host| host.certificate_sha256.is_some());
        let own = joined.filter(|host| Some(host.id) == machine);
        let message = match (token.again, machine, own) {
            (Some(again), Some(machine), _) if again == machine => return Ok(host),
            (Some(again), ..) => format!(
                "host: {name} ({again}) is silent, and joins again only with its own state directory; where that is \
                 lost, declare the host gone, wipe it and let it rejoin"
            ),
            (None, None, _) => return Ok(None),
            // It joined and never showed itself: there is nothing that it could lose.
            (None, Some(_), Some(own)) if own.life == HostLife::Joined => return Ok(None),
            (None, Some(_), Some(_)) => {
                format!(
                    "host: {name} was not silent when the token was made; make another one once it is DOWN"
                )
            }
            (None, Some(machine), None) => format!(
                "host: this machine was host {machine}, which the token is not for; wipe the machine to join as \
                 another host, or as one that was declared gone"
            ),
        };
        Err(Status::failed_precondition(message))
    }

    /// The host that joined with this request before: its answer was lost, and its token is used up. Whoever repeats
    /// the bytes without the key gains a certificate that is of no use to him.
    async fn joined(&self, csr: &[u8]) -> Result<Option<Host>, Status> {
        let hash = request_hash(csr);
        let read = move |cell: &windlass_sagas::cell::Cell| {
            let joined = |host: &&Host| host.certificate_sha256 == Some(hash) && host.life.is_member();
            cell.hosts.values().find(joined).cloned()
        };
        let (_, host) = self.leader.read(Position(0), read).await.map_err(|refused| unavailable(&refused))?;
        Ok(host)
    }

    /// The host that shows its certificate, as long as it is a member.
    async fn member<T>(&self, request: &Request<T>) -> Result<Host, Status> {
        let certificates = request.peer_certs();
        let shown =
            certificates.as_ref().and_then(|all| all.first()).and_then(|first| host_identity(first.as_ref()));
        let shown = shown.filter(|shown| shown.cell == self.identity.genesis.cell);
        let shown =
            shown.ok_or_else(|| Status::unauthenticated("this call needs the host's valid certificate"))?;
        let id = shown.host;
        let read = move |cell: &windlass_sagas::cell::Cell| cell.hosts.get(&id).cloned();
        let (_, host) = self.leader.read(Position(0), read).await.map_err(|refused| unavailable(&refused))?;
        let host = host.filter(|host| host.life.is_member());
        host.ok_or_else(|| Status::permission_denied("the host is gone or removed"))
    }

    fn answer(&self, csr: &[u8], host: &Host) -> Result<Response<JoinResponse>, Status> {
        let roles: Vec<Role> = host.roles.iter().copied().collect();
        Ok(Response::new(JoinResponse {
            cell: self.identity.genesis.cell.0.to_vec().into(),
            cell_name: self.identity.genesis.name.clone(),
            host: host.id.0.to_vec().into(),
            certificate_chain_der: self.sign(csr, host.id, &roles)?,
            ca_certificate_der: self.authority_der()?,
            orchestrators: self.orchestrators.clone(),
            roles: roles.iter().map(|role| i32::from(*role as u8)).collect(),
        }))
    }

    async fn commit(
        &self,
        token: &JoinToken,
        csr: &[u8],
        address: Option<std::net::IpAddr>,
    ) -> Result<Position, Status> {
        let body = JoinHost { token: token.id, certificate_sha256: request_hash(csr), address };
        let fact = Fact::Request(Asked {
            id: request_id()?,
            project: windlass_sagas::ids::ProjectId::default(),
            principal: Principal::Cell,
            body: Body::from(body),
        });
        match self.leader.propose(Cause::default(), fact).await {
            Ok(receipt) => Ok(receipt.position),
            Err(Refused::Rejected { rejection, .. }) => Err(refused(&rejection)),
            Err(refused) => Err(unavailable(&refused)),
        }
    }

    fn sign(&self, csr: &[u8], host: HostId, roles: &[Role]) -> Result<Vec<prost::bytes::Bytes>, Status> {
        let identity = HostIdentity { cell: self.identity.genesis.cell, host, roles: roles.to_vec() };
        let issued = self
            .identity
            .authority
            .host(csr, &identity)
            .map_err(|error| Status::invalid_argument(format!("csr_der: {error}")))?;
        Ok(vec![der(&issued.certificate_pem)?.into()])
    }

    fn authority_der(&self) -> Result<prost::bytes::Bytes, Status> {
        der(self.identity.authority.certificate_pem()).map(Into::into)
    }
}

#[tonic::async_trait]
impl JoinService for Joining {
    async fn join(&self, request: Request<JoinRequest>) -> Result<Response<JoinResponse>, Status> {
        let peer = request.remote_addr().map(|address| address.ip());
        let asked = request.into_inner();
        if asked.token.len() > TOKEN_BYTES_MAX || asked.csr_der.len() > CSR_BYTES_MAX {
            return Err(Status::invalid_argument("token or csr_der is over its bound"));
        }
        if asked.clock_us != 0 && asked.clock_us.abs_diff(clock::now().0) > CLOCK_SKEW_US_MAX {
            return Err(Status::failed_precondition(
                "clock_us: the machine's clock is more than 5 s off; set it first",
            ));
        }
        if let Some(host) = self.joined(&asked.csr_der).await? {
            return self.answer(&asked.csr_der, &host);
        }
        let token = self.token(&asked.token).await?;
        if !asked.host_name.is_empty() && asked.host_name != token.host {
            return Err(Status::invalid_argument(format!("host_name: the token is for {}", token.host)));
        }
        let wanted = asked.roles.iter().map(|role| core_role(*role)).collect::<Result<Vec<_>, _>>()?;
        // Not fewer either: the cell would wait for the ledgers of roles that nobody serves.
        let same = wanted.iter().all(|role| token.roles.contains(role))
            && token.roles.iter().all(|role| wanted.contains(role));
        if !wanted.is_empty() && !same {
            let roles: Vec<&str> = token.roles.iter().map(|role| role.name()).collect();
            return Err(Status::invalid_argument(format!("roles: the token is for {}", roles.join(", "))));
        }
        let again = self.same_machine(&token, &asked.host).await?;
        let address = asked.address.as_ref().map(ip).transpose()?;
        let address = address.or(again.map_or(peer, |host| host.address));
        // Signed once before the commit, so that a bad request uses no token up.
        self.sign(&asked.csr_der, HostId::default(), &token.roles)?;
        let position = self.commit(&token, &asked.csr_der, address).await?;
        let host = self.host(token.host.clone(), position).await?;
        let host = host.ok_or_else(|| Status::internal("the host that joined is not in the fold"))?;
        self.answer(&asked.csr_der, &host)
    }

    async fn renew(&self, request: Request<RenewRequest>) -> Result<Response<RenewResponse>, Status> {
        let host = self.member(&request).await?;
        let asked = request.into_inner();
        if asked.csr_der.len() > CSR_BYTES_MAX {
            return Err(Status::invalid_argument("csr_der is over its bound"));
        }
        let roles: Vec<Role> = host.roles.iter().copied().collect();
        Ok(Response::new(RenewResponse {
            certificate_chain_der: self.sign(&asked.csr_der, host.id, &roles)?,
            ca_certificate_der: self.authority_der()?,
            orchestrators: self.orchestrators.clone(),
        }))
    }

    async fn issue_volume_certificate(
        &self,
        request: Request<IssueVolumeCertificateRequest>,
    ) -> Result<Response<IssueVolumeCertificateResponse>, Status> {
        let host = self.member(&request).await?;
        let asked = request.into_inner();
        if asked.csr_der.len() > CSR_BYTES_MAX {
            return Err(Status::invalid_argument("csr_der is over its bound"));
        }
        let issued = self
            .identity
            .authority
            .volume(&asked.csr_der, host.id, host.address)
            .map_err(|error| Status::invalid_argument(format!("csr_der: {error}")))?;
        tracing::info!(host = %host.id, "a certificate for the host's data connections is issued");
        Ok(Response::new(IssueVolumeCertificateResponse {
            certificate_der: der(&issued.certificate_pem)?.into(),
            ca_certificate_der: self.authority_der()?,
        }))
    }
}

fn request_hash(csr: &[u8]) -> Hash {
    Hash(Sha256::digest(csr).into())
}

fn refused(rejection: &Rejection) -> Status {
    let Rejection { reason, message, hint, field, .. } = rejection;
    let text = format!("{}: {message}; {hint}", field.as_deref().unwrap_or("token"));
    match reason {
        Reason::TokenInvalid => Status::unauthenticated(message),
        Reason::InvalidField => Status::invalid_argument(text),
        _ => Status::failed_precondition(text),
    }
}

fn unavailable(refused: &Refused) -> Status {
    Status::unavailable(refused.to_string())
}

/// A UUIDv7 (RFC 9562) made now.
fn request_id() -> Result<RequestId, Status> {
    let mut id = random_id().map_err(|error| Status::internal(error.to_string()))?;
    let [.., a, b, c, d, e, f] = (clock::now().0 / 1000).to_be_bytes();
    id[..6].copy_from_slice(&[a, b, c, d, e, f]);
    id[6] = (id[6] & 0x0f) | 0x70;
    Ok(RequestId(id))
}

fn core_role(role: i32) -> Result<Role, Status> {
    match v1::Role::try_from(role) {
        Ok(v1::Role::Hypervisor) => Ok(Role::Hypervisor),
        Ok(v1::Role::Storage) => Ok(Role::Storage),
        Ok(v1::Role::Network) => Ok(Role::Network),
        Ok(v1::Role::Unspecified) | Err(_) => Err(Status::invalid_argument("roles: an unknown role")),
    }
}

fn ip(address: &v1::IpAddress) -> Result<std::net::IpAddr, Status> {
    let address = address_of(&address.bytes);
    address.ok_or_else(|| Status::invalid_argument("address: neither 4 bytes (IPv4) nor 16 (IPv6)"))
}

fn der(pem: &str) -> Result<Vec<u8>, Status> {
    let parsed = x509_parser::pem::parse_x509_pem(pem.as_bytes());
    parsed.map(|(_, pem)| pem.contents).map_err(|_| Status::internal("a stored certificate can't be read"))
}
