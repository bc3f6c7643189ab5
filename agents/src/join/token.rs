//! The text of a join token: the secret, which the cell knows by its hash alone, and behind a dot the SHA-256 of the
//! certificate of the cell's authority, by which the joining machine knows whom to believe.
//!
//! Invariant: no error and no `Debug` shows the secret.

use std::fmt;

use sha2::{Digest, Sha256};
use windlass_sagas::ids::{Hash, from_hex};

use super::Authority;
use crate::AgentError;
use crate::identity::pem;
use crate::limits::TOKEN_BYTES_MAX;

const HASH_DIGITS: usize = 64;

/// A join token.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    secret: String,
    authority: Option<Hash>,
}

impl Token {
    /// Reads a token as an operator gives it.
    ///
    /// # Errors
    /// `Setting`: what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, AgentError> {
        let (secret, hash) = text.split_once('.').map_or((text, None), |(secret, hash)| (secret, Some(hash)));
        if secret.is_empty() || secret.len() > TOKEN_BYTES_MAX {
            return Err(setting(format!("the join token's secret has 1 to {TOKEN_BYTES_MAX} bytes")));
        }
        let bad = || {
            let message =
                format!("the join token does not end with {HASH_DIGITS} hexadecimal digits after its dot");
            setting(format!("{message}: was it copied whole?"))
        };
        let authority = hash.map(|hash| from_hex(hash).map(Hash).ok_or_else(bad)).transpose()?;
        Ok(Self { secret: secret.to_owned(), authority })
    }

    /// A secret that was just made, for a cell with this authority.
    ///
    /// # Errors
    /// `Certificate` where the PEM holds none.
    pub fn new(secret: &str, authority_pem: &str) -> Result<Self, AgentError> {
        Ok(Self { secret: secret.to_owned(), authority: Some(hash_of(authority_pem)?) })
    }

    /// What an operator copies.
    #[must_use]
    pub fn text(&self) -> String {
        self.authority.map_or_else(|| self.secret.clone(), |hash| format!("{}.{hash}", self.secret))
    }

    /// The secret: what the cell is shown.
    #[must_use]
    pub fn secret(&self) -> &str {
        &self.secret
    }

    /// Whom to believe: the authority in the file where there is one, else the one that the token names.
    ///
    /// # Errors
    /// `Setting` where neither is known, or the two differ.
    pub fn authority(&self, file_pem: Option<String>) -> Result<Authority, AgentError> {
        match (file_pem, self.authority) {
            (None, Some(hash)) => Ok(Authority::Sha256(hash)),
            (None, None) => Err(setting(
                "the join token names no authority: give the cell's CA certificate with --ca".into(),
            )),
            (Some(pem), named) => {
                let hash = hash_of(&pem)?;
                if named.is_some_and(|named| named != hash) {
                    let message = "the join token is of a cell with another authority than the file's";
                    return Err(setting(message.into()));
                }
                Ok(Authority::Pem(pem))
            }
        }
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token").field("authority", &self.authority).finish_non_exhaustive()
    }
}

/// SHA-256 of the DER of the first certificate in the PEM.
fn hash_of(authority_pem: &str) -> Result<Hash, AgentError> {
    let der = pem::find(authority_pem, "CERTIFICATE");
    let der = der.ok_or_else(|| AgentError::Certificate("the authority's file holds none".into()))?;
    Ok(Hash(Sha256::digest(der).into()))
}

fn setting(message: String) -> AgentError {
    AgentError::Setting(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn authority(der: &[u8]) -> String {
        pem::encode("CERTIFICATE", der)
    }

    #[test]
    fn a_token_reads_back_with_its_authority() {
        let token = Token::new("wlj_abc", &authority(b"one")).unwrap();
        assert_eq!(Token::parse(&token.text()).unwrap(), token);
        assert_eq!(token.secret(), "wlj_abc");
        let hash = Hash(Sha256::digest(b"one").into());
        assert_eq!(token.authority(None).unwrap(), Authority::Sha256(hash));
        assert_eq!(token.authority(Some(authority(b"one"))).unwrap(), Authority::Pem(authority(b"one")));
        assert!(!format!("{token:?}").contains("wlj_abc"));
    }

    #[test]
    fn what_is_wrong_with_a_token_is_said_without_its_secret() {
        let whole = Token::new("wlj_abc", &authority(b"one")).unwrap().text();
        let cut = &whole[..whole.len() - 1];
        let long = "x".repeat(TOKEN_BYTES_MAX + 1);
        for (text, says) in
            [(cut, "copied whole"), ("", "1 to"), (&long, "1 to"), ("wlj_abc.zz", "copied whole")]
        {
            let message = Token::parse(text).unwrap_err().to_string();
            assert!(message.contains(says) && !message.contains("wlj_abc"), "{message}");
        }
        let plain = Token::parse("wlj_abc").unwrap();
        assert!(plain.authority(None).unwrap_err().to_string().contains("--ca"));
        assert_eq!(plain.authority(Some(authority(b"two"))).unwrap(), Authority::Pem(authority(b"two")));
        let other = Token::parse(&whole).unwrap().authority(Some(authority(b"two")));
        assert!(other.unwrap_err().to_string().contains("another authority"));
        assert!(plain.authority(Some("nothing".into())).is_err());
    }
}
