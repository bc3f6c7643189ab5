//! The store beside a journal that is made or folded, kept up as the leader's task keeps it: it notes frames and captures
//! what was touched, and the store's own thread writes.

use std::time::Duration;

use windlass_sagas::cell::Cell;
use windlass_sagas::ids::*;
use windlass_sagas::protocol::Cursor;
use windlass_sagas::record::{Commit, Tip};
use windlass_store::{Delta, Image, Store, Tracker, Writer};

/// How long to wait for the writer before it is asked again.
const PAUSE: Duration = Duration::from_millis(2);

/// A tracker and the writer that it captures for.
#[derive(Debug, Default)]
pub(super) struct Beside {
    tracker: Tracker,
    writer: Option<Writer>,
    waiting: Option<Delta>,
    noting: bool,
    /// Where the last image is captured; the store is told of nothing behind it.
    end: Option<Position>,
    ended: bool,
    /// The position of the last image that was handed over.
    captured: Position,
}

impl Beside {
    /// Of this store, which begins with `image`, up to `end`.
    pub(super) fn of(store: Store, image: Option<&Image>, end: Option<Position>) -> anyhow::Result<Self> {
        let tracker = image.map_or_else(Tracker::new, Tracker::resume);
        Ok(Self { tracker, writer: Some(Writer::start(store)?), noting: true, end, ..Self::default() })
    }

    /// Of a fold whose images are captured and never written: what the leader's task does, without the writer's.
    pub(super) fn unwritten(tracker: Tracker) -> Self {
        Self { tracker, noting: true, ..Self::default() }
    }

    /// Notes a frame's commits.
    pub(super) fn note(&mut self, cursor: Cursor, commits: &[Commit], hash: Hash) {
        if self.noting && !self.ended {
            self.tracker.note(cursor, commits, hash);
        }
    }

    /// Whether an image is due.
    pub(super) fn is_due(&self) -> bool {
        !self.ended && (self.tracker.is_due() || self.end.is_some_and(|end| self.tracker.position() >= end))
    }

    /// Captures where an image is due and the fold ends with what was noted last. A leader would go on where the writer
    /// is behind; here it is waited for, so that every run has the same images.
    pub(super) fn capture(&mut self, cell: &Cell, tip: &Tip) -> anyhow::Result<()> {
        if self.is_due() {
            self.ended = self.end.is_some_and(|end| self.tracker.position() >= end);
            self.waiting = self.tracker.capture(cell, tip);
            self.hand_over()?;
        }
        Ok(())
    }

    fn hand_over(&mut self) -> anyhow::Result<()> {
        if self.writer.is_none() {
            let given = self.waiting.take().map(|delta| delta.position());
            given.into_iter().for_each(|position| self.tracker.written(position));
        }
        while let Some((delta, writer)) = self.waiting.take().zip(self.writer.as_ref()) {
            self.captured = delta.position();
            if let Err(busy) = writer.write(delta) {
                self.waiting = Some(*busy.0);
                anyhow::ensure!(writer.fault().is_none(), "the store can't be written");
                std::thread::sleep(PAUSE);
            }
            self.tracker.written(writer.written());
        }
        Ok(())
    }

    /// A last image, of a fold that ends with what was noted last.
    pub(super) fn capture_last(&mut self, cell: &Cell, tip: &Tip) -> anyhow::Result<()> {
        self.waiting = self.tracker.capture(cell, tip);
        self.hand_over()
    }

    /// Ends the writer once it has written all, and kept what is to be kept.
    pub(super) fn close(mut self) -> anyhow::Result<()> {
        let Some(writer) = self.writer.take() else { return Ok(()) };
        while writer.written() < self.captured {
            anyhow::ensure!(writer.fault().is_none(), "the store can't be written");
            std::thread::sleep(PAUSE);
        }
        writer.close();
        Ok(())
    }
}
