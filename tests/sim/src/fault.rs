//! Every decision about a fault, numbered. A run is (seed, faults): the same numbers fire the same faults again.
//!
//! Numbers are counted in lanes, one for each process and way, so that a fault that is left out doesn't renumber the
//! others' places. Whether and how a fault fires depends on the seed and its number alone, never on a shared stream.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use windlass_sagas::fault::FaultKind;
use windlass_sagas::ids::Position;
use windlass_sagas::record::Direction;

use crate::about::About;
use crate::agenda::Instant;
use crate::net::End;
use crate::rng::{Rng, mix};

/// Numbers of one lane.
const LANE: u64 = 100_000;

/// The number of one decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FaultId(pub u64);

impl fmt::Display for FaultId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A decision that fires: its number and, where it isn't left to the seed, the kind. Written `17` or `17:crash_before`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Choice {
    /// Which decision.
    pub id: FaultId,
    /// Which kind; `None`: the one that the seed gives.
    pub kind: Option<FaultKind>,
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            Some(kind) => write!(f, "{}:{kind}", self.id),
            None => self.id.fmt(f),
        }
    }
}

/// The text is no fault number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAChoice;

impl fmt::Display for NotAChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected a fault's number, or number:kind")
    }
}

impl std::error::Error for NotAChoice {}

impl FromStr for Choice {
    type Err = NotAChoice;
    fn from_str(text: &str) -> Result<Self, NotAChoice> {
        let (number, kind) = match text.split_once(':') {
            Some((number, kind)) => (number, Some(kind.parse().map_err(|_| NotAChoice)?)),
            None => (text, None),
        };
        Ok(Self { id: FaultId(number.trim().parse().map_err(|_| NotAChoice)?), kind })
    }
}

/// Where decisions are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lane {
    /// A host and its agent.
    Host(usize),
    /// An orchestrator's process.
    Orchestrator(usize),
    /// An orchestrator's way to the journal.
    Journal(usize),
    /// The stream between an orchestrator and a host, both directions.
    Stream(usize, usize),
    /// The way between the clients and an orchestrator.
    Client(usize),
}

impl Lane {
    /// Where a fault of this lane is drawn.
    pub(crate) const fn end(self) -> End {
        match self {
            Self::Host(host) | Self::Stream(_, host) => End::Host(host),
            Self::Orchestrator(node) | Self::Journal(node) | Self::Client(node) => End::Node(node),
        }
    }

    const fn number(self) -> u64 {
        let (base, place) = match self {
            Self::Host(host) => (1, host),
            Self::Orchestrator(node) => (17, node),
            Self::Journal(node) => (21, node),
            Self::Client(node) => (25, node),
            Self::Stream(node, host) => (32, node * 16 + host),
        };
        base + place as u64
    }
}

/// Where a decision stands, for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// What is about to happen.
    pub what: &'static str,
    /// To which step, in which direction.
    pub step: Option<(&'static str, Direction)>,
}

impl Place {
    /// A place outside any step.
    #[must_use]
    pub(crate) const fn plain(what: &'static str) -> Self {
        Self { what, step: None }
    }

    /// A place in a step.
    #[must_use]
    pub(crate) const fn step(what: &'static str, name: &'static str, direction: Direction) -> Self {
        Self { what, step: Some((name, direction)) }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.step {
            None => f.write_str(self.what),
            Some((name, Direction::Forward)) => write!(f, "{} of +{name}", self.what),
            Some((name, Direction::Undo)) => write!(f, "{} of -{name}", self.what),
        }
    }
}

/// How often each kind fires, in 100,000 decisions that offer it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rates(BTreeMap<FaultKind, u64>);

impl Rates {
    /// Every kind at its own rate, times `percent`.
    #[must_use]
    pub fn all(percent: u64) -> Self {
        Self(FaultKind::ALL.iter().map(|kind| (*kind, rate(*kind) * percent / 100)).collect())
    }

    /// About a third of the kinds, chosen by the stream, each at half, one, two or four times its own rate.
    #[must_use]
    pub(crate) fn swarm(rng: &mut Rng) -> Self {
        let chosen = FaultKind::ALL.iter().filter_map(|kind| {
            let percent = [50, 100, 200, 400].get(rng.below(12) as usize).copied()?;
            Some((*kind, rate(*kind) * percent / 100))
        });
        Self(chosen.collect())
    }
}

/// The rate of one kind: some places are passed a few times a saga, others a hundred times.
const fn rate(kind: FaultKind) -> u64 {
    match kind {
        FaultKind::ErrorBefore | FaultKind::ErrorAfter => 9_000,
        FaultKind::CrashBefore | FaultKind::CrashBetween | FaultKind::CrashAfter => 6_000,
        FaultKind::PowerCut | FaultKind::HostReboot => 3_000,
        FaultKind::LedgerLost => 3_000,
        FaultKind::Hang | FaultKind::DiskFull => 4_000,
        FaultKind::WrongTerm => 3_000,
        FaultKind::Delay | FaultKind::Duplicate => 9_000,
        FaultKind::Drop => 4_000,
        FaultKind::Partition => 900,
        FaultKind::JournalUnavailable => 6_000,
        FaultKind::JournalUnknown => 15_000,
        FaultKind::OrchestratorCrash | FaultKind::OrchestratorPause => 2_500,
    }
}

/// Which decisions fire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Plan {
    /// None.
    Calm,
    /// By chance.
    Rates(Rates),
    /// These and no others.
    Exactly(Vec<Choice>),
    /// Where these rules say, each once.
    Script(Vec<Rule>),
}

/// One fault of a script, named by its place instead of by its number, so that it outlives changes elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    what: &'static str,
    /// Only this decision, whatever it is called.
    id: Option<FaultId>,
    step: Option<(&'static str, Direction)>,
    lane: Option<Lane>,
    /// How many such places are passed over first.
    skip: u64,
    kind: FaultKind,
    ms: Option<u64>,
    branch: Option<u64>,
}

impl Rule {
    /// This kind, the first time that a place of this name is passed.
    #[must_use]
    pub const fn at(what: &'static str, kind: FaultKind) -> Self {
        Self { what, id: None, step: None, lane: None, skip: 0, kind, ms: None, branch: None }
    }

    /// This kind, at the decision of this number.
    #[must_use]
    pub const fn number(id: FaultId, kind: FaultKind) -> Self {
        Self { id: Some(id), ..Self::at("", kind) }
    }

    /// Only in this step, in this direction.
    #[must_use]
    pub const fn of(mut self, name: &'static str, direction: Direction) -> Self {
        self.step = Some((name, direction));
        self
    }

    /// Only in this lane.
    #[must_use]
    pub const fn on(mut self, lane: Lane) -> Self {
        self.lane = Some(lane);
        self
    }

    /// After so many such places were passed.
    #[must_use]
    pub const fn after(mut self, skip: u64) -> Self {
        self.skip = skip;
        self
    }

    /// It lasts, or comes late by, so many milliseconds.
    #[must_use]
    pub const fn lasting_ms(mut self, ms: u64) -> Self {
        self.ms = Some(ms);
        self
    }

    /// Of the ways in which it may go, this one.
    #[must_use]
    pub const fn way(mut self, branch: u64) -> Self {
        self.branch = Some(branch);
        self
    }

    fn fits(&self, id: FaultId, lane: Lane, place: Place, kinds: &[FaultKind]) -> bool {
        self.id.map_or(self.what == place.what, |only| only == id)
            && self.step.is_none_or(|step| place.step == Some(step))
            && self.lane.is_none_or(|only| only == lane)
            && kinds.contains(&self.kind)
    }
}

/// How long a fault lasts and which way it goes: drawn from its own stream, unless a script says so.
#[derive(Clone, Debug)]
pub(crate) struct Dice {
    rng: Rng,
    ms: Option<u64>,
    branch: Option<u64>,
}

impl Dice {
    /// A duration between two, more often a short one.
    pub(crate) fn ms(&mut self, (low, high): (u64, u64)) -> u64 {
        let high = if self.rng.chance(500) { high } else { low + (high - low) / 8 };
        let drawn = self.rng.between(low, high);
        self.ms.unwrap_or(drawn)
    }

    /// One of `ways`, from 0.
    pub(crate) fn branch(&mut self, ways: u64) -> u64 {
        let drawn = self.rng.below(ways);
        self.branch.map_or(drawn, |branch| branch.min(ways.saturating_sub(1)))
    }

    /// True in `permille` of a thousand cases; a script's way 1 is true.
    pub(crate) fn chance(&mut self, permille: u64) -> bool {
        let drawn = self.rng.chance(permille);
        self.branch.map_or(drawn, |branch| branch == 1)
    }

    /// Sixteen bytes, as for an id.
    pub(crate) fn bytes(&mut self) -> [u8; 16] {
        self.rng.bytes()
    }
}

/// A fault that fires now.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    /// What.
    pub(crate) kind: FaultKind,
    /// How long, which way.
    pub(crate) dice: Dice,
}

/// A fault that fired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fired {
    /// Its number.
    pub id: FaultId,
    /// What.
    pub kind: FaultKind,
    /// In which lane.
    pub lane: Lane,
    /// Where.
    pub place: Place,
    /// When.
    pub at: Instant,
}

/// A decision that was asked for, and what it offered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Its number.
    pub id: FaultId,
    /// In which lane.
    pub lane: Lane,
    /// Where.
    pub place: Place,
    /// What may fire there.
    pub kinds: &'static [FaultKind],
    /// When.
    pub at: Instant,
    /// Behind which commit.
    pub position: Position,
    /// The steps that it is about; empty for what is no step's.
    pub about: Vec<About>,
}

/// The decisions of one run.
#[derive(Clone, Debug)]
pub(crate) struct Faults {
    seed: u64,
    plan: Plan,
    counts: BTreeMap<Lane, u64>,
    /// How many places each rule of a script has met.
    met: Vec<u64>,
    stopped: bool,
    /// What fired, in order.
    pub(crate) fired: Vec<Fired>,
    /// Every decision, where they are listed.
    pub(crate) asked: Option<Vec<Asked>>,
}

impl Faults {
    /// Whether they fall where a script says.
    pub(crate) const fn are_scripted(&self) -> bool {
        matches!(self.plan, Plan::Script(_))
    }

    /// The decisions of a seed under a plan; `list` keeps every decision asked for.
    #[must_use]
    pub(crate) fn new(seed: u64, plan: Plan, list: bool) -> Self {
        let asked = list.then(Vec::new);
        let met = if let Plan::Script(rules) = &plan { vec![0; rules.len()] } else { Vec::new() };
        Self { seed, plan, counts: BTreeMap::new(), met, stopped: false, fired: Vec::new(), asked }
    }

    /// Nothing fires from now on.
    pub(crate) const fn stop(&mut self) {
        self.stopped = true;
    }

    /// Whether decisions are listed.
    pub(crate) const fn lists(&self) -> bool {
        self.asked.is_some()
    }

    /// Says where the last decision stands and what it is about, where decisions are listed.
    pub(crate) fn about(&mut self, position: Position, steps: impl FnOnce() -> Vec<About>) {
        if self.stopped {
            return;
        }
        if let Some(last) = self.asked.as_mut().and_then(|asked| asked.last_mut()) {
            (last.position, last.about) = (position, steps());
        }
    }

    /// Decides whether one of `kinds` fires here.
    pub(crate) fn ask(
        &mut self,
        lane: Lane,
        place: Place,
        kinds: &'static [FaultKind],
        at: Instant,
    ) -> Option<Fault> {
        if self.stopped || kinds.is_empty() {
            return None;
        }
        let count = self.counts.entry(lane).or_default();
        let id = FaultId(lane.number() * LANE + *count);
        *count += 1;
        if let Some(asked) = &mut self.asked {
            asked.push(Asked { id, lane, place, kinds, at, position: Position(0), about: Vec::new() });
        }
        let mut dice = Rng::of(self.seed, id.0);
        let drawn = *dice.pick(kinds)?;
        let roll = dice.below(100_000);
        let mut scripted = (None, None);
        let kind = match &self.plan {
            Plan::Calm => None,
            Plan::Rates(rates) => rates.0.get(&drawn).filter(|rate| roll < **rate).map(|_| drawn),
            Plan::Exactly(choices) => {
                let chosen = choices.iter().find(|choice| choice.id == id)?.kind.unwrap_or(drawn);
                kinds.contains(&chosen).then_some(chosen)
            }
            Plan::Script(rules) => {
                let mut kind = None;
                for (rule, met) in
                    rules.iter().zip(&mut self.met).filter(|(rule, _)| rule.fits(id, lane, place, kinds))
                {
                    if *met == rule.skip && kind.is_none() {
                        kind = Some(rule.kind);
                        scripted = (rule.ms, rule.branch);
                    }
                    *met += 1;
                }
                kind
            }
        }?;
        self.fired.push(Fired { id, kind, lane, place, at });
        let (ms, branch) = scripted;
        Some(Fault { kind, dice: Dice { rng: Rng::new(mix(self.seed, id.0 ^ u64::MAX)), ms, branch } })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KINDS: &[FaultKind] = &[FaultKind::Drop, FaultKind::Delay];
    const HERE: Place = Place::plain("here");

    fn play(plan: Plan) -> Vec<Fired> {
        let mut faults = Faults::new(5, plan, false);
        for turn in 0..400 {
            let _fault = faults.ask(Lane::Host(turn % 3), HERE, KINDS, Instant(turn as u64));
        }
        faults.fired
    }

    #[test]
    fn the_numbers_alone_fire_the_same_faults_again() {
        let by_chance = play(Plan::Rates(Rates::all(100)));
        assert!(by_chance.len() > 5);
        let choices = by_chance.iter().map(|fired| Choice { id: fired.id, kind: None }).collect();
        assert_eq!(play(Plan::Exactly(choices)), by_chance);
        assert_eq!(play(Plan::Calm), []);
    }

    #[test]
    fn a_kind_that_is_named_fires_only_where_it_is_offered() {
        let id = FaultId(Lane::Host(0).number() * LANE + 2);
        let of = |kind| play(Plan::Exactly(vec![Choice { id, kind: Some(kind) }]));
        assert_eq!(of(FaultKind::Delay).len(), 1);
        assert_eq!(of(FaultKind::PowerCut), []);
    }

    #[test]
    fn lanes_never_share_a_number() {
        let mut all = std::collections::BTreeSet::new();
        let mut lanes: Vec<Lane> = (0..16).map(Lane::Host).collect();
        lanes.extend((0..4).flat_map(|n| [Lane::Orchestrator(n), Lane::Journal(n), Lane::Client(n)]));
        lanes.extend((0..4).flat_map(|n| (0..16).map(move |h| Lane::Stream(n, h))));
        assert!(lanes.iter().all(|lane| all.insert(lane.number())));
    }

    #[test]
    fn a_choice_reads_back() {
        for text in ["17", "1700002:crash_before"] {
            assert_eq!(text.parse::<Choice>().map(|choice| choice.to_string()), Ok(text.to_string()));
        }
        assert_eq!("17:tea".parse::<Choice>(), Err(NotAChoice));
        assert_eq!("x".parse::<Choice>(), Err(NotAChoice));
    }
}
