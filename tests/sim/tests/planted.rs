//! The simulator, tested: each deliberate bug is caught by its named world, and by random worlds. The table in
//! `ops/handbook/simulation.md` is what this test finds (WINDLASS_BLESS=1 writes it).
//!
//! A planted bug is the whole process's: this binary has one test, and it alone is built with the feature `planted`
//! (`cargo test -p windlass-sim --features planted --test planted`).

use std::fmt::Write as _;

use windlass_sagas::planted::{self, Bug};
use windlass_sim::{Lab, Plan, Scenario, named};

/// The page, and where its table stands in it.
const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../ops/handbook/simulation.md");
const BEGIN: &str = "<!-- planted bugs: begin -->\n";
const END: &str = "<!-- planted bugs: end -->";
/// Random worlds that look for a bug, from seed 1 on.
const WORLDS: u64 = 2_000;

/// The bugs, alone or together, as people call them.
const PLANTED: [(&[Bug], &str); 8] = [
    (&[Bug::NoTombstone], "an undo leaves no tombstone"),
    (&[Bug::RefusedNotUndone], "unwinding leaves refused steps out"),
    (&[Bug::ExecuteTrustsLedger], "Execute begins without looking at the world"),
    (
        &[Bug::LookupDoneUnrecorded, Bug::DeleteClosesNoKey],
        "a look-up answers Done without recording it, and a delete closes no key",
    ),
    (&[Bug::TwoFramesInFlight], "two frames in flight, acknowledged in any order"),
    (&[Bug::LandedByTermAndPosition], "a landed frame is known by its term and position"),
    (&[Bug::OutcomeBeforeDurable], "an outcome is recorded before its change is durable"),
    (&[Bug::LockFreedAtAbandoned], "abandoning a saga frees its locks"),
];

#[test]
fn f3_every_planted_bug_is_caught() {
    let every: Vec<Bug> = PLANTED.iter().flat_map(|(bugs, _)| bugs.iter().copied()).collect();
    assert!(Bug::ALL.iter().all(|bug| every.contains(bug)), "a bug is not in the table");
    let mut lab = Lab::new();
    let mut table = "| planted bug | caught by the named world | which broke | first random world of \
                     seeds from 1 | which broke | faults it needs |\n|---|---|---|---|---|---|\n"
        .to_string();
    for (bugs, what) in PLANTED {
        planted::set(bugs);
        let (world, law) = by_its_world(&mut lab, bugs);
        let random = by_random_worlds(&mut lab, bugs);
        planted::set(&[]);
        let _ = writeln!(table, "| {what} | `{world}` | {law} | {random} |");
    }
    keep(&table);
}

/// The first named world of these bugs, and the promise that it broke; all of them must break one.
fn by_its_world(lab: &mut Lab, bugs: &[Bug]) -> (&'static str, &'static str) {
    let mut caught = Vec::new();
    for world in named::all().into_iter().filter(|world| world.bugs == bugs) {
        let outcome = lab.run(&world.scenario, named::SEED, world.plan(), false);
        assert!(outcome.violation.is_some(), "{} does not find {bugs:?}", world.name);
        caught.extend(outcome.violation.map(|violation| (world.name, violation.law)));
    }
    *caught.first().expect("every planted bug has a named world")
}

/// The first random world that finds the planted bugs, shrunk: it fails again by its faults alone, and without the bugs
/// it does not.
fn by_random_worlds(lab: &mut Lab, bugs: &[Bug]) -> String {
    // Its trace is 25 steps long: chance does not find it in so few worlds, its named world does.
    let rare = bugs == [Bug::LookupDoneUnrecorded, Bug::DeleteClosesNoKey];
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let Some((seed, outcome)) = lab.first_failure(1, WORLDS, threads) else {
        assert!(rare, "no random world finds {bugs:?} any more");
        return format!("none of {WORLDS} | – | –");
    };
    let violation = outcome.violation.clone().expect("a failure has a violation");
    let (scenario, plan) = Scenario::random(seed);
    let failure = lab.shrunk(&scenario, seed, &outcome, &violation);
    let faults = failure.faults.clone().unwrap_or_default();
    let again = lab.run(&scenario, seed, Plan::Exactly(faults.clone()), false);
    assert_eq!(again.violation, Some(failure.violation), "seed {seed}");
    planted::set(&[]);
    assert_eq!(lab.run(&scenario, seed, plan, false).violation, None, "seed {seed} fails by itself");
    planted::set(bugs);
    format!("{seed} | {} | {}", violation.law, faults.len())
}

/// The page says what was found.
fn keep(table: &str) {
    let page = std::fs::read_to_string(PAGE).expect("the page of the simulation");
    let (before, rest) = page.split_once(BEGIN).expect("the table's beginning");
    let (there, after) = rest.split_once(END).expect("the table's end");
    if std::env::var_os("WINDLASS_BLESS").is_some() {
        std::fs::write(PAGE, format!("{before}{BEGIN}{table}{END}{after}")).expect("the page is written");
        return;
    }
    assert_eq!(there, table, "the table is not what the worlds find; WINDLASS_BLESS=1 writes it");
}
