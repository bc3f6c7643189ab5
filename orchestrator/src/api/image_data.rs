//! The bytes of images: taken in, looked at and kept under their hash; and given back. Nothing here is in the history:
//! what names the bytes is the image that is registered.

use std::io;
use std::pin::Pin;
use std::sync::Arc;

use prost::bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::timeout;
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};
use windlass_proto::metadata_key;
use windlass_proto::v1::upload_image_data_request::{Part, Start};
use windlass_proto::v1::{self, ErrorReason};
use windlass_sagas::ids::Hash;

use super::Api;
use super::call::Answer;
use super::errors::Problem;
use super::image::found;
use super::limits::{RETRY_JOURNAL, RETRY_OVERLOADED};
use super::view::{Place, View};
use super::visit::{Point, point};
use super::{explained, fields, names};
use crate::blobs::format::{Format, HEAD_BYTES, inspect};
use crate::blobs::limits::{CHUNKS_QUEUE, IMAGE_BYTES_MAX, UPLOAD_SILENCE_MAX, UPLOAD_TIME_MAX};
use crate::blobs::{Directory, Writing, blocking};

/// What an upload may come as.
pub(super) type Upload = Request<Streaming<v1::UploadImageDataRequest>>;
/// What a download is answered with.
pub(super) type Download = Pin<Box<dyn Stream<Item = Result<v1::DownloadImageDataResponse, Status>> + Send>>;

/// What an upload says of its bytes before they come.
struct Announced {
    format: Format,
    sha256: Option<Hash>,
    size_bytes: Option<u64>,
}

impl Announced {
    fn of(start: &Start) -> Result<Self, Problem> {
        let format = match v1::image::Format::try_from(start.format) {
            Ok(v1::image::Format::Raw) => Format::Raw,
            Ok(v1::image::Format::Qcow2) => Format::Qcow2,
            Ok(v1::image::Format::Unspecified) | Err(_) => return Err(fields::unknown("start.format")),
        };
        let known = !start.sha256.is_empty();
        let sha256 = known.then(|| fields::hash(&start.sha256, "start.sha256")).transpose()?;
        if start.size_bytes > IMAGE_BYTES_MAX {
            return Err(too_large().of_field("start.size_bytes"));
        }
        Ok(Self { format, sha256, size_bytes: (start.size_bytes > 0).then_some(start.size_bytes) })
    }

    /// Whether what came whole is what was announced.
    fn is(&self, sha256: Hash, size_bytes: u64) -> Result<(), Problem> {
        if let Some(announced) = self.size_bytes.filter(|announced| *announced != size_bytes) {
            let message = format!("{size_bytes} bytes came, {announced} were announced");
            return Err(other(message, "start.size_bytes"));
        }
        if let Some(announced) = self.sha256.filter(|announced| *announced != sha256) {
            let message = format!("the SHA-256 of what came is {sha256}, announced was {announced}");
            return Err(other(message, "start.sha256"));
        }
        Ok(())
    }
}

impl Api {
    /// Takes an image's bytes in.
    pub(super) async fn take_image(&self, request: Upload) -> Answer<v1::UploadImageDataResponse> {
        let (call, mut parts) = Self::open("images.upload", request)?;
        let Some(Part::Start(start)) = next(&mut parts).await? else {
            return Err(Problem::field("start", "the first message of an upload is its start").into());
        };
        self.visit(call, Point::default(), Place::parent(&start.parent), |_| Ok(())).await?;
        let announced = Announced::of(&start)?;
        let blobs = self.image_blobs()?;
        let _slot = slot(&self.0.uploads, "uploads")?;
        let taken = timeout(UPLOAD_TIME_MAX, take(blobs, &mut parts, &announced)).await;
        let taken = taken.unwrap_or_else(|_| Err(broken_off("the upload took too long")))?;
        tracing::info!(sha256 = taken.sha256, size_bytes = taken.size_bytes, "an image was uploaded");
        Ok(Response::new(taken))
    }

    /// Gives an image's bytes back.
    pub(super) async fn give_image(
        &self,
        request: Request<v1::DownloadImageDataRequest>,
    ) -> Answer<Download> {
        let (call, asked) = Self::open("images.download", request)?;
        let named = names::two(&asked.name, "projects", "images", "name");
        let place = named.clone().map(|(project, image)| Place::Image(project, image));
        let point = point!(asked);
        let look = move |view: &View<'_>| {
            let (_, last) = named?;
            Ok((found(view, &last)?.sha256, view.position()))
        };
        let (sha256, position) = self.visit(call, point, place, look).await?;
        let slot = slot(&self.0.downloads, "downloads")?;
        let read = self.image_blobs()?.read(sha256).await;
        let reading = read.map_err(|error| unreadable(&error))?.ok_or_else(|| missing(&asked.name))?;
        let size_bytes = reading.size_bytes();
        let message = move |data: io::Result<Bytes>| match data {
            Ok(data) => {
                let (data, sha256) = (data.to_vec(), sha256.to_string());
                Ok(v1::DownloadImageDataResponse { data, size_bytes, position, sha256 })
            }
            Err(error) => Err(unreadable(&error).into()),
        };
        let (out, parts) = mpsc::channel(CHUNKS_QUEUE);
        // It ends with its reader, or once that has been silent for too long.
        tokio::spawn(reading.send(out, message, slot));
        Ok(Response::new(Box::pin(ReceiverStream::new(parts))))
    }

    /// Says of images whether their bytes are here.
    pub(super) async fn look_for_data(&self, images: &mut [v1::Image]) {
        let Some(blobs) = &self.parts().blobs else { return };
        let hashes = images.iter().map(|image| fields::hash(&image.sha256, "sha256").unwrap_or_default());
        let present = blobs.present(hashes.collect()).await;
        for (image, present) in images.iter_mut().zip(present) {
            image.data_present = present;
        }
    }

    fn image_blobs(&self) -> Result<&Directory, Problem> {
        let none = || Problem::new(ErrorReason::WrongState, "this cell keeps no images' bytes");
        self.parts().blobs.as_ref().ok_or_else(|| none().hint("ask another orchestrator of the cell"))
    }
}

/// Takes the bytes of an upload in: looked at as soon as their beginning is there, kept once they are whole and right.
async fn take(
    blobs: &Directory,
    parts: &mut Streaming<v1::UploadImageDataRequest>,
    announced: &Announced,
) -> Result<v1::UploadImageDataResponse, Problem> {
    let begun = blobs.begin(announced.size_bytes.unwrap_or_default()).await;
    let mut writing = begun.map_err(|error| unwritten(&error))?;
    let mut looked = false;
    loop {
        let data = match next(parts).await? {
            Some(Part::Data(data)) => data,
            Some(Part::Finish(_)) => break,
            Some(Part::Start(_)) => {
                return Err(Problem::field("start", "an upload has one start, before its data"));
            }
            // The end alone means nothing: a client that was killed ends its stream in the same way.
            None => return Err(broken_off("it ended without `finish`")),
        };
        let bytes = writing.bytes() + data.len() as u64;
        if bytes > IMAGE_BYTES_MAX {
            return Err(too_large().of_field("data"));
        }
        if let Some(most) = announced.size_bytes.filter(|most| bytes > *most) {
            return Err(other(format!("more than the {most} bytes announced came"), "start.size_bytes"));
        }
        let written = move || writing.write(&data).map(|()| writing);
        writing = blocking(written).await.map_err(|error| unwritten(&error))?;
        if !looked && writing.head().len() == HEAD_BYTES {
            // Where the tables are is known; whether that is within the file is not yet.
            look(announced, &writing, announced.size_bytes.unwrap_or(IMAGE_BYTES_MAX))?;
            looked = true;
        }
    }
    let virtual_size_bytes = look(announced, &writing, writing.bytes())?;
    let (sha256, size_bytes) = (writing.sha256(), writing.bytes());
    announced.is(sha256, size_bytes)?;
    blocking(move || writing.finish()).await.map_err(|error| unwritten(&error))?;
    Ok(v1::UploadImageDataResponse { sha256: sha256.to_string(), size_bytes, virtual_size_bytes })
}

fn look(announced: &Announced, writing: &Writing, size_bytes: u64) -> Result<u64, Problem> {
    inspect(announced.format, writing.head(), size_bytes).map_err(|unfit| {
        Problem::new(ErrorReason::ImageInvalid, format!("the image is refused: {unfit}"))
            .of_field("data")
            .hint("look at it with `qemu-img info`, and convert it with `qemu-img convert`")
    })
}

/// The next part; `None` after the last.
async fn next(parts: &mut Streaming<v1::UploadImageDataRequest>) -> Result<Option<Part>, Problem> {
    match timeout(UPLOAD_SILENCE_MAX, parts.message()).await {
        Ok(Ok(Some(message))) => match message.part {
            Some(part) => Ok(Some(part)),
            None => Err(Problem::field("part", "a message of an upload is its start or data")),
        },
        Ok(Ok(None)) => Ok(None),
        Ok(Err(status)) => Err(explained::problem(&status).unwrap_or_else(|| broken_off(status.message()))),
        Err(_) => Err(broken_off("nothing came for too long")),
    }
}

/// What came is not what was announced.
fn other(message: String, field: &str) -> Problem {
    Problem::new(ErrorReason::ChecksumMismatch, message)
        .of_field(field)
        .hint("upload the file again; if it stays, the file is not the one that was announced")
}

fn slot(slots: &Arc<Semaphore>, what: &str) -> Result<OwnedSemaphorePermit, Problem> {
    Arc::clone(slots).try_acquire_owned().map_err(|_| {
        Problem::new(ErrorReason::Overloaded, format!("too many {what} go on here"))
            .hint("send it again in a moment")
            .retry_after(RETRY_OVERLOADED)
    })
}

fn too_large() -> Problem {
    let message = format!("an image has at most {IMAGE_BYTES_MAX} bytes");
    let problem =
        Problem::new(ErrorReason::TooLarge, message).hint("compress it: `qemu-img convert -c -O qcow2`");
    problem.with(metadata_key::LIMIT, IMAGE_BYTES_MAX.to_string())
}

fn broken_off(why: &str) -> Problem {
    Problem::new(ErrorReason::UploadBrokenOff, format!("the upload is given up: {why}"))
        .hint("send it again; nothing of it was kept")
}

fn missing(name: &str) -> Problem {
    Problem::new(ErrorReason::ImageDataMissing, format!("the bytes of {name} are not at this orchestrator"))
        .hint("ask the orchestrator through which they were uploaded, or upload them")
        .with(metadata_key::RESOURCE, name)
}

/// The disk does not take it.
fn unwritten(error: &io::Error) -> Problem {
    use io::ErrorKind::{QuotaExceeded, StorageFull};
    if matches!(error.kind(), StorageFull | QuotaExceeded) {
        let message = format!("no room for the upload: {error}");
        return Problem::new(ErrorReason::UploadSpaceExhausted, message)
            .hint("an operator makes room on the orchestrator's disk; see the handbook's page on images");
    }
    tracing::error!(%error, "an upload can't be written");
    Problem::new(ErrorReason::JournalUnavailable, format!("the upload can't be kept: {error}"))
        .hint("send it again in a moment")
        .retry_after(RETRY_JOURNAL)
}

fn unreadable(error: &io::Error) -> Problem {
    tracing::error!(%error, "the bytes of an image can't be read");
    Problem::internal(format!("the bytes of the image can't be read: {error}"))
}
