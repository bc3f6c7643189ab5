//! Terms, streams, what was seen, room and draining.

use super::*;
use crate::limits::LEDGER_CALLS_MAX;

#[test]
fn only_a_stream_that_leads_with_the_highest_term_is_heard() {
    let mut t = Table::led();
    t.give(execute(0).on(2, 5)).then(&["send 2: s0#1 fenced 0.5"]);
    t.give(execute(0).on(1, 4)).then(&["send 1: s0#1 fenced 0.5"]);
    t.give(execute(0).on(1, 6)).then(&["send 1: s0#1 fenced 0.5"]);
    t.give(lead(2, 4)).then(&["send 2: fenced lead 0.5"]);
    t.give(lead(2, 5)).then(&[]);
    t.give(lookup(0).on(2, 5)).then(&["begin 1 observe s0"]);
}

#[test]
fn a_higher_lead_fences_the_lower_and_is_durable_before_its_first_answer() {
    let mut t = Table::led();
    t.give(lead(2, 8)).then(&["persist 2: highest 0.8, seen 8"]);
    t.give(execute(0)).then(&["send 1: s0#1 fenced 0.8"]);
    t.give(lookup(1).on(2, 8)).give(absent(1)).then(&[]);
    t.give(synced(2)).then(&["send 2: s1#1 absent"]);
    t.crash(0).give(lead(1, 5)).then(&["send 1: fenced lead 0.8"]);
}

#[test]
fn the_last_commit_seen_is_durable_and_never_a_shorter_one_of_its_generation() {
    let mut t = Table::led();
    let seen = |position, elected, byte| Input::Seen {
        link: LinkId(1),
        term: term(elected),
        position: Position(position),
        hash: Hash([byte; 32]),
    };
    t.give(seen(9, 5, 1)).then(&["persist 2: seen 9"]);
    t.give(seen(9, 5, 2)).then(&[]);
    t.give(seen(8, 5, 1)).then(&[]);
    t.give(seen(99, 4, 1)).then(&[]);
    t.give(lead(1, 6)).then(&["persist 3: highest 0.6"]);
    t.give(synced(3)).crash(0);
    assert_eq!(t.ledger.seen(), Seen { term: term(5), position: Position(9), hash: Hash([1; 32]) });

    let recovered = Term { generation: 1, elected: Position(3) };
    t.give(Input::Lead { link: LinkId(1), term: recovered, position: Position(3), hash: Hash::default() });
    t.then(&["persist 1: highest 1.3, seen 3"]);
}

#[test]
fn another_incarnation_is_nobody() {
    let mut t = Table::led();
    let own = alloc::format!("send 1: s0#1 the ledger's incarnation is {OWN}");
    t.give(execute(0).to(Incarnation([8; 16]))).then(&[&own]);
    let mut elsewhere = execute(0);
    elsewhere.1.ledger.role = Role::Network;
    t.give(elsewhere).then(&[&own]);
}

#[test]
fn a_queued_call_is_checked_when_its_turn_comes_not_when_it_came() {
    let mut t = Table::led();
    t.give(execute(0)).give(absent(1)).give(undo(0)).then(&[]);
    t.give(lead(2, 8)).then(&["persist 2: highest 0.8, seen 8"]);
    t.give(did(2)).then(&["send 1: s0#1 fenced 0.8", "persist 3: s0@10 done"]);
    t.give(synced(3)).then(&["send 1: s0#1 done"]);
}

#[test]
fn an_execute_that_only_looked_so_far_does_not_go_on_under_a_fallen_term() {
    let mut t = Table::led();
    t.give(execute(0)).then(&["begin 1 observe s0"]);
    t.give(lead(2, 8)).give(absent(1)).then(&["send 1: s0#1 fenced 0.8"]);
    t.give(execute(0).on(2, 8)).then(&["begin 2 observe s0"]);

    let mut t = Table::led();
    t.give(execute(0)).give(lead(2, 8)).give(execute(0).on(2, 8)).then(&[]);
    t.give(absent(1)).then(&["begin 2 execute s0"]);
}

#[test]
fn a_lost_stream_is_told_nothing_and_what_it_began_goes_on() {
    let mut t = Table::led();
    t.give(execute(0)).give(undo(0)).give(lost(1)).then(&[]);
    t.give(absent(1)).then(&["begin 2 execute s0"]);
    t.give(did(2)).then(&["persist 2: s0@10 done"]);
    t.give(synced(2)).then(&[]);
    t.give(execute(1)).then(&["send 1: s1#1 fenced 0.5"]);
    t.again().give(execute(0)).then(&["send 1: s0#1 done"]);

    let mut t = Table::led();
    t.give(execute(0)).give(present(1)).give(lost(1)).give(synced(2)).then(&[]);
}

#[test]
fn more_calls_than_its_bound_are_sent_away_busy() {
    let mut t = Table::led();
    for step in 0..LEDGER_CALLS_MAX {
        let call = execute(1);
        let mut call = if step % 2 == 0 { call } else { call.attempt(2) };
        call.1.key.step = StepIndex(u16::try_from(step / 2).unwrap());
        t.give(call);
    }
    t.give(execute(200)).then(&["send 1: s200#1 busy"]);
    t.give(present(1)).give(execute(200)).then(&["send 1: s200#1 busy"]);
    t.give(synced(2)).give(execute(200)).then(&["begin 129 observe s200"]);
}

#[test]
fn draining_sends_away_what_has_not_begun_and_finishes_what_has() {
    let mut t = Table::led();
    t.give(execute(0)).give(undo(0));
    t.give(Input::Drain).then(&["send 1: s0#1 draining"]);
    t.give(lookup(1)).then(&["send 1: s1#1 draining"]);
    t.give(present(1)).then(&["persist 2: s0@10 done"]);
    assert!(!t.ledger.is_quiet());
    t.give(synced(2)).then(&["send 1: s0#1 done"]);
    assert!(t.ledger.is_quiet());
}
