//! Every pair of faults of one scenario: for each fault at each place, each fault at each place that the run with the
//! first one still passes behind it.
//!
//! Invariant: of two faults, the one that strikes first is the first; so each pair of moments is run once, those that only
//! the first fault brings about among them.

use windlass_sagas::fault::FaultKind;

use crate::fault::{Choice, Plan};
use crate::lab::{Bounds, Lab};
use crate::report::{Outcome, Tally};
use crate::scenario::Scenario;

/// Failing pairs that are kept of one first fault.
const KEPT: usize = 2;

impl Lab {
    /// Runs every pair of faults of a scenario; `progress` is told how far it got. A failure is shrunk.
    pub fn all_pairs(
        &mut self,
        scenario: &Scenario,
        seed: u64,
        bounds: Bounds,
        mut progress: impl FnMut(&Tally),
    ) -> Tally {
        let mut tally = Tally::default();
        let (_, firsts) = self.choices(scenario, seed);
        self.many(
            u64::try_from(firsts.len()).unwrap_or(u64::MAX),
            bounds.threads,
            |lab, place| {
                let first = usize::try_from(place).ok().and_then(|place| firsts.get(place)).copied();
                first.map(|first| lab.seconds(scenario, seed, first)).unwrap_or_default()
            },
            |lab, _, (pairs, failed)| {
                tally.merge(&pairs);
                for outcome in failed {
                    if let Some(violation) = outcome.violation.clone() {
                        tally.failures.push(lab.shrunk(scenario, seed, &outcome, &violation));
                    }
                }
                progress(&tally);
                tally.failures.len() < bounds.failures_max
            },
        );
        tally
    }

    /// Every second fault behind a first one.
    fn seconds(&mut self, scenario: &Scenario, seed: u64, first: Choice) -> (Tally, Vec<Outcome>) {
        let (mut tally, mut failed) = (Tally::default(), Vec::new());
        let run = self.run(scenario, seed, Plan::Exactly(vec![first]), true);
        let behind = run.asked.iter().skip_while(|asked| asked.id != first.id).skip(1);
        for asked in behind.filter(|asked| scenario.has_in_window(asked.at)) {
            for kind in asked.kinds {
                let second = Choice { id: asked.id, kind: Some(*kind) };
                let mut outcome = self.run(scenario, seed, Plan::Exactly(vec![first, second]), false);
                if outcome.violation.is_none() && outcome.fired.len() != 2 {
                    outcome.violation = Some(crate::lab::silent(&outcome, 2));
                }
                tally.add(&outcome);
                if outcome.violation.is_some() && failed.len() < KEPT {
                    failed.push(outcome);
                }
            }
        }
        (tally, failed)
    }

    /// How many pairs `all_pairs` runs, without running them, and how many first faults there are.
    pub fn count_pairs(&mut self, scenario: &Scenario, seed: u64, threads: usize) -> (u64, u64) {
        let (_, firsts) = self.choices(scenario, seed);
        let mut pairs = 0;
        let kinds = |kinds: &[FaultKind]| u64::try_from(kinds.len()).unwrap_or(0);
        self.many(
            u64::try_from(firsts.len()).unwrap_or(u64::MAX),
            threads,
            |lab, place| {
                let first = usize::try_from(place).ok().and_then(|place| firsts.get(place)).copied();
                let Some(first) = first else { return 0 };
                let run = lab.run(scenario, seed, Plan::Exactly(vec![first]), true);
                let behind = run.asked.iter().skip_while(|asked| asked.id != first.id).skip(1);
                behind.filter(|asked| scenario.has_in_window(asked.at)).map(|asked| kinds(asked.kinds)).sum()
            },
            |_, _, count: u64| {
                pairs += count;
                true
            },
        );
        (u64::try_from(firsts.len()).unwrap_or(u64::MAX), pairs)
    }
}
