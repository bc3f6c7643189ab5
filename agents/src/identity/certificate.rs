//! What a host's certificate says: whom it speaks for, by one URI, and how long it holds.

use windlass_sagas::ids::{CellId, HostId};
use windlass_sagas::record::Role;
use x509_parser::extensions::GeneralName;

use super::pem;
use crate::AgentError;

/// Whom a certificate speaks for, and from when to when, microseconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Speaks {
    pub(crate) cell: CellId,
    pub(crate) host: HostId,
    pub(crate) roles: Vec<Role>,
    pub(crate) from_us: i64,
    pub(crate) until_us: i64,
}

impl Speaks {
    /// Reads the first certificate of a PEM file.
    pub(crate) fn of_pem(text: &str) -> Result<Self, AgentError> {
        let der = pem::find(text, "CERTIFICATE").ok_or_else(|| bad("the file holds none"))?;
        Self::of_der(&der)
    }

    /// Reads a certificate. Its signature is the transport's affair.
    pub(crate) fn of_der(der: &[u8]) -> Result<Self, AgentError> {
        let (_, certificate) =
            x509_parser::parse_x509_certificate(der).map_err(|_| bad("it can't be read"))?;
        let names = certificate.subject_alternative_name().ok().flatten();
        let names = names.iter().flat_map(|names| names.value.general_names.iter());
        let uris = names.filter_map(|name| match name {
            GeneralName::URI(uri) => Some(*uri),
            _ => None,
        });
        let (cell, host, roles) =
            uris.filter_map(parse).next().ok_or_else(|| bad("it names no host of a cell"))?;
        let validity = certificate.validity();
        let micros = |seconds: i64| seconds.saturating_mul(1_000_000);
        let (from_us, until_us) =
            (micros(validity.not_before.timestamp()), micros(validity.not_after.timestamp()));
        Ok(Self { cell, host, roles, from_us, until_us })
    }
}

/// `windlass:cell:<id>:host:<id>:roles:<role,…>`.
fn parse(uri: &str) -> Option<(CellId, HostId, Vec<Role>)> {
    let rest = uri.strip_prefix("windlass:cell:")?;
    let (cell, rest) = rest.split_once(":host:")?;
    let (host, roles) = rest.split_once(":roles:")?;
    let role = |name: &str| Role::ALL.iter().copied().find(|role| role.name() == name);
    // A role that only a newer build knows is nobody's affair here.
    let roles = roles.split(',').filter_map(role).collect();
    Some((cell.parse().ok()?, host.parse().ok()?, roles))
}

fn bad(message: &str) -> AgentError {
    AgentError::Certificate(message.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_uri_names_cell_host_and_roles() {
        let (cell, host) = (CellId([1; 16]), HostId([2; 16]));
        let uri = format!("windlass:cell:{cell}:host:{host}:roles:Hypervisor,Network");
        assert_eq!(parse(&uri), Some((cell, host, vec![Role::Hypervisor, Role::Network])));
        assert_eq!(parse(&uri.replace("Network", "Cook")), Some((cell, host, vec![Role::Hypervisor])));
        for wrong in ["", "windlass:cell:x", &uri.replace("cell", "sell")] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn what_is_no_certificate_of_a_host_is_refused() {
        assert!(Speaks::of_pem("nothing").is_err());
        assert!(Speaks::of_der(b"nothing").is_err());
        let key = rcgen::KeyPair::generate().unwrap();
        let other =
            rcgen::CertificateParams::new(vec!["a.example".into()]).unwrap().self_signed(&key).unwrap();
        assert!(Speaks::of_der(other.der()).is_err());
    }
}
