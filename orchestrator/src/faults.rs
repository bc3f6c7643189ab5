//! The orchestrator's own faults (F1): those that are armed at the leader strike here, at its appends.
//!
//! Invariant: nothing strikes unless the process was started with `--faults allow` (elsewhere the journal is not even
//! wrapped), a fault strikes before its own deadline only, by a clock that never jumps, and none outlives its lead.

mod journal;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use windlass_sagas::cell::Effect;
use windlass_sagas::cell::state::Fault;
use windlass_sagas::fault::{FaultKind, Lane, Target};
use windlass_sagas::ids::{FaultId, Time};
use windlass_sagas::limits::FAULTS_MAX;
use windlass_sagas::record::{FaultPoint, FaultRule};

use crate::metrics;
pub use journal::Faulty;

/// What may strike at this orchestrator while it leads.
#[derive(Debug, Default)]
pub struct OwnFaults {
    allowed: bool,
    leads: AtomicBool,
    armed: Mutex<BTreeMap<FaultId, Armed>>,
}

#[derive(Debug)]
struct Armed {
    rule: FaultRule,
    lane: Lane,
    until: Instant,
}

/// What strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Strike {
    pub(crate) kind: FaultKind,
    /// How long a pause lasts.
    pub(crate) pause: Duration,
}

impl OwnFaults {
    /// Of a process that was started with `--faults allow`, or without.
    #[must_use]
    pub fn new(allowed: bool) -> Self {
        if allowed {
            tracing::warn!("faults may be armed at this orchestrator");
        }
        Self { allowed, ..Self::default() }
    }

    /// Whether any fault may ever strike here.
    #[must_use]
    pub const fn allowed(&self) -> bool {
        self.allowed
    }

    /// Whether this is the orchestrator that a leader's fault would be armed at, and allows none.
    #[must_use]
    pub fn refuses(&self) -> bool {
        !self.allowed && self.leads.load(Ordering::Relaxed)
    }

    /// How often a fault has struck here.
    #[must_use]
    pub fn strikes(&self, fault: FaultId) -> u64 {
        self.armed().get(&fault).map_or(0, |armed| armed.lane.strikes())
    }

    /// This orchestrator leads, or no longer does: what was armed for the lead before is over.
    pub(crate) fn lead(&self, leads: bool) {
        self.leads.store(leads, Ordering::Relaxed);
        let now = Instant::now();
        self.armed().values_mut().for_each(|armed| armed.until = armed.until.min(now));
    }

    /// Takes in what commits of this lead say about faults.
    pub(crate) fn take(&self, effects: &[Effect], now: Time) {
        if !self.allowed {
            return;
        }
        for effect in effects {
            match effect {
                Effect::FaultArmed(fault) if fault.target() == Target::Leader => self.arm(fault, now),
                Effect::FaultEnded { fault } => drop(self.armed().remove(fault)),
                Effect::FaultArmed(_)
                | Effect::Call(_)
                | Effect::Settled { .. }
                | Effect::SagaOpen { .. }
                | Effect::SagaEnded { .. }
                | Effect::Admitted { .. }
                | Effect::Joined { .. }
                | Effect::Retired { .. }
                | Effect::View { .. } => {}
            }
        }
    }

    fn arm(&self, fault: &Fault, now: Time) {
        let left = Duration::from_millis(fault.expires.ms_since(now));
        let (rule, lane, until) = (fault.rule.clone(), Lane::new(&fault.rule, 0, 0), Instant::now() + left);
        tracing::warn!(fault = %fault.id, kind = %rule.kind, ?left, "a fault is armed at this leader");
        let mut armed = self.armed();
        if armed.len() >= FAULTS_MAX {
            armed.retain(|_, armed| armed.until > Instant::now());
        }
        armed.insert(fault.id, Armed { rule, lane, until });
    }

    /// What strikes at this place, if anything: the first fault of these kinds that is due.
    pub(crate) fn ask(&self, kinds: &[FaultKind], point: FaultPoint) -> Option<Strike> {
        let now = Instant::now();
        let mut struck = None;
        let mut all = self.armed();
        let fits = |armed: &Armed| {
            armed.until > now && armed.rule.point == point && kinds.contains(&armed.rule.kind)
        };
        for (id, Armed { rule, lane, .. }) in all.iter_mut().filter(|(_, armed)| fits(armed)) {
            if !lane.due(rule) || struck.is_some() {
                continue;
            }
            lane.struck();
            tracing::warn!(
                fault = %id, kind = %rule.kind, ?point, opportunity = lane.opportunities(), "a planned fault strikes"
            );
            metrics::fault_struck(rule.kind, 1);
            struck = Some(Strike { kind: rule.kind, pause: Duration::from_millis(rule.delay_ms.into()) });
        }
        struck
    }

    /// Stands still where a fault says so: the leader's whole task with its thread, as a stopped process would.
    pub(crate) fn stand_still(&self, point: FaultPoint) {
        if !self.allowed {
            return;
        }
        if let Some(strike) = self.ask(&[FaultKind::OrchestratorPause], point) {
            std::thread::sleep(strike.pause);
        }
    }

    fn armed(&self) -> MutexGuard<'_, BTreeMap<FaultId, Armed>> {
        self.armed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use windlass_sagas::ids::Term;
    use windlass_sagas::record::{FaultAsked, Principal};

    use super::*;

    const KINDS: [FaultKind; 1] = [FaultKind::JournalUnknown];

    fn fault(number: u8, asked: &FaultAsked) -> Effect {
        Effect::FaultArmed(Box::new(Fault {
            id: FaultId([number; 16]),
            rule: FaultRule::of(asked).unwrap(),
            host: None,
            term: Term::default(),
            armed: Time(0),
            expires: Time(60_000_000),
            by: Principal::Cell,
            reason: "a drill".into(),
        }))
    }

    fn unknown() -> FaultAsked {
        FaultAsked::of(FaultKind::JournalUnknown)
    }

    fn struck(faults: &OwnFaults) -> bool {
        faults.ask(&KINDS, FaultPoint::After).is_some()
    }

    #[test]
    fn f1_nothing_is_armed_where_faults_are_not_allowed() {
        let faults = OwnFaults::new(false);
        faults.lead(true);
        faults.take(&[fault(1, &unknown())], Time(0));
        assert!(!struck(&faults) && faults.refuses());
        faults.lead(false);
        assert!(!faults.refuses(), "who does not lead has no say");
    }

    #[test]
    fn f1_it_strikes_as_its_rule_says_at_its_place_and_is_counted() {
        let faults = OwnFaults::new(true);
        faults.take(&[fault(1, &FaultAsked { nth: Some(2), ..unknown() })], Time(0));
        assert!(!struck(&faults));
        assert!(faults.ask(&KINDS, FaultPoint::Before).is_none(), "another place is no opportunity");
        assert!(faults.ask(&[FaultKind::OrchestratorCrash], FaultPoint::After).is_none());
        assert!(struck(&faults) && !struck(&faults));
        assert_eq!(faults.strikes(FaultId([1; 16])), 1);
    }

    #[test]
    fn f1_it_ends_with_its_lease_its_lead_or_its_disarming() {
        let faults = OwnFaults::new(true);
        let always = FaultAsked { times: Some(1_000), ..unknown() };
        faults.take(&[fault(1, &always)], Time(60_000_000));
        assert!(!struck(&faults), "nothing is left of its lease");
        faults.take(&[fault(2, &always)], Time(0));
        assert!(struck(&faults));
        faults.lead(true);
        assert!(!struck(&faults), "another lead");
        faults.take(&[fault(3, &always)], Time(0));
        assert!(struck(&faults));
        faults.take(&[Effect::FaultEnded { fault: FaultId([3; 16]) }], Time(0));
        assert!(!struck(&faults));
    }
}
