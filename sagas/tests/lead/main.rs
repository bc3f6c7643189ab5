//! Two and three orchestrators over one journal, under every disorder that the journal's contract allows: whatever is
//! acknowledged stays, whatever is released is valid, a term has one leader, and somebody leads in the end.

mod world;

use std::sync::{Mutex, MutexGuard, PoisonError};

use proptest::prelude::*;

use world::World;

/// What is planted is the process's, so the tests take turns.
static TURN: Mutex<()> = Mutex::new(());

fn turn() -> MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn run(nodes: usize, choices: &[u16]) -> World {
    let mut world = World::new(nodes);
    for choice in choices {
        world.happen(*choice);
        if world.broken.is_some() {
            return world;
        }
    }
    world.heal();
    world
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_disorder_breaks_a_promise(nodes in 2_usize..4, choices in prop::collection::vec(any::<u16>(), 0..600)) {
        let _turn = turn();
        prop_assert_eq!(run(nodes, &choices).broken, None);
    }
}

/// A list of choices, the same for the same seed.
fn choices(seed: u64) -> Vec<u16> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        u16::try_from(state >> 48).expect("small")
    };
    (0..400).map(|_| next()).collect()
}

/// The disorder does something: requests are acknowledged and leaders change in the middle of it.
#[test]
fn the_runs_are_not_idle() {
    let _turn = turn();
    let (mut acknowledged, mut terms) = (0, 0);
    for seed in 0..100 {
        let mut world = World::new(3);
        choices(seed).into_iter().for_each(|choice| world.happen(choice));
        acknowledged += world.acknowledged;
        terms += world.terms();
    }
    assert!(acknowledged > 300 && terms > 200, "{acknowledged} requests, {terms} terms in 100 runs");
}

#[cfg(feature = "planted")]
mod planted {
    //! The same worlds must find the bugs that are planted.

    use windlass_sagas::planted::{Bug, set};

    use super::{choices, run, turn};
    use crate::world::Broken;

    fn found(bug: Bug) -> Option<Broken> {
        set(&[bug]);
        let found = (0..3_000_u64)
            .find_map(|seed| run(2 + usize::from(seed.is_multiple_of(2)), &choices(seed)).broken);
        set(&[]);
        found
    }

    #[test]
    fn each_planted_bug_of_the_lead_is_found() {
        let _turn = turn();
        let two = found(Bug::TwoFramesInFlight);
        assert!(matches!(two, Some(Broken::NotInChain(_) | Broken::RequestLost(_))), "{two:?}");
        let taken = found(Bug::LandedByTermAndPosition);
        assert!(matches!(taken, Some(Broken::TwoLeaders(_) | Broken::NotInChain(_))), "{taken:?}");
        assert_eq!((0..300).find_map(|seed| run(3, &choices(seed)).broken), None, "nothing planted");
    }
}
