//! A journal to read: an embedded one that nobody leads now, by its directory; an exported file; or a cell's on NATS, also
//! while it is led.
//!
//! It makes none where there is none, and it never reads beside a running orchestrator: who holds a directory is named.

use std::io;
use std::path::{Path, PathBuf};

use windlass_journal::embedded::{self, OpenError, Settings};
use windlass_journal::{Embedded, Frame, Part, Read, ReadError, jetstream};
use windlass_sagas::protocol::Cursor;

use crate::file::{File, FileError, Manifest};

/// An open journal.
#[derive(Debug)]
pub enum Source {
    /// An embedded journal, claimed while this is open.
    Embedded(Embedded),
    /// An exported file.
    File(File),
    /// A cell's stream on NATS.
    JetStream(Box<jetstream::Reader>),
}

/// Why there is no journal to read at a path.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// Nothing is there.
    #[error("there is nothing at {}", .0.display())]
    Missing(PathBuf),
    /// A directory without a journal in it.
    #[error("{} holds no journal", .0.display())]
    NoJournal(PathBuf),
    /// A running process has it.
    #[error("the journal in {} is held by a running orchestrator{}", .directory.display(), process(.pid))]
    Held {
        /// Its directory.
        directory: PathBuf,
        /// The process that holds it, if it has written its id yet.
        pid: Option<u32>,
    },
    /// The embedded journal can't be opened.
    #[error("the journal can't be opened")]
    Embedded(#[source] OpenError),
    /// The file can't be read as a journal.
    #[error("the exported journal can't be opened")]
    File(#[from] FileError),
    /// The journal on NATS can't be opened.
    #[error(transparent)]
    Nats(#[from] jetstream::OpenError),
    /// The system refused to look.
    #[error("{} can't be looked at", .path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

fn process(pid: &Option<u32>) -> String {
    pid.map(|pid| format!(" (process {pid})")).unwrap_or_default()
}

impl Source {
    /// Opens what is at `path`. An embedded journal is recovered from whatever stopped its last process, and is held
    /// until this is dropped or closed.
    ///
    /// # Errors
    /// [`SourceError`]; no journal is made.
    pub async fn open(path: &Path) -> Result<Self, SourceError> {
        let io = |source| SourceError::Io { path: path.to_owned(), source };
        let about = match std::fs::metadata(path) {
            Ok(about) => about,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(SourceError::Missing(path.to_owned()));
            }
            Err(error) => return Err(io(error)),
        };
        if !about.is_dir() {
            return Ok(Self::File(File::open(path)?));
        }
        if !embedded::is_there(path).map_err(io)? {
            return Err(SourceError::NoJournal(path.to_owned()));
        }
        match Embedded::open(Settings::new(path)).await {
            Ok(journal) => Ok(Self::Embedded(journal)),
            Err(OpenError::Locked { directory, pid }) => Err(SourceError::Held { directory, pid }),
            Err(error @ (OpenError::Damaged { .. } | OpenError::Io { .. })) => {
                Err(SourceError::Embedded(error))
            }
        }
    }

    /// Opens a cell's journal on NATS.
    ///
    /// # Errors
    /// [`SourceError::Nats`]; no stream is made.
    pub async fn on_nats(settings: &jetstream::Settings) -> Result<Self, SourceError> {
        Ok(Self::JetStream(Box::new(jetstream::Connection::existing(settings).await?.reader())))
    }

    /// What an exported file says of itself; `None`: it is a journal, or a file of format 1, and holds a whole cell.
    #[must_use]
    pub fn about(&self) -> Option<&Manifest> {
        match self {
            Self::File(file) => file.about(),
            Self::Embedded(_) | Self::JetStream(_) => None,
        }
    }

    /// Closes it, so that an orchestrator can have it again at once.
    pub async fn close(self) {
        match self {
            Self::Embedded(journal) => journal.close().await,
            Self::File(_) | Self::JetStream(_) => {}
        }
    }
}

impl Read for Source {
    async fn read(&self, after: Cursor, frames_max: usize) -> Result<Vec<(Cursor, Frame)>, ReadError> {
        match self {
            Self::Embedded(journal) => journal.read(after, frames_max).await,
            Self::File(file) => file.read(after, frames_max).await,
            Self::JetStream(reader) => reader.read(after, frames_max).await,
        }
    }

    async fn last(&self) -> Result<Cursor, ReadError> {
        match self {
            Self::Embedded(journal) => journal.last().await,
            Self::File(file) => file.last().await,
            Self::JetStream(reader) => reader.last().await,
        }
    }

    async fn wait(&self, after: Cursor) -> Result<(), ReadError> {
        match self {
            Self::Embedded(journal) => journal.wait(after).await,
            Self::File(file) => file.wait(after).await,
            Self::JetStream(reader) => reader.wait(after).await,
        }
    }

    fn part(&self) -> Option<&dyn Part> {
        match self {
            Self::File(file) => file.part(),
            Self::Embedded(_) | Self::JetStream(_) => None,
        }
    }
}
