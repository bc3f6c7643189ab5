//! Who calls: a bearer token becomes a principal by the fold alone. A token is the text that the client made, `wlt_` and
//! 64 hexadecimal digits; the fold holds SHA-256 of the whole text. A token is never logged, kept or answered.

use std::net::IpAddr;

use sha2::{Digest, Sha256};
use tonic::Request;
use tonic::metadata::MetadataMap;
use windlass_proto::v1::ErrorReason;
use windlass_sagas::cell::Cell;
use windlass_sagas::cell::state::Credential;
use windlass_sagas::ids::{Hash, Position, Time, from_hex};
use windlass_sagas::record::Cause;

use super::errors::{Problem, refused};
use super::limits::TOKEN_BYTES_MAX;
use super::names::NO_PROJECT;
use crate::lead::handle::Refused;

/// What every API token begins with.
const PREFIX: &str = "wlt_";

/// What a call showed: the hash of a token's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shown(Hash);

impl Shown {
    /// Reads `authorization: Bearer wlt_…`.
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
        if token.len() > TOKEN_BYTES_MAX || token.len() <= PREFIX.len() || !token.starts_with(PREFIX) {
            return Err(unknown("the token is not of the form wlt_…"));
        }
        Ok(Self(Hash(Sha256::digest(token).into())))
    }

    /// The credential that it is, in force at `now`. It is found by a hash that nobody can aim, so the time that this
    /// takes tells nothing.
    ///
    /// # Errors
    /// `UNAUTHENTICATED`, in the same words whatever is wrong with it.
    pub(super) fn credential<'a>(&self, cell: &'a Cell, now: Time) -> Result<&'a Credential, Problem> {
        if cell.position == Position(0) {
            // Before genesis nobody is known, and that is nobody's fault.
            return Err(refused(Refused::TakingOver, NO_PROJECT, &[]));
        }
        cell.credential_of(&self.0)
            .filter(|credential| credential.expires.is_none_or(|expires| now < expires))
            .filter(|credential| cell.principals.contains_key(&credential.principal))
            .ok_or_else(|| unknown("the token is unknown, revoked or expired"))
    }
}

fn unknown(message: &str) -> Problem {
    Problem::new(ErrorReason::Unauthenticated, message)
        .hint("send `authorization: Bearer` and a token of this cell that is in force")
}

/// Where a call came from, for the record; its credential is known once the fold is asked.
pub(super) fn cause<T>(request: &Request<T>) -> Cause {
    let source: Option<IpAddr> = request.remote_addr().map(|address| address.ip());
    let trace = request.metadata().get("traceparent").and_then(|header| trace(header.to_str().ok()?));
    Cause { credential: None, source, trace }
}

/// The W3C trace context of a `traceparent` header, version 00.
fn trace(header: &str) -> Option<([u8; 16], [u8; 8])> {
    let mut parts = header.split('-');
    let (version, trace, span) = (parts.next()?, parts.next()?, parts.next()?);
    (version == "00").then_some(())?;
    Some((from_hex(trace)?, from_hex(span)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(header: &str) -> Result<Shown, Problem> {
        let mut metadata = MetadataMap::new();
        metadata.insert("authorization", header.parse().expect("ascii"));
        Shown::of(&metadata)
    }

    #[test]
    fn a_token_is_known_by_the_hash_of_its_whole_text() {
        let text = format!("wlt_{}", "5e".repeat(32));
        let hash = Hash(Sha256::digest(&text).into());
        assert_eq!(of(&format!("bearer {text}")), Ok(Shown(hash)));
        assert_eq!(of(&format!("Bearer  {text} ")), Ok(Shown(hash)));
    }

    #[test]
    fn everything_else_is_unauthenticated() {
        let long = format!("Bearer wlt_{}", "x".repeat(TOKEN_BYTES_MAX));
        for bad in
            ["", "Bearer", "Bearer ", "Basic wlt_abc", "Bearer wlt_", "Bearer wlj_abc", "wlt_abc", &long]
        {
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
