//! Named worlds: each trace that exhaustive search found against an earlier wording of the protocol (V1 to V9), each
//! unsafe neighbour of the low water that can be scripted, and one for each promise that no such trace shows; as crash
//! points and late messages on the real machines.
//!
//! Invariant: a named world passes on the machines as they are, and its script fires wholly; where a planted bug opens
//! its trace again, it fails with that bug.

mod hosts;
mod journal;
mod ledger;
mod low_water;
mod step;

use windlass_sagas::fault::FaultKind as Kind;
use windlass_sagas::ids::Position;
use windlass_sagas::planted::Bug;
use windlass_sagas::record::Direction::Forward;

use crate::check::Violation;
use crate::fault::{Lane, Plan, Rule};
use crate::report::Outcome;
use crate::scenario::{ClockJump, GuestEnd, Scenario, TailLoss};
use crate::workload::{Want, Wish, create_volume};

/// A named world.
#[derive(Clone, Debug)]
pub struct Named {
    /// Its name.
    pub name: &'static str,
    /// What happens in it.
    pub about: &'static str,
    /// The world.
    pub scenario: Scenario,
    /// Its script.
    pub script: Vec<Rule>,
    /// How the sagas must end: completed, rolled back, abandoned.
    pub ends: [u64; 3],
    /// Calls that must have been sent away by a low water, at least.
    pub below_low_water: u64,
    /// Planted together, these bugs make it fail.
    pub bugs: &'static [Bug],
}

/// The one whose name begins so; `None` if none or several do.
#[must_use]
pub fn find(beginning: &str) -> Option<Named> {
    let mut found = all().into_iter().filter(|world| world.name.starts_with(beginning));
    found.next().filter(|first| first.name == beginning || found.next().is_none())
}

/// The seed that named worlds run with.
pub const SEED: u64 = 1;

impl Named {
    fn new(name: &'static str, about: &'static str, wishes: Vec<Wish>, script: Vec<Rule>) -> Self {
        let scenario = Scenario::scripted(name, wishes);
        Self { name, about, scenario, script, ends: [1, 0, 0], below_low_water: 0, bugs: &[] }
    }

    const fn ends(mut self, completed: u64, rolled_back: u64, abandoned: u64) -> Self {
        self.ends = [completed, rolled_back, abandoned];
        self
    }

    const fn fails_with(mut self, bugs: &'static [Bug]) -> Self {
        self.bugs = bugs;
        self
    }

    const fn orchestrators(mut self, count: usize) -> Self {
        self.scenario.topology.orchestrators = count;
        self
    }

    const fn sends_away(mut self, calls: u64) -> Self {
        self.below_low_water = calls;
        self
    }

    const fn loses_tail(mut self, at_ms: u64, frames: usize, recover_ms: u64) -> Self {
        self.scenario.tail_loss = Some(TailLoss { at_ms, frames, recover_ms });
        self
    }

    /// Leaves a law out, to see what rests on it.
    const fn without(mut self, laws: &'static [&'static str]) -> Self {
        self.scenario.unjudged = laws;
        self
    }

    /// A wall clock jumps.
    fn clock(mut self, at_ms: u64, node: usize, by_ms: i64) -> Self {
        self.scenario.clock_jumps.push(ClockJump { at_ms, node, by_ms });
        self
    }

    /// The guest of the one hypervisor ends by itself.
    fn guest_ends(mut self, at_ms: u64) -> Self {
        self.scenario.guest_ends.push(GuestEnd { at_ms, host: 0, pick: 0 });
        self
    }

    const fn gives_up(mut self) -> Self {
        self.scenario.gives_up = true;
        self
    }

    /// Its faults.
    #[must_use]
    pub fn plan(&self) -> Plan {
        Plan::Script(self.script.clone())
    }

    /// What is wrong with a run of it, beside a violation.
    #[must_use]
    pub fn differs(&self, outcome: &Outcome) -> Option<Violation> {
        let differs = |what| Violation { law: "the script", what, position: Position(outcome.commits) };
        self.difference(outcome).map(differs)
    }

    fn difference(&self, outcome: &Outcome) -> Option<String> {
        if outcome.fired.len() != self.script.len() {
            let fired: Vec<String> =
                outcome.fired.iter().map(|it| format!("{} {}", it.kind, it.place)).collect();
            return Some(format!("of {} rules fired only: {}", self.script.len(), fired.join(", ")));
        }
        if outcome.ended != self.ends {
            return Some(format!("sagas ended {:?}, not {:?}", outcome.ended, self.ends));
        }
        let away = outcome.seen.below_low_water;
        (away < self.below_low_water).then(|| format!("{away} calls were sent away by a low water"))
    }
}

/// All of them.
#[must_use]
pub fn all() -> Vec<Named> {
    [
        journal::worlds(),
        journal::take_overs(),
        journal::lost_tails(),
        step::worlds(),
        step::refusals(),
        step::given_up(),
        step::repeats(),
        hosts::worlds(),
        hosts::guests(),
        ledger::worlds(),
        low_water::worlds(),
        low_water::forgotten(),
    ]
    .concat()
}

fn red(at_ms: u64) -> Wish {
    Wish::ask(at_ms, create_volume("red"))
}

fn cancel(at_ms: u64, of: usize) -> Wish {
    Wish { at_ms, want: Want::Cancel(of), insist: 0, again: false }
}

const fn reserve(what: &'static str, kind: Kind) -> Rule {
    Rule::at(what, kind).of(RESERVE, Forward)
}

const RESERVE: &str = "reserve_volume";
/// The orchestrator that leads first in a world of two with this seed.
const FIRST_LEADER: Lane = Lane::Journal(1);
/// The host of a scripted world that runs guests.
const HYPERVISOR: Lane = Lane::Host(0);
/// The storage host of a scripted world.
const STORAGE: Lane = Lane::Host(1);
const CALL: &str = "a call";
const LOOK: &str = "a look-up";
const BEFORE: &str = "before the change";
const BETWEEN: &str = "between two sub-changes";
const AFTER: &str = "after the change";
const UNSYNCED: &str = "before a sync of the ledger";
const SYNCED: &str = "after a sync of the ledger";
