//! PEM (RFC 7468): a label and base64 in lines of 64.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// A block of PEM.
pub(crate) fn encode(label: &str, der: &[u8]) -> String {
    let body = STANDARD.encode(der);
    let mut text = format!("-----BEGIN {label}-----\n");
    for line in body.as_bytes().chunks(64) {
        let line = std::str::from_utf8(line).expect("base64 is ASCII");
        writeln!(text, "{line}").expect("a string grows");
    }
    writeln!(text, "-----END {label}-----").expect("a string grows");
    text
}

/// The first block with this label.
pub(crate) fn find(text: &str, label: &str) -> Option<Vec<u8>> {
    let (begin, end) = (format!("-----BEGIN {label}-----"), format!("-----END {label}-----"));
    let (_, rest) = text.split_once(&begin)?;
    let (body, _) = rest.split_once(&end)?;
    let joined: String = body.split_ascii_whitespace().collect();
    STANDARD.decode(joined).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_is_found_and_another_parser_reads_it() {
        for length in [0, 1, 47, 48, 49, 500] {
            let der = vec![7; length];
            let text = format!("{}{}", encode("OTHER", b"x"), encode("CERTIFICATE", &der));
            assert_eq!(find(&text, "CERTIFICATE"), Some(der.clone()));
            assert_eq!(find(&text, "PRIVATE KEY"), None);
            assert!(text.lines().all(|line| line.len() <= 64));
            if length > 0 {
                let (_, read) = x509_parser::pem::parse_x509_pem(encode("A", &der).as_bytes()).unwrap();
                assert_eq!((read.label.as_str(), read.contents), ("A", der));
            }
        }
    }
}
