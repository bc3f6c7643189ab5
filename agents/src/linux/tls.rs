//! The certificates that QEMU's processes show each other, in the directories and under the names that they expect
//! (QEMU, "Setting up secure connections: x509 certificates").

use std::fs;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};

use windlass_sagas::record::Refusal;

use super::Host;
use crate::driver::driver_failed;

/// The parameters ffdhe2048 (RFC 7919), as PKCS #3: without them each process computes its own for half a second.
const DH_PARAMETERS: &str = include_str!("ffdhe2048.pem");

/// The directory with what a server shows, readable by this user.
pub(crate) fn server(host: &Host, user: (u32, u32)) -> Result<PathBuf, Refusal> {
    let files = [("ca-cert.pem", 0o444), ("server-cert.pem", 0o444), ("server-key.pem", 0o400)];
    let directory = copied(host, "server", &files, user)?;
    let parameters = directory.join("dh-params.pem");
    if !parameters.exists() {
        fs::write(&parameters, DH_PARAMETERS).map_err(|error| failed(&parameters, &error))?;
    }
    Ok(directory)
}

/// The directory with what a client shows. It reads it before it gives up root.
pub(crate) fn client(host: &Host) -> Result<PathBuf, Refusal> {
    let files = [("ca-cert.pem", 0o444), ("client-cert.pem", 0o444), ("client-key.pem", 0o400)];
    copied(host, "client", &files, (0, 0))
}

/// Copies what differs from the identity directory, which only its owner reads.
fn copied(host: &Host, name: &str, files: &[(&str, u32)], user: (u32, u32)) -> Result<PathBuf, Refusal> {
    let source = host.state.join("identity").join("volume");
    if !source.join("ca-cert.pem").exists() {
        return Err(driver_failed("the host has no certificate for volumes yet; the cell gives it one soon"));
    }
    let directory = host.run.join("tls").join(name);
    let made = fs::DirBuilder::new().recursive(true).mode(0o711).create(&directory);
    made.map_err(|error| failed(&directory, &error))?;
    for (file, mode) in files {
        let (from, to) = (source.join(file), directory.join(file));
        copy(&from, &to, *mode, user).map_err(|error| failed(&from, &error))?;
    }
    Ok(directory)
}

fn copy(from: &Path, to: &Path, mode: u32, (user, group): (u32, u32)) -> std::io::Result<()> {
    let bytes = fs::read(from)?;
    if fs::read(to).is_ok_and(|there| there == bytes) {
        return Ok(());
    }
    let beside = to.with_extension("new");
    fs::write(&beside, &bytes)?;
    fs::set_permissions(&beside, fs::Permissions::from_mode(mode))?;
    chown(&beside, Some(user), Some(group))?;
    fs::rename(&beside, to)
}

fn failed(path: &Path, error: &std::io::Error) -> Refusal {
    driver_failed(&format!("{}: {error}", path.display()))
}
