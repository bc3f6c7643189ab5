//! The squares of the reference sagas, from the registry: which step is struck, how, and what the agent's plan of faults
//! says for it.

use std::collections::BTreeMap;
use std::sync::Arc;

use windlass_sagas::cell::state::Ended;
use windlass_sagas::fault::FaultKind;
use windlass_sagas::ids::StepIndex;
use windlass_sagas::plan::example::Begin;
use windlass_sagas::plan::{REGISTERED, Registered};
use windlass_sagas::record::{Body, Direction, Plan, Role, SagaKind, Undo};
use windlass_sim::Lab;

use crate::base::Base;
use crate::rules;

/// The sagas that are tried on real processes.
const REFERENCE: [SagaKind; 4] =
    [SagaKind::ServerCreate, SagaKind::ServerDelete, SagaKind::VolumeAttach, SagaKind::VolumeDetach];

/// Where in a driver's work a fault strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Point {
    Before,
    Between,
    After,
    Reply,
}

/// The faults of a square: crash and power cut before, between and after, a lost reply, a doubled one, a hang.
const STRIKES: [(FaultKind, Point); 9] = [
    (FaultKind::Hang, Point::Between),
    (FaultKind::CrashBefore, Point::Before),
    (FaultKind::CrashBetween, Point::Between),
    (FaultKind::CrashAfter, Point::After),
    (FaultKind::PowerCut, Point::Before),
    (FaultKind::PowerCut, Point::Between),
    (FaultKind::PowerCut, Point::After),
    (FaultKind::ErrorAfter, Point::After),
    (FaultKind::Duplicate, Point::Reply),
];

/// How many things of each kind the worlds hold.
pub(crate) type Counts = BTreeMap<String, usize>;

/// What a saga leaves in the worlds.
pub(crate) struct Holds {
    completed: Counts,
    rolled_back: Option<Counts>,
}

/// One square.
#[derive(Clone)]
pub(crate) struct Square {
    pub(crate) saga: &'static Registered,
    pub(crate) plan: Arc<Plan>,
    pub(crate) step: StepIndex,
    pub(crate) direction: Direction,
    kind: FaultKind,
    point: Point,
    /// The step whose refusal for good turns the saga back, where it goes back.
    refused: Option<StepIndex>,
    holds: Arc<Holds>,
}

impl Square {
    /// All of them; those that wait for a deadline first, and of one saga behind each other.
    pub(crate) fn all() -> Vec<Self> {
        let mut lab = Lab::new();
        let mut all = Vec::new();
        for saga in REGISTERED.iter().filter(|saga| REFERENCE.contains(&saga.kind)) {
            let forward = Base::forward(&mut lab, saga);
            let back = forward.back(&mut lab);
            let rolled_back = back.as_ref().map(|back| counts(&back.outcome.held));
            let holds = Arc::new(Holds { completed: counts(&forward.outcome.held), rolled_back });
            for base in [Some(&forward), back.as_ref()].into_iter().flatten() {
                all.extend(of(saga, base, &holds));
            }
        }
        all.sort_by_key(|square| square.kind != FaultKind::Hang);
        all
    }

    /// Its name.
    pub(crate) fn name(&self) -> String {
        let sign = if self.direction == Direction::Forward { '+' } else { '-' };
        let (saga, name) = (self.saga.kind.operation(), self.step_name());
        format!("{saga} {sign}{} {name} × {} {:?}", self.step, self.kind, self.point)
    }

    fn step_name(&self) -> &'static str {
        self.plan.steps[usize::from(self.step.0)].input.name()
    }

    fn role_of(&self, step: StepIndex) -> Role {
        self.plan.steps[usize::from(step.0)].ledger.role
    }

    /// Whether the host that keeps volumes is struck, and not the one that runs guests.
    pub(crate) fn on_storage(&self) -> bool {
        self.role_of(self.step) == Role::Storage
    }

    /// Whether the agent goes down with it.
    pub(crate) const fn falls(&self) -> bool {
        matches!(
            self.kind,
            FaultKind::CrashBefore | FaultKind::CrashBetween | FaultKind::CrashAfter | FaultKind::PowerCut
        )
    }

    /// The request that begins the saga.
    pub(crate) fn begins(&self) -> Body {
        match (self.saga.example)().begin {
            Begin::Asked(body) => *body,
            Begin::HostReboots => panic!("a reference saga begins with a request"),
        }
    }

    /// The row of the table that it stands in, and the column.
    pub(crate) fn place(&self) -> (String, String) {
        let sign = if self.direction == Direction::Forward { '+' } else { '-' };
        let row = format!("{} {sign}{} {}", self.saga.kind.operation(), self.step, self.step_name());
        let point = format!("{:?}", self.point).to_lowercase();
        let column = match self.kind {
            FaultKind::PowerCut => format!("{} {point}", self.kind),
            kind => kind.to_string(),
        };
        (row, column)
    }

    /// How the saga is to end.
    pub(crate) fn ends(&self) -> Ended {
        let lost = self.kind == FaultKind::PowerCut && rules::loses_something(&self.plan, self.step);
        match self.direction {
            Direction::Forward if !lost => Ended::Completed,
            Direction::Forward | Direction::Undo => Ended::RolledBack,
        }
    }

    /// What the worlds are to hold then.
    pub(crate) fn holds(&self) -> &Counts {
        match self.ends() {
            Ended::Completed => &self.holds.completed,
            Ended::RolledBack | Ended::Abandoned => {
                self.holds.rolled_back.as_ref().expect("it can turn back")
            }
        }
    }

    /// The plans of faults of the host for guests and of the one for volumes, and how many strikes each will note.
    pub(crate) fn faults(&self) -> [(String, usize); 2] {
        let mut plans = [(String::new(), 0), (String::new(), 0)];
        let mut add = |step: StepIndex, text: String| {
            let (plan, strikes) = &mut plans[usize::from(self.role_of(step) == Role::Storage)];
            *plan += &text;
            *strikes += 1;
        };
        if let Some(step) = self.refused {
            let name = self.plan.steps[usize::from(step.0)].input.name();
            let line = "kind = \"error_after\"\ndirection = \"forward\"\nretryable = false";
            add(step, format!("[[fault]]\n{line}\nstep = \"{name}\"\n"));
        }
        add(self.step, self.fault());
        // Two squares may say the same; a plan of another text is another plan.
        plans.map(|(text, strikes)| (format!("# {}\n{text}", self.name()), strikes))
    }

    fn fault(&self) -> String {
        let when = match (self.kind, self.point) {
            (FaultKind::PowerCut | FaultKind::Hang, point) => {
                format!("when = \"{}\"\n", format!("{point:?}").to_lowercase())
            }
            (FaultKind::Duplicate, _) => "delay_ms = 50\n".to_owned(),
            _ => String::new(),
        };
        let (kind, name, at) = (self.kind, self.step_name(), self.nth());
        let direction = direction(self.direction);
        format!(
            "[[fault]]\nkind = \"{kind}\"\nstep = \"{name}\"\ndirection = \"{direction}\"\nat = {at}\n{when}"
        )
    }

    /// Which of the plan's steps of this name it is: they begin at the same time, in any order.
    fn nth(&self) -> usize {
        self.namesakes().iter().position(|step| *step == self.step).unwrap_or(0) + 1
    }

    fn namesakes(&self) -> Vec<StepIndex> {
        let steps = (0..).map(StepIndex).zip(&self.plan.steps);
        steps.filter(|(_, step)| step.input.name() == self.step_name()).map(|(index, _)| index).collect()
    }

    /// Whether this line of an agent is the strike of this square at this saga.
    pub(crate) fn is_noted(&self, line: &str, saga: &str) -> bool {
        let words: Vec<&str> = line.split(' ').collect();
        let [_, kind, point, step, way, role, of, index, _] = words.as_slice() else { return false };
        let point_is = *point == format!("{:?}", self.point);
        let role_is = *role == self.role_of(self.step).name().to_lowercase();
        let step_is = *step == self.step_name() && self.namesakes().iter().any(|it| it.to_string() == *index);
        let kind_is = *kind == self.kind.name() && *way == direction(self.direction);
        point_is && role_is && step_is && kind_is && *of == saga
    }
}

/// The squares that a run passes.
fn of(saga: &'static Registered, base: &Base, holds: &Arc<Holds>) -> Vec<Square> {
    let plan = &base.told().plan;
    let mut squares = Vec::new();
    for (step, planned) in (0..).map(StepIndex).zip(&plan.steps) {
        let nothing = base.direction == Direction::Undo && planned.undo == Undo::None;
        if nothing || !base.works(step) {
            continue;
        }
        for (kind, point) in STRIKES {
            // Nothing is between the changes of a step that finds nothing to change; it still may hang.
            let point = match (kind, point, base.changes(step)) {
                (FaultKind::Hang, Point::Between, 0) => Point::Before,
                (_, Point::Between, 0) => continue,
                _ => point,
            };
            let (plan, holds, direction) = (Arc::clone(plan), Arc::clone(holds), base.direction);
            let refused = base.refused;
            squares.push(Square { saga, plan, step, direction, kind, point, refused, holds });
        }
    }
    squares
}

const fn direction(direction: Direction) -> &'static str {
    match direction {
        Direction::Forward => "forward",
        Direction::Undo => "undo",
    }
}

/// Things by their kind: the second word of each line.
pub(crate) fn counts(held: &[String]) -> Counts {
    let mut counts = Counts::new();
    for kind in held.iter().filter_map(|line| line.split(' ').nth(1)) {
        *counts.entry(kind.to_owned()).or_default() += 1;
    }
    counts
}
