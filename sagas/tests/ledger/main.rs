//! One ledger over a tiny world, under everything that a network, a driver and a host can do to it: the promises P1 to
//! P3 and P10 hold in every random history, each history can end, and the planted bugs of the ledger are found.

mod chance;
mod history;
mod host;
mod leader;

use std::sync::{Mutex, MutexGuard, PoisonError};

use history::History;

/// Planted bugs are set for the whole process, so that histories take turns.
static TURN: Mutex<()> = Mutex::new(());

fn turn() -> MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The first history that breaks a promise, of so many.
fn first_broken(histories: u64) -> Option<(u64, String)> {
    (0..histories).find_map(|seed| History::new(seed).play().err().map(|broken| (seed, broken)))
}

#[test]
fn no_history_breaks_a_promise() {
    let _turn = turn();
    assert_eq!(first_broken(4_000), None);
}

#[test]
fn the_same_seed_is_the_same_history() {
    let _turn = turn();
    let told = |seed| History::new(seed).tell();
    for seed in 0..50 {
        assert_eq!(told(seed), told(seed));
    }
    assert_ne!(told(1), told(2));
}

/// A search that never meets the dangerous places proves nothing.
#[test]
fn the_histories_meet_what_they_are_for() {
    let _turn = turn();
    let mut met = std::collections::BTreeMap::new();
    for seed in 0..300 {
        let mut history = History::new(seed);
        assert_eq!(history.play(), Ok(()));
        for (what, times) in history.met() {
            *met.entry(what).or_insert(0) += times;
        }
    }
    for what in [
        "crash",
        "power cut",
        "new term",
        "low water",
        "late copy",
        "refused",
        "undone",
        "completed",
        "deleted",
        "tombstoned",
        "below low water",
        "fenced",
        "running",
        "absent",
        "found by a look-up",
    ] {
        assert!(met.get(what).is_some_and(|times| *times > 20), "{what}: {met:?}");
    }
}

#[cfg(feature = "planted")]
#[test]
fn every_planted_bug_of_the_ledger_is_found() {
    use windlass_sagas::planted::{self, Bug};

    let _turn = turn();
    let bugs: [&[Bug]; 3] = [
        &[Bug::NoTombstone],
        &[Bug::ExecuteTrustsLedger],
        &[Bug::LookupDoneUnrecorded, Bug::DeleteClosesNoKey],
    ];
    let unfound: Vec<_> = bugs
        .into_iter()
        .filter(|planted| {
            planted::set(planted);
            first_broken(20_000).is_none()
        })
        .collect();
    planted::set(&[]);
    assert_eq!(unfound, Vec::<&[Bug]>::new());
}
