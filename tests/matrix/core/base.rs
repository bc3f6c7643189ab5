//! The runs that squares strike: a registered saga's example, going forward to its end or turned back at its pivot, with
//! every decision about a fault that it passes.

use windlass_sagas::cell::state::Ended;
use windlass_sagas::fault::FaultKind;
use windlass_sagas::ids::{Position, SagaId, StepIndex};
use windlass_sagas::plan::Registered;
use windlass_sagas::plan::example::Begin;
use windlass_sagas::record::{Direction, Pivot, Plan, SagaKind};
use windlass_sim::workload::Wish;
use windlass_sim::{About, Asked, Lab, Lane, Outcome, Plan as Faults, Rule, Scenario, Told};

/// The seed of every run.
pub(crate) const SEED: u64 = 1;
/// When the first wish is said, milliseconds: somebody leads by then.
const FIRST_MS: u64 = 3_000;
/// The time for a saga without faults, milliseconds.
const PAUSE_MS: u64 = 3_000;
/// Where a driver's change begins, and where it is over, as the simulator calls it.
pub(crate) const BEFORE: &str = "before the change";
const AFTER: &str = "after the change";
/// The host of the guests in the scenario.
const GUESTS: Lane = Lane::Host(0);

/// What a saga does without the fault of a square.
pub(crate) struct Base {
    /// Which saga.
    pub(crate) kind: SagaKind,
    /// Which way its steps are struck.
    pub(crate) direction: Direction,
    /// The world.
    pub(crate) scenario: Scenario,
    /// What brings it about and turns it back, beside the requests.
    pub(crate) rules: Vec<Rule>,
    /// How it went.
    pub(crate) outcome: Outcome,
    /// The saga.
    pub(crate) saga: SagaId,
    /// The step whose refusal for good turned it back.
    pub(crate) refused: Option<StepIndex>,
}

impl Base {
    /// Forward, to its end.
    pub(crate) fn forward(lab: &mut Lab, saga: &Registered) -> Self {
        let example = (saga.example)();
        let mut bodies = example.before;
        let before = scenario(saga.kind, bodies.iter().cloned());
        let calm = run(lab, &before, &[]);
        let last = calm.told.iter().filter_map(|told| told.ended_at).max().unwrap_or_default();
        let mut rules = Vec::new();
        match example.begin {
            Begin::Asked(body) => bodies.push(*body),
            Begin::HostReboots => rules.push(Rule::number(reboot(&calm, last).id, FaultKind::HostReboot)),
        }
        let scenario = scenario(saga.kind, bodies.into_iter());
        let outcome = run(lab, &scenario, &rules);
        let told = outcome.told.iter().rfind(|told| told.kind == saga.kind).expect("its example begins it");
        assert_eq!(told.ended, Some(Ended::Completed), "{}", scenario.name);
        let (saga, kind) = (told.saga, saga.kind);
        Self { kind, direction: Direction::Forward, scenario, rules, outcome, saga, refused: None }
    }

    /// Turned back: the last step before the pivot is passed that changes anything makes its change and is then refused
    /// for good, so that every step has something to undo. `None`: it goes only forward.
    pub(crate) fn back(&self, lab: &mut Lab) -> Option<Self> {
        let Some(Pivot::Done(pivot)) = self.plan().pivot else { return None };
        let step = |asked: &Asked| {
            let ours = |step: &StepIndex| self.strikes(asked, *step, Direction::Forward).is_some();
            (0..=pivot.0).map(StepIndex).find(ours).filter(|_| asked.place.what == AFTER)
        };
        let last = self.outcome.asked.iter().rev().find_map(|asked| Some((asked, step(asked)?)));
        let (refused, step) = last.expect("a saga that turns back changes something");
        let rule = Rule::number(refused.id, FaultKind::ErrorAfter).way(1);
        let rules = [self.rules.clone(), vec![rule]].concat();
        let outcome = run(lab, &self.scenario, &rules);
        let told = outcome.told.iter().find(|told| told.saga == self.saga).expect("it began before");
        assert_eq!(told.ended, Some(Ended::RolledBack), "{}", self.scenario.name);
        let (kind, scenario, saga) = (self.kind, self.scenario.clone(), self.saga);
        Some(Self { kind, direction: Direction::Undo, scenario, rules, outcome, saga, refused: Some(step) })
    }

    /// The saga, as it went.
    pub(crate) fn told(&self) -> &Told {
        self.outcome.told.iter().find(|told| told.saga == self.saga).expect("it began")
    }

    /// Its plan.
    pub(crate) fn plan(&self) -> &Plan {
        &self.told().plan
    }

    /// What a decision strikes of a step in a direction, if it does.
    pub(crate) fn strikes(&self, asked: &Asked, step: StepIndex, direction: Direction) -> Option<About> {
        let ours = |about: &&About| {
            about.key.saga == self.saga && about.key.step == step && about.direction == direction
        };
        asked.about.iter().find(ours).copied()
    }

    /// Whether the step's driver works in this direction, instead of only looking.
    pub(crate) fn works(&self, step: StepIndex) -> bool {
        let began = |asked: &&Asked| asked.place.what == BEFORE;
        let mut began = self.outcome.asked.iter().filter(began);
        began.any(|asked| self.strikes(asked, step, self.direction).is_some())
    }

    /// How many small steps the step's driver makes in this direction.
    pub(crate) fn changes(&self, step: StepIndex) -> u32 {
        let strikes = self.outcome.asked.iter().filter_map(|asked| self.strikes(asked, step, self.direction));
        strikes.map(|about| about.changes).max().unwrap_or(0)
    }
}

/// Runs a world and lists everything; what it must keep without the fault of a square, it keeps.
pub(crate) fn run(lab: &mut Lab, scenario: &Scenario, rules: &[Rule]) -> Outcome {
    let outcome = lab.run(scenario, SEED, Faults::Script(rules.to_vec()), true);
    assert_eq!(outcome.violation, None, "{}", scenario.name);
    assert_eq!(outcome.fired.len(), rules.len(), "{}", scenario.name);
    outcome
}

fn scenario(kind: SagaKind, bodies: impl Iterator<Item = windlass_sagas::record::Body>) -> Scenario {
    let wishes =
        (0..).zip(bodies).map(|(place, body)| Wish::ask(FIRST_MS + place * PAUSE_MS, body).insisting(6));
    let mut scenario = Scenario::scripted(kind.operation(), wishes.collect());
    scenario.topology.orchestrators = 2;
    scenario.faults_ms = 90_000;
    scenario
}

/// The first decision behind a position at which the host of the guests may start anew.
fn reboot(calm: &Outcome, behind: Position) -> &Asked {
    let fits = |asked: &&Asked| {
        asked.lane == GUESTS && asked.position >= behind && asked.kinds.contains(&FaultKind::HostReboot)
    };
    calm.asked.iter().find(fits).expect("the host of the guests is struck between two sagas")
}
