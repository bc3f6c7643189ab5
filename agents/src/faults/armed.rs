//! Faults that are armed from outside (F1): by the leader's list, for as long as each lease lasts.
//!
//! Invariant: a fault strikes only before its own deadline, which no message and no stream makes later, and no more often
//! than its rule says, whatever process of this host counted. Who armed it may be gone: the deadline is kept here.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::Instant;
use windlass_sagas::fault::Lane;
use windlass_sagas::ids::FaultId;
use windlass_sagas::protocol::{FaultHeld, LeasedFault};
use windlass_sagas::record::FaultRule;

use super::fired::Fired;
use super::{Place, Strike, line};
use crate::AgentError;

/// What of the list may strike here.
#[derive(Debug)]
pub(super) struct Armed {
    directory: PathBuf,
    held: BTreeMap<FaultId, Held>,
}

#[derive(Debug)]
struct Held {
    rule: FaultRule,
    lane: Lane,
    until: Instant,
    /// Whether the end of its lease was told.
    over: bool,
    fired: Fired,
}

impl Armed {
    /// Nothing yet; what strikes is noted below `directory`.
    pub(super) const fn new(directory: PathBuf) -> Self {
        Self { directory, held: BTreeMap::new() }
    }

    /// Takes in the leader's whole list. What it leaves out is over; what is known keeps its deadline and its counts,
    /// also where it has run out: a list with another clock behind it does not bring it back.
    pub(super) fn hold(&mut self, list: Vec<LeasedFault>, now: Instant) {
        let left_out = self.held.extract_if(.., |id, _| !list.iter().any(|leased| leased.id == *id));
        for (id, _) in left_out {
            tracing::warn!(fault = %id, "a fault is disarmed");
            forget(&self.directory, id);
        }
        for leased in list {
            let until = now + Duration::from_millis(leased.remaining_ms.into());
            if let Some(held) = self.held.get_mut(&leased.id) {
                held.until = held.until.min(until);
                continue;
            }
            let id = leased.id;
            match self.held_anew(leased, until) {
                Ok(held) => drop(self.held.insert(id, held)),
                Err(error) => tracing::error!(%error, fault = %id, "a fault can't be noted and is not armed"),
            }
        }
    }

    fn held_anew(&self, leased: LeasedFault, until: Instant) -> Result<Held, AgentError> {
        let LeasedFault { id, rule, remaining_ms } = leased;
        let fired = Fired::open(&self.directory, &name(id), 1)?;
        let lane = Lane::new(&rule, 0, fired.count(0));
        tracing::warn!(fault = %id, kind = %rule.kind, remaining_ms, "a fault is armed");
        Ok(Held { rule, lane, until, over: false, fired })
    }

    /// What strikes here, if anything.
    pub(super) fn ask(&mut self, place: &Place, now: Instant) -> Option<(FaultId, Strike)> {
        let mut struck = None;
        for (id, held) in self.held.iter_mut().filter(|(_, held)| held.until > now) {
            let Held { rule, lane, fired, .. } = held;
            if !rule.fits(&place.rules()) || !lane.due(rule) || struck.is_some() {
                continue;
            }
            if let Err(error) = fired.note(0, &line(rule, place, lane.opportunities())) {
                tracing::error!(%error, kind = %rule.kind, "a fault can't be noted and does not strike");
                continue;
            }
            lane.struck();
            struck = Some((*id, Strike::of(rule)));
        }
        struck
    }

    /// When the next lease ends that is not told of yet.
    pub(super) fn next_end(&self) -> Option<Instant> {
        self.held.values().filter(|held| !held.over).map(|held| held.until).min()
    }

    /// Tells of leases that have ended. What has no lease left strikes no more, told of or not.
    pub(super) fn end(&mut self, now: Instant) {
        for (id, held) in self.held.iter_mut().filter(|(_, held)| !held.over && held.until <= now) {
            held.over = true;
            tracing::warn!(fault = %id, kind = %held.rule.kind, "a fault's lease has ended");
        }
    }

    /// What may still strike, and how often each has.
    pub(super) fn report(&self, now: Instant) -> Vec<FaultHeld> {
        let report = |(id, held): (&FaultId, &Held)| FaultHeld {
            id: *id,
            kind: held.rule.kind,
            strikes: held.lane.strikes(),
        };
        self.held.iter().filter(|(_, held)| held.until > now).map(report).collect()
    }
}

fn name(id: FaultId) -> String {
    format!("armed-{id}")
}

/// The log has its strikes; nothing counts them any more.
fn forget(directory: &Path, id: FaultId) {
    if let Err(error) = std::fs::remove_file(Fired::path(directory, &name(id))) {
        tracing::debug!(%error, fault = %id, "the record of a fault that is over stays");
    }
}

#[cfg(test)]
mod tests {
    use windlass_sagas::fault::FaultKind;
    use windlass_sagas::ids::{SagaId, StepIndex};
    use windlass_sagas::record::{Direction, FaultAsked, FaultPoint, Role, StepKey};

    use super::*;

    fn leased(number: u8, remaining_ms: u32, times: u64) -> LeasedFault {
        let asked = FaultAsked { times: Some(times), ..FaultAsked::of(FaultKind::ErrorBefore) };
        let rule = FaultRule::of(&asked).unwrap();
        LeasedFault { id: FaultId([number; 16]), rule, remaining_ms }
    }

    fn place() -> Place {
        let key = StepKey { saga: SagaId([1; 16]), step: StepIndex(0) };
        let (point, direction, role) = (FaultPoint::Before, Direction::Forward, Role::Storage);
        Place { point, changes: 0, step: "attach", key, direction, role }
    }

    #[test]
    fn it_strikes_until_its_deadline_and_no_list_makes_that_later() {
        let directory = tempfile::tempdir().unwrap();
        let mut armed = Armed::new(directory.path().join("faults"));
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        armed.hold(vec![leased(1, 1_000, 9)], start);
        assert!(armed.ask(&place(), at(999)).is_some());
        armed.hold(vec![leased(1, 5_000, 9)], at(999));
        assert!(armed.ask(&place(), at(1_000)).is_none(), "a repeat with more time left lengthens nothing");
        armed.hold(vec![leased(1, 5_000, 9)], at(2_000));
        assert!(armed.ask(&place(), at(2_001)).is_none(), "nor does one behind its end");
        assert_eq!(armed.report(at(2_001)), []);
        assert_eq!(armed.next_end(), Some(at(1_000)));
        armed.end(at(2_001));
        assert_eq!(armed.next_end(), None, "its end is told once");
        armed.hold(vec![leased(2, 5_000, 9)], at(3_000));
        armed.hold(vec![leased(2, 100, 9)], at(3_000));
        assert!(armed.ask(&place(), at(3_101)).is_none(), "a shorter one counts");
    }

    #[test]
    fn what_the_list_leaves_out_is_over_and_its_record_goes() {
        let directory = tempfile::tempdir().unwrap();
        let faults = directory.path().join("faults");
        let mut armed = Armed::new(faults.clone());
        let now = Instant::now();
        armed.hold(vec![leased(1, 1_000, 9), leased(2, 1_000, 9)], now);
        armed.hold(vec![leased(2, 1_000, 9)], now);
        assert_eq!(armed.ask(&place(), now).map(|(id, _)| id), Some(FaultId([2; 16])));
        assert_eq!(std::fs::read_dir(&faults).unwrap().count(), 1);
        armed.hold(Vec::new(), now);
        assert!(armed.ask(&place(), now).is_none());
        assert_eq!(std::fs::read_dir(&faults).unwrap().count(), 0);
    }

    #[test]
    fn strikes_count_over_processes_and_a_new_list_counts_none_anew() {
        let directory = tempfile::tempdir().unwrap();
        let now = Instant::now();
        let strikes = |armed: &Armed| armed.report(now).first().map(|held| held.strikes);
        let mut first = Armed::new(directory.path().join("faults"));
        first.hold(vec![leased(1, 1_000, 2)], now);
        assert!(first.ask(&place(), now).is_some());
        first.hold(vec![leased(1, 1_000, 2)], now);
        assert_eq!(strikes(&first), Some(1));
        drop(first);
        let mut next = Armed::new(directory.path().join("faults"));
        next.hold(vec![leased(1, 900, 2)], now);
        assert_eq!(strikes(&next), Some(1));
        assert!(next.ask(&place(), now).is_some());
        assert!(next.ask(&place(), now).is_none(), "twice in all");
        assert_eq!(strikes(&next), Some(2));
    }
}
