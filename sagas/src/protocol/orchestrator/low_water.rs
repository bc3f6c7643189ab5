//! The low water of each ledger, captured from the running fold and let out once the position it was captured at is
//! durable: below it, every call is settled in acknowledged commits.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::message::Output;
use crate::cell::Cell;
use crate::ids::*;
use crate::limits::LOW_WATER_PAUSE_MS;
use crate::planted::{self, Bug};
use crate::record::LedgerId;

/// The low waters of one lead.
#[derive(Clone, Debug)]
pub(super) struct LowWaters {
    /// When the next is captured.
    pub(super) next: Time,
    captured: Option<Captured>,
    sent: BTreeMap<LedgerId, (Incarnation, Position)>,
}

/// Where it was captured, and each ledger's.
type Captured = (Position, Vec<(LedgerId, Incarnation, Position)>);

impl LowWaters {
    pub(super) const fn new(now: Time) -> Self {
        Self { next: now.plus_ms(LOW_WATER_PAUSE_MS), captured: None, sent: BTreeMap::new() }
    }

    /// Captures, where it is time and nothing waits; lets out what is durable.
    pub(super) fn tend(&mut self, cell: &Cell, durable: Position, now: Time, out: &mut Vec<Output>) {
        if now >= self.next {
            self.next = now.plus_ms(LOW_WATER_PAUSE_MS);
            if self.captured.is_none() {
                let all =
                    cell.ledgers().map(|(ledger, incarnation)| (ledger, incarnation, cell.low_water(ledger)));
                self.captured = Some((cell.position, all.collect()));
            }
        }
        let early = planted::on(Bug::LowWaterBeforeDurable);
        if let Some((_, all)) = self.captured.take_if(|(position, _)| early || *position <= durable) {
            for (ledger, incarnation, position) in all {
                if self.sent.insert(ledger, (incarnation, position)) != Some((incarnation, position)) {
                    out.push(Output::LowWater { ledger, incarnation, position });
                }
            }
        }
    }
}
