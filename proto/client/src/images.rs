//! The bytes of images, up and down: hashed on this side, so that what arrives is what was meant.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use http::uri::PathAndQuery;
use sha2::{Digest, Sha256};
use tokio::fs::File;
use tokio::io::{AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use tonic::{Code, Status, Streaming};
use tonic_prost::ProstCodec;
use windlass_proto::v1::upload_image_data_request::{Part, Start};
use windlass_proto::v1::*;

use crate::client::{Client, out_of_time, ready};
use crate::error::ClientError;
use crate::limits::{DOWNLOAD_SILENCE_MAX, UPLOAD_CHUNK_BYTES, UPLOAD_CHUNKS_QUEUE};

const UPLOAD_PATH: &str = "/windlass.v1.ImageService/UploadImageData";
const DOWNLOAD_PATH: &str = "/windlass.v1.ImageService/DownloadImageData";

/// What is told of an upload on its way: so many bytes of how many.
type Sent = Arc<dyn Fn(u64, u64) + Send + Sync>;

impl Client {
    /// Uploads a file as an image's bytes, of which `CreateImage` then names the hash: `parent` as `projects/demo`. The
    /// file is hashed first, so that the cell refuses whatever else arrives. `sent` is told how many bytes of how many
    /// are on their way. Tried again from the beginning while no orchestrator is available; it has no deadline of its own.
    ///
    /// # Errors
    /// The server's refusal; UNAVAILABLE after the last try; INVALID_ARGUMENT where the file can't be read.
    pub async fn upload_image(
        &self,
        parent: impl Into<String>,
        format: image::Format,
        file: &Path,
        sent: impl Fn(u64, u64) + Send + Sync + 'static,
    ) -> Result<UploadImageDataResponse, ClientError> {
        let (sha256, size_bytes) = hash_of(file).await.map_err(|error| unread(file, &error))?;
        let start = Start { parent: parent.into(), format: format.into(), sha256, size_bytes };
        let (start, sent): (_, Sent) = (Arc::new(start), Arc::new(sent));
        let failed = Arc::<Mutex<Option<io::Error>>>::default();
        let once = |channel| {
            let (start, sent, failed) = (Arc::clone(&start), Arc::clone(&sent), Arc::clone(&failed));
            self.upload_once(channel, start, file.to_path_buf(), sent, failed)
        };
        let uploaded = self.tries(once).await;
        // Where the file could not be read to its end, what the server said of it only follows.
        match failed.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(error) => Err(unread(file, &error)),
            None => uploaded,
        }
    }

    async fn upload_once(
        &self,
        channel: Channel,
        start: Arc<Start>,
        file: PathBuf,
        sent: Sent,
        failed: Arc<Mutex<Option<io::Error>>>,
    ) -> Result<UploadImageDataResponse, Status> {
        let mut grpc = ready(channel).await?;
        let (parts, stream) = mpsc::channel(UPLOAD_CHUNKS_QUEUE);
        // It ends with the stream that it fills.
        tokio::spawn(async move {
            if let Err(error) = read_parts(&file, &start, &parts, &*sent).await {
                *failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
            }
        });
        let codec = ProstCodec::<UploadImageDataRequest, UploadImageDataResponse>::default();
        let path = PathAndQuery::from_static(UPLOAD_PATH);
        let request = self.signed(ReceiverStream::new(stream));
        Ok(grpc.client_streaming(request, path, codec).await?.into_inner())
    }

    /// Downloads an image's bytes, `name` as `projects/demo/images/debian`, and checks them against the hash that the cell
    /// has of them. `received` is told how many bytes of how many are there. What was written by a download that fails is
    /// to be thrown away.
    ///
    /// # Errors
    /// The server's refusal; UNAVAILABLE after the last try; DATA_LOSS where the bytes are not the image's;
    /// INVALID_ARGUMENT where they can't be written.
    pub async fn download_image(
        &self,
        name: impl Into<String>,
        to: &mut (impl AsyncWrite + Unpin + Send),
        mut received: impl FnMut(u64, u64) + Send,
    ) -> Result<u64, ClientError> {
        let request = DownloadImageDataRequest { name: name.into(), ..Default::default() };
        let opened = self.tries(|channel| self.open_download(channel, &request));
        let opened = timeout(self.deadline(), opened).await;
        let mut stream = opened.unwrap_or_else(|_| Err(out_of_time(DOWNLOAD_PATH)))?;
        let (mut hasher, mut bytes, mut whole) = (Sha256::new(), 0, None);
        loop {
            let part = match timeout(DOWNLOAD_SILENCE_MAX, stream.message()).await {
                Ok(Ok(Some(part))) => part,
                Ok(Ok(None)) => break,
                Ok(Err(status)) => return Err(status.into()),
                Err(_) => return Err(ClientError::own(Code::Unavailable, "the download fell silent")),
            };
            hasher.update(&part.data);
            bytes += part.data.len() as u64;
            to.write_all(&part.data).await.map_err(|error| unwritten(&error))?;
            received(bytes, part.size_bytes);
            whole = Some((part.sha256, part.size_bytes));
        }
        to.flush().await.map_err(|error| unwritten(&error))?;
        if whole != Some((hex(&hasher.finalize()), bytes)) {
            return Err(ClientError::own(Code::DataLoss, "what arrived is not the image whole"));
        }
        Ok(bytes)
    }

    async fn open_download(
        &self,
        channel: Channel,
        request: &DownloadImageDataRequest,
    ) -> Result<Streaming<DownloadImageDataResponse>, Status> {
        let mut grpc = ready(channel).await?;
        let codec = ProstCodec::<DownloadImageDataRequest, DownloadImageDataResponse>::default();
        let path = PathAndQuery::from_static(DOWNLOAD_PATH);
        Ok(grpc.server_streaming(self.signed(request.clone()), path, codec).await?.into_inner())
    }
}

/// Sends the start, the file behind it and the finish, which a file that can't be read has not; ends in silence where nobody takes them any more.
async fn read_parts(
    path: &Path,
    start: &Start,
    parts: &mpsc::Sender<UploadImageDataRequest>,
    sent: &(dyn Fn(u64, u64) + Send + Sync),
) -> io::Result<()> {
    let part = |part| UploadImageDataRequest { part: Some(part) };
    let mut file = File::open(path).await?;
    if parts.send(part(Part::Start(start.clone()))).await.is_err() {
        return Ok(());
    }
    let mut bytes = 0;
    loop {
        let mut data = vec![0; UPLOAD_CHUNK_BYTES];
        let read = file.read(&mut data).await?;
        if read == 0 {
            let finish = upload_image_data_request::Finish {};
            // Where nobody takes it any more, the answer says why.
            parts.send(part(Part::Finish(finish))).await.ok();
            return Ok(());
        }
        data.truncate(read);
        bytes += read as u64;
        if parts.send(part(Part::Data(data))).await.is_err() {
            return Ok(());
        }
        sent(bytes, start.size_bytes);
    }
}

/// The file's SHA-256 in hexadecimal digits, and its size.
async fn hash_of(path: &Path) -> io::Result<(String, u64)> {
    let path = path.to_path_buf();
    let hash = move || {
        use std::io::Read as _;
        let mut file = std::fs::File::open(path)?;
        let (mut hasher, mut bytes, mut data) = (Sha256::new(), 0, vec![0; UPLOAD_CHUNK_BYTES]);
        loop {
            match file.read(&mut data)? {
                0 => return Ok((hex(&hasher.finalize()), bytes)),
                read => {
                    hasher.update(&data[..read]);
                    bytes += read as u64;
                }
            }
        }
    };
    tokio::task::spawn_blocking(hash).await.map_err(io::Error::other)?
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unread(path: &Path, error: &io::Error) -> ClientError {
    ClientError::own(Code::InvalidArgument, format!("{} can't be read: {error}", path.display()))
}

fn unwritten(error: &io::Error) -> ClientError {
    ClientError::own(Code::InvalidArgument, format!("the image can't be written: {error}"))
}
