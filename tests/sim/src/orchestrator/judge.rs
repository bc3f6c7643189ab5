//! What an orchestrator says of itself, judged by the checker's own reading of the journal: its lead, its reads, what it
//! lets out, its fold. A machine's word proves nothing here.

use windlass_sagas::cell::state::{Saga, StepState};
use windlass_sagas::ids::*;
use windlass_sagas::limits::FOLLOWER_PROOF_MS;
use windlass_sagas::record::{Direction, StepKey};

use crate::agenda::Instant;
use crate::limits::NOTICED_MS;
use crate::net::End;
use crate::sim::Sim;

impl Sim {
    /// A reader's answer leaves: it must rest on the valid chain. One who follows a tail that is lost can't know that
    /// until he looks, which he does in time.
    pub(super) fn check_read(&mut self, node: usize, token: u64, position: Position) {
        let Some(it) = self.nodes.get_mut(node) else { return };
        let Some((at, hash)) = it.reads.remove(&token) else { return };
        self.seen.reads += 1;
        let now = self.agenda.now();
        let lately = |at: Instant| now < at.plus_ms(FOLLOWER_PROOF_MS + NOTICED_MS);
        if self.tail_is_lost || self.recovered_at.is_some_and(lately) {
            return;
        }
        let valid = at == position && (position == Position(0) || self.chain.hash_at(position) == Some(hash));
        self.require(valid, "read R6", || {
            format!("a read answers for position {position}, which is not durable")
        });
    }

    /// Each start of a process hands out the valid chain, dense and in order.
    pub(super) fn check_durable(&mut self, node: usize, first: Position, last: Position, hash: Hash) {
        let Some(it) = self.nodes.get_mut(node) else { return };
        let dense = it.handed.is_none_or(|before| before.next() == first);
        let before = it.handed.replace(last);
        if self.tail_is_lost {
            // An acknowledgement that was on its way when the tail went: nobody can know yet.
            return;
        }
        let ours = self.chain.hash_at(last) == Some(hash);
        self.require(ours, "property P5", || {
            format!(
                "orchestrator {node} lets out the effects of position {last}, which is not in the valid log"
            )
        });
        self.require(dense, "watch R2", || format!("orchestrator {node} hands out {first} after {before:?}"));
    }

    pub(super) fn check_lead(&mut self, node: usize, term: Term, position: Position, hash: Hash) {
        let now = self.agenda.now();
        self.trace
            .note(now, "lead", &[node as u64, position.0], || format!("orchestrator {node} leads {term}"));
        self.seen.leads += 1;
        if let Some(drawing) = &mut self.drawing {
            drawing.event(now, End::Node(node), format!("leads {term} from {position}"), false);
        }
        self.require(!self.tail_is_lost, "promise O6", || {
            format!("orchestrator {node} leads {term} although an acknowledged tail is gone")
        });
        let process = self.process(node);
        let other = self.leads.insert(term, process).filter(|other| *other != process);
        self.require(other.is_none(), "property P8", || {
            format!("two leaders of term {term}: {other:?} and {process:?}")
        });
        let writer = self.chain.leader_of(term).and_then(|writer| self.writers.get(&writer).copied());
        let elected = writer == Some(node) && self.chain.hash_at(position) == Some(hash);
        self.require(elected, "property P8", || {
            format!("orchestrator {node} leads {term} without being elected")
        });
        let unasked = self.chain.cell.sagas.values().flat_map(unsettled).collect();
        if let Some(it) = self.nodes.get_mut(node) {
            it.unasked = unasked;
        }
    }

    /// Every node's fold is the checker's.
    pub(crate) fn check_folds(&mut self) {
        (0..self.nodes.len()).for_each(|node| self.check_fold(node));
    }

    /// A node's fold, where all of it is durable and it ends where the valid chain does, is the checker's.
    pub(super) fn check_fold(&mut self, node: usize) {
        let fold = self.nodes.get(node).and_then(|it| it.machine.durable_fold());
        let Some(fold) = fold.filter(|fold| fold.tip().position == self.chain.tip.position) else { return };
        let same = fold.tip() == &self.chain.tip && fold.cell() == &self.chain.cell;
        self.require(same, "invariant 9", || format!("orchestrator {node} folded another state"));
    }
}

/// The steps of a saga that were dispatched and have no outcome yet.
fn unsettled(saga: &Saga) -> impl Iterator<Item = (StepKey, u8, Attempt)> + '_ {
    saga.indexes().filter_map(|step| {
        let (direction, attempt) = match saga.at(step) {
            StepState::Forward { attempt, .. } => (Direction::Forward, *attempt),
            StepState::Undoing { attempt, .. } => (Direction::Undo, *attempt),
            StepState::Waiting
            | StepState::Done { .. }
            | StepState::Refused { .. }
            | StepState::Undone { .. }
            | StepState::UndoRefused { .. } => return None,
        };
        Some((StepKey { saga: saga.id, step }, direction as u8, attempt))
    })
}
