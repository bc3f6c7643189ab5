//! Secrets: 32 random bytes behind a prefix, shown once as text, kept as the SHA-256 of the whole text, as the client
//! makes them. Random text needs no slow hash.

use sha2::{Digest, Sha256};
use windlass_sagas::ids::Hash;

use super::IdentityError;

/// A secret, while it is shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret([u8; 32]);

impl Secret {
    /// A new one.
    ///
    /// # Errors
    /// Where the operating system gives no randomness.
    pub fn random() -> Result<Self, IdentityError> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(|_| IdentityError::Randomness)?;
        Ok(Self(bytes))
    }

    /// Its text, as an API token: `wlt_` and 64 lower-case hexadecimal digits.
    #[must_use]
    pub fn text(&self) -> String {
        self.0.iter().fold(String::from("wlt_"), |text, byte| text + &format!("{byte:02x}"))
    }

    /// What the fold keeps: SHA-256 of the text.
    #[must_use]
    pub fn hash(&self) -> Hash {
        Self::hash_of(&self.text())
    }

    /// The hash of a secret's text, as somebody shows it.
    #[must_use]
    pub fn hash_of(text: &str) -> Hash {
        Hash(Sha256::digest(text.as_bytes()).into())
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Sixteen random bytes, as an id.
///
/// # Errors
/// Where the operating system gives no randomness.
pub fn random_id() -> Result<[u8; 16], IdentityError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|_| IdentityError::Randomness)?;
    // RFC 9562 version 4, so that it reads as a UUID everywhere.
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_known_by_the_hash_of_its_text_and_never_printed() {
        let secret = Secret::random().expect("randomness");
        assert_eq!(Secret::hash_of(&secret.text()), secret.hash());
        assert_eq!(secret.text().len(), 4 + 64);
        assert!(!format!("{secret:?}").contains(&secret.text()));
        assert_ne!(secret, Secret::random().expect("randomness"));
    }
}
