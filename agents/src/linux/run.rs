//! The run directory: what a host holds until its kernel starts anew (sockets, process ids, the setups of ports), and by
//! which random word a start is known.
//!
//! Invariant: everything below it is of the current start. `/run` is empty after a start of the kernel, and a directory
//! that is not on such a file system is emptied when the kernel's own word for the start has changed.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use windlass_sagas::ids::BootId;

use crate::AgentError;
use crate::driver::kernel_boot;
use crate::files::{PRIVATE, replace, sync_parent};
use crate::random;

/// The file with the kernel's word for the start, and ours.
const BOOT: &str = "boot";

/// A run directory.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    path: PathBuf,
    boot: BootId,
}

impl Run {
    /// Opens the directory; one of an earlier start of the kernel is emptied first.
    pub(crate) fn open(path: &Path) -> Result<Self, AgentError> {
        let kernel = kernel_boot()?.to_string();
        let failed = |error| AgentError::File { path: path.to_path_buf(), error };
        let marker = path.join(BOOT);
        let kept = fs::read_to_string(&marker).ok();
        if let Some((of, boot)) = kept.as_deref().and_then(|text| text.trim().split_once(' '))
            && of == kernel
            && let Ok(boot) = boot.parse()
        {
            return Ok(Self { path: path.to_path_buf(), boot });
        }
        if path.exists() {
            fs::remove_dir_all(path).map_err(failed)?;
        }
        make_passable(path).map_err(failed)?;
        let boot = BootId(random::id()?);
        replace(&marker, PRIVATE, format!("{kernel} {boot}\n").as_bytes()).map_err(failed)?;
        Ok(Self { path: path.to_path_buf(), boot })
    }

    /// The start that it is of.
    pub(crate) const fn boot(&self) -> BootId {
        self.boot
    }

    /// A path below it.
    pub(crate) fn join(&self, name: impl AsRef<Path>) -> PathBuf {
        self.path.join(name)
    }
}

/// Makes the directory: others may pass through it to what is theirs (guests and DHCP servers run as users that own
/// nothing else), and list nothing.
fn make_passable(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o711).create(path)?;
    fs::set_permissions(path, Permissions::from_mode(0o711))?;
    sync_parent(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_is_known_again_and_another_one_finds_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("run");
        let first = Run::open(&path).unwrap();
        fs::write(first.join("thing"), "x").unwrap();
        let again = Run::open(&path).unwrap();
        assert_eq!(first.boot(), again.boot());
        assert!(again.join("thing").exists());
        let marker = fs::read_to_string(path.join(BOOT)).unwrap();
        let (_, word) = marker.split_once(' ').unwrap();
        fs::write(path.join(BOOT), format!("another {word}")).unwrap();
        let other = Run::open(&path).unwrap();
        assert_ne!(first.boot(), other.boot());
        assert!(!other.join("thing").exists());
    }
}
