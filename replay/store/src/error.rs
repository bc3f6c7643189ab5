//! What can go wrong with the store. Nothing of it loses anything: the store is derived, and is dropped where in doubt.

use std::path::PathBuf;

use windlass_sagas::ids::Position;

/// Why a store can't be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it.
    #[error("the store {} is in use by another process", .path.display())]
    Locked {
        /// Its file.
        path: PathBuf,
    },
    /// The disk or the file system refused.
    #[error("the store {} can't be opened", .path.display())]
    Io {
        /// Its file or directory.
        path: PathBuf,
        /// What the system or the storage library said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// Why the store did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The disk or the storage library failed.
    #[error("the store failed")]
    Storage(#[source] Box<redb::Error>),
    /// A delta that does not follow what is stored: one before it was never written.
    #[error("the delta follows position {base}, the store is at position {stored}")]
    OutOfOrder {
        /// Where the delta begins.
        base: Position,
        /// Where the store stands.
        stored: Position,
    },
    /// A stored row is not what this build writes.
    #[error("a row of the store can't be read: {0}")]
    Row(&'static str),
}

impl From<redb::Error> for StoreError {
    fn from(error: redb::Error) -> Self {
        Self::Storage(Box::new(error))
    }
}

impl From<std::io::Error> for StoreError {
    fn from(error: std::io::Error) -> Self {
        Self::from(redb::Error::Io(error))
    }
}

/// The storage library has an error a call; all of them mean the same here.
macro_rules! storage {
    ($($from:ty),*) => {$(
        impl From<$from> for StoreError {
            fn from(error: $from) -> Self {
                Self::from(redb::Error::from(error))
            }
        }
    )*};
}

storage!(
    redb::DatabaseError,
    redb::StorageError,
    redb::TableError,
    redb::TransactionError,
    redb::CommitError
);
