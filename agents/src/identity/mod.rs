//! Who this machine is: the identity directory that `agent join` fills, and the TLS that an agent shows and expects.
//!
//! Invariant: the key is made here, never leaves, and stands with its certificate in one file of mode 0600, so that a
//! renewal replaces both at once.

pub(crate) mod certificate;
pub(crate) mod pem;
pub mod volume;

use std::path::{Path, PathBuf};

use tonic::transport::{Certificate, ClientTlsConfig, Identity as TlsIdentity};
use windlass_sagas::ids::{CellId, HostId};
use windlass_sagas::record::Role;

use crate::AgentError;
use crate::config::{HostFile, read_host};
use crate::files::{PRIVATE, read_text, replace};
use certificate::Speaks;

pub(crate) const HOST: &str = "host.toml";
const CERTIFICATE: &str = "host.pem";
const AUTHORITY: &str = "ca.pem";

/// Where a state directory has it.
pub(crate) fn identity_directory(state: &Path) -> PathBuf {
    state.join("identity")
}

/// A host's identity.
#[derive(Clone)]
pub struct Identity {
    directory: PathBuf,
    file: HostFile,
    authority_pem: String,
    /// The certificate with those up to the authority, then its key.
    certificate_pem: String,
    speaks: Speaks,
}

/// A certificate and its key, as they were just given and made.
pub(crate) struct Fresh {
    pub(crate) chain_der: Vec<Vec<u8>>,
    pub(crate) key_pem: String,
    pub(crate) authority_der: Vec<u8>,
}

impl Identity {
    /// Reads an identity directory.
    ///
    /// # Errors
    /// `NoIdentity` where nobody has joined; `Certificate` where the certificate is not of this host.
    pub fn load(directory: &Path) -> Result<Self, AgentError> {
        if !directory.join(HOST).exists() {
            return Err(AgentError::NoIdentity(directory.to_path_buf()));
        }
        let file = read_host(&directory.join(HOST))?;
        let authority_pem = read_text(&directory.join(AUTHORITY))?;
        let certificate_pem = read_text(&directory.join(CERTIFICATE))?;
        let speaks = Speaks::of_pem(&certificate_pem)?;
        if (speaks.whom.cell, speaks.whom.host) != (file.cell, file.host) {
            let message = format!("it is of host {} in cell {}", speaks.whom.host, speaks.whom.cell);
            return Err(AgentError::Certificate(message));
        }
        Ok(Self { directory: directory.to_path_buf(), file, authority_pem, certificate_pem, speaks })
    }

    /// Writes a new identity, the file that says that it is there last.
    pub(crate) fn write(directory: &Path, file: &HostFile, fresh: &Fresh) -> Result<Self, AgentError> {
        Self::write_certificate(directory, fresh)?;
        file.write(&directory.join(HOST))?;
        Self::load(directory)
    }

    /// Replaces certificate and key, and what else a renewal told.
    pub(crate) fn renew(&self, fresh: &Fresh, orchestrators: Vec<String>) -> Result<Self, AgentError> {
        let [first, ..] = fresh.chain_der.as_slice() else {
            return Err(AgentError::Certificate("the renewal holds none".into()));
        };
        let speaks = Speaks::of_der(first)?;
        if (speaks.whom.cell, speaks.whom.host) != (self.file.cell, self.file.host) {
            return Err(AgentError::Certificate(format!("the renewed one is of host {}", speaks.whom.host)));
        }
        Self::write_certificate(&self.directory, fresh)?;
        let mut file = self.file.clone();
        if !orchestrators.is_empty() {
            file.orchestrators = orchestrators;
        }
        if file != self.file {
            file.write(&self.directory.join(HOST))?;
        }
        Self::load(&self.directory)
    }

    fn write_certificate(directory: &Path, fresh: &Fresh) -> Result<(), AgentError> {
        let chain = fresh.chain_der.iter().map(|der| pem::encode("CERTIFICATE", der));
        let certificate: String = chain.chain([fresh.key_pem.clone()]).collect();
        let authority = pem::encode("CERTIFICATE", &fresh.authority_der);
        for (name, text) in [(AUTHORITY, authority), (CERTIFICATE, certificate)] {
            let path = directory.join(name);
            replace(&path, PRIVATE, text.as_bytes()).map_err(|error| AgentError::File { path, error })?;
        }
        Ok(())
    }

    /// What an agent shows, and whom it trusts, when it dials the host part of `address`.
    pub(crate) fn tls(&self, address: &str) -> ClientTlsConfig {
        let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
        ClientTlsConfig::new()
            .ca_certificate(Certificate::from_pem(&self.authority_pem))
            .identity(TlsIdentity::from_pem(&self.certificate_pem, &self.certificate_pem))
            .domain_name(host.trim_start_matches('[').trim_end_matches(']'))
    }

    /// The cell.
    #[must_use]
    pub const fn cell(&self) -> CellId {
        self.file.cell
    }

    /// The cell's name.
    #[must_use]
    pub fn cell_name(&self) -> &str {
        &self.file.cell_name
    }

    /// The host.
    #[must_use]
    pub const fn host(&self) -> HostId {
        self.file.host
    }

    /// The name that it joined with; may be empty.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.file.name
    }

    /// The roles that its certificate allows.
    #[must_use]
    pub fn roles(&self) -> &[Role] {
        &self.speaks.whom.roles
    }

    /// The orchestrators that the cell named, as `host:port`.
    #[must_use]
    pub fn orchestrators(&self) -> &[String] {
        &self.file.orchestrators
    }

    /// From when to when the certificate holds, microseconds since 1970.
    pub(crate) const fn validity(&self) -> (i64, i64) {
        (self.speaks.from_us, self.speaks.until_us)
    }
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identity").field("host", &self.file.host).finish_non_exhaustive()
    }
}
