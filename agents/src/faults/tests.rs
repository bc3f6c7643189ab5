//! What strikes where, how often, and what a restart remembers of it.

use windlass_sagas::ids::{SagaId, StepIndex};

use super::*;

fn place(point: Point, step: &'static str) -> Place {
    let key = StepKey { saga: SagaId([1; 16]), step: StepIndex(0) };
    Place { point, changes: 1, step, key, direction: Direction::Forward, role: Role::Storage }
}

fn faults(directory: &Path, text: &str) -> Faults {
    let path = directory.join("plan.toml");
    std::fs::write(&path, text).unwrap();
    Faults::load(Some(&path), false, &directory.join("faults")).unwrap()
}

#[test]
fn without_a_plan_nothing_strikes() {
    assert_eq!(Faults::none().ask(&place(Point::Before, "attach")), None);
}

#[test]
fn the_nth_opportunity_that_fits_is_struck_once() {
    let directory = tempfile::tempdir().unwrap();
    let text = "[[fault]]\nkind = \"error_before\"\nstep = \"attach\"\ndirection = \"forward\"\nat = 3\n";
    let faults = faults(directory.path(), text);
    let asked = |place: &Place| faults.ask(place).map(|strike| strike.kind);
    assert_eq!(asked(&place(Point::Before, "boot_vm")), None);
    assert_eq!(asked(&Place { direction: Direction::Undo, ..place(Point::Before, "attach") }), None);
    assert_eq!(asked(&place(Point::After, "attach")), None);
    let struck: Vec<bool> = (0..5).map(|_| asked(&place(Point::Before, "attach")).is_some()).collect();
    assert_eq!(struck, [false, false, true, false, false]);
}

#[test]
fn what_has_struck_is_remembered_by_the_next_process_but_not_by_another_plan() {
    let directory = tempfile::tempdir().unwrap();
    let text = "[[fault]]\nkind = \"crash_between\"\nafter_changes = 2\ntimes = 2\n";
    let between = |changes| Place { changes, ..place(Point::Between, "attach") };
    for _ in 0..2 {
        let faults = faults(directory.path(), text);
        assert_eq!(faults.ask(&between(1)), None);
        assert_eq!(faults.ask(&between(2)).map(|strike| strike.kind), Some(FaultKind::CrashBetween));
    }
    assert_eq!(faults(directory.path(), text).ask(&between(2)), None);
    let other = format!("{text}# another plan\n");
    assert!(faults(directory.path(), &other).ask(&between(2)).is_some());
    let lines: usize = std::fs::read_dir(directory.path().join("faults"))
        .unwrap()
        .map(|entry| std::fs::read_to_string(entry.unwrap().path()).unwrap().lines().count())
        .sum();
    assert_eq!(lines, 3, "every strike has a line");
}

#[test]
fn one_opportunity_is_struck_by_one_fault() {
    let directory = tempfile::tempdir().unwrap();
    let text = "[[fault]]\nkind = \"error_before\"\nretryable = false\n[[fault]]\nkind = \"hang\"\nwhen = \"before\"\n";
    let faults = faults(directory.path(), text);
    let first = faults.ask(&place(Point::Before, "attach")).unwrap();
    assert_eq!((first.kind, first.retryable), (FaultKind::ErrorBefore, false));
    assert_eq!(faults.ask(&place(Point::Before, "attach")).map(|it| it.kind), Some(FaultKind::Hang));
    assert_eq!(faults.ask(&place(Point::Before, "attach")), None);
}
