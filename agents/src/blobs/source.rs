//! Where blobs come from: the cell's orchestrators, one after the other, each dialled with the host's certificate of that
//! moment. One has what was uploaded through it, so that only all of them together can say that there is none.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::watch;
use tokio::time::timeout;
use tonic::{Code, Status};
use windlass_proto::agent::v1::blob_service_client::BlobServiceClient;
use windlass_proto::agent::v1::{BlobChunk, FetchBlobRequest};
use windlass_sagas::ids::Hash;

use super::FetchError;
use super::cache::{Cache, Incoming};
use crate::identity::Identity;
use crate::limits::{BLOB_CHUNK_BYTES_MAX, BLOB_SILENCE_MAX, ORCHESTRATORS_MAX};
use crate::runtime::connect;

/// The orchestrators of an agent.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) identities: watch::Receiver<Arc<Identity>>,
    /// Asked instead of those that the cell named, where there are any.
    pub(super) pinned: Vec<String>,
}

/// What is fetched, and what may be made of the disk for it.
#[derive(Clone, Copy)]
pub(super) struct Wanted {
    pub(super) sha256: Hash,
    /// The most bytes that whoever asks can use.
    pub(super) size_max: u64,
    /// The cache's bound, bytes.
    pub(super) keep_bytes: u64,
}

impl Source {
    /// Fetches the blob from the first orchestrator that has it.
    pub(super) async fn fetch(&self, cache: &Arc<Cache>, wanted: Wanted) -> Result<PathBuf, FetchError> {
        let identity = Arc::clone(&self.identities.borrow());
        let named = if self.pinned.is_empty() { identity.orchestrators() } else { &self.pinned };
        let (mut wrong, mut unreachable) = (Vec::new(), Vec::new());
        if named.is_empty() {
            unreachable.push("there is no orchestrator to ask".to_owned());
        }
        for address in named.iter().take(ORCHESTRATORS_MAX) {
            match fetch_from(address, &identity, cache, wanted).await {
                Ok(path) => return Ok(path),
                Err(FetchError::Missing(_)) => {}
                Err(FetchError::Wrong(why)) => {
                    tracing::warn!(orchestrator = address, sha256 = %wanted.sha256, why, "a wrong blob was sent");
                    wrong.push(format!("{address}: {why}"));
                }
                Err(FetchError::Unreachable(why)) => unreachable.push(format!("{address}: {why}")),
                Err(error) => {
                    debug_assert!(error.is_final());
                    return Err(error);
                }
            }
        }
        // Whoever could not be asked may have it.
        Err(match (unreachable.as_slice(), wrong.as_slice()) {
            ([], []) => FetchError::Missing(wanted.sha256),
            ([], wrong) => FetchError::Wrong(wrong.join("; ")),
            (unreachable, _) => FetchError::Unreachable(unreachable.join("; ")),
        })
    }
}

async fn fetch_from(
    address: &str,
    identity: &Identity,
    cache: &Arc<Cache>,
    wanted: Wanted,
) -> Result<PathBuf, FetchError> {
    let channel = connect(address, identity).await.map_err(FetchError::Unreachable)?;
    let mut client = BlobServiceClient::new(channel).max_decoding_message_size(2 * BLOB_CHUNK_BYTES_MAX);
    let request = FetchBlobRequest { sha256: wanted.sha256.0.to_vec().into() };
    let opened = timeout(BLOB_SILENCE_MAX, client.fetch_blob(request)).await.map_err(|_| silent())?;
    let mut stream = opened.map_err(|status| refused(&status, wanted.sha256))?.into_inner();
    let mut incoming: Option<Incoming> = None;
    loop {
        let next = timeout(BLOB_SILENCE_MAX, stream.message()).await.map_err(|_| silent())?;
        let Some(chunk) = next.map_err(|status| refused(&status, wanted.sha256))? else { break };
        let (cache, begun) = (Arc::clone(cache), incoming.take());
        let taken = tokio::task::spawn_blocking(move || take(cache, begun, &chunk, wanted));
        incoming = Some(joined(taken.await)??);
    }
    let whole = incoming.ok_or_else(|| FetchError::Wrong("nothing was sent".into()))?;
    joined(tokio::task::spawn_blocking(move || whole.finish(wanted.sha256)).await)?
}

/// Takes a chunk; the first one begins the blob.
fn take(
    cache: Arc<Cache>,
    begun: Option<Incoming>,
    chunk: &BlobChunk,
    wanted: Wanted,
) -> Result<Incoming, FetchError> {
    let mut incoming = match begun {
        Some(incoming) => incoming,
        None if chunk.size_bytes > wanted.size_max => {
            let (size_bytes, size_max) = (chunk.size_bytes, wanted.size_max);
            return Err(FetchError::TooLarge { size_bytes, size_max });
        }
        None => cache.begin(chunk.size_bytes, wanted.keep_bytes)?,
    };
    incoming.write(&chunk.data)?;
    Ok(incoming)
}

/// Why an orchestrator did not send it, or stopped.
fn refused(status: &Status, sha256: Hash) -> FetchError {
    match status.code() {
        Code::NotFound => FetchError::Missing(sha256),
        Code::DataLoss => FetchError::Wrong(status.message().to_owned()),
        code => FetchError::Unreachable(format!("{code:?}: {}", status.message())),
    }
}

fn silent() -> FetchError {
    FetchError::Unreachable("it did not answer in time".into())
}

/// What a blocking task gave; it panics only by a bug, and is not aborted.
pub(super) fn joined<T>(ended: Result<T, tokio::task::JoinError>) -> Result<T, FetchError> {
    ended.map_err(|error| FetchError::Disk(error.to_string()))
}
