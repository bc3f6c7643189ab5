//! Deciding again: the same build finds nothing, a changed policy is named, and what was not looked at is no pass.

use proptest::prelude::*;
use windlass_sagas::cell::{Cell, Decline, decide};
use windlass_sagas::ids::*;
use windlass_sagas::record::*;

use windlass_replay::{Checked, Group, Intended, Unchecked, Verdict, check, check_by};

use crate::support::{World, create_server, flavor, ops, play};
use crate::{journal, wait};

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn this_build_decides_its_own_journals_the_same(list in ops(100)) {
        let mut world = World::ready(3);
        list.iter().for_each(|op| play(&mut world, *op));
        world.seal();
        let checked = wait(check(&journal(&world.frames), &[]));
        prop_assert_eq!(checked.verdict(), Verdict::Same, "{}", checked);
        prop_assert_eq!(checked.commits, world.commits.len() as u64);
        prop_assert_eq!(checked.voids.values().sum::<u64>(), world.void);
        prop_assert_eq!(checked.end, world.tip.position);
    }
}

/// Two servers made under one build, one under the next; each rolls back.
fn two_builds() -> World {
    let mut world = World::ready(1);
    for (name, build) in [("a", None), ("b", None), ("c", Some("0.2.0"))] {
        if let Some(build) = build {
            world.lead(build);
        }
        world.ask(create_server(name, &[])).expect("admitted");
        world.answer_first();
        world.refuse("prepare_port");
        world.run();
    }
    world.seal();
    world
}

/// A policy that someone changed: calls wait a second before they leave.
fn slower(cell: &Cell, fact: &Fact, now: Time) -> Result<Vec<Event>, Decline> {
    let mut events = decide(cell, fact, now)?;
    if let Fact::Request(_) = fact {
        for event in &mut events {
            if let Event::StepDispatched(e) = event {
                e.not_before = e.not_before.plus_ms(1000);
            }
        }
    }
    Ok(events)
}

fn named(checked: &Checked) -> Vec<(&str, &str, u64)> {
    checked.groups.iter().map(|it: &Group| (it.build.as_str(), it.rule, it.commits)).collect()
}

#[test]
fn a_planted_policy_change_is_named_by_build_and_rule() {
    let world = two_builds();
    let journal = journal(&world.frames);
    let checked = wait(check_by(&journal, &[], slower));
    assert_eq!(checked.verdict(), Verdict::Different);
    assert!(!checked.verdict().passes());
    assert_eq!(named(&checked), [("0.1.0", "CreateServer", 2), ("0.2.0", "CreateServer", 1)]);
    let first = &checked.groups[0].first;
    let made = |(_, commit): &&(_, Commit)| matches!(&commit.fact, Fact::Request(it) if matches!(it.body, Body::CreateServer(_)));
    let (_, commit) = world.commits.iter().find(made).expect("a server is asked for");
    assert_eq!((first.position, &first.recorded), (commit.header.position, &commit.events));
    let text = checked.to_string();
    assert!(text.contains("0.1.0, CreateServer: 2 commits"), "{text}");
    assert!(text.contains("StepDispatched"), "the event that differs is shown: {text}");
}

#[test]
fn what_was_reviewed_passes_and_what_was_not_does_not() {
    let world = two_builds();
    let journal = journal(&world.frames);
    let entry = |build: &str, rule: &str| Intended {
        build: build.into(),
        rule: rule.into(),
        reason: "calls are paced since 0.3".into(),
    };
    let one = [entry("0.1.0", "CreateServer")];
    assert_eq!(wait(check_by(&journal, &one, slower)).verdict(), Verdict::Different, "0.2.0 is not on it");
    let both = [entry("0.1.0", "CreateServer"), entry("0.2.0", "CreateServer"), entry("0.2.0", "Step")];
    let checked = wait(check_by(&journal, &both, slower));
    assert_eq!(checked.verdict(), Verdict::Intended, "{checked}");
    assert!(checked.verdict().passes());
    assert_eq!(checked.unused, [entry("0.2.0", "Step")], "an entry that nothing needs is told");
    assert_eq!(checked.differences(), 3);
}

#[test]
fn a_refusal_of_what_was_accepted_is_a_difference() {
    let world = two_builds();
    let closed = |cell: &Cell, fact: &Fact, now: Time| match fact {
        Fact::Report(Report::Step(_)) => Err(Decline::Stale),
        _ => decide(cell, fact, now),
    };
    let checked = wait(check_by(&journal(&world.frames), &[], closed));
    assert!(checked.groups.iter().all(|group| group.rule == "Step"));
    assert_eq!(checked.groups[0].first.decided, Err(Decline::Stale));
}

#[test]
fn an_empty_journal_is_no_pass() {
    let checked = wait(check(&journal(&[]), &[]));
    assert_eq!(checked.verdict(), Verdict::NotChecked);
    assert!(checked.to_string().contains("the journal has no commits"));
}

#[test]
fn a_journal_that_can_not_be_read_to_its_end_is_no_pass_and_says_from_where() {
    let mut world = World::ready(1);
    world.ask(flavor("big")).expect("a flavor");
    world.seal();
    let end = world.tip.position;
    let mut frames = world.frames.clone();
    let short = frames[frames.len() - 1].len() - 1;
    frames.last_mut().expect("a frame").truncate(short);
    let checked = wait(check(&journal(&frames), &[]));
    assert_eq!(checked.verdict(), Verdict::NotChecked);
    let [Unchecked { from, to: None, why }] = checked.unchecked.as_slice() else { panic!("{checked}") };
    assert_eq!(*from, end);
    assert!(why.contains("the bytes end early"), "{why}");

    let journal = journal(&world.frames);
    journal.with(|broker| broker.set_health(windlass_journal::memory::Health::Leaderless));
    let checked = wait(check(&journal, &[]));
    assert_eq!((checked.verdict(), checked.commits), (Verdict::NotChecked, 0));
}

#[test]
fn a_decision_that_panics_is_not_checked_and_the_rest_is() {
    let world = two_builds();
    let bad = |cell: &Cell, fact: &Fact, now: Time| {
        assert!(!matches!(fact, Fact::Report(Report::Ledger(_))), "planted");
        decide(cell, fact, now)
    };
    let checked = wait(check_by(&journal(&world.frames), &[], bad));
    assert_eq!(checked.verdict(), Verdict::NotChecked);
    assert_eq!(checked.unchecked.len(), 3, "three ledgers were admitted");
    assert!(checked.unchecked.iter().all(|it| it.to == Some(it.from) && it.why.contains("planted")));
    assert_eq!(checked.commits, world.commits.len() as u64 - 3);
    assert_eq!(checked.groups, [], "nothing follows from what was not checked");
}

#[test]
fn an_isolated_saga_is_checked_by_its_panic() {
    let mut world = World::ready(1);
    let saga = world.ask(create_server("web", &[])).expect("admitted");
    let fact: Fact = Report::Overdue(SagaOverdue { saga }).into();
    let stuck = SagaStuck { saga, step: None, reason: "its decision panics".into() };
    world.commit(fact, vec![stuck.into()]);
    world.seal();
    let journal = journal(&world.frames);
    let panics = |cell: &Cell, fact: &Fact, now: Time| {
        assert!(!matches!(fact, Fact::Report(Report::Overdue(_))), "planted");
        decide(cell, fact, now)
    };
    let checked = wait(check_by(&journal, &[], panics));
    assert_eq!((checked.verdict(), checked.isolated), (Verdict::Same, 1), "it panics as it did then");
    let mended = wait(check(&journal, &[]));
    assert_eq!(mended.verdict(), Verdict::Different, "a build that decides it is told apart");
    assert_eq!(named(&mended), [("0.1.0", "Overdue", 1)]);
}
