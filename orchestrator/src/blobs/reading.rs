//! A blob that is read in order, a bounded chunk at a time, and sent to one reader.
//!
//! Invariant: a reader is told of an end only after the whole blob; one that does not read is cut off.

use std::io;

use prost::bytes::{Bytes, BytesMut};
use tokio::fs::File;
use tokio::io::AsyncReadExt as _;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::timeout;
use tonic::Status;

use super::limits::{CHUNK_BYTES_MAX, READER_SILENCE_MAX};

/// A blob that is being read.
#[derive(Debug)]
pub struct Reading {
    file: File,
    size_bytes: u64,
    left: u64,
}

impl Reading {
    /// Reads this file, which has so many bytes, from its beginning.
    pub(super) const fn of(file: File, size_bytes: u64) -> Self {
        Self { file, size_bytes, left: size_bytes }
    }

    /// The size of the whole blob, bytes.
    #[must_use]
    pub const fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// The next bytes, at most `CHUNK_BYTES_MAX`; `None` after the last.
    ///
    /// # Errors
    /// Where they can't be read, or the file is shorter than it was.
    pub async fn next(&mut self) -> io::Result<Option<Bytes>> {
        if self.left == 0 {
            return Ok(None);
        }
        let wanted = usize::try_from(self.left).unwrap_or(usize::MAX).min(CHUNK_BYTES_MAX);
        let mut chunk = BytesMut::zeroed(wanted);
        self.file.read_exact(&mut chunk).await?;
        self.left -= wanted as u64;
        Ok(Some(chunk.freeze()))
    }

    /// Sends the whole blob as the messages that `make` makes of its parts, and why it can't be read any more as what
    /// `make` makes of that; of an empty one a single message without bytes. `_slot` is held until the end.
    pub async fn send<T>(
        mut self,
        to: mpsc::Sender<Result<T, Status>>,
        make: impl Fn(io::Result<Bytes>) -> Result<T, Status> + Send,
        _slot: OwnedSemaphorePermit,
    ) {
        let mut begun = false;
        loop {
            let message = match self.next().await {
                Ok(Some(chunk)) => make(Ok(chunk)),
                Ok(None) if begun => return,
                Ok(None) => make(Ok(Bytes::new())),
                Err(error) => make(Err(error)),
            };
            let over = message.is_err() || self.left == 0;
            begun = true;
            match timeout(READER_SILENCE_MAX, to.send(message)).await {
                Ok(Ok(())) if !over => {}
                // Sent whole, or nobody reads any more.
                Ok(_) | Err(_) => return,
            }
        }
    }
}
