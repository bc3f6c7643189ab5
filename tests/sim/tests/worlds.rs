//! The simulator over the product's own machines: every single fault at every place of the two first sagas, many random
//! worlds, and the same trace for the same seed.

use windlass_sim::{Lab, Plan, Scenario, Tally};

fn sound(tally: &Tally) {
    let told: Vec<String> = tally
        .failures
        .iter()
        .map(|failure| {
            format!(
                "{} seed {} faults {:?}: {}",
                failure.scenario, failure.seed, failure.faults, failure.violation
            )
        })
        .collect();
    assert!(told.is_empty(), "{told:#?}");
}

#[test]
fn f2_every_single_fault_at_every_place_of_server_create_leaves_nothing() {
    let tally = Lab::new().singles(&Scenario::server_create(), 1, 3);
    sound(&tally);
    assert!(tally.worlds > 100, "the places are enumerated: {} worlds", tally.worlds);
}

#[test]
fn f2_every_single_fault_at_every_place_of_volume_attach_leaves_nothing() {
    let tally = Lab::new().singles(&Scenario::volume_attach(), 1, 3);
    sound(&tally);
    assert!(tally.worlds > 100, "the places are enumerated: {} worlds", tally.worlds);
}

#[test]
fn f3_random_worlds_keep_every_promise() {
    let tally = Lab::new().randoms(1, 500, 3);
    sound(&tally);
    assert!(tally.fired.len() > 10, "many kinds of fault fired: {:?}", tally.fired);
}

#[test]
fn f3_the_same_seed_gives_the_same_trace_twice() {
    let hash = |seed| Lab::new().run(&Scenario::random(seed).0, seed, Plan::Calm, false).hash;
    for seed in 1..20 {
        assert_eq!(hash(seed), hash(seed), "seed {seed}");
    }
    assert_ne!(hash(1), hash(2));
}
