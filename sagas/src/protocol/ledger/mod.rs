//! The ledger: what one role of one host knows of every key, as a pure state machine over calls, driver work and syncs.
//!
//! Invariants: term, incarnation, low water, body and record are checked when work begins, under the lock of every key
//! that the work touches; what a reply rests on is durable before it leaves; only Done and the tombstone are sticky.
//! It must never answer "done" or "gone" without a durable record or the world behind it. Every step's change can be
//! observed today; one that can't would have to sync an intent first, and has no place here yet.

mod calls;
mod durable;
mod entry;
mod finish;
mod io;
mod lead;
pub mod limits;
mod row;
#[cfg(test)]
mod tests;
mod view;

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;

pub use entry::{Backward, Entry, Forward};
pub use io::*;
pub use row::{Row, RowError, Seen};

use calls::{Running, Waiting};
use durable::Durable;
use entry::Entries;

use crate::ids::*;
use crate::record::{LedgerId, StepKey};

/// One ledger.
#[derive(Clone, Debug)]
pub struct Ledger {
    id: LedgerId,
    incarnation: Incarnation,
    highest: Term,
    /// The batch that holds `highest`: no answer to a call of that term leaves before it.
    highest_in: BatchId,
    seen: Seen,
    low_water: Position,
    entries: Entries,
    /// The streams that stand and the term that each has claimed.
    links: BTreeMap<LinkId, Term>,
    /// Calls whose key is locked, in the order of their arrival.
    queue: VecDeque<Waiting>,
    running: BTreeMap<StepKey, Running>,
    works: BTreeMap<WorkId, StepKey>,
    /// The keys that running work touches: its own and those that its success closes.
    locked: BTreeSet<StepKey>,
    last_work: WorkId,
    durable: Durable,
    views: view::Views,
    draining: bool,
}

impl Ledger {
    /// A ledger that knows nothing. Its `first_row` must be durable before its incarnation is shown to anybody.
    #[must_use]
    pub fn new(id: LedgerId, incarnation: Incarnation) -> Self {
        Self {
            id,
            incarnation,
            highest: Term::default(),
            highest_in: BatchId::default(),
            seen: Seen::default(),
            low_water: Position::default(),
            entries: Entries::default(),
            links: BTreeMap::new(),
            queue: VecDeque::new(),
            running: BTreeMap::new(),
            works: BTreeMap::new(),
            locked: BTreeSet::new(),
            last_work: WorkId(0),
            durable: Durable::default(),
            views: view::Views::default(),
            draining: false,
        }
    }

    /// The row that a new ledger begins with.
    #[must_use]
    pub const fn first_row(&self) -> Row {
        Row::Identity(self.id, self.incarnation)
    }

    /// The ledger that stored rows (key bytes, value bytes) hold. The driver work of the process before must be over.
    ///
    /// # Errors
    /// `NoIdentity` where no row says whose it is (then a new incarnation begins); else what is wrong with which row.
    pub fn restore<K: AsRef<[u8]>, V: AsRef<[u8]>>(
        stored: impl IntoIterator<Item = (K, V)>,
    ) -> Result<Self, RowError> {
        let mut identity = None;
        let mut ledger =
            Self::new(LedgerId { host: HostId::default(), role: NO_ROLE }, Incarnation::default());
        for (key, value) in stored {
            match Row::decode(key.as_ref(), value.as_ref())? {
                Row::Identity(id, incarnation) => identity = Some((id, incarnation)),
                Row::Highest(term) => ledger.highest = term,
                Row::Seen(seen) => ledger.seen = seen,
                Row::LowWater(position) => ledger.low_water = position,
                Row::Entry(key, entry) => ledger.entries.restore(key, *entry),
                Row::View(view) => ledger.views.restore(view),
                Row::Dropped(_) => {}
            }
        }
        let (id, incarnation) = identity.ok_or(RowError::NoIdentity)?;
        Ok(Self { id, incarnation, ..ledger })
    }

    /// Takes one input and appends what is to be done; at most one `Persist` a step. `now` need only be steady: it
    /// measures how long callers have waited.
    pub fn step(&mut self, input: Input, now: Time, out: &mut Vec<Output>) {
        match input {
            Input::Lead { link, term, position, hash } => self.lead(link, term, position, hash, out),
            Input::Call { link, call } => self.arrive(link, *call, now, out),
            Input::LowWater { link, incarnation, term, position } => {
                if self.incarnation == incarnation && self.leads(link, term) {
                    self.raise_low_water(position);
                }
            }
            Input::Seen { link, term, position, hash } => {
                if self.leads(link, term) {
                    self.show(Seen { term, position, hash });
                }
            }
            Input::View { link, term, view } => self.take_view(link, term, view, out),
            Input::Applied { position, result } => self.applied(position, result, out),
            Input::LinkLost { link } => self.lose(link),
            Input::Worked { work, result } => self.worked(work, result, now, out),
            Input::Synced { batch } => self.durable.synced(batch, out),
            Input::Drain => self.drain(out),
        }
        self.pump(now, out);
        self.durable.flush(out);
    }

    /// Whose ledger it is.
    #[must_use]
    pub const fn id(&self) -> LedgerId {
        self.id
    }

    /// Its id, which every call must name.
    #[must_use]
    pub const fn incarnation(&self) -> Incarnation {
        self.incarnation
    }

    /// The highest term seen.
    #[must_use]
    pub const fn highest(&self) -> Term {
        self.highest
    }

    /// The last durable commit that it was shown.
    #[must_use]
    pub const fn seen(&self) -> Seen {
        self.seen
    }

    /// Calls strictly below this position are answered `BelowLowWater`.
    #[must_use]
    pub const fn low_water(&self) -> Position {
        self.low_water
    }

    /// The keys whose change is being made or removed at this moment, in order.
    pub fn running(&self) -> impl Iterator<Item = StepKey> + '_ {
        self.running.iter().filter(|(_, running)| running.changes()).map(|(key, _)| *key)
    }

    /// Whether something is being made or removed that a lower generation than the highest called for. An inventory taken
    /// meanwhile would not show what comes of it, and the new generation's fold may know nothing of it.
    #[must_use]
    pub fn works_for_lower_generation(&self) -> bool {
        let lower =
            |running: &Running| running.changes() && running.term.generation < self.highest.generation;
        self.running.values().any(lower)
    }

    /// Every record, in order of keys.
    pub fn entries(&self) -> impl Iterator<Item = (&StepKey, &Entry)> {
        self.entries.iter()
    }

    /// How many records it holds.
    #[must_use]
    pub fn entry_count(&self) -> usize {
        self.entries.len()
    }

    /// Whether no work runs, no call waits and everything given out is durable.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.running.is_empty() && self.queue.is_empty() && self.durable.is_quiet() && self.views.is_quiet()
    }
}

/// Stands in for the role until the identity row is read.
const NO_ROLE: crate::record::Role = crate::record::Role::Hypervisor;
