//! A journal that tells how far its reader has come, for those who wait for a long reading. It changes nothing of it.

use windlass_journal::{Frame, Part, Read, ReadError};
use windlass_sagas::protocol::Cursor;

/// Shows the cursor of the last frame of each reading to `seen`.
#[derive(Clone, Debug)]
pub struct Metered<'a, R, F> {
    journal: &'a R,
    seen: F,
}

impl<'a, R: Read, F: Fn(Cursor) + Send + Sync> Metered<'a, R, F> {
    /// `journal`, with `seen` called after each reading that gave frames.
    pub const fn new(journal: &'a R, seen: F) -> Self {
        Self { journal, seen }
    }
}

impl<R: Read, F: Fn(Cursor) + Send + Sync> Read for Metered<'_, R, F> {
    async fn read(&self, after: Cursor, frames_max: usize) -> Result<Vec<(Cursor, Frame)>, ReadError> {
        let frames = self.journal.read(after, frames_max).await?;
        if let Some((cursor, _)) = frames.last() {
            (self.seen)(*cursor);
        }
        Ok(frames)
    }

    async fn last(&self) -> Result<Cursor, ReadError> {
        self.journal.last().await
    }

    async fn wait(&self, after: Cursor) -> Result<(), ReadError> {
        self.journal.wait(after).await
    }

    fn part(&self) -> Option<&dyn Part> {
        self.journal.part()
    }
}
