//! New secrets for API tokens and join tokens. They are made here, so that the cell only ever learns their hash.

use std::fmt;
use std::fmt::Write;

use sha2::{Digest, Sha256};

use crate::limits::SECRET_BYTES;

/// A secret that was just made. Show `text` once; send `sha256`.
#[derive(Clone, PartialEq, Eq)]
pub struct NewSecret {
    /// The secret itself: a prefix and 64 hexadecimal digits.
    pub text: String,
    /// SHA-256 of the text, 64 hexadecimal digits: what `secret_sha256` takes.
    pub sha256: String,
}

impl NewSecret {
    /// The secret of an API token.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub fn api_token() -> Result<Self, NoRandomness> {
        Self::random("wlt_")
    }

    /// The secret of a join token.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub fn join_token() -> Result<Self, NoRandomness> {
        Self::random("wlj_")
    }

    /// A secret that exists, for its hash.
    #[must_use]
    pub fn of(text: impl Into<String>) -> Self {
        let text = text.into();
        let sha256 = hex(&Sha256::digest(text.as_bytes()));
        Self { text, sha256 }
    }

    fn random(prefix: &str) -> Result<Self, NoRandomness> {
        let mut bytes = [0; SECRET_BYTES];
        getrandom::fill(&mut bytes).map_err(|_| NoRandomness)?;
        Ok(Self::of(format!("{prefix}{}", hex(&bytes))))
    }
}

impl fmt::Debug for NewSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NewSecret(sha256 {})", self.sha256)
    }
}

/// The system gives no random bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the system gives no random bytes")]
pub struct NoRandomness;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a String can't fail");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_differ_and_are_not_shown() {
        let (one, two) = (NewSecret::api_token().unwrap(), NewSecret::api_token().unwrap());
        assert_ne!(one.text, two.text);
        assert!(one.text.starts_with("wlt_") && one.text.len() == 4 + 64);
        assert!(!format!("{one:?}").contains(&one.text[4..]));
        assert!(NewSecret::join_token().unwrap().text.starts_with("wlj_"));
    }

    #[test]
    fn the_hash_is_sha256_of_the_text() {
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(NewSecret::of("").sha256, empty);
    }
}
