//! Squares and their runs: each decision that a base run passes, with each kind and each way that it offers, counted in
//! the squares of the steps that it is about.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::OnceLock;

use windlass_sagas::cell::state::Ended;
use windlass_sagas::fault::FaultKind;
use windlass_sagas::ids::StepIndex;
use windlass_sagas::plan::REGISTERED;
use windlass_sagas::record::{SagaKind, Step, Undo};
use windlass_sim::{Asked, FaultId, Lab, Plan as Faults, Rule};

use crate::base::{Base, SEED};
use crate::cancel::{cancelled, meanwhile};
use crate::expect::{Ends, judge, saga};

/// Why a square can't be struck: the plan says undo none; the step has no two sub-changes; its driver only looks.
pub(crate) const NO_UNDO: &str = "its plan says undo none";
pub(crate) const NO_CHANGE: &str = "it changes nothing, so that nothing is between";
pub(crate) const ONLY_FORWARD: &str = "it is never turned back";
pub(crate) const NOT_OUT: &str = "it is not out when the cancel comes";
pub(crate) const ONLY_LOOKS: &str = "what it asks for is found by looking, and looking is no change";

/// A row of the table: a kind of fault; refusals for good apart from those that may pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Row {
    pub(crate) kind: FaultKind,
    pub(crate) for_good: bool,
}

impl Row {
    /// Every row: a new kind is one by itself.
    pub(crate) fn all() -> Vec<Self> {
        let both = |kind: &FaultKind| {
            let refuses = matches!(kind, FaultKind::ErrorBefore | FaultKind::ErrorAfter);
            let row = |for_good| Self { kind: *kind, for_good };
            if refuses { vec![row(false), row(true)] } else { vec![row(false)] }
        };
        FaultKind::ALL.iter().flat_map(both).collect()
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.kind, if self.for_good { ", for good" } else { "" })
    }
}

/// What of a step is struck.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Part {
    /// Its forward.
    Forward,
    /// Its forward, in a saga that is cancelled meanwhile.
    Cancelled,
    /// Its undo.
    Undo,
}

impl Part {
    pub(crate) const ALL: [Self; 3] = [Self::Forward, Self::Cancelled, Self::Undo];

    pub(crate) const fn sign(self) -> &'static str {
        match self {
            Self::Forward => "+",
            Self::Cancelled => "±",
            Self::Undo => "-",
        }
    }
}

/// One square.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Square {
    pub(crate) kind: SagaKind,
    pub(crate) step: StepIndex,
    pub(crate) name: &'static str,
    pub(crate) part: Part,
    pub(crate) row: Row,
}

impl fmt::Display for Square {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = self.part.sign();
        write!(f, "{} {sign}{}{} × {}", self.kind.operation(), self.step, self.name, self.row)
    }
}

/// What stands in a square.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Cell {
    /// How each strike ended, and whether an operator was needed.
    Struck(Vec<(Ended, bool)>),
    /// Why there can be no strike.
    None(&'static str),
}

/// One strike.
pub(crate) struct Run {
    pub(crate) step: StepIndex,
    pub(crate) row: Row,
    id: FaultId,
    way: u64,
}

/// What a strike came to.
#[derive(Clone)]
struct Struck {
    ended: Option<Ended>,
    stuck: bool,
    found: Vec<String>,
}

/// All of it.
pub(crate) struct Matrix {
    squares: Vec<(Square, Cell)>,
    found: Vec<String>,
    runs: usize,
}

impl Matrix {
    /// The matrix of every registered saga; made once.
    pub(crate) fn whole() -> &'static Self {
        static WHOLE: OnceLock<Matrix> = OnceLock::new();
        WHOLE.get_or_init(|| {
            let mut lab = Lab::new();
            let mut matrix = Self { squares: Vec::new(), found: Vec::new(), runs: 0 };
            for saga in REGISTERED {
                let forward = Base::forward(&mut lab, saga);
                let back = forward.back(&mut lab);
                let ends = Ends { forward: &forward, back: back.as_ref() };
                let refused = back.as_ref().and_then(|back| back.refused);
                let cancelled = refused.map(|last| cancelled(&mut lab, &forward, last));
                let meanwhile = cancelled.as_ref().map(meanwhile);
                let both: Vec<&Base> = back.iter().chain(cancelled.iter()).collect();
                matrix.add(&lab, &ends, Part::Forward, &[&forward]);
                matrix.add(&lab, &ends, Part::Cancelled, &meanwhile.iter().collect::<Vec<_>>());
                matrix.add(&lab, &ends, Part::Undo, &both);
            }
            matrix
        })
    }

    pub(crate) fn squares(&self) -> &[(Square, Cell)] {
        &self.squares
    }

    pub(crate) fn findings(&self) -> Vec<String> {
        self.found.clone()
    }

    /// How many worlds were run.
    pub(crate) const fn runs(&self) -> usize {
        self.runs
    }

    /// The squares of one part, struck in each of these runs.
    fn add(&mut self, lab: &Lab, ends: &Ends<'_>, part: Part, bases: &[&Base]) {
        let struck: Vec<(Vec<Run>, Strikes)> = bases.iter().map(|base| strike(lab, ends, base)).collect();
        self.runs += struck.iter().map(|(_, struck)| struck.len()).sum::<usize>();
        for (index, step) in (0..).map(StepIndex).zip(&ends.forward.plan().steps) {
            for row in Row::all() {
                let (kind, name) = (ends.forward.kind, step.input.name());
                let square = Square { kind, step: index, name, part, row };
                let own = |(runs, struck): &'_ (Vec<Run>, Strikes)| {
                    let own = runs.iter().filter(|run| run.step == index && run.row == row);
                    own.filter_map(|run| struck.get(&(run.id, row, run.way)).cloned()).collect::<Vec<_>>()
                };
                let own: Vec<Struck> = struck.iter().flat_map(own).collect();
                self.found
                    .extend(own.iter().flat_map(|it| &it.found).map(|what| format!("{square}: {what}")));
                let cell = if own.is_empty() {
                    none(part, bases, index, row, step)
                } else {
                    Cell::Struck(own.iter().filter_map(|it| Some((it.ended?, it.stuck))).collect())
                };
                self.squares.push((square, cell));
            }
        }
    }
}

/// An empty square with the reason for it, or without one.
fn none(part: Part, bases: &[&Base], step: StepIndex, row: Row, planned: &Step) -> Cell {
    if part == Part::Undo && planned.undo == Undo::None {
        return Cell::None(NO_UNDO);
    }
    if bases.is_empty() {
        return Cell::None(ONLY_FORWARD);
    }
    if !bases.iter().any(|base| base.told().dispatched.contains(&step)) {
        return Cell::None(NOT_OUT);
    }
    if row.kind == FaultKind::CrashBetween && bases.iter().all(|base| base.changes(step) == 0) {
        return Cell::None(NO_CHANGE);
    }
    if of_work(row) && !bases.iter().any(|base| base.works(step)) {
        return Cell::None(ONLY_LOOKS);
    }
    Cell::Struck(Vec::new())
}

/// Whether a kind strikes only a driver that works.
const fn of_work(row: Row) -> bool {
    let work = matches!(row.kind, FaultKind::ErrorAfter | FaultKind::Hang | FaultKind::DiskFull);
    work || row.for_good
}

/// The ways in which a kind may go that are worth their own run: retried or for good, nothing or all of what is not
/// synced, one way or both, what becomes of an append.
const fn ways(kind: FaultKind) -> u64 {
    match kind {
        FaultKind::JournalUnknown => 5,
        FaultKind::PowerCut
        | FaultKind::CrashBefore
        | FaultKind::CrashBetween
        | FaultKind::CrashAfter
        | FaultKind::LedgerLost
        | FaultKind::Partition
        | FaultKind::JournalUnavailable => 2,
        _ => 1,
    }
}

/// Every strike of a base run.
fn runs(base: &Base) -> Vec<Run> {
    let mut runs = Vec::new();
    for step in (0..).map(StepIndex).take(base.plan().steps.len()) {
        let asked = base.outcome.asked.iter();
        for asked in asked.filter(|asked| base.strikes(asked, step, base.direction).is_some()) {
            let looks = asked.place.what == "before a look";
            for row in Row::all().into_iter().filter(|row| asked.kinds.contains(&row.kind)) {
                if row.for_good && looks {
                    continue;
                }
                let first = u64::from(row.for_good);
                let ways = first..first + ways(row.kind);
                runs.extend(ways.map(|way| Run { step, row, id: asked.id, way }));
            }
        }
    }
    runs
}

type Strikes = BTreeMap<(FaultId, Row, u64), Struck>;

/// Runs all of them, as many at once as the machine can.
fn strike(lab: &Lab, ends: &Ends<'_>, base: &Base) -> (Vec<Run>, Strikes) {
    let runs = runs(base);
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let asked: BTreeMap<FaultId, &Asked> = base.outcome.asked.iter().map(|asked| (asked.id, asked)).collect();
    let worker = |first: usize| {
        let (mut lab, mut struck) = (lab.clone(), Strikes::new());
        for run in runs.iter().skip(first).step_by(threads) {
            if let Some(asked) = asked.get(&run.id) {
                struck.insert((run.id, run.row, run.way), one(&mut lab, ends, base, asked, run));
            }
        }
        struck
    };
    let struck = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|first| scope.spawn(move || worker(first))).collect();
        workers.into_iter().flat_map(|it| it.join().expect("a world's panic is its outcome")).collect()
    });
    (runs, struck)
}

fn one(lab: &mut Lab, ends: &Ends<'_>, base: &Base, asked: &Asked, run: &Run) -> Struck {
    let own = Rule::number(run.id, run.row.kind).way(run.way);
    let rules = [base.rules.clone(), vec![own]].concat();
    let outcome = lab.run(&base.scenario, SEED, Faults::Script(rules), true);
    let told = saga(base, asked, &outcome);
    let (ended, stuck) = told.map_or((None, false), |told| (told.ended, !told.stuck.is_empty()));
    let found = judge(ends, base, asked, run, &outcome);
    let place = asked.place;
    let found = found.into_iter().map(|what| format!("{place} ({} way {}): {what}", run.id, run.way));
    Struck { ended, stuck, found: found.collect() }
}
