//! Who calls: a bearer token becomes a principal by the fold alone. A token is `wl_<credential id>_<secret>`, the id
//! without dashes; the fold holds SHA-256 of the secret. A token is never logged, kept or answered.

use std::hint::black_box;
use std::net::IpAddr;

use sha2::{Digest, Sha256};
use tonic::Request;
use tonic::metadata::MetadataMap;
use windlass_proto::v1::ErrorReason;
use windlass_sagas::cell::Cell;
use windlass_sagas::ids::{CredentialId, Hash, PrincipalId, Time};
use windlass_sagas::record::Cause;

use super::errors::Problem;
use super::limits::TOKEN_BYTES_MAX;

/// What a call showed: which credential, and the hash of the secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shown {
    /// The credential that it claims to be of.
    pub(super) credential: CredentialId,
    /// SHA-256 of the secret's text.
    pub(super) secret_sha256: Hash,
}

impl Shown {
    /// Reads `authorization: Bearer wl_…`.
    ///
    /// # Errors
    /// `UNAUTHENTICATED` where there is none, or it is not of this form.
    pub(super) fn of(metadata: &MetadataMap) -> Result<Self, Problem> {
        let header = metadata.get("authorization").ok_or_else(|| unknown("no token was sent"))?;
        let text = header.to_str().map_err(|_| unknown("the token is not text"))?;
        let token = match text.split_once(' ') {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim(),
            Some(_) | None => return Err(unknown("authorization is not `Bearer` and a token")),
        };
        Self::parse(token).ok_or_else(|| unknown("the token is not of the form wl_<id>_<secret>"))
    }

    fn parse(token: &str) -> Option<Self> {
        if token.len() > TOKEN_BYTES_MAX {
            return None;
        }
        let (id, secret) = token.strip_prefix("wl_")?.split_once('_')?;
        if id.len() != 32 || secret.is_empty() {
            return None;
        }
        Some(Self { credential: id.parse().ok()?, secret_sha256: Hash(Sha256::digest(secret).into()) })
    }

    /// The principal whose credential it is, at `now`.
    ///
    /// # Errors
    /// `UNAUTHENTICATED`, in the same words whatever is wrong with it.
    pub(super) fn principal(&self, cell: &Cell, now: Time) -> Result<PrincipalId, Problem> {
        let found = cell.credentials.get(&self.credential);
        // An unknown credential costs the same comparison.
        let expected = found.map_or(Hash::default(), |credential| credential.secret_sha256);
        let same = same(&expected, &self.secret_sha256);
        match found {
            Some(credential)
                if same
                    && credential.expires.is_none_or(|expires| now < expires)
                    && cell.principals.contains_key(&credential.principal) =>
            {
                Ok(credential.principal)
            }
            Some(_) | None => Err(unknown("the token is unknown, revoked or expired")),
        }
    }
}

/// Compares two hashes in a time that doesn't depend on them.
fn same(one: &Hash, other: &Hash) -> bool {
    let differing = one.0.iter().zip(other.0).fold(0_u8, |all, (a, b)| all | (a ^ b));
    black_box(differing) == 0
}

fn unknown(message: &str) -> Problem {
    Problem::new(ErrorReason::Unauthenticated, message)
        .hint("send `authorization: Bearer` and a token of this cell that is in force")
}

/// Where a call came from, for the record.
pub(super) fn cause<T>(request: &Request<T>, credential: CredentialId) -> Cause {
    let source: Option<IpAddr> = request.remote_addr().map(|address| address.ip());
    let trace = request.metadata().get("traceparent").and_then(|header| trace(header.to_str().ok()?));
    Cause { credential: Some(credential), source, trace }
}

/// The W3C trace context of a `traceparent` header, version 00.
fn trace(header: &str) -> Option<([u8; 16], [u8; 8])> {
    let mut parts = header.split('-');
    let (version, trace, span) = (parts.next()?, parts.next()?, parts.next()?);
    (version == "00").then_some(())?;
    Some((super::fields::hex(trace)?, super::fields::hex(span)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef";

    fn of(header: &str) -> Result<Shown, Problem> {
        let mut metadata = MetadataMap::new();
        metadata.insert("authorization", header.parse().expect("ascii"));
        Shown::of(&metadata)
    }

    #[test]
    fn a_token_names_its_credential_and_hides_its_secret() {
        let shown = of(&format!("bearer wl_{ID}_wlt_secret")).expect("a token");
        assert_eq!(shown.credential.to_string().replace('-', ""), ID);
        assert_eq!(shown.secret_sha256, Hash(Sha256::digest("wlt_secret").into()));
    }

    #[test]
    fn everything_else_is_unauthenticated() {
        let long = format!("Bearer wl_{ID}_{}", "x".repeat(TOKEN_BYTES_MAX));
        let dashed = format!("Bearer wl_{}_s", "01234567-89ab-cdef-0123-456789abcdef");
        let empty = format!("Bearer wl_{ID}_");
        for bad in ["", "Bearer", "Basic abc", "Bearer wl_x_y", "Bearer wlt_abc", &long, &dashed, &empty] {
            assert_eq!(of(bad).expect_err(bad).reason(), ErrorReason::Unauthenticated, "{bad}");
        }
    }

    #[test]
    fn only_whole_trace_contexts_are_taken() {
        let good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        assert_eq!(trace(good).map(|(trace, _)| trace[0]), Some(0x0a));
        for bad in ["", "00-0af7-b7ad-01", "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"] {
            assert_eq!(trace(bad), None, "{bad}");
        }
    }
}
