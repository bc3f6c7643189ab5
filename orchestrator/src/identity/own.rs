//! The orchestrator's own certificate: it is made anew by the cell's authority before it ends, and where it lacks a name
//! under which agents are told to dial, so that no cell dies of a date.
//!
//! Invariant: whatever a crash leaves of the two files, the next look makes a pair of them again.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::Path;

use rcgen::{KeyPair, PublicKeyData as _};
use windlass_sagas::ids::Time;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::pem::parse_x509_pem;

use super::cell::{CERTIFICATE, KEY, read, replace};
use super::{Authority, IdentityError, Issued};

/// The names of a certificate of which nothing can be read.
const DEFAULT_NAMES: [&str; 2] = ["localhost", "127.0.0.1"];

/// What lies in the directory, looked at.
#[derive(Debug, PartialEq, Eq)]
enum Look {
    /// It is good for this many seconds more.
    Good(i64),
    /// It is to be made anew, with these names.
    Renew { why: String, names: BTreeSet<String> },
}

/// An orchestrator's certificate as it is now in force.
#[derive(Debug)]
pub struct Own {
    /// The chain that is shown, and its key.
    pub certificate: Issued,
    /// How long it holds from now on, seconds.
    pub remaining_s: i64,
    /// Why it was made anew just now; `None` where it was good.
    pub renewed: Option<String>,
}

impl Own {
    /// The certificate in an identity directory; made anew there where less than a third of its life is left, where it
    /// does not name all of `hosts`, or where it can't be used. One of another authority is somebody's own affair: it is
    /// left as it is.
    ///
    /// # Errors
    /// The file that can't be read or written; what is wrong with the authority.
    pub fn ensure(
        directory: &Path,
        authority: &Authority,
        hosts: &BTreeSet<String>,
        now: Time,
    ) -> Result<Self, IdentityError> {
        let there = |name: &str| match read(&directory.join(name)) {
            Err(IdentityError::Missing(_)) => Ok(String::new()),
            other => other,
        };
        let (chain, key) = (there(CERTIFICATE)?, there(KEY)?);
        match look(&chain, &key, authority, hosts, now) {
            Look::Good(remaining_s) => {
                let certificate = Issued { certificate_pem: chain, key_pem: key, ..Issued::default() };
                Ok(Self { certificate, remaining_s, renewed: None })
            }
            Look::Renew { why, names } => {
                let names: Vec<String> = names.into_iter().collect();
                let mut made = authority.orchestrator(&names, now)?;
                made.certificate_pem.push_str(authority.certificate_pem());
                replace(&directory.join(KEY), 0o600, &made.key_pem)?;
                replace(&directory.join(CERTIFICATE), 0o644, &made.certificate_pem)?;
                let remaining_s = match look(&made.certificate_pem, &made.key_pem, authority, hosts, now) {
                    Look::Good(remaining_s) => remaining_s,
                    // The authority itself ends soon: nothing that is made of it holds longer.
                    Look::Renew { .. } => 0,
                };
                Ok(Self { certificate: made, remaining_s, renewed: Some(why) })
            }
        }
    }
}

fn look(chain: &str, key: &str, authority: &Authority, hosts: &BTreeSet<String>, now: Time) -> Look {
    let renew = |why: &str, mut names: BTreeSet<String>| {
        names.extend(hosts.iter().cloned());
        Look::Renew { why: why.to_owned(), names }
    };
    let defaults = || DEFAULT_NAMES.map(str::to_owned).into();
    let Ok((_, block)) = parse_x509_pem(chain.as_bytes()) else {
        return renew("it can't be read", defaults());
    };
    let Ok(certificate) = block.parse_x509() else { return renew("it can't be read", defaults()) };
    let remaining_s = certificate.validity().not_after.timestamp() - now.0 / 1_000_000;
    let ours = authority.is_issuer_of(&certificate);
    let names = names(&certificate);
    let fits = KeyPair::from_pem(key)
        .is_ok_and(|key| key.subject_public_key_info().as_slice() == certificate.public_key().raw);
    if !ours {
        return Look::Good(remaining_s);
    }
    if !fits {
        return renew("its key is another one's", names);
    }
    if let Some(host) = hosts.iter().find(|host| !names.contains(*host)) {
        return renew(&format!("it does not name {host}, which agents are told to dial"), names);
    }
    let life_s = certificate.validity().not_after.timestamp() - certificate.validity().not_before.timestamp();
    // An authority at its own end gives nothing that lasts longer.
    let last = authority.ends_at().is_some_and(|end| certificate.validity().not_after.timestamp() >= end);
    if remaining_s < life_s / 3 && !last {
        return renew("less than a third of its life is left", names);
    }
    Look::Good(remaining_s)
}

/// The address of 4 (IPv4) or 16 (IPv6) bytes in network order.
pub(crate) fn address_of(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok()
}

/// The names and addresses that it is for, as they are dialled.
fn names(certificate: &X509Certificate<'_>) -> BTreeSet<String> {
    let Ok(Some(names)) = certificate.subject_alternative_name() else { return BTreeSet::new() };
    let name = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => address_of(bytes).map(|address| address.to_string()),
        _ => None,
    };
    names.value.general_names.iter().filter_map(name).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::init;
    use super::*;
    use crate::clock;
    use crate::identity::CellIdentity;

    const DAY_MS: u64 = 24 * 3600 * 1000;

    /// A cell whose orchestrators are dialled by these names.
    fn cell(names: &[&str]) -> (tempfile::TempDir, Authority) {
        let directory = tempfile::tempdir().expect("a directory");
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        init(&directory.path().join("identity"), "blue", &names).expect("made");
        let authority = CellIdentity::load(&directory.path().join("identity")).expect("read").authority;
        (directory, authority)
    }

    fn set(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(ToString::to_string).collect()
    }

    fn named(own: &Own) -> BTreeSet<String> {
        let (_, block) = parse_x509_pem(own.certificate.certificate_pem.as_bytes()).expect("pem");
        names(&block.parse_x509().expect("a certificate"))
    }

    #[test]
    fn it_is_made_anew_at_two_thirds_of_its_life_with_its_names() {
        let (directory, authority) = cell(&["o1.example", "10.0.0.1", "fd00::1"]);
        let path = directory.path().join("identity");
        let ensure = |days| Own::ensure(&path, &authority, &set(&[]), clock::now().plus_ms(days * DAY_MS));
        let first = ensure(0).expect("good");
        assert!(first.renewed.is_none() && first.remaining_s >= 364 * 86_400, "{first:?}");
        let second = ensure(240).expect("good");
        assert_eq!(second.certificate, first.certificate);
        let third = ensure(250).expect("made");
        assert_eq!(third.renewed.as_deref(), Some("less than a third of its life is left"));
        assert_ne!(third.certificate.key_pem, first.certificate.key_pem);
        assert!(third.remaining_s > 360 * 86_400, "{}", third.remaining_s);
        assert_eq!(named(&third), set(&["o1.example", "10.0.0.1", "fd00::1"]));
        assert!(third.certificate.certificate_pem.ends_with(authority.certificate_pem()));
        let again = ensure(251).expect("good");
        assert_eq!((again.renewed, again.certificate.key_pem), (None, third.certificate.key_pem));
        // At its authority's end there is nothing longer to be had, and no new one each hour.
        let last = ensure(3_600).expect("made");
        assert!(last.renewed.is_some() && last.remaining_s < 51 * 86_400, "{last:?}");
        assert_eq!(ensure(3_640).expect("the last one").renewed, None);
    }

    #[test]
    fn it_names_what_agents_are_told_to_dial() {
        let (directory, authority) = cell(&["localhost"]);
        let path = directory.path().join("identity");
        let own =
            Own::ensure(&path, &authority, &set(&["10.0.0.7", "localhost"]), clock::now()).expect("made");
        let why = own.renewed.as_deref().expect("made anew");
        assert!(why.contains("10.0.0.7"), "{why}");
        assert_eq!(named(&own), set(&["10.0.0.7", "localhost"]));
        let again = Own::ensure(&path, &authority, &set(&["10.0.0.7"]), clock::now()).expect("good");
        assert_eq!(again.renewed, None);
    }

    #[test]
    fn whatever_a_crash_leaves_becomes_a_pair_again_and_another_authoritys_is_left_alone() {
        let (directory, authority) = cell(&["o1.example"]);
        let path = directory.path().join("identity");
        let ensure = || Own::ensure(&path, &authority, &set(&[]), clock::now()).expect("a pair");
        // The key was replaced, and the certificate was not.
        let other = authority.orchestrator(&["x".into()], clock::now()).expect("another");
        fs::write(path.join(KEY), &other.key_pem).expect("written");
        let own = ensure();
        assert_eq!(own.renewed.as_deref(), Some("its key is another one's"));
        assert_eq!(named(&own), set(&["o1.example"]));
        fs::remove_file(path.join(CERTIFICATE)).expect("removed");
        assert_eq!(named(&ensure()), set(&["localhost", "127.0.0.1"]));
        fs::write(path.join(KEY), "half").expect("written");
        assert!(ensure().renewed.is_some() && ensure().renewed.is_none());

        let stranger = Authority::new("green").expect("an authority");
        let theirs = stranger.orchestrator(&["o1.example".into()], clock::now()).expect("theirs");
        fs::write(path.join(CERTIFICATE), &theirs.certificate_pem).expect("written");
        fs::write(path.join(KEY), &theirs.key_pem).expect("written");
        let own = ensure();
        assert_eq!((own.renewed, own.certificate.certificate_pem), (None, theirs.certificate_pem));
    }
}
