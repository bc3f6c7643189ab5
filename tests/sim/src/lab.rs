//! Running worlds: one of a scenario, a seed and faults; many random ones; every single fault at every place of one,
//! and pairs of them; the named ones.
//!
//! Invariant: a world runs on one thread and shares nothing; how many run at once changes no outcome and no sum. A
//! failure is never dropped, not even one that can't be shrunk.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};

use windlass_sagas::cell::state::Ended;
use windlass_sagas::protocol::InventoryItem;
use windlass_sagas::record::{FORMAT_LEVEL, Role};

use crate::agent::Host;
use crate::check::{Tale, Violation};
use crate::draw::Drawing;
use crate::fault::{Choice, Plan};
use crate::founding::{Founding, Topology};
use crate::limits::{ROUND_WORLDS, SHRINK_RUNS_MAX};
use crate::named::{self, Named};
use crate::report::{Failure, Outcome, Tally};
use crate::rng::Rng;
use crate::scenario::{Portfolio, Scenario};
use crate::shrink::shrink;
use crate::sim::Sim;

/// The label of the stream that pairs are drawn from.
const PAIRS: u64 = 0x9a12 << 32;

/// How many worlds run at once, and how many may fail before a run of many ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Threads; 0 counts as 1.
    pub threads: usize,
    /// Failures after which no further world is counted.
    pub failures_max: usize,
}

/// Worlds are run here; foundings are made once.
#[derive(Clone, Debug, Default)]
pub struct Lab {
    foundings: BTreeMap<(Topology, u16), Founding>,
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
        let level = if scenario.raise_format_ms.is_some() { FORMAT_LEVEL - 1 } else { FORMAT_LEVEL };
        let founding =
            self.foundings.entry((topology, level)).or_insert_with(|| Founding::of(topology, level));
        let mut sim = Sim::new(founding, scenario, seed, plan, list);
        // The world is looked at after a panic only to say where it was; nothing runs on it.
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| sim.run())) {
            let what = panic.downcast_ref::<String>().cloned();
            let what = what.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string));
            let what = what.unwrap_or_else(|| "a panic without a message".to_string());
            let position = sim.chain.tip.position;
            sim.violation = Some(Violation { law: "no panic", what, position });
        }
        outcome(sim)
    }

    /// Runs the random world of a seed.
    pub fn random(&mut self, seed: u64) -> Outcome {
        let (scenario, plan) = Scenario::random(seed);
        self.run(&scenario, seed, plan, false)
    }

    /// Runs `worlds` random worlds, of the seeds from `seed` on; `progress` is told how far it got.
    pub fn randoms(&mut self, seed: u64, worlds: u64, bounds: Bounds, progress: impl FnMut(&Tally)) -> Tally {
        self.randoms_of(Portfolio::Mixed, seed, worlds, bounds, progress)
    }

    /// The same with the faults of a portfolio.
    pub fn randoms_of(
        &mut self,
        portfolio: Portfolio,
        seed: u64,
        worlds: u64,
        bounds: Bounds,
        mut progress: impl FnMut(&Tally),
    ) -> Tally {
        let mut tally = Tally::default();
        let seed_of = |place| seed.wrapping_add(place);
        self.many(
            worlds,
            bounds.threads,
            |lab, place| {
                let (scenario, plan) = Scenario::random_of(seed_of(place), portfolio);
                lab.run(&scenario, seed_of(place), plan, false)
            },
            |lab, place, outcome| {
                tally.add(&outcome);
                if let Some(violation) = &outcome.violation {
                    let (scenario, _) = Scenario::random(seed_of(place));
                    tally.failures.push(lab.shrunk(&scenario, seed_of(place), &outcome, violation));
                }
                progress(&tally);
                tally.failures.len() < bounds.failures_max
            },
        );
        tally
    }

    /// The first of the random worlds from `seed` on that fails, with its seed.
    pub fn first_failure(&mut self, seed: u64, worlds: u64, threads: usize) -> Option<(u64, Outcome)> {
        let mut found = None;
        self.many(
            worlds,
            threads,
            |lab, place| lab.random(seed.wrapping_add(place)),
            |_, place, outcome| {
                if outcome.violation.is_some() {
                    found = Some((seed.wrapping_add(place), outcome));
                }
                found.is_none()
            },
        );
        found
    }

    /// Runs a scenario with each kind of fault at each place that offers it, one at a time.
    pub fn singles(
        &mut self,
        scenario: &Scenario,
        seed: u64,
        bounds: Bounds,
        mut progress: impl FnMut(&Tally),
    ) -> Tally {
        let mut tally = Tally::default();
        let (calm, choices) = self.choices(scenario, seed);
        let of = |place: u64| usize::try_from(place).ok().and_then(|place| choices.get(place)).copied();
        self.count(&mut tally, scenario, seed, Some(Vec::new()), calm);
        self.many(
            u64::try_from(choices.len()).unwrap_or(u64::MAX),
            bounds.threads,
            |lab, place| lab.run(scenario, seed, Plan::Exactly(of(place).into_iter().collect()), false),
            |lab, place, mut outcome| {
                if outcome.violation.is_none() && outcome.fired.len() != 1 {
                    outcome.violation = Some(silent(&outcome, 1));
                }
                lab.count(&mut tally, scenario, seed, Some(of(place).into_iter().collect()), outcome);
                progress(&tally);
                tally.failures.len() < bounds.failures_max
            },
        );
        tally
    }

    /// Runs a scenario with `pairs` pairs of faults, drawn by the seed from all that its calm run offers. The second one of
    /// a pair may never come to pass; a failure is shrunk.
    pub fn pairs(
        &mut self,
        scenario: &Scenario,
        seed: u64,
        pairs: u64,
        bounds: Bounds,
        mut progress: impl FnMut(&Tally),
    ) -> Tally {
        let mut tally = Tally::default();
        let (_, choices) = self.choices(scenario, seed);
        let pair = |place: u64| {
            let mut rng = Rng::of(seed, PAIRS ^ place);
            let two = [rng.pick(&choices), rng.pick(&choices)];
            Plan::Exactly(two.into_iter().flatten().copied().collect())
        };
        self.many(
            pairs,
            bounds.threads,
            |lab, place| lab.run(scenario, seed, pair(place), false),
            |lab, _, outcome| {
                tally.add(&outcome);
                if let Some(violation) = &outcome.violation {
                    tally.failures.push(lab.shrunk(scenario, seed, &outcome, violation));
                }
                progress(&tally);
                tally.failures.len() < bounds.failures_max
            },
        );
        tally
    }

    /// A calm run, and every kind of fault at every place that it passes.
    pub(crate) fn choices(&mut self, scenario: &Scenario, seed: u64) -> (Outcome, Vec<Choice>) {
        let calm = self.run(scenario, seed, Plan::Calm, true);
        let choices = calm
            .asked
            .iter()
            .filter(|asked| scenario.has_in_window(asked.at))
            .flat_map(|asked| asked.kinds.iter().map(|kind| Choice { id: asked.id, kind: Some(*kind) }));
        let choices = choices.collect();
        (calm, choices)
    }

    /// Runs a named world by its script.
    pub fn named(&mut self, world: &Named) -> Outcome {
        let mut outcome = self.run(&world.scenario, named::SEED, world.plan(), false);
        if outcome.violation.is_none() {
            outcome.violation = world.differs(&outcome);
        }
        outcome
    }

    /// Runs every named world.
    pub fn all_named(&mut self) -> Tally {
        let mut tally = Tally::default();
        for world in named::all() {
            let outcome = self.named(&world);
            let mut outcome = outcome;
            if outcome.violation.is_some() {
                outcome.drawing = self.drawn(&world.scenario, named::SEED, world.plan());
            }
            self.count(&mut tally, &world.scenario, named::SEED, None, outcome);
        }
        tally
    }

    /// A failing run with as few faults as will do to break the same promise.
    pub fn shrunk(
        &mut self,
        scenario: &Scenario,
        seed: u64,
        failed: &Outcome,
        violation: &Violation,
    ) -> Failure {
        let all: Vec<Choice> =
            failed.fired.iter().map(|fired| Choice { id: fired.id, kind: Some(fired.kind) }).collect();
        let faults = shrink(&all, SHRINK_RUNS_MAX, |subset| {
            let outcome = self.run(scenario, seed, Plan::Exactly(subset.to_vec()), false);
            outcome.violation.is_some_and(|it| it.law == violation.law)
        });
        let drawn = Scenario { draw: true, ..scenario.clone() };
        let outcome = self.run(&drawn, seed, Plan::Exactly(faults.clone()), false);
        let (world, fired_before, drawing) = (scenario.name, all.len(), outcome.drawing);
        match outcome.violation {
            Some(violation) => {
                let (faults, fired) = (Some(faults), outcome.fired);
                Failure { world, seed, faults, fired, violation, fired_before, drawing }
            }
            None => {
                // By its faults alone it does not fail again: that is a finding about the simulator, told as it is.
                let (faults, fired, violation) = (Some(all), failed.fired.clone(), violation.clone());
                Failure { world, seed, faults, fired, violation, fired_before, drawing }
            }
        }
    }

    /// The drawing of a run.
    fn drawn(&mut self, scenario: &Scenario, seed: u64, plan: Plan) -> Option<Drawing> {
        let drawn = Scenario { draw: true, ..scenario.clone() };
        self.run(&drawn, seed, plan, false).drawing
    }

    /// Adds a world that is not shrunk, and its failure.
    fn count(
        &mut self,
        tally: &mut Tally,
        scenario: &Scenario,
        seed: u64,
        faults: Option<Vec<Choice>>,
        outcome: Outcome,
    ) {
        tally.add(&outcome);
        let Some(violation) = outcome.violation else { return };
        let (world, fired_before, fired) = (scenario.name, outcome.fired.len(), outcome.fired);
        let drawing = match (&faults, outcome.drawing) {
            (Some(faults), None) => self.drawn(scenario, seed, Plan::Exactly(faults.clone())),
            (_, drawing) => drawing,
        };
        tally.failures.push(Failure { world, seed, faults, fired, violation, fired_before, drawing });
    }

    /// Runs `count` numbered worlds, `threads` at once; `take` gets the outcomes in the order of their numbers, until it
    /// says no.
    pub(crate) fn many<T: Send>(
        &mut self,
        count: u64,
        threads: usize,
        run: impl Fn(&mut Self, u64) -> T + Sync,
        mut take: impl FnMut(&mut Self, u64, T) -> bool,
    ) {
        let threads = threads.max(1);
        let round = ROUND_WORLDS.saturating_mul(threads as u64);
        let mut done = 0;
        while done < count {
            let end = count.min(done.saturating_add(round));
            let next = AtomicU64::new(done);
            let (next, run) = (&next, &run);
            let worker = |mut lab: Self| {
                let mine = std::iter::from_fn(move || {
                    let place = next.fetch_add(1, Ordering::Relaxed);
                    (place < end).then(|| (place, run(&mut lab, place)))
                });
                mine.collect::<Vec<_>>()
            };
            let mut outcomes: Vec<(u64, T)> = std::thread::scope(|scope| {
                let workers: Vec<_> = (0..threads)
                    .map(|_| {
                        let lab = self.clone();
                        scope.spawn(move || worker(lab))
                    })
                    .collect();
                let joined = workers.into_iter().map(|it| it.join().expect("a world's panic is its outcome"));
                joined.flatten().collect()
            });
            outcomes.sort_by_key(|(place, _)| *place);
            for (place, outcome) in outcomes {
                if !take(self, place, outcome) {
                    return;
                }
            }
            done = end;
        }
    }
}

/// A fault of an enumeration that did not fire is a hole in it.
pub(crate) fn silent(outcome: &Outcome, wanted: usize) -> Violation {
    let what = format!("{} faults fired instead of {wanted}", outcome.fired.len());
    Violation { law: "every fault of an enumeration fires", what, position: windlass_sagas::ids::Position(0) }
}

/// What the worlds say that they hold.
fn held(sim: &Sim) -> Vec<String> {
    let items = |host: &Host| {
        let roles = [Role::Storage, Role::Network, Role::Hypervisor];
        let all = roles.iter().flat_map(|role| host.world.inventory(*role));
        let line = |item: InventoryItem| match item {
            // By whom it was plugged is forgotten when its guest is made again.
            InventoryItem::Device { server, volume, .. } => {
                format!("{} Device {{ {server}, {volume} }}", host.name)
            }
            other => format!("{} {other:?}", host.name),
        };
        all.map(line).collect::<Vec<_>>()
    };
    let mut held: Vec<String> = sim.hosts.iter().flat_map(items).collect();
    held.sort_unstable();
    held
}

fn outcome(sim: Sim) -> Outcome {
    let held = if sim.faults.lists() { held(&sim) } else { Vec::new() };
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
        told: sim.chain.tale.map(Tale::sagas).unwrap_or_default(),
        held,
        ended,
        violation: sim.violation,
        at: sim.agenda.now(),
        lines: sim.trace.lines.unwrap_or_default(),
        drawing: sim.drawing,
    }
}
