//! The identity directory of a cell: `cell.toml`, the authority, an orchestrator's certificate. Private files are
//! readable by their owner alone. A cell is made once; genesis is written by the first orchestrator that leads.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use windlass_sagas::ids::{CellId, CredentialId, Hash, PrincipalId, from_hex};
use windlass_sagas::record::{FORMAT_LEVEL, Genesis};

use super::{Authority, IdentityError, Secret, random_id};
use crate::clock;

const CELL: &str = "cell.toml";
const CA_CERTIFICATE: &str = "ca.pem";
const CA_KEY: &str = "ca.key";
pub(super) const CERTIFICATE: &str = "orchestrator.pem";
pub(super) const KEY: &str = "orchestrator.key";

/// `cell.toml`, as it is stored.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CellFile {
    id: String,
    name: String,
    admin: String,
    credential: String,
    secret_sha256: String,
}

/// Everything that an orchestrator of the cell holds, its own certificate apart (see `Own`).
pub struct CellIdentity {
    /// What the cell begins with.
    pub genesis: Genesis,
    /// Who signs.
    pub authority: Authority,
}

/// A cell that was just made.
pub struct Initialised {
    /// Its id.
    pub cell: CellId,
    /// The administrator's token: shown once, never stored.
    pub admin_token: String,
}

/// Makes a cell: authority, an orchestrator's certificate for `names`, the administrator's token.
///
/// # Errors
/// `Exists` where the directory holds a cell; what is wrong with the file system otherwise.
pub fn init(directory: &Path, name: &str, names: &[String]) -> Result<Initialised, IdentityError> {
    let cell_file = directory.join(CELL);
    if cell_file.exists() {
        return Err(IdentityError::Exists(directory.to_path_buf()));
    }
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(directory);
    made.map_err(|error| IdentityError::File { path: directory.to_path_buf(), error })?;
    let authority = Authority::new(name)?;
    let certificate = authority.orchestrator(names, clock::now())?;
    let secret = Secret::random()?;
    let (cell, admin, credential) =
        (CellId(random_id()?), PrincipalId(random_id()?), CredentialId(random_id()?));
    write(&directory.join(CA_CERTIFICATE), 0o644, authority.certificate_pem())?;
    write(&directory.join(CA_KEY), 0o600, authority.key_pem())?;
    // The authority is shown with it: a machine that joins knows the authority by its hash alone.
    let chain = format!("{}{}", certificate.certificate_pem, authority.certificate_pem());
    write(&directory.join(CERTIFICATE), 0o644, &chain)?;
    write(&directory.join(KEY), 0o600, &certificate.key_pem)?;
    let stored = CellFile {
        id: cell.to_string(),
        name: name.to_string(),
        admin: admin.to_string(),
        credential: credential.to_string(),
        secret_sha256: secret.hash().to_string(),
    };
    let text = toml::to_string(&stored)
        .map_err(|error| IdentityError::Malformed { path: cell_file.clone(), message: error.to_string() })?;
    // Last, since its presence says that the rest is there.
    write(&cell_file, 0o600, &text)?;
    Ok(Initialised { cell, admin_token: secret.text() })
}

impl CellIdentity {
    /// Reads an identity directory.
    ///
    /// # Errors
    /// `Missing`, or the file and line at fault.
    pub fn load(directory: &Path) -> Result<Self, IdentityError> {
        let path = directory.join(CELL);
        let malformed = |message: String| IdentityError::Malformed { path: path.clone(), message };
        let stored: CellFile = toml::from_str(&read(&path)?).map_err(|error| malformed(error.to_string()))?;
        let bad_id = |_| malformed("an id is not a UUID".into());
        let genesis = Genesis {
            cell: stored.id.parse().map_err(bad_id)?,
            name: stored.name,
            level: FORMAT_LEVEL,
            admin: stored.admin.parse().map_err(bad_id)?,
            credential: stored.credential.parse().map_err(bad_id)?,
            secret_sha256: from_hex(&stored.secret_sha256)
                .map(Hash)
                .ok_or_else(|| malformed("secret_sha256 is not a hash".into()))?,
        };
        let authority =
            Authority::from_pem(read(&directory.join(CA_CERTIFICATE))?, read(&directory.join(CA_KEY))?);
        Ok(Self { genesis, authority })
    }
}

pub(super) fn read(path: &Path) -> Result<String, IdentityError> {
    fs::read_to_string(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => IdentityError::Missing(path.to_path_buf()),
        _ => IdentityError::File { path: path.to_path_buf(), error },
    })
}

/// Writes a new file, synced; an existing one is an error.
fn write(path: &PathBuf, mode: u32, text: &str) -> Result<(), IdentityError> {
    let failed = |error| IdentityError::File { path: path.clone(), error };
    let mut file =
        fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(path).map_err(failed)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)
}

/// Writes a file in place of another, whole or not at all.
pub(super) fn replace(path: &Path, mode: u32, text: &str) -> Result<(), IdentityError> {
    let failed = |error| IdentityError::File { path: path.to_path_buf(), error };
    let beside = path.with_extension("new");
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
        Ok(()) | Err(_) => {}
    }
    write(&beside, mode, text)?;
    fs::rename(&beside, path).map_err(failed)?;
    let directory = path.parent().unwrap_or(path);
    fs::File::open(directory).and_then(|it| it.sync_all()).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_init_makes_load_reads_and_a_second_init_is_refused() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("identity");
        let made = init(&path, "blue", &["localhost".into()]).expect("made");
        let identity = CellIdentity::load(&path).expect("read");
        assert_eq!(identity.genesis.cell, made.cell);
        assert_eq!(Secret::hash_of(&made.admin_token), identity.genesis.secret_sha256);
        assert!(matches!(init(&path, "blue", &[]), Err(IdentityError::Exists(_))));
        assert!(matches!(CellIdentity::load(directory.path()), Err(IdentityError::Missing(_))));
    }

    #[test]
    fn an_unknown_key_is_named() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("identity");
        init(&path, "blue", &[]).expect("made");
        let file = path.join(CELL);
        let text = fs::read_to_string(&file).expect("read") + "colour = \"blue\"\n";
        fs::write(&file, text).expect("written");
        let error = CellIdentity::load(&path).err().expect("refused").to_string();
        assert!(error.contains("colour"), "{error}");
    }
}
