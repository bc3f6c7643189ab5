//! A whole journal in one file, to be kept, sent, or recorded for tests.

use std::io::{self, Write};

use windlass_journal::{Read, ReadError};
use windlass_sagas::protocol::Cursor;

use crate::file::{END, HEAD};
use crate::limits::READ_FRAMES;

/// What was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exported {
    /// How many frames.
    pub frames: u64,
    /// The file's size, bytes.
    pub bytes: u64,
}

/// Why a journal was not exported. What was written until then has no end and is refused by the reader.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The journal could not be read.
    #[error("the journal could not be read")]
    Read(#[from] ReadError),
    /// The file could not be written.
    #[error("the export could not be written")]
    Write(#[from] io::Error),
}

/// Writes every frame up to the one that is the journal's last now, in the format that `File` reads.
///
/// # Errors
/// Where the journal can't be read, or `out` not be written.
pub async fn export<R: Read>(journal: &R, out: &mut (impl Write + Send)) -> Result<Exported, ExportError> {
    let last = journal.last().await?;
    let mut at = Cursor::START;
    let mut bytes = HEAD.len() as u64;
    out.write_all(&HEAD)?;
    while at < last {
        for (cursor, frame) in journal.read(at, READ_FRAMES).await? {
            if cursor > last {
                break;
            }
            let length = u32::try_from(frame.bytes().len()).map_err(io::Error::other)?;
            out.write_all(&length.to_be_bytes())?;
            out.write_all(&frame.id().0)?;
            out.write_all(frame.bytes())?;
            bytes += 36 + u64::from(length);
            at = cursor;
        }
    }
    out.write_all(&END.to_be_bytes())?;
    out.write_all(&at.0.to_be_bytes())?;
    out.flush()?;
    Ok(Exported { frames: at.0, bytes: bytes + 12 })
}
