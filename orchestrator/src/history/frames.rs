//! Commits out of the journal's frames. Which of them are valid is the record's own judgement, from a place that the
//! index calls valid.

use windlass_journal::Read;
use windlass_sagas::ids::Position;
use windlass_sagas::protocol::Cursor;
use windlass_sagas::record::{Frame, StoredCommit, Tip, Validity};
use windlass_store::Place;

use super::unread;
use crate::api::finished::Unread;
use crate::lead::handle::Durable;

/// Frames asked for at a time.
const READ_FRAMES: usize = 64;

/// A frame that was read.
pub(super) struct Opened {
    /// Where it stands.
    pub(super) cursor: Cursor,
    frame: Frame,
}

impl Opened {
    /// Its commit at this position, of which the index says that it is valid.
    pub(super) fn commit(&self, position: Position) -> Result<Durable, Unread> {
        let stored = self.stored(position)?;
        stored.decode().map(Durable::new).map_err(|error| unread(error.to_string()))
    }

    fn stored(&self, position: Position) -> Result<&StoredCommit, Unread> {
        let found = self.frame.commits.iter().find(|commit| commit.header.position == position);
        found.ok_or_else(|| unread(format!("frame {} does not hold position {position}", self.cursor.0)))
    }
}

/// Reads the frame at a cursor.
pub(super) async fn open<R: Read>(reader: &R, cursor: Cursor) -> Result<Opened, Unread> {
    let before = Cursor(cursor.0.saturating_sub(1));
    let frames = reader.read(before, 1).await.map_err(|error| unread(error.to_string()))?;
    let found = frames.into_iter().find(|(at, _)| *at == cursor);
    let (_, frame) = found.ok_or_else(|| unread(format!("the journal has no frame {}", cursor.0)))?;
    let frame = Frame::decode(frame.bytes()).map_err(|error| unread(error.to_string()))?;
    Ok(Opened { cursor, frame })
}

/// The valid commits behind `after` and up to `end`, at most `max`; `from` is a place at or before the first of them.
pub(super) async fn behind<R: Read>(
    reader: &R,
    from: Option<Place>,
    after: Position,
    end: Position,
    max: usize,
) -> Result<Vec<Durable>, Unread> {
    let mut walk = Walk { tip: Tip::default(), after, end, max, commits: Vec::new() };
    let mut cursor = Cursor::START;
    if let Some(place) = from {
        let opened = open(reader, place.cursor).await?;
        walk.begin(&opened, place.position)?;
        cursor = place.cursor;
    }
    while !walk.is_over() {
        let frames = reader.read(cursor, READ_FRAMES).await.map_err(|error| unread(error.to_string()))?;
        if frames.is_empty() {
            return Err(unread(format!("the journal ends at position {} before {end}", walk.tip.position)));
        }
        for (at, bytes) in frames {
            let frame = Frame::decode(bytes.bytes()).map_err(|error| unread(error.to_string()))?;
            walk.take(&frame.commits)?;
            cursor = at;
        }
    }
    Ok(walk.commits)
}

/// A walk along the valid chain.
struct Walk {
    tip: Tip,
    after: Position,
    end: Position,
    max: usize,
    commits: Vec<Durable>,
}

impl Walk {
    fn is_over(&self) -> bool {
        self.tip.position >= self.end || self.commits.len() >= self.max
    }

    /// Begins with the commit at a place, which is valid by the index's word.
    fn begin(&mut self, opened: &Opened, position: Position) -> Result<(), Unread> {
        let stored = opened.stored(position)?;
        let header = &stored.header;
        let tip = Tip { position, hash: stored.hash(), time: header.time, term: header.term };
        self.step(tip, || opened.commit(position))?;
        let rest = opened.frame.commits.iter().skip_while(|commit| commit.header.position <= position);
        self.take(rest)
    }

    /// Takes what is valid in a frame: from the first void commit on, the rest of it is void.
    fn take<'a>(&mut self, frame: impl IntoIterator<Item = &'a StoredCommit>) -> Result<(), Unread> {
        for stored in frame {
            match self.tip.judge(stored).map_err(|error| unread(error.to_string()))? {
                Validity::Valid(commit, tip) => self.step(tip, || Ok(Durable::new(*commit)))?,
                Validity::Void(_) => return Ok(()),
            }
        }
        Ok(())
    }

    fn step(&mut self, tip: Tip, commit: impl FnOnce() -> Result<Durable, Unread>) -> Result<(), Unread> {
        self.tip = tip;
        if tip.position > self.after && tip.position <= self.end && self.commits.len() < self.max {
            self.commits.push(commit()?);
        }
        Ok(())
    }
}
