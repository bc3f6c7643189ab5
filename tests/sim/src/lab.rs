//! Running worlds: one of a scenario, a seed and faults; many random ones; every single fault at every place of one.

use std::collections::BTreeMap;

use windlass_sagas::cell::state::Ended;
use windlass_sagas::fault::FaultKind;

use crate::agenda::Instant;
use crate::check::Violation;
use crate::fault::{Asked, Choice, Fired, Plan};
use crate::founding::{Founding, Topology};
use crate::rng::mix;
use crate::scenario::Scenario;
use crate::shrink::shrink;
use crate::sim::{Seen, Sim};

/// The most re-runs that shrinking one failure takes.
const SHRINK_RUNS_MAX: usize = 400;

/// What one world came to.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The hash of everything that happened.
    pub hash: u64,
    /// How many things happened.
    pub events: u64,
    /// Valid commits behind the founding.
    pub commits: u64,
    /// Void ones.
    pub void: u64,
    /// What was seen on the way.
    pub seen: Seen,
    /// The faults that fired.
    pub fired: Vec<Fired>,
    /// Every decision, where they were listed.
    pub asked: Vec<Asked>,
    /// How the sagas ended: completed, rolled back, abandoned.
    pub ended: [u64; 3],
    /// The first broken promise.
    pub violation: Option<Violation>,
    /// When it ended.
    pub at: Instant,
    /// The lines of the trace, where they were kept.
    pub lines: Vec<String>,
}

/// A failing world, as small as it became.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The scenario's name.
    pub scenario: &'static str,
    /// The world's seed.
    pub seed: u64,
    /// The faults that it needs.
    pub faults: Vec<Choice>,
    /// What they did, in the shrunk run.
    pub fired: Vec<Fired>,
    /// The first broken promise of the shrunk run.
    pub violation: Violation,
    /// How many faults fired before shrinking.
    pub fired_before: usize,
}

/// What many worlds came to.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Worlds.
    pub worlds: u64,
    /// Things that happened.
    pub events: u64,
    /// Valid commits.
    pub commits: u64,
    /// Void ones.
    pub void: u64,
    /// How the sagas ended: completed, rolled back, abandoned.
    pub ended: [u64; 3],
    /// Faults fired, by kind.
    pub fired: BTreeMap<FaultKind, u64>,
    /// The hash over all worlds, in order.
    pub hash: u64,
    /// Failures, shrunk.
    pub failures: Vec<Failure>,
}

impl Tally {
    /// Adds a world.
    pub fn add(&mut self, outcome: &Outcome) {
        self.worlds += 1;
        self.events += outcome.events;
        self.commits += outcome.commits;
        self.void += outcome.void;
        for (sum, count) in self.ended.iter_mut().zip(outcome.ended) {
            *sum += count;
        }
        for fired in &outcome.fired {
            *self.fired.entry(fired.kind).or_default() += 1;
        }
        self.hash = mix(self.hash, outcome.hash);
    }
}

/// Worlds are run here; foundings are made once.
#[derive(Clone, Debug, Default)]
pub struct Lab {
    foundings: BTreeMap<Topology, Founding>,
}

impl Lab {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Runs one world; `list` lists every decision about a fault.
    pub fn run(&mut self, scenario: &Scenario, seed: u64, plan: Plan, list: bool) -> Outcome {
        let topology = scenario.topology;
        let founding = self.foundings.entry(topology).or_insert_with(|| Founding::of(topology));
        let mut sim = Sim::new(founding, scenario, seed, plan, list);
        sim.run();
        outcome(sim)
    }

    /// Runs the random world of a seed.
    pub fn random(&mut self, seed: u64) -> Outcome {
        let (scenario, plan) = Scenario::random(seed);
        self.run(&scenario, seed, plan, false)
    }

    /// Runs `worlds` random worlds from a seed on, until `failures_max` have failed.
    pub fn randoms(&mut self, seed: u64, worlds: u64, failures_max: usize) -> Tally {
        let mut tally = Tally::default();
        for seed in (0..worlds).map(|world| seed.wrapping_add(world)) {
            let outcome = self.random(seed);
            tally.add(&outcome);
            if outcome.violation.is_some() {
                let (scenario, _) = Scenario::random(seed);
                tally.failures.extend(self.shrunk(&scenario, seed, &outcome));
                if tally.failures.len() >= failures_max {
                    break;
                }
            }
        }
        tally
    }

    /// Runs a scenario with each kind of fault at each place that offers it, one at a time.
    pub fn singles(&mut self, scenario: &Scenario, seed: u64, failures_max: usize) -> Tally {
        let mut tally = Tally::default();
        let calm = self.run(scenario, seed, Plan::Calm, true);
        tally.add(&calm);
        let alone = |choice: Choice| (choice, Plan::Exactly(vec![choice]));
        let all = calm.asked.iter().flat_map(|asked| {
            asked.kinds.iter().map(|kind| alone(Choice { id: asked.id, kind: Some(*kind) }))
        });
        let all: Vec<(Choice, Plan)> = all.collect();
        for (choice, plan) in all {
            let outcome = self.run(scenario, seed, plan, false);
            tally.add(&outcome);
            let fired = outcome.fired.clone();
            if let Some(violation) = outcome.violation {
                let (scenario, faults, fired_before) = (scenario.name, vec![choice], 1);
                tally.failures.push(Failure { scenario, seed, faults, fired, violation, fired_before });
                if tally.failures.len() >= failures_max {
                    break;
                }
            }
        }
        tally
    }

    /// A failing run with as few faults as will do. `None`: it does not fail when it is run again by its faults alone.
    pub fn shrunk(&mut self, scenario: &Scenario, seed: u64, failed: &Outcome) -> Option<Failure> {
        let all: Vec<Choice> =
            failed.fired.iter().map(|fired| Choice { id: fired.id, kind: Some(fired.kind) }).collect();
        let faults = shrink(&all, SHRINK_RUNS_MAX, |subset| {
            self.run(scenario, seed, Plan::Exactly(subset.to_vec()), false).violation.is_some()
        });
        let outcome = self.run(scenario, seed, Plan::Exactly(faults.clone()), false);
        Some(Failure {
            scenario: scenario.name,
            seed,
            faults,
            fired: outcome.fired,
            violation: outcome.violation?,
            fired_before: all.len(),
        })
    }
}

fn outcome(sim: Sim) -> Outcome {
    let mut ended = [0; 3];
    for (_, _, how) in sim.chain.books.sagas() {
        match how {
            Some(Ended::Completed) => ended[0] += 1,
            Some(Ended::RolledBack) => ended[1] += 1,
            Some(Ended::Abandoned) => ended[2] += 1,
            None => {}
        }
    }
    Outcome {
        hash: sim.trace.hash(),
        events: sim.trace.events,
        commits: sim.chain.valid,
        void: sim.chain.void,
        seen: sim.seen,
        fired: sim.faults.fired,
        asked: sim.faults.asked.unwrap_or_default(),
        ended,
        violation: sim.violation,
        at: sim.agenda.now(),
        lines: sim.trace.lines.unwrap_or_default(),
    }
}
