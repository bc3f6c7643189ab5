//! The agent dies between any two sub-changes; another one goes on, or undoes.

use windlass_sagas::protocol::ledger::Observed;
use windlass_sagas::record::{Direction, StepInput, StepOutput};

use super::cloud::{port, prepare, remove};
use super::host::Host;
use super::place::Place;
use super::remains::remains;

/// Makes so many sub-changes, then the agent dies; whether there were so many.
fn some(host: &Host, input: &StepInput, direction: Direction, count: usize) -> bool {
    let all = (0..count).all(|_| host.advance(input, direction).unwrap().is_some());
    host.restart();
    all
}

#[test]
fn a_step_goes_on_or_is_undone_from_wherever_it_was_left() {
    let Some(mut place) = Place::new() else { return };
    let spaces = place.underlay(&["one"]);
    let host = Host::start(&spaces[0], place.directory.path(), 1);
    let setup = port(1, 7);
    let (prepare, remove) = (prepare(&setup), remove(&setup));
    let mut count = 0;
    while some(&host, &prepare, Direction::Forward, count) {
        // On: it is as if nothing had happened. Then it goes, half by one agent and half by another.
        host.to_end(&prepare, Direction::Forward);
        assert_eq!(host.observe(&prepare), Observed::Present(StepOutput::None));
        some(&host, &prepare, Direction::Undo, count);
        host.to_end(&prepare, Direction::Undo);
        assert_eq!(remains(&host), Vec::<String>::new(), "undone after {count}");
        // Back: whatever is there goes.
        some(&host, &prepare, Direction::Forward, count);
        host.to_end(
            if count % 2 == 0 { &prepare } else { &remove },
            if count % 2 == 0 { Direction::Undo } else { Direction::Forward },
        );
        assert_eq!(remains(&host), Vec::<String>::new(), "given up after {count}");
        count += 1;
    }
    assert!(count > 10, "a port is more than {count} sub-changes");
}

#[test]
fn a_removal_that_was_left_is_taken_back_by_another_prepare() {
    let Some(mut place) = Place::new() else { return };
    let spaces = place.underlay(&["one"]);
    let host = Host::start(&spaces[0], place.directory.path(), 1);
    let setup = port(1, 7);
    let (prepare, remove) = (prepare(&setup), remove(&setup));
    for count in 0.. {
        host.to_end(&prepare, Direction::Forward);
        let all = some(&host, &remove, Direction::Forward, count);
        host.to_end(&prepare, Direction::Forward);
        assert_eq!(host.observe(&prepare), Observed::Present(StepOutput::None), "after {count}");
        if !all {
            break;
        }
    }
    host.to_end(&remove, Direction::Forward);
    assert_eq!(remains(&host), Vec::<String>::new());
}
