//! The cell's certificate authority: orchestrators' and agents' certificates, short-lived, bound to what they are for.
//!
//! A host's certificate names its cell, its id and its roles in one URI ([`HostIdentity`]); nothing else of the request
//! is believed.

use std::net::IpAddr;

use rcgen::string::Ia5String;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, SanType,
};
use sha2::{Digest, Sha256};
use time::{Duration, OffsetDateTime};
use windlass_agent_wire::HostIdentity;
use windlass_sagas::ids::{Hash, HostId, Time};
use x509_parser::certificate::X509Certificate;

use super::IdentityError;
use crate::clock;

/// How long a host's certificate holds, days; agents renew at two thirds of it.
const HOST_CERTIFICATE_DAYS: i64 = 7;
/// How long the certificate of a host's data connections holds, days, where the authority does as long: what runs with it
/// can't load another one.
const VOLUME_CERTIFICATE_DAYS: i64 = 3650;
const AUTHORITY_DAYS: i64 = 3650;
const ORCHESTRATOR_DAYS: i64 = 365;

/// The authority: its certificate and the key that signs.
pub struct Authority {
    certificate_pem: String,
    key_pem: String,
}

/// A certificate and its key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Issued {
    /// The certificate.
    pub certificate_pem: String,
    /// Its private key; empty where the asker keeps it.
    pub key_pem: String,
    /// SHA-256 of the certificate's DER.
    pub sha256: Hash,
}

impl Authority {
    /// A new authority for a cell.
    ///
    /// # Errors
    /// Where a key or certificate can't be made.
    pub fn new(cell_name: &str) -> Result<Self, IdentityError> {
        let key = KeyPair::generate().map_err(bad)?;
        let mut params = CertificateParams::new(Vec::new()).map_err(bad)?;
        params.distinguished_name.push(DnType::CommonName, format!("windlass cell {cell_name}"));
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        valid_for(&mut params, AUTHORITY_DAYS, clock::now())?;
        let certificate = params.self_signed(&key).map_err(bad)?;
        Ok(Self { certificate_pem: certificate.pem(), key_pem: key.serialize_pem() })
    }

    /// An authority from its files.
    #[must_use]
    pub const fn from_pem(certificate_pem: String, key_pem: String) -> Self {
        Self { certificate_pem, key_pem }
    }

    /// The certificate that everybody trusts.
    #[must_use]
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// The same in DER; empty where the file is no certificate.
    #[must_use]
    pub fn certificate_der(&self) -> Vec<u8> {
        let parsed = x509_parser::pem::parse_x509_pem(self.certificate_pem.as_bytes());
        parsed.map(|(_, pem)| pem.contents).unwrap_or_default()
    }

    /// The key; it leaves the process only into the identity directory.
    #[must_use]
    pub fn key_pem(&self) -> &str {
        &self.key_pem
    }

    /// A certificate for an orchestrator that is reached under these names or addresses, from `now` on; it never outlives
    /// the authority.
    ///
    /// # Errors
    /// Where a name is not one.
    pub fn orchestrator(&self, names: &[String], now: Time) -> Result<Issued, IdentityError> {
        let key = KeyPair::generate().map_err(bad)?;
        let mut params = CertificateParams::new(names.to_vec()).map_err(bad)?;
        params.distinguished_name.push(DnType::CommonName, "windlass orchestrator");
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        valid_for(&mut params, ORCHESTRATOR_DAYS, now)?;
        params.not_after = params.not_after.min(self.ends()?);
        let certificate = params.signed_by(&key, &self.issuer()?).map_err(bad)?;
        let sha256 = Hash(Sha256::digest(certificate.der()).into());
        Ok(Issued { certificate_pem: certificate.pem(), key_pem: key.serialize_pem(), sha256 })
    }

    /// A certificate for the key of a host's request: only its key is taken from it.
    ///
    /// # Errors
    /// Where the request is not one, or its signature is wrong.
    pub fn host(&self, request_der: &[u8], identity: &HostIdentity) -> Result<Issued, IdentityError> {
        let mut request =
            CertificateSigningRequestParams::from_der(&request_der.to_vec().into()).map_err(bad)?;
        let mut params = CertificateParams::new(Vec::new()).map_err(bad)?;
        params.distinguished_name.push(DnType::CommonName, format!("windlass host {}", identity.host));
        params.subject_alt_names = vec![SanType::URI(Ia5String::try_from(identity.uri()).map_err(bad)?)];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        valid_for(&mut params, HOST_CERTIFICATE_DAYS, clock::now())?;
        request.params = params;
        let certificate = request.signed_by(&self.issuer()?).map_err(bad)?;
        let sha256 = Hash(Sha256::digest(certificate.der()).into());
        Ok(Issued { certificate_pem: certificate.pem(), key_pem: String::new(), sha256 })
    }

    /// The certificate of a host's data connections, for the key of this request: only its key is taken from it. It has
    /// no URI, so that nobody takes it for the host's own; it never outlives the authority. Others dial the host by its
    /// `address`, and look for that in it.
    ///
    /// # Errors
    /// Where the request is not one, or its signature is wrong.
    pub fn volume(
        &self,
        request_der: &[u8],
        host: HostId,
        address: Option<IpAddr>,
    ) -> Result<Issued, IdentityError> {
        let mut request =
            CertificateSigningRequestParams::from_der(&request_der.to_vec().into()).map_err(bad)?;
        let mut params = CertificateParams::new(vec![host.to_string()]).map_err(bad)?;
        params.subject_alt_names.extend(address.map(SanType::IpAddress));
        // Whoever authorises by the whole name compares its text: nothing but the host's id may stand in it.
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, host.to_string());
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        valid_for(&mut params, VOLUME_CERTIFICATE_DAYS, clock::now())?;
        params.not_after = params.not_after.min(self.ends()?);
        request.params = params;
        let certificate = request.signed_by(&self.issuer()?).map_err(bad)?;
        let sha256 = Hash(Sha256::digest(certificate.der()).into());
        Ok(Issued { certificate_pem: certificate.pem(), key_pem: String::new(), sha256 })
    }

    /// When the authority's own certificate ends, seconds since 1970.
    #[must_use]
    pub fn ends_at(&self) -> Option<i64> {
        self.ends().ok().map(OffsetDateTime::unix_timestamp)
    }

    /// Whether a certificate names this authority as its issuer.
    #[must_use]
    pub fn is_issuer_of(&self, certificate: &X509Certificate<'_>) -> bool {
        let der = self.certificate_der();
        let own = x509_parser::parse_x509_certificate(&der);
        own.is_ok_and(|(_, own)| own.subject().as_raw() == certificate.issuer().as_raw())
    }

    /// When the authority's own certificate ends.
    fn ends(&self) -> Result<OffsetDateTime, IdentityError> {
        let der = self.certificate_der();
        let (_, certificate) = x509_parser::parse_x509_certificate(&der).map_err(bad)?;
        Ok(certificate.validity().not_after.to_datetime())
    }

    fn issuer(&self) -> Result<Issuer<'static, KeyPair>, IdentityError> {
        let key = KeyPair::from_pem(&self.key_pem).map_err(bad)?;
        Issuer::from_ca_cert_pem(&self.certificate_pem, key).map_err(bad)
    }
}

/// Whom a certificate (DER) that the transport has verified speaks for; `None` if it is no host's.
#[must_use]
pub fn host_identity(certificate_der: &[u8]) -> Option<HostIdentity> {
    let (_, certificate) = x509_parser::parse_x509_certificate(certificate_der).ok()?;
    HostIdentity::of(&certificate)
}

fn valid_for(params: &mut CertificateParams, days: i64, now: Time) -> Result<(), IdentityError> {
    let now = OffsetDateTime::from_unix_timestamp(now.0 / 1_000_000)
        .map_err(|_| IdentityError::Certificate("the clock is out of range".into()))?;
    // An hour back: hosts' clocks differ.
    params.not_before = now - Duration::hours(1);
    params.not_after = now + Duration::days(days);
    Ok(())
}

fn bad(error: impl std::fmt::Display) -> IdentityError {
    IdentityError::Certificate(error.to_string())
}

#[cfg(test)]
mod tests {
    use rcgen::PublicKeyData as _;
    use windlass_sagas::ids::CellId;
    use windlass_sagas::record::Role;

    use super::*;

    #[test]
    fn a_host_certificate_names_its_host_whatever_the_request_says() {
        let authority = Authority::new("test").expect("an authority");
        let key = KeyPair::generate().expect("a key");
        let mut asked = CertificateParams::new(vec!["evil.example".to_string()]).expect("params");
        asked.subject_alt_names.push(SanType::URI("windlass:cell:x".try_into().expect("ascii")));
        let request = asked.serialize_request(&key).expect("a request");
        let roles = vec![Role::Hypervisor, Role::Network];
        let identity = HostIdentity { cell: CellId([1; 16]), host: HostId([2; 16]), roles };
        let issued = authority.host(request.der(), &identity).expect("issued");
        let (_, pem) = x509_parser::pem::parse_x509_pem(issued.certificate_pem.as_bytes()).expect("pem");
        assert_eq!(host_identity(&pem.contents), Some(identity));
        assert!(
            authority
                .host(
                    b"no request",
                    &HostIdentity {
                        cell: CellId([1; 16]),
                        host: HostId([2; 16]),
                        roles: vec![Role::Storage]
                    }
                )
                .is_err()
        );
    }

    #[test]
    fn a_volume_certificate_names_the_host_alone_and_ends_with_the_authority() {
        use x509_parser::extensions::GeneralName;
        let authority = Authority::new("test").expect("an authority");
        let key = KeyPair::generate().expect("a key");
        let mut asked = CertificateParams::new(vec!["evil.example".to_string()]).expect("params");
        asked.distinguished_name.push(DnType::OrganizationName, "evil");
        asked.subject_alt_names.push(SanType::URI("windlass:cell:x".try_into().expect("ascii")));
        let request = asked.serialize_request(&key).expect("a request");
        let host = HostId([2; 16]);
        let issued = authority.volume(request.der(), host, None).expect("issued");
        let (_, pem) = x509_parser::pem::parse_x509_pem(issued.certificate_pem.as_bytes()).expect("pem");
        assert_eq!(host_identity(&pem.contents), None, "it is no host's own");
        let (_, certificate) = x509_parser::parse_x509_certificate(&pem.contents).expect("a certificate");
        assert_eq!(certificate.subject().to_string(), format!("CN={host}"));
        assert_eq!(certificate.subject().iter_attributes().count(), 1);
        let names = certificate.subject_alternative_name().expect("readable").expect("there");
        assert_eq!(names.value.general_names, [GeneralName::DNSName(&host.to_string())]);
        let usage = certificate.extended_key_usage().expect("readable").expect("there").value;
        assert!(usage.server_auth && usage.client_auth && !usage.any && usage.other.is_empty());
        assert!(!certificate.is_ca());
        assert_eq!(certificate.public_key().raw, key.subject_public_key_info());
        let der = authority.certificate_der();
        let (_, signer) = x509_parser::parse_x509_certificate(&der).expect("a certificate");
        assert!(certificate.validity().not_after <= signer.validity().not_after);
        assert_eq!(certificate.issuer(), signer.subject());
        assert!(authority.volume(b"no request", host, None).is_err());
    }

    #[test]
    fn an_orchestrator_certificate_is_no_host() {
        let authority = Authority::new("test").expect("an authority");
        let issued =
            authority.orchestrator(&["localhost".into(), "127.0.0.1".into()], clock::now()).expect("issued");
        let (_, pem) = x509_parser::pem::parse_x509_pem(issued.certificate_pem.as_bytes()).expect("pem");
        assert_eq!(host_identity(&pem.contents), None);
    }
}
