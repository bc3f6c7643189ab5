//! The certificates that QEMU's processes show each other, in the directories and under the names that they expect
//! (QEMU, "Setting up secure connections: x509 certificates").

use std::fs;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};

use windlass_sagas::record::Refusal;

use super::Host;
use crate::driver::driver_failed;
use crate::identity::volume::volume_directory;

/// The directory with what a server shows, readable by this user.
pub(crate) fn server(host: &Host, user: (u32, u32)) -> Result<PathBuf, Refusal> {
    let public = ["ca-cert.pem", "server-cert.pem", "dh-params.pem"].map(|file| (file, 0o444));
    let [authority, certificate, parameters] = public;
    copied(host, "server", &[authority, certificate, parameters, ("server-key.pem", 0o400)], user)
}

/// The directory with what a client shows. It reads it before it gives up root.
pub(crate) fn client(host: &Host) -> Result<PathBuf, Refusal> {
    let files = [("ca-cert.pem", 0o444), ("client-cert.pem", 0o444), ("client-key.pem", 0o400)];
    copied(host, "client", &files, (0, 0))
}

/// Copies what differs from the identity directory, which only its owner reads.
fn copied(host: &Host, name: &str, files: &[(&str, u32)], user: (u32, u32)) -> Result<PathBuf, Refusal> {
    let source = volume_directory(&host.state);
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
