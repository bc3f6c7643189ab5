//! The store against generated journals.

mod images;
mod index;
mod kept;
mod leading;
mod robust;
#[path = "../support/mod.rs"]
mod support;

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use std::collections::BTreeSet;
use windlass_sagas::record::Event;

/// The laws of this folder are only worth what the histories hold.
#[test]
fn generated_histories_hold_every_kind_of_event() {
    let mut runner = TestRunner::deterministic();
    let (mut seen, mut void) = (BTreeSet::new(), 0);
    for _ in 0..200 {
        let list = support::ops(200).new_tree(&mut runner).expect("a history").current();
        let mut world = support::World::ready(3);
        list.iter().for_each(|op| support::play(&mut world, *op));
        void += world.void;
        seen.extend(world.commits.iter().flat_map(|(_, commit)| commit.events.iter().map(Event::name)));
    }
    let all: BTreeSet<&str> = Event::KINDS.iter().map(|(_, _, name)| *name).collect();
    let missing: Vec<&&str> = all.difference(&seen).collect();
    // This build writes one format level only.
    assert_eq!(missing, vec![&"FormatRaised"]);
    assert!(void > 100, "void commits lie between the valid ones: {void}");
}
