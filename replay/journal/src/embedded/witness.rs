//! A note of the highest acknowledged cursor, kept outside the store, so that a store which comes back shorter (a log cut
//! at a damaged byte recovers without a word) is noticed.
//!
//! Invariant: what it says was acknowledged, and synced before. It is not synced itself: an older note is no harm.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use windlass_sagas::protocol::Cursor;

/// The note's file.
#[derive(Debug)]
pub(super) struct Witness {
    file: File,
}

impl Witness {
    /// Opens or makes the file at `path`.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create(true).truncate(false).open(path)?;
        Ok(Self { file })
    }

    /// The highest cursor noted; the start if the note is missing or torn, as a power cut may leave it.
    pub(super) fn acknowledged(&self) -> io::Result<Cursor> {
        let mut note = [0; 16];
        match self.file.read_exact_at(&mut note, 0) {
            Ok(()) => Ok(decode(u128::from_be_bytes(note))),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(Cursor::START),
            Err(error) => Err(error),
        }
    }

    /// Notes that `cursor` was acknowledged. A failure only weakens the check, so it is no reason to fail the append.
    pub(super) fn note(&self, cursor: Cursor) {
        let note = (u128::from(cursor.0) << 64) | u128::from(!cursor.0);
        if let Err(error) = self.file.write_all_at(&note.to_be_bytes(), 0) {
            tracing::debug!(%error, cursor = cursor.0, "the acknowledged cursor was not noted");
        }
    }
}

/// The cursor and its complement, so that half a note is none.
fn decode(note: u128) -> Cursor {
    let [cursor, complement] = [64, 0].map(|shift| (note >> shift) as u64);
    if cursor == !complement { Cursor(cursor) } else { Cursor::START }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_kept_and_half_a_note_is_none() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("acknowledged");
        let witness = Witness::open(&path).unwrap();
        assert_eq!(witness.acknowledged().unwrap(), Cursor::START);
        witness.note(Cursor(7));
        witness.note(Cursor(u64::MAX - 3));
        let again = Witness::open(&path).unwrap();
        assert_eq!(again.acknowledged().unwrap(), Cursor(u64::MAX - 3));
        for torn in [vec![0; 16], vec![0xFF; 8], vec![1; 16]] {
            std::fs::write(&path, torn).unwrap();
            assert_eq!(again.acknowledged().unwrap(), Cursor::START);
        }
    }
}
