//! The way out for replies where faults are planned: some leave late, some twice. Without a plan it only lets pass.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use tokio::time::Instant;
use windlass_sagas::fault::FaultKind;
use windlass_sagas::protocol::ledger::LinkId;
use windlass_sagas::protocol::{Call, Reply, Up, Verb};
use windlass_sagas::record::{Direction, Role, StepKey};

use crate::faults::{Faults, Place, Point};
use crate::limits::FAULT_CALLS_MAX;

/// Replies on their way out.
pub(super) struct Replies {
    faults: Arc<Faults>,
    /// The names of the steps of the last calls; kept only where faults are planned.
    steps: VecDeque<(Role, StepKey, &'static str)>,
    late: BTreeMap<(Instant, u64), (LinkId, Up)>,
    count: u64,
}

impl Replies {
    pub(super) const fn new(faults: Arc<Faults>) -> Self {
        Self { faults, steps: VecDeque::new(), late: BTreeMap::new(), count: 0 }
    }

    /// Remembers the step that a call is about.
    pub(super) fn note(&mut self, call: &Call) {
        if self.faults.any() {
            if self.steps.len() >= FAULT_CALLS_MAX {
                self.steps.pop_front();
            }
            self.steps.push_back((call.ledger.role, call.key, call.body.input.name()));
        }
    }

    /// What leaves now; `None`: it leaves later.
    pub(super) fn pass(&mut self, link: LinkId, up: Up) -> Option<Up> {
        let strike = match &up {
            Up::Reply(reply) => self.place(reply).and_then(|place| self.faults.ask(&place)),
            Up::Hello(_)
            | Up::FencedLead { .. }
            | Up::Inventory(_)
            | Up::ViewApplied(_)
            | Up::FaultsHeld(_)
            | Up::Heartbeat { .. } => None,
        };
        let Some(strike) = strike else { return Some(up) };
        self.count += 1;
        let twice = (strike.kind == FaultKind::Duplicate).then(|| up.clone());
        self.late.insert((Instant::now() + strike.delay, self.count), (link, up));
        twice
    }

    /// When the next late reply is due.
    pub(super) fn due(&self) -> Option<Instant> {
        self.late.first_key_value().map(|((at, _), _)| *at)
    }

    /// A late reply that is due.
    pub(super) fn next(&mut self, now: Instant) -> Option<(LinkId, Up)> {
        let entry = self.late.first_entry().filter(|entry| entry.key().0 <= now)?;
        Some(entry.remove())
    }

    fn place(&self, reply: &Reply) -> Option<Place> {
        let direction = match reply.verb {
            Verb::Execute => Direction::Forward,
            Verb::Undo => Direction::Undo,
            Verb::Lookup => return None,
        };
        let (role, key) = (reply.ledger.role, reply.key);
        let known = self.steps.iter().rev().find(|(of, at, _)| (*of, *at) == (role, key));
        known.map(|(_, _, step)| Place { point: Point::Reply, changes: 0, step, key, direction, role })
    }
}
