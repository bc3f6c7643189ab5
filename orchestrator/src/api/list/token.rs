//! Page tokens: the key of a page's last element and a hash of the question, in base64. Not a secret and not signed:
//! whoever makes one up only begins his own list elsewhere.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use windlass_sagas::ids::Time;

use super::Key;
use crate::api::limits::PAGE_TOKEN_BYTES_MAX;

const VERSION: u8 = 1;

/// Where a page ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::api) struct Token {
    pub(in crate::api) key: Key,
}

impl Token {
    pub(super) fn text(&self, question: [u8; 8]) -> String {
        let (time, name, id) = &self.key;
        let mut bytes = vec![VERSION];
        bytes.extend_from_slice(&question);
        bytes.extend_from_slice(&time.0.to_be_bytes());
        bytes.extend_from_slice(id);
        bytes.extend_from_slice(name.as_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    pub(super) fn parse(text: &str, question: [u8; 8]) -> Option<Self> {
        if text.len() > PAGE_TOKEN_BYTES_MAX {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (version, rest) = bytes.split_first()?;
        let (asked, rest) = rest.split_first_chunk::<8>()?;
        let (time, rest) = rest.split_first_chunk::<8>()?;
        let (id, name) = rest.split_first_chunk::<16>()?;
        if *version != VERSION || *asked != question {
            return None;
        }
        let name = String::from_utf8(name.to_vec()).ok()?;
        Some(Self { key: (Time(i64::from_be_bytes(*time)), name, *id) })
    }
}

/// The first eight bytes of the hash of what must not change between two pages.
pub(super) fn question(parts: &[&str]) -> [u8; 8] {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part.len().to_be_bytes());
        hasher.update(part);
    }
    let hash: [u8; 32] = hasher.finalize().into();
    let [a, b, c, d, e, f, g, h, ..] = hash;
    [a, b, c, d, e, f, g, h]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_reads_back_and_no_part_of_one_does() {
        let token = Token { key: (Time(-7), "näme".into(), [9; 16]) };
        let asked = question(&["a", "b"]);
        let text = token.text(asked);
        assert_eq!(Token::parse(&text, asked), Some(token));
        assert_eq!(Token::parse(&text, question(&["ab", ""])), None);
        for end in 0..44 {
            assert_eq!(Token::parse(&text[..end], asked), None);
        }
    }
}
