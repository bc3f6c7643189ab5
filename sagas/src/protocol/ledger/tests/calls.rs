//! One rule of "A call" a test: record, world, attempts, joining, bodies, time.

use super::*;

#[test]
fn execute_observes_before_it_begins_and_answers_once_its_record_is_durable() {
    let mut t = Table::led();
    t.give(execute(0)).then(&["begin 1 observe s0"]);
    t.give(absent(1)).then(&["begin 2 execute s0"]);
    t.give(did(2)).then(&["persist 2: s0@10 done"]);
    t.give(synced(2)).then(&["send 1: s0#1 done"]);
    assert!(t.ledger.is_quiet());
}

#[test]
fn what_exists_under_the_key_is_done_without_executing() {
    let mut t = Table::led();
    t.give(execute(0)).then(&["begin 1 observe s0"]);
    t.give(present(1)).then(&["persist 2: s0@10 done"]);
    t.give(synced(2)).then(&["send 1: s0#1 done"]);
}

#[test]
fn what_is_half_there_is_finished() {
    let mut t = Table::led();
    t.give(execute(0));
    t.give(partial(1)).then(&["begin 2 execute s0"]);
}

#[test]
fn done_is_sticky_and_answered_from_the_record() {
    let mut t = Table::led();
    t.give(execute(0)).give(present(1)).give(synced(2));
    t.give(execute(0).attempt(2)).then(&["send 1: s0#2 done"]);
    t.give(lookup(0).attempt(3)).then(&["send 1: s0#3 done"]);
}

#[test]
fn an_answer_from_a_record_waits_for_that_record() {
    let mut t = Table::led();
    t.give(execute(0)).give(present(1)).then(&["persist 2: s0@10 done"]);
    t.give(execute(0)).then(&[]);
    t.give(synced(2)).then(&["send 1: s0#1 done", "send 1: s0#1 done"]);
}

#[test]
fn batches_of_different_keys_are_out_at_once_and_each_reply_waits_for_its_own() {
    let mut t = Table::led();
    t.give(execute(0)).then(&["begin 1 observe s0"]);
    t.give(execute(1)).then(&["begin 2 observe s1"]);
    t.give(present(2)).then(&["persist 2: s1@10 done"]);
    t.give(present(1)).then(&["persist 3: s0@10 done"]);
    t.give(synced(2)).then(&["send 1: s1#1 done"]);
    t.give(synced(3)).then(&["send 1: s0#1 done"]);
}

#[test]
fn a_sync_speaks_for_the_batches_before_it() {
    let mut t = Table::led();
    t.give(execute(0)).give(execute(1)).give(present(1)).give(present(2));
    t.give(synced(3)).then(&["send 1: s0#1 done", "send 1: s1#1 done"]);
    t.give(synced(99)).then(&[]);
    t.give(execute(2)).give(present(3)).then(&["persist 4: s2@10 done"]);
}

#[test]
fn the_same_key_while_it_runs_joins_and_raises_the_recorded_attempt() {
    let mut t = Table::led();
    t.give(execute(0)).give(absent(1)).then(&["begin 2 execute s0"]);
    t.give(execute(0).attempt(2)).then(&[]);
    t.give(refused(2)).then(&["persist 2: s0@10 refused#2"]);
    t.give(synced(2)).then(&["send 1: s0#2 refused", "send 1: s0#2 refused"]);
    t.give(execute(0).attempt(2)).then(&["send 1: s0#2 refused"]);
    t.give(execute(0).attempt(3)).then(&["begin 3 observe s0"]);
}

#[test]
fn a_refusal_answers_attempts_up_to_its_own_and_a_higher_one_runs_again() {
    let mut t = Table::led();
    t.give(execute(0).attempt(2)).give(absent(1)).give(refused(2)).give(synced(2));
    t.give(execute(0).attempt(1)).then(&["send 1: s0#2 refused"]);
    t.give(execute(0).attempt(3)).then(&["begin 3 observe s0"]);
    t.give(present(3)).then(&["persist 3: s0@10 done"]);
}

#[test]
fn undo_looks_at_the_world_and_leaves_a_tombstone() {
    let mut t = Table::led();
    t.give(execute(0)).give(present(1)).give(synced(2));
    t.give(undo(0)).then(&["begin 2 undo s0"]);
    t.give(removed(2)).then(&["persist 3: s0@10 closed"]);
    t.give(synced(3)).then(&["send 1: s0#1 undone"]);
    t.give(execute(0)).then(&["send 1: s0#1 the key is closed"]);
}

#[test]
fn undo_of_a_key_never_executed_looks_too_and_leaves_a_tombstone() {
    let mut t = Table::led();
    t.give(undo(0)).then(&["begin 1 undo s0"]);
    t.give(removed(1)).then(&["persist 2: s0@10 closed"]);
    t.give(synced(2)).then(&["send 1: s0#1 undone"]);
    t.give(execute(0)).then(&["send 1: s0#1 the key is closed"]);
    t.give(lookup(0)).then(&["send 1: s0#1 undone"]);
    t.give(lookup_undo(0)).then(&["send 1: s0#1 undone"]);
}

#[test]
fn a_late_copy_of_an_answered_undo_touches_nothing() {
    let mut t = Table::led();
    t.give(undo(0)).give(removed(1)).give(synced(2));
    t.give(execute(1).at(20)).give(present(2)).give(synced(3));
    t.give(undo(0)).then(&["send 1: s0#1 undone"]);
}

#[test]
fn a_refused_undo_is_recorded_beside_done_and_tried_again_by_any_undo() {
    let mut t = Table::led();
    t.give(execute(0)).give(present(1)).give(synced(2));
    t.give(undo(0)).give(undo_refused(2)).then(&["persist 3: s0@10 done undo-refused#1"]);
    t.give(synced(3)).then(&["send 1: s0#1 refused"]);
    t.give(lookup_undo(0)).then(&["send 1: s0#1 refused"]);
    t.give(lookup_undo(0).attempt(2)).then(&["send 1: s0#2 absent"]);
    t.give(undo(0)).then(&["begin 3 undo s0"]);
}

/// A3: what the undo has removed so far must not be made again, whether the Execute waited for it or comes later.
#[test]
fn a3_an_execute_behind_an_undo_that_failed_is_late() {
    let mut t = Table::led();
    t.give(undo(0)).give(execute(0).attempt(2)).then(&[]);
    t.give(undo_refused(1)).then(&["send 1: s0#2 the key is closed", "persist 2: s0@10 undo-refused#1"]);
    t.give(synced(2)).then(&["send 1: s0#1 refused"]);
    t.give(execute(0).attempt(3)).then(&["send 1: s0#3 the key is closed"]);
    t.give(undo(0).attempt(2)).then(&["begin 2 undo s0"]);
    t.give(removed(2)).give(synced(3)).then(&["send 1: s0#2 undone"]);
}

#[test]
fn lookup_observes_and_records_what_it_finds_before_it_answers() {
    let mut t = Table::led();
    t.give(lookup(0)).then(&["begin 1 observe s0"]);
    t.give(present(1)).then(&["persist 2: s0@10 done"]);
    t.give(synced(2)).then(&["send 1: s0#1 done"]);
    t.give(lookup(1)).give(absent(2)).then(&["send 1: s1#1 absent"]);
    t.give(lookup(2)).give(partial(3)).then(&["send 1: s2#1 absent"]);
}

#[test]
fn lookup_of_running_work_says_so_and_of_a_running_lookup_waits() {
    let mut t = Table::led();
    t.give(execute(0));
    t.give(lookup(0)).then(&["send 1: s0#1 running"]);
    t.give(absent(1)).give(lookup(0).attempt(2)).then(&["send 1: s0#2 running"]);
    t.give(lookup(1)).then(&["begin 3 observe s1"]);
    t.give(lookup(1).attempt(2)).then(&[]);
    t.give(absent(3)).then(&["send 1: s1#1 absent", "begin 4 observe s1"]);
    t.give(undo(2)).give(lookup_undo(2)).then(&["send 1: s2#1 running"]);
}

#[test]
fn lookup_takes_an_older_refusal_for_none() {
    let mut t = Table::led();
    t.give(execute(0)).give(absent(1)).give(refused(2)).give(synced(2));
    t.give(lookup(0)).give(absent(3)).then(&["send 1: s0#1 refused"]);
    t.give(lookup(0).attempt(2)).give(absent(4)).then(&["send 1: s0#2 absent"]);
    t.give(lookup(0)).give(present(5)).then(&["persist 3: s0@10 done"]);
}

#[test]
fn a_world_that_cannot_be_looked_at_refuses_an_execute_and_leaves_a_lookup_without_an_answer() {
    let mut t = Table::led();
    t.give(execute(0)).give(blind(1)).then(&["persist 2: s0@10 refused#1"]);
    t.give(lookup(1)).give(blind(2)).then(&["send 1: s1#1 busy"]);
}

#[test]
fn another_body_or_position_under_a_key_is_a_conflict_running_recorded_or_closed() {
    let conflict = &["send 1: s0#1 the key is known with another body"][..];
    let mut t = Table::led();
    t.give(execute(0));
    t.give(execute(0).other_body()).then(conflict);
    t.give(lookup(0).at(11)).then(conflict);
    t.give(present(1)).give(synced(2));
    t.give(execute(0).at(11)).then(conflict);
    t.give(lookup(0).other_body()).then(conflict);
    t.give(undo(0).other_body()).then(conflict);
    t.give(undo(0)).give(removed(2)).give(synced(3));
    t.give(undo(0).other_body()).then(conflict);
}

#[test]
fn a_call_whose_time_ran_out_begins_nothing_but_is_answered_from_the_record() {
    let mut t = Table::led();
    t.give(execute(0).waits_ms(0)).then(&["send 1: s0#1 busy"]);
    t.give(execute(0).waits_ms(10)).then(&["begin 1 observe s0"]);
    t.give(undo(0).waits_ms(20)).then(&[]);
    t.pass(30).give(absent(1)).then(&["send 1: s0#1 busy", "send 1: s0#1 busy"]);
    t.give(execute(0)).give(present(2)).give(synced(2));
    t.give(execute(0).waits_ms(0)).then(&["send 1: s0#1 done"]);
}

#[test]
fn the_driver_learns_how_long_is_left() {
    let mut t = Table::led();
    let mut out = Vec::new();
    t.ledger.step(execute(0).waits_ms(100).into(), t.now, &mut out);
    t.ledger.step(execute(0).waits_ms(500).into(), t.now, &mut out);
    t.ledger.step(absent(1), t.now.plus_ms(60), &mut out);
    let left: Vec<u32> = out
        .iter()
        .filter_map(|output| match output {
            Output::Begin(work) => Some(work.remaining_ms),
            Output::Apply(_) | Output::Persist { .. } | Output::Send { .. } => None,
        })
        .collect();
    assert_eq!(left, [100, 440]);
}

#[test]
fn a_driver_that_answers_something_else_has_failed() {
    let mut t = Table::led();
    t.give(execute(0)).give(removed(1)).then(&["persist 2: s0@10 refused#1"]);
    t.give(worked(77, WorkResult::Undone(Ok(())))).then(&[]);
    t.give(removed(1)).then(&[]);
}

#[test]
fn words_of_a_driver_that_are_over_their_bound_are_replaced() {
    let mut t = Table::led();
    let long = Refusal { message: "x".repeat(2_000), ..full() };
    t.give(execute(0)).give(absent(1)).give(worked(2, WorkResult::Executed(Err(long))));
    let (_, entry) = t.ledger.entries().next().unwrap();
    let Forward::Refused(_, refusal) = &entry.forward else { panic!("refused") };
    assert_eq!(refusal.message, "the driver's message is over its bound");

    let endpoint = StepOutput::Export(Endpoint { host: "h".repeat(300), port: 1 });
    t.give(execute(1)).give(absent(3)).give(worked(4, WorkResult::Executed(Ok(endpoint))));
    t.then(&["persist 3: s1@10 refused#1"]);
}
