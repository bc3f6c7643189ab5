//! A journal, or a part of it, into one file: to be kept, sent, looked at elsewhere, or recorded for tests.
//!
//! It is read once, in order, and written in bounded pieces that whoever exports takes one by one; beside a block and a
//! fold, where one is needed, nothing is held. A commit's bytes are never changed, so that the chain can be followed.

mod find;
#[cfg(test)]
mod tests;
mod whose;
mod write;

use std::io::{self, Write};

use windlass_journal::{Gap, Read, ReadError};
use windlass_sagas::cell::Cell;
use windlass_sagas::ids::*;
use windlass_sagas::protocol::Cursor;
use windlass_sagas::record::{Commit, DecodeError, Event, Frame, StoredCommit, Tip, Validity};
use windlass_store::Image;

use crate::file::{Manifest, Scope};
use crate::limits::READ_FRAMES;
pub use find::{FindError, find_operation, find_project};
use whose::Whose;
use write::Writer;

/// What this build calls itself in the files that it writes.
const BUILD: &str = concat!("windlass ", env!("CARGO_PKG_VERSION"));

/// A place in a journal, by its number or its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// The commit at this position.
    Position(Position),
    /// As the first commit at or behind it where something begins, as the last one at or before it where something ends.
    Time(Time),
}

/// What to export.
#[derive(Clone, Debug)]
pub struct Ask {
    /// What of the journal.
    pub scope: Scope,
    /// From this commit on; `None`: from the first one on.
    pub from: Option<Moment>,
    /// Up to this commit; `None`: up to the journal's last one, as it is when the export begins.
    pub to: Option<Moment>,
    /// An image of this journal from before the beginning, so that less is folded.
    pub image: Option<Image>,
}

impl Ask {
    /// The whole cell.
    #[must_use]
    pub const fn cell() -> Self {
        Self { scope: Scope::Cell, from: None, to: None, image: None }
    }

    /// All commits from one moment to another.
    #[must_use]
    pub const fn span(from: Option<Moment>, to: Option<Moment>) -> Self {
        Self { scope: Scope::Span, from, to, image: None }
    }

    /// All commits from an operation's first to its last, which [`find_operation`] finds.
    #[must_use]
    pub fn operation(saga: SagaId, first: Position, last: Position) -> Self {
        let from = (first.0 > crate::limits::NEAR_GENESIS).then_some(Moment::Position(first));
        Self { scope: Scope::Operation { saga }, from, to: Some(Moment::Position(last)), image: None }
    }

    /// The commits of one project and of none.
    #[must_use]
    pub const fn project(project: ProjectId, name: String) -> Self {
        Self { scope: Scope::Project { project, name }, from: None, to: None, image: None }
    }
}

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exported {
    /// What the file says of itself.
    pub about: Manifest,
    /// Its size, bytes.
    pub bytes: u64,
}

/// Why a journal was not exported. What was written until then has no end and is refused by the reader.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The journal could not be read.
    #[error("the journal could not be read")]
    Read(#[from] ReadError),
    /// A frame or commit of it can't be read by this build.
    #[error("the frame at cursor {} can't be read", .cursor.0)]
    Unreadable {
        /// Where.
        cursor: Cursor,
        /// Why.
        #[source]
        error: DecodeError,
    },
    /// The file could not be written.
    #[error("the export could not be written")]
    Write(#[from] io::Error),
    /// There is nothing in the journal.
    #[error("the journal has no commits")]
    Empty,
    /// The journal does not reach that far, or nothing lies between the two moments.
    #[error("{what}; the journal's last commit is at position {last}, {}", crate::utc(*.time))]
    Range {
        /// What is out of range.
        what: String,
        /// The journal's last position.
        last: Position,
        /// Its time.
        time: Time,
    },
    /// The chain is broken: what stands behind would be left out without a word.
    #[error("the chain is broken behind position {after}: verify the journal first")]
    Broken {
        /// The last commit that readers apply.
        after: Position,
    },
    /// It is a part of a journal itself.
    #[error("this is a part of a journal itself ({0}): export from the whole one")]
    Part(String),
    /// There is no such operation or project.
    #[error("{0} is not in this journal")]
    NotFound(String),
}

/// Writes what is asked for to `out`, in the format that `File` reads.
///
/// # Errors
/// Where the journal can't be read, or does not hold what is asked for, or `out` can't be written.
pub async fn export<R: Read>(
    journal: &R,
    ask: Ask,
    out: &mut (impl Write + Send),
) -> Result<Exported, ExportError> {
    let mut exporting = Exporting::begin(journal, ask).await?;
    while let Some(piece) = exporting.next().await? {
        out.write_all(&piece)?;
    }
    out.flush()?;
    Ok(exporting.exported())
}

/// An export that goes on as its pieces are taken.
pub struct Exporting<'a, R> {
    journal: &'a R,
    ask: Ask,
    /// The last frame to look at.
    last: Cursor,
    at: Cursor,
    tip: Tip,
    /// The fold, where one is needed: for the beginning's image, or to see whose a commit is.
    cell: Option<Box<Cell>>,
    level: u16,
    writer: Option<Writer>,
    /// The first commit of those that are being left out.
    left_out: Option<Position>,
    /// The furthest position of a void commit.
    void: Position,
    over: bool,
}

impl<'a, R: Read> Exporting<'a, R> {
    /// Begins to export; the journal's last frame now will be the file's.
    ///
    /// # Errors
    /// Where the journal is a part itself or can't be read.
    pub async fn begin(journal: &'a R, mut ask: Ask) -> Result<Self, ExportError> {
        if let Some(part) = journal.part() {
            if part.has_gaps() {
                return Err(ExportError::Part("it leaves commits out".to_owned()));
            }
            if part.base()?.is_some() {
                return Err(ExportError::Part("it begins with an image".to_owned()));
            }
        }
        let last = journal.last().await?;
        let is_project = matches!(ask.scope, Scope::Project { .. });
        let before = |image: &Image| match ask.from {
            Some(Moment::Position(from)) => image.tip.position < from,
            Some(Moment::Time(from)) => image.tip.time < from,
            None => false,
        };
        let image = ask.image.take().filter(|image| before(image) && !is_project);
        let (at, tip, cell) = match image {
            Some(Image { cell, tip, cursor }) => (cursor, tip, Some(Box::new(cell))),
            None => {
                let folds = is_project || ask.from.is_some();
                (Cursor::START, Tip::default(), folds.then(|| Box::new(Cell::new())))
            }
        };
        let level = cell.as_ref().map_or(0, |cell| cell.level);
        let (writer, left_out, void) = (None, None, Position(0));
        Ok(Self { journal, ask, last, at, tip, cell, level, writer, left_out, void, over: false })
    }

    /// How far it has come: the cursor of the journal, and the last one that it will read.
    #[must_use]
    pub const fn progress(&self) -> (Cursor, Cursor) {
        (self.at, self.last)
    }

    /// The position that it stands at.
    #[must_use]
    pub const fn position(&self) -> Position {
        self.tip.position
    }

    /// The next bytes of the file, at most some hundred KiB; `None` after the last.
    ///
    /// # Errors
    /// As [`ExportError`] says; it does not go on then.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, ExportError> {
        loop {
            if let Some(piece) = self.writer.as_mut().and_then(Writer::take) {
                return Ok(Some(piece));
            }
            if self.over {
                return Ok(None);
            }
            let frames =
                if self.at < self.last { self.journal.read(self.at, READ_FRAMES).await? } else { vec![] };
            let ended = frames.is_empty();
            let last = self.last;
            for (cursor, frame) in frames.into_iter().take_while(|(cursor, _)| *cursor <= last) {
                self.take(cursor, frame.bytes())?;
                self.at = cursor;
                if self.over {
                    break;
                }
            }
            if ended && !self.over {
                self.reach_end()?;
            }
        }
    }

    /// What was written, once `next` has given everything.
    #[must_use]
    pub fn exported(self) -> Exported {
        let none = || Manifest::new(CellId([0; 16]), String::new(), BUILD.to_owned(), Scope::Cell);
        let bytes = self.writer.as_ref().map_or(0, Writer::bytes);
        Exported { about: self.writer.map_or_else(none, |writer| writer.about), bytes }
    }

    /// Takes the frame at a cursor.
    fn take(&mut self, cursor: Cursor, bytes: &[u8]) -> Result<(), ExportError> {
        let unreadable = |error| ExportError::Unreadable { cursor, error };
        let frame = Frame::decode(bytes).map_err(unreadable)?;
        let (count, had_begun) = (frame.commits.len(), self.writer.is_some());
        let (mut run, mut taken, mut parted) = (Vec::new(), 0, false);
        for stored in frame.commits {
            let (commit, tip) = match self.tip.judge(&stored).map_err(unreadable)? {
                Validity::Valid(commit, tip) => (commit, tip),
                Validity::Void(_) => {
                    self.void = self.void.max(stored.header.position);
                    break;
                }
            };
            if self.is_behind_end(&commit) {
                (self.over, parted) = (true, true);
                break;
            }
            taken += 1;
            match self.commit(&commit, &tip)? {
                Stands::In => run.push(stored),
                Stands::Before => parted = true,
                Stands::Out => {
                    self.put(&mut run)?;
                    parted = true;
                }
            }
            self.tip = tip;
            if self.ask.to == Some(Moment::Position(tip.position)) {
                (self.over, parted) = (true, parted || taken < count);
                break;
            }
        }
        let voids = if self.over { 0 } else { (count - taken) as u64 };
        self.end_frame(bytes, run, voids, parted || (taken == 0 && !had_begun))?;
        if self.over { self.finish() } else { Ok(()) }
    }

    /// Writes what is left of a frame: as it is, or the run of its commits that stand in the file.
    fn end_frame(
        &mut self,
        bytes: &[u8],
        mut run: Vec<StoredCommit>,
        voids: u64,
        parted: bool,
    ) -> Result<(), ExportError> {
        let is_project = matches!(self.ask.scope, Scope::Project { .. });
        let Some(writer) = &mut self.writer else { return Ok(()) };
        if parted || (is_project && voids > 0) {
            writer.about.voids_left_out += voids;
            return self.put(&mut run);
        }
        writer.about.commits += run.len() as u64;
        writer.about.voids += voids;
        writer.frame(bytes, self.tip.position, self.tip.time);
        Ok(())
    }

    /// Writes a run of commits as a frame of its own.
    fn put(&mut self, run: &mut Vec<StoredCommit>) -> Result<(), ExportError> {
        let commits = std::mem::take(run);
        let (Some(writer), Some(last)) = (&mut self.writer, commits.last()) else { return Ok(()) };
        let (position, time) = (last.header.position, last.header.time);
        writer.about.commits += commits.len() as u64;
        let frame = Frame { commits }.encode().map_err(io::Error::other)?;
        writer.frame(&frame, position, time);
        Ok(())
    }

    /// Takes a valid commit, which leads to `tip`; where it stands.
    fn commit(&mut self, commit: &Commit, tip: &Tip) -> Result<Stands, ExportError> {
        let header = &commit.header;
        let begins = match self.ask.from {
            Some(Moment::Position(from)) => header.position >= from,
            Some(Moment::Time(from)) => header.time >= from,
            None => true,
        };
        for event in &commit.events {
            match event {
                Event::Genesis(genesis) => self.level = genesis.level,
                Event::FormatRaised(raised) => self.level = raised.level,
                _ => {}
            }
        }
        if !begins {
            if let Some(cell) = &mut self.cell {
                cell.fold(commit);
            }
            return Ok(Stands::Before);
        }
        if self.writer.is_none() {
            self.open(commit)?;
        }
        let Scope::Project { project, .. } = self.ask.scope else { return Ok(Stands::In) };
        let mut whose = Whose::default();
        if let Some(cell) = &mut self.cell {
            whose.look(commit, cell);
            cell.fold(commit);
            whose.look(commit, cell);
        }
        if !whose.is_for(project) {
            self.left_out.get_or_insert(tip.position);
            return Ok(Stands::Out);
        }
        let gap = self.left_out.take().map(|from| Gap { from, tip: self.tip });
        if let Some(writer) = &mut self.writer {
            gap.iter().for_each(|gap| writer.gap(gap));
            writer.about.shared += u64::from(whose.speaks_of_others(project));
        }
        Ok(Stands::In)
    }

    /// Begins the file before this commit.
    fn open(&mut self, commit: &Commit) -> Result<(), ExportError> {
        let genesis = commit.events.iter().find_map(|event| match event {
            Event::Genesis(genesis) => Some((genesis.cell, genesis.name.clone())),
            _ => None,
        });
        let folded = self.cell.as_ref().filter(|cell| cell.position > Position(0));
        let known = folded.map(|cell| (cell.id, cell.name.clone())).or(genesis);
        let (id, name) = known.ok_or(ExportError::Empty)?;
        let mut about = Manifest::new(id, name, BUILD.to_owned(), self.ask.scope.clone());
        about.first = commit.header.position;
        // The fold has done its work, but where it tells whose a commit is: that begins with the journal's first one.
        let base = self.cell.take_if(|cell| cell.position > Position(0));
        let base = base.map(|cell| Image { cell: *cell, tip: self.tip, cursor: Cursor(1) });
        self.writer = Some(Writer::begin(about, base.as_ref())?);
        Ok(())
    }

    fn is_behind_end(&self, commit: &Commit) -> bool {
        match self.ask.to {
            Some(Moment::Position(to)) => commit.header.position > to,
            Some(Moment::Time(to)) => commit.header.time > to,
            None => false,
        }
    }

    /// The journal holds no more.
    fn reach_end(&mut self) -> Result<(), ExportError> {
        self.over = true;
        if self.void > self.tip.position {
            return Err(ExportError::Broken { after: self.tip.position });
        }
        match self.ask.to {
            Some(Moment::Position(to)) if to > self.tip.position => {
                Err(self.range(format!("position {to} is behind the end")))
            }
            Some(Moment::Position(_) | Moment::Time(_)) | None => self.finish(),
        }
    }

    fn finish(&mut self) -> Result<(), ExportError> {
        if self.tip.position == Position(0) {
            return Err(ExportError::Empty);
        }
        let (tip, level) = (self.tip, self.level);
        let gap = self.left_out.take().map(|from| Gap { from, tip });
        let Some(writer) = self.writer.as_mut().filter(|writer| writer.about.first <= tip.position) else {
            return Err(self.range("nothing lies between the two moments".to_owned()));
        };
        gap.iter().for_each(|gap| writer.gap(gap));
        writer.about.level = level;
        writer.end(&tip);
        Ok(())
    }

    fn range(&self, what: String) -> ExportError {
        ExportError::Range { what, last: self.tip.position, time: self.tip.time }
    }
}

/// Where a commit is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stands {
    /// Before the file's beginning.
    Before,
    /// In the file.
    In,
    /// In a gap.
    Out,
}
