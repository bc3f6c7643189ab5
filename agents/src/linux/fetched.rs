//! Bodies that steps name by hash, as files, or the refusal that says why not.

use std::path::PathBuf;

use windlass_sagas::ids::Hash;
use windlass_sagas::record::{Refusal, RefusalCode};

use crate::blobs::{Blobs, FetchError};

/// The file with these bytes.
pub(crate) async fn fetched(blobs: &Blobs, sha256: Hash, size_max: u64) -> Result<PathBuf, Refusal> {
    blobs.fetch(sha256, size_max).await.map_err(|error| {
        let (code, retryable) = match &error {
            FetchError::Missing(_) | FetchError::TooLarge { .. } => (RefusalCode::BadImage, false),
            FetchError::Wrong(_) => (RefusalCode::BadImage, true),
            FetchError::Unreachable(_) | FetchError::Disk(_) => (RefusalCode::DriverFailed, true),
            FetchError::DiskFull(_) => (RefusalCode::DiskFull, true),
        };
        Refusal { code, retryable, message: error.to_string() }
    })
}
