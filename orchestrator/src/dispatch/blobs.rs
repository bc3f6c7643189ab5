//! What hosts get by hash: images and user data, out of the directory of this orchestrator. Only a host's certificate
//! opens it; that a host may have every blob of its cell is no more than what a placement on it would give it.

use std::pin::Pin;
use std::sync::Arc;

use tokio::sync::{Semaphore, mpsc};
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};
use windlass_proto::agent::v1::blob_service_server::BlobService;
use windlass_proto::agent::v1::{BlobChunk, FetchBlobRequest};
use windlass_sagas::ids::{CellId, Hash};

use super::peer::host_of;
use crate::blobs::Directory;
use crate::blobs::limits::{CHUNKS_QUEUE, FETCHES_MAX};

/// The service.
pub struct Fetching {
    cell: CellId,
    blobs: Directory,
    slots: Arc<Semaphore>,
}

impl Fetching {
    /// A service for the hosts of this cell.
    #[must_use]
    pub fn new(cell: CellId, blobs: Directory) -> Self {
        Self { cell, blobs, slots: Arc::new(Semaphore::new(FETCHES_MAX)) }
    }
}

#[tonic::async_trait]
impl BlobService for Fetching {
    type FetchBlobStream = Pin<Box<dyn Stream<Item = Result<BlobChunk, Status>> + Send>>;

    async fn fetch_blob(
        &self,
        request: Request<FetchBlobRequest>,
    ) -> Result<Response<Self::FetchBlobStream>, Status> {
        let host = host_of(&request, self.cell)?.host;
        let sha256 = <[u8; 32]>::try_from(request.get_ref().sha256.as_ref()).map(Hash);
        let sha256 = sha256.map_err(|_| Status::invalid_argument("sha256: expected 32 bytes"))?;
        let Ok(slot) = Arc::clone(&self.slots).try_acquire_owned() else {
            let message = format!("{FETCHES_MAX} blobs are being sent already; ask again in a moment");
            return Err(Status::resource_exhausted(message));
        };
        let reading = match self.blobs.read(sha256).await {
            Ok(Some(reading)) => reading,
            Ok(None) => {
                let message = format!(
                    "blob {sha256} is not at this orchestrator: upload it with `windlass image create --file`"
                );
                return Err(Status::not_found(message));
            }
            Err(error) => {
                tracing::error!(%sha256, %error, "a blob can't be opened");
                return Err(Status::data_loss(format!("blob {sha256} can't be opened: {error}")));
            }
        };
        let size_bytes = reading.size_bytes();
        tracing::debug!(%host, %sha256, size_bytes, "a host fetches a blob");
        let chunk = move |data: std::io::Result<_>| match data {
            Ok(data) => Ok(BlobChunk { data, size_bytes }),
            Err(error) => Err(Status::data_loss(format!("the blob can't be read: {error}"))),
        };
        let (out, chunks) = mpsc::channel(CHUNKS_QUEUE);
        // It ends with its reader, or once that has been silent for too long.
        tokio::spawn(reading.send(out, chunk, slot));
        Ok(Response::new(Box::pin(ReceiverStream::new(chunks))))
    }
}
