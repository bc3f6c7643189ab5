//! What happens when the storage library panics on pages that were altered under it: an error like others where it can
//! be caught, and a mark beside the file where it can't.
//!
//! Invariant: the mark stands before anything unwinds. The library may panic again while it cleans up, which ends the
//! process; the next `open` finds the mark and drops the file, so no process falls over the same page twice.

use std::cell::RefCell;
use std::fs::{self, File, TryLockError};
use std::io;
use std::panic::{self, AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Once;

use crate::error::StoreError;

thread_local! {
    /// The mark of the file that this thread asks the library about.
    static ASKED: RefCell<Option<PathBuf>> = const { RefCell::new(None) };
}

/// Asks the storage library about the file at `path`. A panic in there is an error, and marks the file.
pub(crate) fn guarded<T>(path: &Path, ask: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
    mark_on_panic();
    let before = ASKED.replace(Some(mark(path)));
    let answer = catch_unwind(AssertUnwindSafe(ask));
    ASKED.set(before);
    answer.unwrap_or(Err(StoreError::Row("its pages are damaged")))
}

/// Whether an error of the system comes from lengths and places that were read in the file, not from the disk.
pub(crate) fn is_likely(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, InvalidData, InvalidInput, UnexpectedEof};
    matches!(error.kind(), InvalidData | UnexpectedEof | InvalidInput | FileTooLarge)
}

/// Whether the file at `path` is marked.
pub(crate) fn is_marked(path: &Path) -> bool {
    mark(path).exists()
}

/// Removes a file that is of no use, then its mark.
///
/// # Errors
/// `WouldBlock` where another process has it open; where the system refuses.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    match File::open(path).map(|file| file.try_lock()) {
        Ok(Err(TryLockError::WouldBlock)) => return Err(io::ErrorKind::WouldBlock.into()),
        Ok(Ok(()) | Err(TryLockError::Error(_))) => fs::remove_file(path)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    match fs::remove_file(mark(path)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn mark(path: &Path) -> PathBuf {
    path.with_added_extension("damaged")
}

/// The process's panic hook is the one place that runs before the unwinding.
fn mark_on_panic() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let hook = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let asked = ASKED.try_with(|asked| asked.try_borrow().ok()?.clone());
            if let Ok(Some(mark)) = asked {
                // Without the mark the file is opened once more, which is all that can be lost here.
                drop(fs::write(mark, info.to_string()));
            }
            hook(info);
        }));
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    const PATH: &str = "WINDLASS_STORE_TO_FALL_OVER";

    struct PanicsInCleanUp;

    impl Drop for PanicsInCleanUp {
        fn drop(&mut self) {
            assert!(!std::thread::panicking(), "a lock is poisoned");
        }
    }

    fn fall<T>() -> Result<T, StoreError> {
        let _cleanup = PanicsInCleanUp;
        std::panic::panic_any("a page")
    }

    #[test]
    #[ignore = "run by the test below in a process of its own, which it ends"]
    fn falls_over_a_page() {
        let path = std::env::var_os(PATH).expect("a path");
        assert!(guarded::<()>(path.as_ref(), fall).is_err(), "caught, where it can be");
    }

    #[test]
    fn a_panic_that_ends_the_process_leaves_its_mark() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("store.redb");
        fs::write(&path, "pages").expect("a file");
        let ended = Command::new(std::env::current_exe().expect("this binary"))
            .args(["--exact", "damage::tests::falls_over_a_page", "--ignored"])
            .env(PATH, &path)
            .output()
            .expect("a process");
        assert_eq!(ended.status.code(), None, "it was ended by a signal: {ended:?}");
        assert!(is_marked(&path));
        remove(&path).expect("removed");
        assert!(!is_marked(&path) && !path.exists());
        remove(&path).expect("nothing to remove is no error");
    }

    #[test]
    fn a_panic_that_is_caught_is_an_error_and_a_mark_and_others_are_neither() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("store.redb");
        let elsewhere = std::thread::spawn(|| std::panic::panic_any("somebody else's"));
        assert!(elsewhere.join().is_err() && !is_marked(&path));
        assert!(guarded::<()>(&path, || std::panic::panic_any("a page")).is_err());
        assert!(is_marked(&path));
    }
}
