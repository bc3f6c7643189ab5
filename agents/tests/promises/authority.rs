//! A cell's certificate authority, of the tests' own: an orchestrator's certificate, and those of hosts.

use rcgen::string::Ia5String;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, SanType,
};
use time::{Duration, OffsetDateTime};
use tonic::transport::{Certificate, Identity, ServerTlsConfig};
use windlass_sagas::ids::{CellId, HostId};

pub(crate) const CELL: CellId = CellId([1; 16]);
pub(crate) const HOST: HostId = HostId([2; 16]);

/// The authority.
pub(crate) struct Authority {
    pub(crate) certificate_pem: String,
    pub(crate) certificate_der: Vec<u8>,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(Vec::new()).expect("params");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate = params.self_signed(&key).expect("a certificate");
        let certificate_pem = certificate.pem();
        let issuer = Issuer::from_ca_cert_pem(&certificate_pem, key).expect("an issuer");
        Self { certificate_pem, certificate_der: certificate.der().to_vec(), issuer }
    }

    /// What an orchestrator serves by: its certificate with the authority's behind it, and hosts' certificates believed.
    pub(crate) fn server(&self) -> ServerTlsConfig {
        let key = KeyPair::generate().expect("a key");
        let mut params =
            CertificateParams::new(vec!["127.0.0.1".into(), "localhost".into()]).expect("params");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        let chain = format!("{}{}", certificate.pem(), self.certificate_pem);
        ServerTlsConfig::new()
            .identity(Identity::from_pem(chain, key.serialize_pem()))
            .client_ca_root(Certificate::from_pem(&self.certificate_pem))
            .client_auth_optional(true)
    }

    /// A certificate of the host for the key of this request, in DER; it has so many days behind and before it.
    pub(crate) fn host(&self, csr_der: &[u8], (behind, before): (i64, i64)) -> Vec<u8> {
        let csr = csr_der.to_vec().into();
        let mut request = CertificateSigningRequestParams::from_der(&csr).expect("a request");
        let mut params = CertificateParams::new(Vec::new()).expect("params");
        let uri = format!("windlass:cell:{CELL}:host:{HOST}:roles:Hypervisor,Storage,Network");
        params.subject_alt_names = vec![SanType::URI(Ia5String::try_from(uri).expect("ascii"))];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let now = OffsetDateTime::from(std::time::SystemTime::UNIX_EPOCH)
            + Duration::microseconds(windlass_agents::clock::wall().0);
        params.not_before = now - Duration::days(behind);
        params.not_after = now + Duration::days(before);
        request.params = params;
        request.signed_by(&self.issuer).expect("a certificate").der().to_vec()
    }
}
