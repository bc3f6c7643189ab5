//! Folding planned faults. Nothing else in the fold rests on one: what strikes is the agents' and the leader's affair.

use crate::cell::state::{Cell, Fault};
use crate::ids::FaultId;
use crate::record::FaultArmed;

impl Cell {
    pub(super) fn fault_armed(&mut self, e: &FaultArmed) {
        let FaultArmed { id, rule, host, expires, by, reason } = e.clone();
        let (term, armed) = (self.term, self.time);
        self.faults.insert(id, Fault { id, rule, host, term, armed, expires, by, reason });
    }

    pub(super) fn fault_ended(&mut self, id: FaultId) {
        self.faults.remove(&id);
    }
}
