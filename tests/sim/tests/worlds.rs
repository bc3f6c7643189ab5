//! The simulator over the product's own machines: every single fault at every place of the scripted worlds, ten thousand
//! random worlds, and the same trace for the same seed. A failure names the command that runs it again.

use windlass_sagas::fault::FaultKind;
use windlass_sim::{Bounds, Choice, Lab, Plan, Portfolio, Scenario, Tally, named};

/// Worlds of the random run.
const WORLDS: u64 = 10_000;
/// How long after a saga was asked for the faults of a pair strike, milliseconds, and how many pairs that are at least.
const PAIRS_MS: u64 = 250;
const PAIRS_LEAST: u64 = 1_000;

fn bounds() -> Bounds {
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    Bounds { threads, failures_max: 3 }
}

fn sound(tally: &Tally) {
    let told =
        tally.failures.iter().map(|failure| format!("{}\n  again: {}", failure.violation, failure.again()));
    let told: Vec<String> = told.collect();
    assert!(told.is_empty(), "{} violations:\n{}", told.len(), told.join("\n"));
}

/// Every kind at every place of a scenario; the kinds that its places offer must be at least `kinds`.
fn singles(scenario: &Scenario, kinds: usize) {
    let tally = Lab::new().singles(scenario, 1, bounds(), |_| {});
    sound(&tally);
    assert!(tally.worlds > 250, "the places are enumerated: {} worlds", tally.worlds);
    assert!(tally.fired.len() >= kinds, "{:?}", tally.fired);
}

#[test]
fn f2_every_single_fault_at_every_place_of_server_create_leaves_nothing() {
    singles(&Scenario::server_create(), FaultKind::ALL.len());
}

#[test]
fn f2_every_single_fault_at_every_place_of_a_cancelled_server_create_leaves_nothing() {
    singles(&Scenario::server_create_cancelled(), FaultKind::ALL.len());
}

#[test]
fn f2_every_single_fault_at_every_place_of_volume_attach_leaves_nothing() {
    singles(&Scenario::volume_attach(), FaultKind::ALL.len());
}

#[test]
fn f2_every_single_fault_at_every_place_of_a_cancelled_volume_attach_leaves_nothing() {
    singles(&Scenario::volume_attach_cancelled(), FaultKind::ALL.len());
}

#[test]
fn f2_every_single_fault_at_every_place_of_server_delete_leaves_nothing() {
    singles(&Scenario::server_delete(), FaultKind::ALL.len());
}

#[test]
fn f2_every_single_fault_at_every_place_of_a_whole_life_leaves_nothing() {
    singles(&Scenario::life(), FaultKind::ALL.len());
}

/// Every pair whose first fault strikes while the saga of a scenario begins: what a test run has the time for. All of them:
/// `windlass sim --mode pair`.
#[test]
fn f3_every_pair_of_faults_leaves_nothing() {
    for mut scenario in Scenario::pairs() {
        scenario.window_ms.1 = scenario.window_ms.0 + PAIRS_MS;
        let tally = Lab::new().all_pairs(&scenario, 1, bounds(), |_| {});
        sound(&tally);
        assert!(tally.worlds > PAIRS_LEAST, "{} has {} pairs", scenario.name, tally.worlds);
        assert_eq!(tally.fired.values().sum::<u64>(), 2 * tally.worlds, "both faults of each pair fire");
        assert_eq!(tally.fired.len(), FaultKind::ALL.len(), "{:?}", tally.fired);
    }
}

#[test]
fn f3_pairs_of_faults_leave_nothing() {
    for scenario in [Scenario::server_create(), Scenario::volume_attach(), Scenario::life()] {
        let tally = Lab::new().pairs(&scenario, 1, 500, bounds(), |_| {});
        sound(&tally);
        assert!(tally.fired.values().sum::<u64>() > 750, "{:?}", tally.fired);
    }
}

#[test]
fn f3_a_portfolio_is_calm_a_swarm_or_all_kinds() {
    let run = |portfolio| Lab::new().randoms_of(portfolio, 1, 200, bounds(), |_| {});
    let [calm, swarm, all] = [Portfolio::Calm, Portfolio::Swarm, Portfolio::All].map(run);
    for tally in [&calm, &swarm, &all] {
        sound(tally);
    }
    assert!(calm.fired.is_empty(), "{:?}", calm.fired);
    assert!(swarm.fired.len() > 10 && all.fired.len() == FaultKind::ALL.len(), "{:?}", all.fired);
}

#[test]
fn f3_ten_thousand_random_worlds_keep_every_promise() {
    let tally = Lab::new().randoms(1, WORLDS, bounds(), |_| {});
    sound(&tally);
    assert_eq!(tally.worlds, WORLDS);
    let silent: Vec<_> = FaultKind::ALL.iter().filter(|kind| !tally.fired.contains_key(kind)).collect();
    assert!(silent.is_empty(), "these kinds never fired: {silent:?}");
    let [completed, rolled_back, abandoned] = tally.ended;
    assert!(completed > 0 && rolled_back > 0 && abandoned > 0, "{:?}", tally.ended);
    // What the promises speak of has happened, many times: a check that sees nothing proves nothing.
    let seen = tally.seen;
    let never: Vec<_> = seen.counts().into_iter().filter(|(_, count)| *count == 0).collect();
    assert!(never.is_empty(), "never seen: {never:?}");
    let met = [
        seen.stepped_down,
        seen.looked_up,
        seen.fenced,
        seen.reads,
        seen.acknowledged,
        seen.zombies,
        seen.clock_jumps,
        seen.fought,
        seen.retries,
        seen.reboots,
        seen.formats_raised,
    ];
    assert!(met.iter().all(|count| *count > 500), "{seen:?}");
    let rare = [
        seen.tombstoned,
        seen.wrong_incarnation,
        seen.below_low_water,
        seen.recovered,
        seen.retried,
        seen.adopted,
        tally.void,
    ];
    assert!(rare.iter().all(|count| *count > 5), "void {}, {seen:?}", tally.void);
}

#[test]
fn f3_the_same_seed_gives_the_same_trace_twice_on_any_number_of_threads() {
    let run = |threads| Lab::new().randoms(1, 200, Bounds { threads, failures_max: 1 }, |_| {});
    let (one, three) = (run(1), run(3));
    assert_eq!((one.hash, one.events, one.worlds), (three.hash, three.events, three.worlds));
    let hash = |seed| Lab::new().random(seed).hash;
    let different: std::collections::BTreeSet<u64> = (1..20).map(hash).collect();
    assert_eq!(different.len(), 19, "another seed, another trace");
}

#[test]
fn f3_a_failure_is_shrunk_and_drawn() {
    let mut lab = Lab::new();
    let mut world = named::find("p2-").expect("a named world");
    world.scenario.draw = true;
    let drawing = lab.named(&world).drawing.expect("a drawing").render(true);
    for part in
        ["cli   o0    log   h0    s0", "o---->|", "FAULT delay", "Undo Undo reserve_volume", "leads 0."]
    {
        assert!(drawing.contains(part), "{part} is not in\n{drawing}");
    }
}

#[test]
fn f3_a_run_is_its_seed_and_its_set_of_faults() {
    let mut lab = Lab::new();
    let mut fired = 0;
    for seed in 1..60 {
        let (scenario, plan) = Scenario::random(seed);
        let first = lab.run(&scenario, seed, plan, false);
        let faults = first.fired.iter().map(|it| Choice { id: it.id, kind: Some(it.kind) }).collect();
        let again = lab.run(&scenario, seed, Plan::Exactly(faults), false);
        assert_eq!((first.hash, first.fired.len()), (again.hash, again.fired.len()), "seed {seed}");
        fired += first.fired.len();
    }
    assert!(fired > 100, "{fired} faults");
}

#[test]
#[cfg(not(feature = "planted"))]
fn no_bug_can_be_planted_in_a_normal_build() {
    use windlass_sagas::planted::{self, Bug};
    const { assert!(!planted::COMPILED, "a crate of the workspace turns the feature `planted` on") };
    assert!(Bug::ALL.iter().all(|bug| !planted::on(*bug)));
}
