//! Who leads, what was seen last, and up to where everything is settled.
//!
//! Invariant: the highest term never falls; the low water never falls within a generation, and is written in the same
//! batch as, or before, the first drop that rests on it.

use alloc::vec::Vec;

use super::{BatchId, Ledger, LinkId, Output, Row, Seen};
use crate::ids::*;
use crate::planted::{self, Bug};
use crate::protocol::{CallError, Up};

impl Ledger {
    /// Somebody says that he leads.
    pub(super) fn lead(
        &mut self,
        link: LinkId,
        term: Term,
        position: Position,
        hash: Hash,
        out: &mut Vec<Output>,
    ) {
        if term < self.highest {
            let up = Up::FencedLead { highest: self.highest };
            return self.durable.send(link, up, BatchId::default(), out);
        }
        self.links.insert(link, term);
        if term > self.highest {
            if term.generation > self.highest.generation && self.low_water > Position::default() {
                self.low_water = Position::default();
                self.durable.put(Row::LowWater(self.low_water));
            }
            if term.generation > self.highest.generation {
                self.begin_generation();
            }
            self.highest = term;
            if !planted::on(Bug::TermNotDurable) {
                self.highest_in = self.durable.put(Row::Highest(term));
            }
            if planted::on(Bug::TombstonesDroppedAtTerm) {
                self.entries.drop_closed(&mut self.durable);
            }
        }
        self.show(Seen { term, position, hash });
    }

    /// Whether this stream was claimed by this term, and none higher is known.
    pub(super) fn leads(&self, link: LinkId, term: Term) -> bool {
        planted::on(Bug::TermUnchecked) || (term == self.highest && self.links.get(&link) == Some(&term))
    }

    /// Remembers the last durable commit. Within a generation only a later one replaces it: a shorter tail, or another
    /// commit at the same place, is what the memory is there to betray.
    pub(super) fn show(&mut self, seen: Seen) {
        let age = |seen: &Seen| (seen.term.generation, seen.position);
        if age(&seen) > age(&self.seen) {
            self.seen = seen;
            self.durable.put(Row::Seen(seen));
        }
    }

    /// Everything strictly below is settled: its records go. Those of keys that work holds stay until it has ended.
    pub(super) fn raise_low_water(&mut self, position: Position) {
        if position > self.low_water {
            self.low_water = position;
            if !planted::on(Bug::LowWaterForgotten) {
                self.durable.put(Row::LowWater(position));
            }
            self.drop_settled();
        }
    }

    /// Drops the records below the low water, which is in this batch or an earlier one, and whose keys nothing holds.
    pub(super) fn drop_settled(&mut self) {
        for key in self.entries.below(self.low_water) {
            if !self.locked.contains(&key) {
                self.entries.remove(key, &mut self.durable);
            }
        }
    }

    /// A stream is gone. What waits for it is dropped; what runs for it goes on, and is recorded.
    pub(super) fn lose(&mut self, link: LinkId) {
        self.links.remove(&link);
        self.queue.retain(|waiting| waiting.link != link);
        for running in self.running.values_mut() {
            running.callers.retain(|caller| caller.link != link);
        }
        self.durable.forget(link);
        self.views.forget(link);
    }

    /// Takes no more calls: those that wait are sent away, since nothing has begun for them.
    pub(super) fn drain(&mut self, out: &mut Vec<Output>) {
        self.draining = true;
        for waiting in core::mem::take(&mut self.queue) {
            self.fail(waiting.link, &waiting.call, waiting.call.attempt, CallError::Draining, out);
        }
    }
}
