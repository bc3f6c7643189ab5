//! Commits out of the journal's frames. Which of them are valid is the record's own judgement, from a place that the
//! index calls valid.

use windlass_journal::Read;
use windlass_sagas::ids::{Position, Time};
use windlass_sagas::protocol::Cursor;
use windlass_sagas::record::{Commit, Frame, StoredCommit, Tip, Validity};
use windlass_store::Place;

use super::unread;
use crate::api::Moment;
use crate::api::finished::Unread;
use crate::lead::handle::Durable;

/// Frames asked for at a time.
const READ_FRAMES: usize = 64;
/// Frames asked for at first where so many commits are wanted: under load each holds a hundred, and the rest of them would
/// be read for nothing.
const FIRST_FRAMES: usize = 4;

/// A frame that was read.
pub(crate) struct Opened {
    /// Where it stands.
    pub(crate) cursor: Cursor,
    frame: Frame,
}

impl Opened {
    /// Its commit at this position, of which the index says that it is valid.
    pub(crate) fn commit(&self, position: Position) -> Result<Durable, Unread> {
        let stored = self.stored(position)?;
        stored.decode().map(Durable::new).map_err(|error| unread(error.to_string()))
    }

    /// The tip that it is.
    fn tip(&self, position: Position) -> Result<Tip, Unread> {
        let stored = self.stored(position)?;
        let header = &stored.header;
        Ok(Tip { position, hash: stored.hash(), time: header.time, term: header.term })
    }

    /// What stands behind a position in the frame.
    fn behind(&self, position: Position) -> impl Iterator<Item = &StoredCommit> {
        self.frame.commits.iter().skip_while(move |commit| commit.header.position <= position)
    }

    fn stored(&self, position: Position) -> Result<&StoredCommit, Unread> {
        let found = self.frame.commits.iter().find(|commit| commit.header.position == position);
        found.ok_or_else(|| unread(format!("frame {} does not hold position {position}", self.cursor.0)))
    }
}

/// Reads the frame at a cursor.
pub(crate) async fn open<R: Read>(reader: &R, cursor: Cursor) -> Result<Opened, Unread> {
    let before = Cursor(cursor.0.saturating_sub(1));
    let frames = reader.read(before, 1).await.map_err(|error| unread(error.to_string()))?;
    let found = frames.into_iter().find(|(at, _)| *at == cursor);
    let (_, frame) = found.ok_or_else(|| unread(format!("the journal has no frame {}", cursor.0)))?;
    let frame = Frame::decode(frame.bytes()).map_err(|error| unread(error.to_string()))?;
    Ok(Opened { cursor, frame })
}

/// The commits at these places, of which the index says that they are valid, in their order.
/// Those that `known` has are not read.
pub(crate) async fn at<R: Read>(
    reader: &R,
    places: &[Place],
    known: impl Fn(Position) -> Result<Option<Durable>, Unread>,
) -> Result<Vec<Durable>, Unread> {
    let mut commits = Vec::with_capacity(places.len());
    let mut read: Option<Opened> = None;
    for place in places {
        if let Some(commit) = known(place.position)? {
            commits.push(commit);
            continue;
        }
        let opened = match read.take().filter(|opened| opened.cursor == place.cursor) {
            Some(opened) => opened,
            None => open(reader, place.cursor).await?,
        };
        commits.push(opened.commit(place.position)?);
        read = Some(opened);
    }
    Ok(commits)
}

/// The valid commits behind `after` and up to `end`, at most `max`; `from` is a place at or before the first of them.
pub(crate) async fn behind<R: Read>(
    reader: &R,
    from: Option<Place>,
    after: Position,
    end: Position,
    max: usize,
) -> Result<Vec<Durable>, Unread> {
    let mut walk = Walk { tip: Tip::default(), after, end, max, commits: Vec::new() };
    let (mut cursor, mut frames_max) = (Cursor::START, FIRST_FRAMES);
    if let Some(place) = from {
        let opened = open(reader, place.cursor).await?;
        walk.begin(&opened, place.position)?;
        cursor = place.cursor;
    }
    while !walk.is_over() {
        let frames = reader.read(cursor, frames_max).await.map_err(|error| unread(error.to_string()))?;
        frames_max = READ_FRAMES.min(frames_max * 2);
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

/// The last valid commit that is not later than `time`, and the first later one; `from` is a place that is not later, and
/// nothing behind `end` is looked at.
pub(crate) async fn until<R: Read>(
    reader: &R,
    from: Option<Place>,
    time: Time,
    end: Cursor,
) -> Result<(Tip, Option<Moment>), Unread> {
    let (mut tip, mut cursor) = (Tip::default(), Cursor::START);
    let search = |tip: &mut Tip, frame: &mut dyn Iterator<Item = &StoredCommit>| {
        for valid in valid(*tip, frame) {
            let (next, _) = valid?;
            if next.time > time {
                return Ok(Some(Moment { position: next.position, time: next.time }));
            }
            *tip = next;
        }
        Ok(None)
    };
    if let Some(place) = from {
        let opened = open(reader, place.cursor).await?;
        (tip, cursor) = (opened.tip(place.position)?, place.cursor);
        if let Some(later) = search(&mut tip, &mut opened.behind(place.position))? {
            return Ok((tip, Some(later)));
        }
    }
    while cursor < end {
        let frames = reader.read(cursor, READ_FRAMES).await.map_err(|error| unread(error.to_string()))?;
        if frames.is_empty() {
            break;
        }
        for (at, bytes) in frames {
            let frame = Frame::decode(bytes.bytes()).map_err(|error| unread(error.to_string()))?;
            if let Some(later) = search(&mut tip, &mut frame.commits.iter())? {
                return Ok((tip, Some(later)));
            }
            cursor = at;
        }
    }
    Ok((tip, None))
}

/// The valid commits of a frame behind a tip, each with the tip that it is: from the first void one on, the rest is void.
fn valid<'a>(
    mut tip: Tip,
    frame: impl IntoIterator<Item = &'a StoredCommit>,
) -> impl Iterator<Item = Result<(Tip, Box<Commit>), Unread>> {
    frame.into_iter().map_while(move |stored| match tip.judge(stored) {
        Ok(Validity::Valid(commit, next)) => {
            tip = next;
            Some(Ok((next, commit)))
        }
        Ok(Validity::Void(_)) => None,
        Err(error) => Some(Err(unread(error.to_string()))),
    })
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
        self.step(opened.tip(position)?, || opened.commit(position))?;
        self.take(opened.behind(position))
    }

    /// Takes what is valid in a frame.
    fn take<'a>(&mut self, frame: impl IntoIterator<Item = &'a StoredCommit>) -> Result<(), Unread> {
        for valid in valid(self.tip, frame) {
            let (tip, commit) = valid?;
            self.step(tip, || Ok(Durable::new(*commit)))?;
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
