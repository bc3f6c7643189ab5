//! The last durable commit that this orchestrator has seen, kept beside the store, so that a journal that comes back
//! shorter or rewritten is noticed also where the store was deleted (O6).
//!
//! Invariant: what it says was durable. It is not synced: an older note only notices less.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use windlass_sagas::ids::{Hash, Position, Term};

/// A commit that was durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Where it stands.
    pub position: Position,
    /// Its hash.
    pub hash: Hash,
    /// Its term.
    pub term: Term,
}

/// The note, as TOML.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Note {
    position: u64,
    hash: String,
    generation: u32,
    elected: u64,
}

/// The file that holds it.
#[derive(Debug)]
pub struct SeenFile {
    path: PathBuf,
    noted: Option<Seen>,
}

impl SeenFile {
    /// The file in a state directory, and what it says; a missing one says nothing.
    ///
    /// # Errors
    /// Where it can't be read, or says nothing that can be used: then a tail may be lost and nobody would know.
    pub fn open(state: &Path) -> io::Result<Self> {
        let path = state.join("seen.toml");
        let noted = match fs::read_to_string(&path) {
            Ok(text) => {
                Some(parse(&text).map_err(|error| io::Error::other(format!("{}: {error}", path.display())))?)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        Ok(Self { path, noted })
    }

    /// What it says.
    #[must_use]
    pub const fn noted(&self) -> Option<Seen> {
        self.noted
    }

    /// Notes a later commit, or one of a higher generation. A failure only weakens the check.
    pub fn note(&mut self, seen: Seen) {
        let later =
            |noted: Seen| (seen.term.generation, seen.position) > (noted.term.generation, noted.position);
        if !self.noted.is_none_or(later) {
            return;
        }
        match self.write(&seen) {
            Ok(()) => self.noted = Some(seen),
            Err(error) => tracing::debug!(%error, "the last commit that was seen is not noted"),
        }
    }

    fn write(&self, seen: &Seen) -> io::Result<()> {
        let note = Note {
            position: seen.position.0,
            hash: seen.hash.to_string(),
            generation: seen.term.generation,
            elected: seen.term.elected.0,
        };
        let text = toml::to_string(&note).map_err(io::Error::other)?;
        let next = self.path.with_extension("toml.next");
        fs::write(&next, text)?;
        fs::rename(&next, &self.path)
    }
}

fn parse(text: &str) -> Result<Seen, String> {
    let note: Note = toml::from_str(text).map_err(|error| error.to_string())?;
    let hash = hash(&note.hash).ok_or("hash: expected 64 hexadecimal digits")?;
    let term = Term { generation: note.generation, elected: Position(note.elected) };
    Ok(Seen { position: Position(note.position), hash, term })
}

fn hash(text: &str) -> Option<Hash> {
    let mut bytes = [0; 32];
    if text.len() != 64 {
        return None;
    }
    for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
        let digits = std::str::from_utf8(digits).ok()?;
        *byte = u8::from_str_radix(digits, 16).ok()?;
    }
    Some(Hash(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(position: u64, generation: u32) -> Seen {
        let term = Term { generation, elected: Position(2) };
        Seen { position: Position(position), hash: Hash([7; 32]), term }
    }

    #[test]
    fn what_was_noted_is_there_again_and_never_goes_back() {
        let directory = tempfile::tempdir().unwrap();
        let mut file = SeenFile::open(directory.path()).unwrap();
        assert_eq!(file.noted(), None);
        file.note(seen(9, 0));
        file.note(seen(8, 0));
        assert_eq!(SeenFile::open(directory.path()).unwrap().noted(), Some(seen(9, 0)));
        file.note(seen(3, 1));
        assert_eq!(SeenFile::open(directory.path()).unwrap().noted(), Some(seen(3, 1)));
    }

    #[test]
    fn a_note_that_says_nothing_is_an_error_and_not_silence() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("seen.toml"), "position = 1\n").unwrap();
        assert!(SeenFile::open(directory.path()).is_err());
    }
}
