//! Why a blob can't be had. What a driver makes of it differs: only some of them may end by waiting.

use windlass_sagas::ids::Hash;

/// Why a blob can't be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// Every orchestrator was asked, and none has it: it was never uploaded. Asking again soon gives the same.
    #[error("blob {0} is at none of the cell's orchestrators: upload it with `windlass image create --file`")]
    Missing(Hash),
    /// One that may have it could not be asked, or broke off. The same may succeed soon.
    #[error("the blob could not be fetched: {0}")]
    Unreachable(String),
    /// What was sent is not what was asked for, and nobody sent better; it was thrown away.
    #[error("the blob that was sent is not the one that was asked for: {0}")]
    Wrong(String),
    /// It is larger than whoever asks can use; it was not fetched.
    #[error("the blob has {size_bytes} bytes; at most {size_max} were expected")]
    TooLarge {
        /// Its size, bytes.
        size_bytes: u64,
        /// What was expected at most, bytes.
        size_max: u64,
    },
    /// The file system of the state directory has no room for it, also with everything removed that may be.
    #[error("no room for the blob on the host: {0}")]
    DiskFull(String),
    /// The cache can't be read or written otherwise.
    #[error("the host's blobs can't be used: {0}")]
    Disk(String),
}

impl FetchError {
    /// What the disk said.
    pub(super) fn of_disk(error: &std::io::Error) -> Self {
        use std::io::ErrorKind::{QuotaExceeded, StorageFull};
        match error.kind() {
            StorageFull | QuotaExceeded => Self::DiskFull(error.to_string()),
            _ => Self::Disk(error.to_string()),
        }
    }

    /// Whether another orchestrator could not mend it.
    pub(super) const fn is_final(&self) -> bool {
        match self {
            Self::TooLarge { .. } | Self::DiskFull(_) | Self::Disk(_) => true,
            Self::Missing(_) | Self::Unreachable(_) | Self::Wrong(_) => false,
        }
    }

    /// Whether it says the same to everybody who asked for the blob at the same time.
    pub(super) const fn is_shared(&self) -> bool {
        !matches!(self, Self::TooLarge { .. })
    }
}
