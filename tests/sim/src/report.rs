//! What worlds came to: one world's outcome, the sum over many, and a failure with the command that runs it again.

use std::collections::BTreeMap;

use windlass_sagas::fault::FaultKind;

use crate::agenda::Instant;
use crate::check::{Told, Violation};
use crate::draw::Drawing;
use crate::fault::{Asked, Choice, Fired};
use crate::rng::mix;
use crate::sim::Seen;

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
    /// What happened to each saga, where decisions were listed.
    pub told: Vec<Told>,
    /// What each host's world holds at the end, where decisions were listed, sorted.
    pub held: Vec<String>,
    /// How the sagas ended: completed, rolled back, abandoned.
    pub ended: [u64; 3],
    /// The first broken promise.
    pub violation: Option<Violation>,
    /// When it ended.
    pub at: Instant,
    /// The lines of the trace, where they were kept.
    pub lines: Vec<String>,
    /// The drawing, where one was asked for.
    pub drawing: Option<Drawing>,
}

/// A failing world, as small as it became.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The scenario's name; `random`: the one that the seed draws.
    pub world: &'static str,
    /// The world's seed.
    pub seed: u64,
    /// The faults that it needs; `None`: it has a script of its own.
    pub faults: Option<Vec<Choice>>,
    /// What they did, in the shrunk run.
    pub fired: Vec<Fired>,
    /// The first broken promise of the shrunk run.
    pub violation: Violation,
    /// How many faults fired before shrinking.
    pub fired_before: usize,
    /// Who said what when, in the shrunk run.
    pub drawing: Option<Drawing>,
}

impl Failure {
    /// The faults, each as `number:kind`.
    #[must_use]
    pub fn faults(&self) -> Vec<String> {
        self.faults.iter().flatten().map(ToString::to_string).collect()
    }

    /// The command that runs it again.
    #[must_use]
    pub fn again(&self) -> String {
        let mut command = "windlass sim".to_string();
        if self.world != crate::scenario::RANDOM {
            command += &format!(" --world {}", self.world);
        }
        if self.faults.is_some() {
            let faults = self.faults();
            let faults = if faults.is_empty() { "none".to_string() } else { faults.join(",") };
            command += &format!(" --seed {} --faults {faults}", self.seed);
        }
        command
    }
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
    /// What was seen on the way.
    pub seen: Seen,
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
    /// Adds the worlds of another tally, its failures apart.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.worlds += other.worlds;
        self.events += other.events;
        self.commits += other.commits;
        self.void += other.void;
        self.seen.add(&other.seen);
        for (sum, count) in self.ended.iter_mut().zip(other.ended) {
            *sum += count;
        }
        for (kind, count) in &other.fired {
            *self.fired.entry(*kind).or_default() += count;
        }
        self.hash = mix(self.hash, other.hash);
    }

    /// Adds a world.
    pub fn add(&mut self, outcome: &Outcome) {
        self.worlds += 1;
        self.events += outcome.events;
        self.commits += outcome.commits;
        self.void += outcome.void;
        self.seen.add(&outcome.seen);
        for (sum, count) in self.ended.iter_mut().zip(outcome.ended) {
            *sum += count;
        }
        for fired in &outcome.fired {
            *self.fired.entry(fired.kind).or_default() += 1;
        }
        self.hash = mix(self.hash, outcome.hash);
    }
}

#[cfg(test)]
mod tests {
    use windlass_sagas::ids::Position;

    use super::*;

    fn failure(world: &'static str, faults: Option<&[&str]>) -> Failure {
        let choices = |faults: &[&str]| faults.iter().map(|text| text.parse().expect("a choice")).collect();
        let violation = Violation { law: "a law", what: String::new(), position: Position(1) };
        Failure {
            world,
            seed: 7,
            faults: faults.map(choices),
            fired: Vec::new(),
            violation,
            fired_before: 0,
            drawing: None,
        }
    }

    #[test]
    fn a_failure_says_how_to_run_it_again() {
        let again = |world, faults: Option<&[&str]>| failure(world, faults).again();
        assert_eq!(again("random", Some(&[])), "windlass sim --seed 7 --faults none");
        assert_eq!(again("random", Some(&["17", "3:drop"])), "windlass sim --seed 7 --faults 17,3:drop");
        assert_eq!(
            again("server.create", Some(&["3:drop"])),
            "windlass sim --world server.create --seed 7 --faults 3:drop"
        );
        assert_eq!(again("v1-a", None), "windlass sim --world v1-a");
    }
}
