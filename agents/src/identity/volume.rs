//! The certificate of the host's data connections, in a directory as QEMU reads it. It is apart from the host's own: what
//! runs with it can't load another one, so it holds for years, and it opens nothing at an orchestrator.
//!
//! Invariant: the directory is replaced as a whole; whoever reads it finds a key with its certificate, old or new.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use windlass_proto::agent::v1::IssueVolumeCertificateRequest;
use windlass_proto::agent::v1::join_service_client::JoinServiceClient;
use windlass_sagas::ids::HostId;
use x509_parser::extensions::GeneralName;
use x509_parser::pem::parse_x509_pem;

use super::{Identity, identity_directory, pem};
use crate::clock;
use crate::files::{PRIVATE, read_text, sync_parent};
use crate::limits::{JOIN_TIME_MAX, RENEW_CHECK_EVERY, RENEW_PAUSE};
use crate::random::jitter;
use crate::runtime::{connect, request};

const AUTHORITY: &str = "ca-cert.pem";
/// The host is a server to some and a client of others, with one certificate and key under both names.
const CERTIFICATES: [&str; 2] = ["server-cert.pem", "client-cert.pem"];
const KEYS: [&str; 2] = ["server-key.pem", "client-key.pem"];
const PARAMETERS: &str = "dh-params.pem";
/// The group ffdhe2048 (RFC 7919, appendix A.1): where this file is missing, GnuTLS makes parameters of its own at every
/// start, which takes up to half a second. TLS 1.3 does not use it.
pub(crate) const FFDHE2048: &str = "-----BEGIN DH PARAMETERS-----
MIIBCAKCAQEA//////////+t+FRYortKmq/cViAnPTzx2LnFg84tNpWp4TZBFGQz
+8yTnc4kmz75fS/jY2MMddj2gbICrsRhetPfHtXV/WVhJDP1H18GbtCFY2VVPe0a
87VXE15/V8k1mE8McODmi3fipona8+/och3xWKE2rec1MKzKT0g6eXq8CrGCsyT7
YdEIqUuyyOP7uWrat2DX9GgdT0Kj3jlN9K5W7edjcrsZCwenyO4KbXCeAvzhzffi
7MA0BM0oNC9hkXL+nOmFg/+OTxIy7vKBg8P+OxtMb61zO7X8vC7CIAXFjvGDfRaD
ssbzSibBsu/6iGtCOGEoXJf//////////wIBAg==
-----END DH PARAMETERS-----
";

/// The directory with the certificate of the host's data connections, below its state directory.
#[must_use]
pub fn volume_directory(state: &Path) -> PathBuf {
    identity_directory(state).join("volume")
}

/// Keeps that certificate there, for as long as it is polled: asked for where it is missing, another host's, another
/// authority's, or beyond half of its life, and again with a growing pause where nobody gives it. `pinned` orchestrators
/// are asked where there are any, else the cell's. `ready` is set to true once a good one lies there.
pub async fn keep_volume_certificate(
    state: PathBuf,
    identities: watch::Receiver<Arc<Identity>>,
    pinned: Vec<String>,
    ready: watch::Sender<bool>,
) {
    let mut pause = RENEW_PAUSE.0;
    loop {
        let identity = Arc::clone(&identities.borrow());
        match ensure_volume_certificate(&state, &identity, &pinned).await {
            Ok(()) => {
                ready.send_replace(true);
                pause = RENEW_PAUSE.0;
                sleep(RENEW_CHECK_EVERY).await;
            }
            Err(why) => {
                tracing::warn!(why, "no new certificate for data connections; asking again");
                ready.send_replace(check(&volume_directory(&state), &identity).is_ok());
                sleep(jitter(pause)).await;
                pause = (pause * 2).min(RENEW_PAUSE.1);
            }
        }
    }
}

/// The same once: returns when a good certificate lies in `volume_directory(state)`.
///
/// # Errors
/// What each orchestrator said, or the disk; what was there before is there still.
pub async fn ensure_volume_certificate(
    state: &Path,
    identity: &Identity,
    pinned: &[String],
) -> Result<(), String> {
    let directory = volume_directory(state);
    let why = match check(&directory, identity) {
        Ok(true) => return Ok(()),
        Ok(false) => "the certificate is beyond half of its life".to_owned(),
        Err(why) => why,
    };
    tracing::info!(why, "asking for a certificate for data connections");
    let addresses = if pinned.is_empty() { identity.orchestrators() } else { pinned };
    let mut said = vec![format!("{why}, and no orchestrator gave another")];
    for address in addresses {
        match timeout(JOIN_TIME_MAX, ask(address, identity)).await {
            Ok(Ok((key_pem, issued))) => {
                write(&directory, &key_pem, &issued).map_err(|error| error.to_string())?;
                return check(&directory, identity).map(|_| ());
            }
            Ok(Err(why)) => said.push(format!("{address}: {why}")),
            Err(_) => said.push(format!("{address}: it did not answer in time")),
        }
    }
    Err(said.join("; "))
}

/// Whether the good certificate in the directory has half of its life before it; why there is no good one otherwise.
fn check(directory: &Path, identity: &Identity) -> Result<bool, String> {
    let read = |name: &str| read_text(&directory.join(name)).map_err(|_| format!("{name} is missing"));
    for name in [KEYS[0], KEYS[1], CERTIFICATES[1], PARAMETERS] {
        read(name)?;
    }
    if read(AUTHORITY)?.trim() != identity.authority_pem.trim() {
        return Err(format!("{AUTHORITY} is not the cell's"));
    }
    let (from, until) = validity(&read(CERTIFICATES[0])?, identity.host())?;
    let now = clock::wall().0 / 1_000_000;
    if !(from..until).contains(&now) {
        return Err(format!("{} does not hold now", CERTIFICATES[0]));
    }
    Ok(until.saturating_sub(now) >= until.saturating_sub(from) / 2)
}

/// From when to when a certificate holds, seconds since 1970, if it is this host's.
fn validity(pem: &str, host: HostId) -> Result<(i64, i64), String> {
    let unreadable = || format!("{} can't be read", CERTIFICATES[0]);
    let (_, block) = parse_x509_pem(pem.as_bytes()).map_err(|_| unreadable())?;
    let certificate = block.parse_x509().map_err(|_| unreadable())?;
    let names = certificate.subject_alternative_name().map_err(|_| unreadable())?;
    let id = host.to_string();
    let named = names.is_some_and(|names| names.value.general_names.contains(&GeneralName::DNSName(&id)));
    // What authorises by the subject compares its whole text.
    if !named || certificate.subject().to_string() != format!("CN={id}") {
        return Err(format!("{} is not this host's", CERTIFICATES[0]));
    }
    let validity = certificate.validity();
    Ok((validity.not_before.timestamp(), validity.not_after.timestamp()))
}

/// What an orchestrator gives, as QEMU reads it.
struct Issued {
    certificate_pem: String,
    authority_pem: String,
}

async fn ask(address: &str, identity: &Identity) -> Result<(String, Issued), String> {
    let (key_pem, csr_der) = request()?;
    let mut client = JoinServiceClient::new(connect(address, identity).await?);
    let answer =
        client.issue_volume_certificate(IssueVolumeCertificateRequest { csr_der: csr_der.into() }).await;
    let issued = answer.map_err(|status| format!("{:?}: {}", status.code(), status.message()))?.into_inner();
    let issued = Issued {
        certificate_pem: pem::encode("CERTIFICATE", &issued.certificate_der),
        authority_pem: pem::encode("CERTIFICATE", &issued.ca_certificate_der),
    };
    validity(&issued.certificate_pem, identity.host())?;
    Ok((key_pem, issued))
}

/// Writes the whole directory beside its place, and moves it there.
fn write(directory: &Path, key_pem: &str, issued: &Issued) -> io::Result<()> {
    let beside = directory.with_extension("new");
    remove(&beside)?;
    fs::DirBuilder::new().mode(0o700).create(&beside)?;
    let certificate = issued.certificate_pem.as_str();
    let files = [
        (AUTHORITY, issued.authority_pem.as_str()),
        (PARAMETERS, FFDHE2048),
        (CERTIFICATES[0], certificate),
        (CERTIFICATES[1], certificate),
        (KEYS[0], key_pem),
        (KEYS[1], key_pem),
    ];
    for (name, text) in files {
        let mut options = fs::OpenOptions::new();
        let mut file = options.write(true).create_new(true).mode(PRIVATE).open(beside.join(name))?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
    }
    fs::File::open(&beside)?.sync_all()?;
    put_in_place(&beside, directory)?;
    sync_parent(directory)?;
    // What was at its place before, where there was one.
    remove(&beside)
}

/// Moves a directory to its place; what was there is then where it came from. Where the file system can't exchange
/// names, there is a moment without either.
fn put_in_place(beside: &Path, directory: &Path) -> io::Result<()> {
    match renameat_with(CWD, beside, CWD, directory, RenameFlags::EXCHANGE) {
        Ok(()) => Ok(()),
        Err(Errno::NOENT) => fs::rename(beside, directory),
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
            remove(directory)?;
            fs::rename(beside, directory)
        }
        Err(errno) => Err(errno.into()),
    }
}

fn remove(directory: &Path) -> io::Result<()> {
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn issued(text: &str) -> Issued {
        Issued { certificate_pem: format!("certificate {text}"), authority_pem: format!("authority {text}") }
    }

    #[test]
    fn the_directory_is_replaced_as_a_whole_and_private() {
        use std::os::unix::fs::PermissionsExt as _;
        let state = tempfile::tempdir().unwrap();
        fs::create_dir(state.path().join("identity")).unwrap();
        let directory = volume_directory(state.path());
        // What a crash has left.
        fs::create_dir(directory.with_extension("new")).unwrap();
        fs::write(directory.with_extension("new").join("left"), b"").unwrap();
        for text in ["one", "two"] {
            write(&directory, &format!("key {text}"), &issued(text)).unwrap();
            for (name, what) in [
                ("ca-cert.pem", "authority"),
                ("server-cert.pem", "certificate"),
                ("client-cert.pem", "certificate"),
                ("server-key.pem", "key"),
                ("client-key.pem", "key"),
            ] {
                let path = directory.join(name);
                assert_eq!(fs::read_to_string(&path).unwrap(), format!("{what} {text}"));
                assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600, "{name}");
            }
            assert_eq!(fs::read_dir(&directory).unwrap().count(), 6);
            assert_eq!(fs::read_dir(state.path().join("identity")).unwrap().count(), 1, "nothing beside it");
        }
        assert_eq!(fs::metadata(&directory).unwrap().permissions().mode() & 0o777, 0o700);
    }

    #[test]
    fn a_certificate_with_more_in_its_name_or_of_another_host_is_not_taken() {
        let host = HostId([2; 16]);
        let made = |common_name: &str, name: &str, more: bool| {
            let key = rcgen::KeyPair::generate().unwrap();
            let mut params = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
            params.distinguished_name = rcgen::DistinguishedName::new();
            params.distinguished_name.push(rcgen::DnType::CommonName, common_name);
            if more {
                params.distinguished_name.push(rcgen::DnType::OrganizationName, "windlass");
            }
            params.self_signed(&key).unwrap().pem()
        };
        let (id, other) = (host.to_string(), HostId([3; 16]).to_string());
        assert!(validity(&made(&id, &id, false), host).is_ok());
        for pem in [made(&id, &id, true), made(&other, &id, false), made(&id, &other, false), "x".into()] {
            assert!(validity(&pem, host).is_err());
        }
    }
}
