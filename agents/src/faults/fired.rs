//! The record of strikes: a file a plan, one line a strike, synced before the strike. Lines are for people and tests;
//! the number at the front of each is what the next process counts.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use crate::AgentError;
use crate::files::{PRIVATE, make_directory, sync_parent};

#[derive(Debug)]
pub(super) struct Fired {
    file: File,
    counts: Vec<u64>,
}

impl Fired {
    /// The record of the plan or fault of this name, below `directory`.
    pub(super) fn open(directory: &Path, name: &str, faults: usize) -> Result<Self, AgentError> {
        make_directory(directory)?;
        let path = Self::path(directory, name);
        let failed = |error| AgentError::File { path: path.clone(), error };
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(failed(error)),
        };
        let mut counts = vec![0; faults];
        for line in text.lines() {
            let number = line.split(' ').next().and_then(|number| number.parse::<usize>().ok());
            if let Some(count) = number.and_then(|number| counts.get_mut(number)) {
                *count += 1;
            }
        }
        let mut options = OpenOptions::new();
        let file = options.append(true).create(true).mode(PRIVATE).open(&path).map_err(failed)?;
        sync_parent(&path).map_err(failed)?;
        Ok(Self { file, counts })
    }

    /// Where it is.
    pub(super) fn path(directory: &Path, name: &str) -> PathBuf {
        directory.join(format!("{name}.fired"))
    }

    /// How often this fault has struck.
    pub(super) fn count(&self, number: usize) -> u64 {
        self.counts.get(number).copied().unwrap_or(0)
    }

    /// Notes a strike, durably.
    pub(super) fn note(&mut self, number: usize, line: &str) -> io::Result<()> {
        self.file.write_all(format!("{number} {line}\n").as_bytes())?;
        self.file.sync_data()?;
        if let Some(count) = self.counts.get_mut(number) {
            *count += 1;
        }
        Ok(())
    }
}
