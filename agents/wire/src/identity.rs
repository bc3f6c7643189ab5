//! Whom a host's certificate speaks for: its cell, its id and its roles in one URI among its names, and nothing else.

use windlass_sagas::ids::{CellId, HostId};
use windlass_sagas::record::Role;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;

/// Whom a host's certificate speaks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostIdentity {
    /// The cell.
    pub cell: CellId,
    /// The host.
    pub host: HostId,
    /// What its agent may do.
    pub roles: Vec<Role>,
}

impl HostIdentity {
    /// What a certificate says; `None` if it is no host's. Its signature is the transport's affair.
    #[must_use]
    pub fn of(certificate: &X509Certificate<'_>) -> Option<Self> {
        let names = certificate.subject_alternative_name().ok()??;
        names.value.general_names.iter().find_map(|name| match name {
            GeneralName::URI(uri) => Self::parse(uri),
            _ => None,
        })
    }

    /// `windlass:cell:<id>:host:<id>:roles:<role,…>`.
    #[must_use]
    pub fn uri(&self) -> String {
        let roles: Vec<&str> = self.roles.iter().map(|role| role.name()).collect();
        format!("windlass:cell:{}:host:{}:roles:{}", self.cell, self.host, roles.join(","))
    }

    fn parse(uri: &str) -> Option<Self> {
        let rest = uri.strip_prefix("windlass:cell:")?;
        let (cell, rest) = rest.split_once(":host:")?;
        let (host, roles) = rest.split_once(":roles:")?;
        let role = |name: &str| Role::ALL.iter().copied().find(|role| role.name() == name);
        // A role that only a newer build knows is nobody's affair here.
        let roles = roles.split(',').filter_map(role).collect();
        Some(Self { cell: cell.parse().ok()?, host: host.parse().ok()?, roles })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_uri_names_cell_host_and_roles() {
        let (cell, host) = (CellId([1; 16]), HostId([2; 16]));
        let both = HostIdentity { cell, host, roles: vec![Role::Hypervisor, Role::Network] };
        let uri = both.uri();
        assert_eq!(uri, format!("windlass:cell:{cell}:host:{host}:roles:Hypervisor,Network"));
        assert_eq!(HostIdentity::parse(&uri).as_ref(), Some(&both));
        let one = HostIdentity { roles: vec![Role::Hypervisor], ..both };
        assert_eq!(HostIdentity::parse(&uri.replace("Network", "Cook")), Some(one), "an unknown role");
        for wrong in ["", "windlass:cell:x", &uri.replace("cell", "sell")] {
            assert_eq!(HostIdentity::parse(wrong), None, "{wrong}");
        }
    }
}
