//! What the leader's task keeps beside its fold: what was touched since the last image, and the way to the store.
//!
//! Invariant: an image is of acknowledged state at the end of one frame, and never makes the leader wait for a disk. It
//! may be without a store: then nothing is kept and every start folds the whole journal.

use windlass_sagas::ids::{CellId, Hash, Position};
use windlass_sagas::protocol::{Cursor, Fold};
use windlass_sagas::record::Commit;
use windlass_store::{Delta, Image, Store, Tracker, Writer};

use super::recovery::Dropped;

/// The images of one fold.
pub(super) struct Images {
    store: Option<Store>,
    writer: Option<Writer>,
    tracker: Tracker,
    /// Captured; its frame is not durable yet, or the writer is busy.
    waiting: Option<Delta>,
    /// The last frame that is durable.
    durable: Cursor,
    expected: Option<CellId>,
}

impl Images {
    /// The images of the fold that begins with `image`, and that fold.
    pub(super) fn begin(
        store: Option<Store>,
        image: Option<Image>,
        expected: Option<CellId>,
    ) -> (Self, Fold) {
        let mut images = Self {
            store,
            writer: None,
            tracker: Tracker::new(),
            waiting: None,
            durable: Cursor::START,
            expected,
        };
        let fold = images.start(image);
        (images, fold)
    }

    /// What the index does not hold yet.
    pub(super) const fn recent(&self) -> &Tracker {
        &self.tracker
    }

    /// The position of the last image on disk.
    pub(super) fn written(&self) -> Position {
        self.writer.as_ref().map_or(Position(0), Writer::written)
    }

    /// What store and tracker know of a fold that stood at `reached` and that the journal does not bear out.
    pub(super) fn known(&self, reached: Position) -> Option<Dropped> {
        let known = Dropped::of(self.store.as_ref()?, &self.tracker, reached);
        known.inspect_err(|error| tracing::warn!(%error, "which operations are lost can't be told")).ok()
    }

    /// The fold was dropped; the one to go on with. `from_start`: the stored image is not of this journal.
    pub(super) fn reload(&mut self, from_start: bool) -> Fold {
        (self.waiting, self.writer, self.durable) = (None, None, Cursor::START);
        let Some(store) = &self.store else { return self.start(None) };
        let image = if from_start {
            let reset = store.reset("its image is not of this journal");
            reset.map(|()| None)
        } else {
            store.load()
        };
        match image {
            Ok(image) => self.start(image),
            Err(error) => {
                tracing::warn!(%error, "the store fails; it is not used until the next start");
                self.store = None;
                self.start(None)
            }
        }
    }

    fn start(&mut self, image: Option<Image>) -> Fold {
        self.tracker = Tracker::new();
        let restored = image.map(|image| (Tracker::resume(&image), self.restore(image)));
        let fold = match restored {
            Some((tracker, Some(fold))) => {
                tracing::info!(position = %fold.tip().position, "the fold begins with an image");
                self.tracker = tracker;
                self.durable = fold.cursor();
                fold
            }
            Some((_, None)) | None => Fold::new(self.expected),
        };
        self.writer = self.store.clone().and_then(|store| match Writer::start(store) {
            Ok(writer) => Some(writer),
            Err(error) => {
                tracing::warn!(%error, "no images are written until the next start");
                None
            }
        });
        fold
    }

    fn restore(&mut self, image: Image) -> Option<Fold> {
        match Fold::restored(image.cell, image.tip, image.cursor, self.expected) {
            Ok(fold) => Some(fold),
            Err(error) => {
                let reset = self.store.as_ref().map(|store| store.reset(&error.error.to_string()));
                if let Some(Err(error)) = reset {
                    tracing::warn!(%error, "the store fails; it is not used until the next start");
                    self.store = None;
                }
                None
            }
        }
    }

    /// A leader sends a frame that its fold holds already.
    pub(super) fn sent(&mut self, after: Cursor, commits: &[Commit], hash: Hash) {
        self.tracker.note(after.next(), commits, hash);
    }

    /// A frame is durable and in the fold.
    pub(super) fn durable(&mut self, cursor: Cursor, commits: &[Commit], hash: Hash) {
        self.tracker.note(cursor, commits, hash);
        self.durable = cursor;
        self.hand_over();
    }

    /// Captures what was touched, where an image is due, or where `now` asks for one; the fold must end with the last
    /// frame that was sent or is durable, or nothing is captured.
    pub(super) fn capture(&mut self, fold: &Fold, now: bool) {
        if self.writer.is_some() && self.waiting.is_none() && (now || self.tracker.is_due()) {
            self.waiting = self.tracker.capture(fold.cell(), fold.tip());
        }
        self.hand_over();
    }

    /// Gives the writer what is durable, and lets go of what is written.
    fn hand_over(&mut self) {
        let Some(writer) = &self.writer else { return };
        if let Some(delta) = self.waiting.take_if(|delta| delta.cursor() <= self.durable)
            && let Err(busy) = writer.write(delta)
        {
            self.waiting = Some(*busy.0);
        }
        self.tracker.written(writer.written());
    }

    /// A last image of a fold that is durable as a whole; returns once it is written, or can't be.
    pub(super) fn close(mut self, fold: Option<&Fold>) {
        if let Some(fold) = fold {
            self.capture(fold, true);
        }
        if let Some(writer) = self.writer.take() {
            writer.close();
        }
    }
}
