//! What a host's certificate says: whom it speaks for, and how long it holds.

use windlass_agent_wire::HostIdentity;

use super::pem;
use crate::AgentError;

/// Whom a certificate speaks for, and from when to when, microseconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Speaks {
    pub(crate) whom: HostIdentity,
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
        let whom = HostIdentity::of(&certificate).ok_or_else(|| bad("it names no host of a cell"))?;
        let validity = certificate.validity();
        let micros = |seconds: i64| seconds.saturating_mul(1_000_000);
        let (from_us, until_us) =
            (micros(validity.not_before.timestamp()), micros(validity.not_after.timestamp()));
        Ok(Self { whom, from_us, until_us })
    }
}

fn bad(message: &str) -> AgentError {
    AgentError::Certificate(message.into())
}

#[cfg(test)]
mod tests {
    use super::*;

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
