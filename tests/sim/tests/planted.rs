//! The simulator, tested: each deliberate bug is caught by a named world or by random worlds, most by both. The tables in
//! `ops/handbook/simulation.md` are what this test finds (WINDLASS_BLESS=1 writes them).
//!
//! A planted bug is the whole process's: this binary has one test, and it alone is built with the feature `planted`
//! (`cargo test -p windlass-sim --features planted --test planted`).

use std::fmt::Write as _;

use windlass_sagas::planted::{self, Bug};
use windlass_sim::{Bounds, Lab, Plan, Scenario, named};

/// The page, and where its tables stand in it.
const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../ops/handbook/simulation.md");
const BUGS: &str = "planted bugs";
const ALONE: &str = "removed alone";
/// Random worlds that look for a bug, from seed 1 on.
const WORLDS: u64 = 800;
/// Where that search begins for the one bug that few worlds find and no named one: a longer run found it there.
const RARE: (&[Bug], u64) = (&[Bug::TermNotDurable, Bug::TombstonesDroppedAtTerm], 3_001);
/// Random worlds that a redundant protection's removal must leave sound.
const SOUND_WORLDS: u64 = 300;

/// The bugs, alone or together, as people call them.
const PLANTED: &[(&[Bug], &str)] = &[
    (&[Bug::ExecuteTrustsLedger], "a step is not idempotent: Execute begins without looking at the world"),
    (&[Bug::UnknownNotUndone], "unwinding leaves out steps whose outcome is not known"),
    (&[Bug::RefusedNotUndone], "unwinding leaves refused steps out"),
    (&[Bug::UndoInForwardOrder], "undos go in forward order"),
    (&[Bug::UndoGivesUp], "an undo gives up at its second refusal"),
    (&[Bug::ResumesForward], "a saga that was going back resumes forward"),
    (&[Bug::UndoTrustsLedger], "an undo of a key without a record does not look at the world"),
    (&[Bug::NoTombstone], "an undo leaves no tombstone"),
    (&[Bug::TombstoneDroppedEarly], "a tombstone is dropped too early, at its own position"),
    (&[Bug::LowWaterForgotten], "the low water is kept in memory only"),
    (&[Bug::LowWaterUnchecked], "a call below the low water is not sent away"),
    (&[Bug::LowWaterBeforeDurable], "a low water leaves before its position is durable"),
    (&[Bug::AnsweredBeforeSynced], "an agent acknowledges before its record is durable"),
    (&[Bug::OutcomeBeforeDurable], "an outcome is recorded before its change is durable"),
    (&[Bug::WorkOutlivesAgent], "driver work outlives its agent"),
    (&[Bug::OldIncarnationAnswered], "an old incarnation's call is answered"),
    (&[Bug::TwoFramesInFlight], "two frames in flight, acknowledged in any order"),
    (&[Bug::LandedByTermAndPosition], "a landed frame is known by its term and position"),
    (&[Bug::ReplyBeforeDurable], "a reply leaves before its position is durable"),
    (&[Bug::EffectsBeforeDurable], "effects leave before their commit is durable"),
    (&[Bug::RepeatIsNew], "a duplicate request starts a second saga"),
    (&[Bug::ImageForgetsTimers], "a fold image forgets a timer"),
    (&[Bug::LockLeaked], "a lock is leaked at a terminal state"),
    (&[Bug::LockFreedAtAbandoned], "abandoning a saga frees its locks"),
    (&[Bug::AddressFreedTwice], "an address is given back twice"),
    (&[Bug::CapacityClaimedTwice], "capacity is claimed twice"),
    (&[Bug::EndOfAnyBoot], "a guest's end stops its server whatever boot it was the end of"),
    (&[Bug::AckAnywhere], "an acknowledgement counts wherever it says that the frame landed"),
    (&[Bug::NothingIsVoid], "the void rule is gone"),
    (
        &[Bug::OldRefusalTaken, Bug::RefusedNotUndone],
        "an old refusal is taken for a new attempt's, and refused steps are not undone",
    ),
    (
        &[Bug::LookupDoneUnrecorded, Bug::DeleteClosesNoKey],
        "a look-up answers Done without recording it, and a delete closes no key",
    ),
    (
        &[Bug::NoLookUp, Bug::ExecuteTrustsLedger],
        "a new leader repeats without asking, and Execute does not look at the world",
    ),
    (
        &[Bug::TermUnchecked, Bug::TombstonesDroppedAtTerm],
        "a call's term is not checked, and tombstones are dropped once a later term is known",
    ),
    (
        &[Bug::TermNotDurable, Bug::TombstonesDroppedAtTerm],
        "the highest term is not durable, and tombstones are dropped once a later term is known",
    ),
];

/// Protections that are redundant while the others stand: removed alone, no world finds it. The word of a promise that is
/// itself about the protection does not count.
const REDUNDANT: &[(Bug, &str, &[&str])] = &[
    (Bug::TermUnchecked, "keys, tombstones and the low water suffice for calls that have a key", &[]),
    (Bug::TermNotDurable, "the same", &[]),
    (Bug::TombstonesDroppedAtTerm, "whoever sent the late call is fenced by the later term", &[]),
    (Bug::NoLookUp, "a blind repeat is idempotent, since Execute looks at the world", &["promise O3"]),
    (Bug::LookupDoneUnrecorded, "a delete closes the key that made the thing", &[]),
    (Bug::DeleteClosesNoKey, "a look-up that finds the change records it", &[]),
    (Bug::OldRefusalTaken, "unwinding undoes refused steps too", &[]),
];

#[test]
fn f3_every_planted_bug_is_caught() {
    let every: Vec<Bug> = PLANTED.iter().flat_map(|(bugs, _)| bugs.iter().copied()).collect();
    assert!(Bug::ALL.iter().all(|bug| every.contains(bug)), "a bug is not in the table");
    let mut lab = Lab::new();
    let mut table =
        "| planted bug | caught by the named world | which broke | random worlds needed, of seeds from 1 \
                     | which broke | faults it needs |\n|---|---|---|---|---|---|\n"
            .to_string();
    for (bugs, what) in PLANTED {
        planted::set(bugs);
        let named = by_a_named_world(&mut lab, bugs);
        let random = by_random_worlds(&mut lab, bugs);
        planted::set(&[]);
        let caught = named.is_some() || random.as_ref().is_some_and(|found| !found.starts_with("not asked"));
        assert!(caught, "nothing finds {bugs:?}");
        let named = named.map_or("– | –".to_string(), |(world, law)| format!("`{world}` | {law}"));
        let random = random.unwrap_or_else(|| format!("none of {WORLDS} | – | –"));
        let _ = writeln!(table, "| {what} | {named} | {random} |");
    }
    let mut alone = "| removed alone | why nothing breaks | in combination |\n|---|---|---|\n".to_string();
    for (bug, why, but_for) in REDUNDANT {
        planted::set(&[*bug]);
        is_redundant(&mut lab, *bug, but_for);
        planted::set(&[]);
        let with = PLANTED.iter().filter(|(bugs, _)| bugs.len() > 1 && bugs.contains(bug));
        let with: Vec<&str> = with.map(|(_, what)| *what).collect();
        assert!(!with.is_empty(), "{bug:?} matters in no combination");
        let _ = writeln!(alone, "| {bug:?} | {why} | {} |", with.join("; "));
    }
    keep(&[(BUGS, &table), (ALONE, &alone)]);
}

/// The named world that breaks with the bugs, and the promise: the one made for them before any other. Every world made
/// for them must break, and with no part of them.
fn by_a_named_world(lab: &mut Lab, bugs: &[Bug]) -> Option<(&'static str, &'static str)> {
    let (made, others): (Vec<_>, Vec<_>) = named::all().into_iter().partition(|world| world.bugs == bugs);
    let mut caught = Vec::new();
    for world in &made {
        let outcome = lab.run(&world.scenario, named::SEED, world.plan(), false);
        assert!(outcome.violation.is_some(), "{} does not find {bugs:?}", world.name);
        caught.extend(outcome.violation.map(|violation| (world.name, violation.law)));
        for part in bugs.iter().filter(|_| bugs.len() > 1) {
            planted::set(&[*part]);
            let outcome = lab.run(&world.scenario, named::SEED, world.plan(), false);
            assert_eq!(outcome.violation, None, "{} with {part:?} alone", world.name);
        }
        planted::set(bugs);
    }
    let other = |world: named::Named| {
        let outcome = lab.run(&world.scenario, named::SEED, world.plan(), false);
        outcome.violation.map(|violation| (world.name, violation.law))
    };
    caught
        .first()
        .copied()
        .or_else(|| others.into_iter().filter(|world| world.bugs.is_empty()).find_map(other))
}

/// The first random world that finds the planted bugs, shrunk: it fails again by its faults alone, and without the bugs
/// it does not. A combination is looked for only where each part of it is redundant, or a part would be found instead.
fn by_random_worlds(lab: &mut Lab, bugs: &[Bug]) -> Option<String> {
    let redundant =
        |bug: &Bug| REDUNDANT.iter().any(|(other, _, but_for)| other == bug && but_for.is_empty());
    if bugs.len() > 1 && !bugs.iter().all(redundant) {
        return Some("not asked | – | –".to_string());
    }
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let first = if bugs == RARE.0 { RARE.1 } else { 1 };
    let (seed, outcome) = lab.first_failure(first, WORLDS, threads)?;
    let violation = outcome.violation.clone().expect("a failure has a violation");
    let (scenario, plan) = Scenario::random(seed);
    let failure = lab.shrunk(&scenario, seed, &outcome, &violation);
    let faults = failure.faults.clone().unwrap_or_default();
    let again = lab.run(&scenario, seed, Plan::Exactly(faults.clone()), false);
    assert_eq!(again.violation, Some(failure.violation), "seed {seed}");
    planted::set(&[]);
    assert_eq!(lab.run(&scenario, seed, plan, false).violation, None, "seed {seed} fails by itself");
    planted::set(bugs);
    let from = if first == 1 { String::new() } else { format!(" (of seeds from {first})") };
    Some(format!("{seed}{from} | {} | {}", violation.law, faults.len()))
}

/// Every named world and many random ones hold without the protection, but for these laws.
fn is_redundant(lab: &mut Lab, bug: Bug, but_for: &[&str]) {
    for world in named::all() {
        let outcome = lab.run(&world.scenario, named::SEED, world.plan(), false);
        let broken = outcome.violation.filter(|violation| !but_for.contains(&violation.law));
        assert_eq!(broken, None, "{} with {bug:?} alone", world.name);
    }
    if but_for.is_empty() {
        let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let tally = lab.randoms(1, SOUND_WORLDS, Bounds { threads, failures_max: 1 }, |_| {});
        assert!(tally.failures.is_empty(), "{bug:?} alone: {}", tally.failures[0].violation);
    }
}

/// The page says what was found.
fn keep(tables: &[(&str, &str)]) {
    let mut page = std::fs::read_to_string(PAGE).expect("the page of the simulation");
    for (name, table) in tables {
        let (begin, end) = (format!("<!-- {name}: begin -->\n"), format!("<!-- {name}: end -->\n"));
        let (before, rest) = page.split_once(&begin).expect("the table's beginning");
        let (there, after) = rest.split_once(&end).expect("the table's end");
        if std::env::var_os("WINDLASS_BLESS").is_none() {
            assert_eq!(there, *table, "the table is not what the worlds find; WINDLASS_BLESS=1 writes it");
        }
        page = format!("{before}{begin}{table}{end}{after}");
    }
    if std::env::var_os("WINDLASS_BLESS").is_some() {
        std::fs::write(PAGE, page).expect("the page is written");
    }
}
