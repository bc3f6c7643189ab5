//! The other way back: somebody cancels while the last step that changes anything is under way, so that undos meet calls
//! that still run. The moment is when its driver begins; it is found, not written down.

use windlass_sagas::cell::state::Ended;
use windlass_sagas::ids::StepIndex;
use windlass_sagas::record::{CancelSaga, Direction};
use windlass_sim::workload::Wish;
use windlass_sim::{Asked, Lab};

use crate::base::{BEFORE, Base, run};

/// A saga that goes forward, cancelled when the driver of `last` begins.
pub(crate) fn cancelled(lab: &mut Lab, forward: &Base, last: StepIndex) -> Base {
    let begins = |asked: &&Asked| {
        asked.place.what == BEFORE && forward.strikes(asked, last, Direction::Forward).is_some()
    };
    let begins = forward.outcome.asked.iter().find(begins).expect("the driver of a step that changes begins");
    let mut scenario = forward.scenario.clone();
    scenario.wishes.push(Wish::ask(begins.at.ms(), CancelSaga { saga: forward.saga }));
    let outcome = run(lab, &scenario, &forward.rules);
    let (kind, rules, saga) = (forward.kind, forward.rules.clone(), forward.saga);
    let base = Base { kind, direction: Direction::Undo, scenario, rules, outcome, saga, refused: None };
    let told = base.told();
    assert_eq!(told.ended, Some(Ended::RolledBack), "{}", base.scenario.name);
    assert!(told.dispatched.contains(&last), "{}: {:?}", base.scenario.name, told.dispatched);
    base
}

/// The same run, struck where its steps go forward.
pub(crate) fn meanwhile(cancelled: &Base) -> Base {
    let Base { kind, scenario, rules, outcome, saga, .. } = cancelled;
    let (scenario, rules, outcome) = (scenario.clone(), rules.clone(), outcome.clone());
    let (direction, refused) = (Direction::Forward, None);
    Base { kind: *kind, direction, scenario, rules, outcome, saga: *saga, refused }
}
