//! What the matrix expects of a square, by rules over the plan alone, and what it found against them.

use windlass_sagas::cell::state::Ended;
use windlass_sagas::fault::FaultKind;
use windlass_sagas::ids::StepIndex;
use windlass_sagas::record::{Direction, SagaKind, StepInput, Turn, Undo, UndoneHow};
use windlass_sim::{Asked, Lane, Outcome, Told};

use crate::base::Base;
use crate::matrix::Run;
use crate::rules::{self, behind_pivot};

/// A saga's two ends without the fault of a square: what the worlds hold then is what they are to hold with it.
pub(crate) struct Ends<'a> {
    pub(crate) forward: &'a Base,
    pub(crate) back: Option<&'a Base>,
}

/// How a saga is to end, and whether it needs an operator on the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Expected {
    ends: &'static [Ended],
    stuck: bool,
}

const COMPLETED: &[Ended] = &[Ended::Completed];
const ROLLED_BACK: &[Ended] = &[Ended::RolledBack];
const EITHER: &[Ended] = &[Ended::Completed, Ended::RolledBack];

/// What the design says of a fault at this place.
fn expected(base: &Base, asked: &Asked, run: &Run) -> Expected {
    let plan = base.plan();
    let stuck = |ends| Expected { ends, stuck: true };
    let end = |ends| Expected { ends, stuck: false };
    let turned = base.told().turn.as_ref().is_some_and(|(_, at)| *at <= asked.position);
    match base.direction {
        // S7: a cancel turns it back, unless the fault lets the saga pass its pivot before the cancel comes.
        Direction::Forward if base.told().turn.is_some() => end(EITHER),
        // S5: an undo that is refused for good needs an operator; nothing else changes how an unwinding saga ends.
        Direction::Undo if run.row.for_good => stuck(ROLLED_BACK),
        Direction::Undo if turned => end(ROLLED_BACK),
        // O3: a refusal that was not committed may die with its leader; the next one looks, and finds the change.
        Direction::Undo => end(EITHER),
        // S7: behind the pivot a saga goes forward or needs an operator; before it a refusal for good turns it back.
        Direction::Forward if run.row.for_good && behind_pivot(plan, run.step) => stuck(COMPLETED),
        Direction::Forward if run.row.for_good => end(ROLLED_BACK),
        // A6: what a reboot took of a saga that is not behind its pivot is not sealed by it.
        Direction::Forward if loses_something(base, asked, run) => end(ROLLED_BACK),
        // Everything else is tried again (S3).
        Direction::Forward => end(COMPLETED),
    }
}

/// What the worlds are to hold.
fn to_hold<'a>(ends: &'a Ends<'_>, base: &Base, told: &Told) -> &'a [String] {
    let completed = &ends.forward.outcome.held;
    let rolled_back = ends.back.map_or(completed, |back| &back.outcome.held);
    match (told.ended, &told.turn) {
        // A restore that a reboot turned back is followed by another one.
        (_, Some((Turn::HostRebooted(_), _))) if base.kind == SagaKind::ServerRestore => completed,
        (Some(Ended::RolledBack), _) => rolled_back,
        (Some(Ended::Completed | Ended::Abandoned) | None, _) => completed,
    }
}

/// Whether the host starts anew and something of the saga is lost.
fn loses_something(base: &Base, asked: &Asked, run: &Run) -> bool {
    let anew = matches!(run.row.kind, FaultKind::HostReboot | FaultKind::PowerCut);
    anew && matches!(asked.lane, Lane::Host(_)) && rules::loses_something(base.plan(), run.step)
}

/// Whether the host starts anew under a saga that only stops its guest: what it was plugged into is made again by the next
/// start, and not before.
fn stays_stopped(base: &Base, asked: &Asked, run: &Run) -> bool {
    let anew = matches!(run.row.kind, FaultKind::HostReboot | FaultKind::PowerCut);
    let steps = &base.plan().steps;
    let stops = steps.iter().any(|step| matches!(step.input, StepInput::StopGuest { .. }));
    let boots = steps.iter().any(|step| step.input.boots().is_some());
    anew && matches!(asked.lane, Lane::Host(_)) && stops && !boots
}

/// The saga of a run. Where the fault strikes before it is committed, and no request names it, it is another one of its
/// kind.
pub(crate) fn saga<'a>(base: &Base, asked: &Asked, outcome: &'a Outcome) -> Option<&'a Told> {
    let same = outcome.told.iter().find(|told| told.saga == base.saga);
    let later = asked.position < base.told().begun_at;
    same.or_else(|| outcome.told.iter().rfind(|told| later && told.kind == base.kind))
}

/// What is wrong with a run.
pub(crate) fn judge(
    ends: &Ends<'_>,
    base: &Base,
    asked: &Asked,
    run: &Run,
    outcome: &Outcome,
) -> Vec<String> {
    let mut found = Vec::new();
    if let Some(violation) = &outcome.violation {
        found.push(violation.to_string());
    }
    found.extend(fired_elsewhere(base, asked, run, outcome));
    let Some(told) = saga(base, asked, outcome) else {
        found.push("the saga never began".to_string());
        return found;
    };
    let wanted = expected(base, asked, run);
    let as_wanted = told.ended.is_some_and(|ended| wanted.ends.contains(&ended));
    if !as_wanted || told.stuck.is_empty() == wanted.stuck {
        found.push(format!("ended {:?}, stuck at {:?}; expected {wanted:?}", told.ended, told.stuck));
    }
    if told.stuck.iter().any(|at| *at != Some(run.step)) {
        found.push(format!("stuck at {:?}", told.stuck));
    }
    found.extend(undos(told));
    let wanted: Vec<String> = to_hold(ends, base, told)
        .iter()
        .filter(|item| !(item.contains(" Port ") && stays_stopped(base, asked, run)))
        .cloned()
        .collect();
    if outcome.held != wanted {
        let (more, less) = (without(&outcome.held, &wanted), without(&wanted, &outcome.held));
        found.push(format!("the worlds hold more: {more:?}, less: {less:?}"));
    }
    found
}

fn without(all: &[String], some: &[String]) -> Vec<String> {
    all.iter().filter(|item| !some.contains(item)).cloned().collect()
}

/// Its own fault fired, once, where it was to; and those that bring the saga about.
fn fired_elsewhere(base: &Base, asked: &Asked, run: &Run, outcome: &Outcome) -> Option<String> {
    let count = outcome.fired.len();
    let own = outcome.fired.iter().find(|fired| fired.id == asked.id);
    let there = own.is_some_and(|fired| {
        (fired.kind, fired.lane, fired.place) == (run.row.kind, asked.lane, asked.place)
    });
    let same = outcome.asked.iter().find(|other| other.id == asked.id).map(|other| &other.about);
    let there = there && same == Some(&asked.about) && count == base.rules.len() + 1;
    (!there).then(|| format!("{count} faults fired, its own: {own:?} about {same:?}"))
}

/// Each dispatched step of a saga that is rolled back is undone once, behind those that depend on it; of another saga
/// nothing is.
fn undos(told: &Told) -> Vec<String> {
    let ended = told.ended;
    let undone: Vec<StepIndex> = told.undone.iter().map(|(step, _)| *step).collect();
    if ended != Some(Ended::RolledBack) {
        let none = undone.is_empty();
        return if none {
            Vec::new()
        } else {
            vec![format!("{undone:?} undone of a saga that ended {ended:?}")]
        };
    }
    let mut found = Vec::new();
    let (mut once, mut dispatched) = (undone.clone(), told.dispatched.clone());
    once.sort_unstable();
    dispatched.sort_unstable();
    if once != dispatched {
        found.push(format!("dispatched {dispatched:?}, undone {undone:?}"));
    }
    let place = |wanted: StepIndex| undone.iter().position(|step| *step == wanted);
    for (index, step) in (0..).map(StepIndex).zip(&told.plan.steps) {
        for on in &step.after {
            let turned = matches!(&step.undo, Undo::Call { after, .. } if after.contains(on));
            let (first, then) = if turned { (*on, index) } else { (index, *on) };
            if place(first).zip(place(then)).is_some_and(|(first, then)| first > then) {
                found.push(format!("{then} undone before {first}: {undone:?}"));
            }
        }
        let how = told.undone.iter().find(|(undone, _)| *undone == index).map(|(_, how)| how);
        let wanted = if step.undo == Undo::None { UndoneHow::Nothing } else { UndoneHow::ByAgent };
        if how.is_some_and(|how| *how != wanted) {
            found.push(format!("{index} undone by {how:?}"));
        }
    }
    found
}
