//! How often planned faults have struck on hosts, as their agents say: for lists, and counted by kind. No rule rests on it,
//! and nothing of it is journaled.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use windlass_sagas::ids::{FaultId, HostId};
use windlass_sagas::limits::FAULTS_MAX;
use windlass_sagas::protocol::FaultsHeld;

use crate::metrics;

/// Faults that are remembered: those that may be armed, and as many before them.
const REMEMBERED: usize = 2 * FAULTS_MAX;

/// What agents have said, by fault and host.
#[derive(Debug, Default)]
pub(super) struct Strikes(Mutex<Told>);

#[derive(Debug, Default)]
struct Told {
    strikes: BTreeMap<FaultId, BTreeMap<HostId, u64>>,
    /// The faults in the order in which they came, for forgetting.
    order: VecDeque<FaultId>,
}

impl Strikes {
    /// Takes in what an agent says. Counts never fall, and each strike is counted once, however often it is told.
    pub(super) fn told(&self, held: &FaultsHeld) {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for fault in &held.faults {
            let Told { strikes, order } = &mut *told;
            let hosts = strikes.entry(fault.id).or_insert_with(|| {
                order.push_back(fault.id);
                BTreeMap::new()
            });
            let known = hosts.entry(held.host).or_insert(0);
            let more = fault.strikes.saturating_sub(*known);
            if more > 0 {
                *known = fault.strikes;
                metrics::fault_struck(fault.kind, more);
                tracing::warn!(
                    host = %held.host, fault = %fault.id, kind = %fault.kind, strikes = fault.strikes,
                    "a planned fault has struck"
                );
            }
        }
        while told.order.len() > REMEMBERED {
            let oldest = told.order.pop_front();
            oldest.and_then(|oldest| told.strikes.remove(&oldest));
        }
    }

    /// The hosts that hold or held a fault, and how often it has struck on each.
    pub(super) fn of(&self, fault: FaultId) -> Vec<(HostId, u64)> {
        let told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        told.strikes.get(&fault).into_iter().flatten().map(|(host, strikes)| (*host, *strikes)).collect()
    }
}

#[cfg(test)]
mod tests {
    use windlass_sagas::fault::FaultKind;
    use windlass_sagas::protocol::FaultHeld;

    use super::*;

    fn held(host: u8, fault: u16, strikes: u64) -> FaultsHeld {
        let mut id = [0; 16];
        id[..2].copy_from_slice(&fault.to_be_bytes());
        let one = FaultHeld { id: FaultId(id), kind: FaultKind::Hang, strikes };
        FaultsHeld { host: HostId([host; 16]), faults: vec![one], refusal: None }
    }

    fn of(strikes: &Strikes, fault: u16) -> Vec<u64> {
        strikes.of(held(1, fault, 0).faults[0].id).into_iter().map(|(_, strikes)| strikes).collect()
    }

    #[test]
    fn f1_strikes_are_counted_by_host_and_never_fall() {
        let strikes = Strikes::default();
        strikes.told(&held(1, 7, 2));
        strikes.told(&held(2, 7, 1));
        strikes.told(&held(1, 7, 1));
        assert_eq!(of(&strikes, 7), [2, 1]);
        assert_eq!(of(&strikes, 8), [0_u64; 0]);
    }

    #[test]
    fn f1_old_faults_are_forgotten() {
        let strikes = Strikes::default();
        for fault in 0..300 {
            strikes.told(&held(1, fault, 1));
        }
        assert!(of(&strikes, 0).is_empty() && of(&strikes, 299) == [1]);
    }
}
