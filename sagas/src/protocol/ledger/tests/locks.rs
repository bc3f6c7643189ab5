//! The lock of a key: what waits for what, and keys that another key's success closes.

use super::*;

#[test]
fn undo_waits_for_the_running_execute_and_then_removes_it() {
    let mut t = Table::led();
    t.give(execute(0)).give(absent(1)).give(undo(0)).then(&[]);
    t.give(did(2)).then(&["begin 3 undo s0", "persist 2: s0@10 done"]);
    t.give(removed(3)).then(&["persist 3: s0@10 closed"]);
    t.give(synced(3)).then(&["send 1: s0#1 done", "send 1: s0#1 undone"]);
}

#[test]
fn an_execute_waits_for_the_running_undo_and_finds_the_tombstone() {
    let mut t = Table::led();
    t.give(undo(0)).give(execute(0)).then(&[]);
    t.give(undo(0).attempt(2)).then(&[]);
    t.give(removed(1)).then(&["send 1: s0#1 the key is closed", "persist 2: s0@10 closed"]);
    t.give(synced(2)).then(&["send 1: s0#1 undone", "send 1: s0#2 undone"]);
}

#[test]
fn calls_of_one_key_keep_their_order_and_other_keys_pass_by() {
    let mut t = Table::led();
    t.give(lookup(0)).give(execute(0)).give(undo(0)).then(&[]);
    t.give(execute(1)).then(&["begin 2 observe s1"]);
    t.give(absent(1)).then(&["send 1: s0#1 absent", "begin 3 observe s0"]);
    t.give(present(3)).then(&["begin 4 undo s0", "persist 2: s0@10 done"]);
}

#[test]
fn a_delete_closes_the_key_that_made_the_thing_at_that_keys_position_in_the_batch_of_its_own_done() {
    let mut t = Table::led();
    t.give(execute(0)).give(present(1)).give(synced(2));
    let delete = execute(1).at(20).closing(0, 10).closing(7, 4);
    t.give(delete.clone()).give(absent(2)).give(did(3));
    t.then(&["persist 3: s1@20 done, s0@10 closed, s7@4 closed"]);
    t.give(synced(3)).then(&["send 1: s1#1 done"]);
    t.give(execute(0)).then(&["send 1: s0#1 the key is closed"]);
    t.give(execute(7).at(4)).then(&["send 1: s7#1 the key is closed"]);
    t.give(execute(7).at(5)).then(&["send 1: s7#1 the key is known with another body"]);
    t.give(delete).then(&["send 1: s1#1 done"]);
}

#[test]
fn a_delete_found_by_a_lookup_closes_too_and_a_refused_one_closes_nothing() {
    let mut t = Table::led();
    t.give(lookup(1).at(20).closing(0, 10)).give(present(1));
    t.then(&["persist 2: s1@20 done, s0@10 closed"]);
    t.give(execute(3).at(20).closing(2, 10)).give(absent(2)).give(refused(3));
    t.then(&["persist 3: s3@20 refused#1"]);
}

#[test]
fn a_delete_and_the_key_that_it_closes_exclude_each_other() {
    let mut t = Table::led();
    t.give(execute(1).at(20).closing(0, 10)).then(&["begin 1 observe s1"]);
    t.give(execute(0)).then(&[]);
    t.give(present(1)).then(&["send 1: s0#1 the key is closed", "persist 2: s1@20 done, s0@10 closed"]);

    let mut t = Table::led();
    t.give(execute(0)).give(execute(1).at(20).closing(0, 10)).then(&[]);
    t.give(lookup(0)).then(&["send 1: s0#1 running"]);
    t.give(present(1)).then(&["begin 2 observe s1", "persist 2: s0@10 done"]);
}
