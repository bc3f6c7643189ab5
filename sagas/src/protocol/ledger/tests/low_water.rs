//! Low water: what may be dropped, when, and the neighbouring forms that the search found to leak.

use super::*;

/// A ledger with the tombstone of step 0 at 10, durable.
fn closed() -> Table {
    let mut t = Table::led();
    t.give(undo(0)).give(removed(1)).give(synced(2));
    t
}

#[test]
fn records_strictly_below_go_in_the_batch_of_the_low_water_and_calls_below_are_told_so() {
    let mut t = closed();
    t.give(execute(1).at(11)).give(present(2)).give(synced(3));
    t.give(low_water(11)).then(&["persist 4: low 11, drop s0"]);
    t.give(execute(0)).then(&["send 1: s0#1 below 11"]);
    t.give(undo(0)).then(&["send 1: s0#1 below 11"]);
    t.give(lookup(0)).then(&["send 1: s0#1 below 11"]);
    t.give(execute(1).at(11)).then(&["send 1: s1#1 done"]);
}

#[test]
fn a_dropped_tombstone_leaves_the_low_water_behind_it_over_any_crash() {
    let mut t = closed();
    t.give(low_water(11));
    t.crash(1).again().give(execute(0)).then(&["send 1: s0#1 below 11"]);

    let mut t = closed();
    t.give(low_water(11));
    t.crash(0).again().give(execute(0)).then(&["send 1: s0#1 the key is closed"]);
}

#[test]
fn the_highest_value_counts_not_the_last() {
    let mut t = closed();
    t.give(low_water(11)).give(low_water(2)).then(&[]);
    t.give(execute(0)).then(&["send 1: s0#1 below 11"]);
}

#[test]
fn the_record_at_the_low_water_itself_stays() {
    let mut t = closed();
    t.give(low_water(10)).then(&["persist 3: low 10"]);
    t.give(execute(0)).then(&["send 1: s0#1 the key is closed"]);
}

#[test]
fn it_counts_only_for_this_incarnation_and_from_who_leads() {
    let mut t = closed();
    let from = |incarnation, elected| Input::LowWater {
        link: LinkId(1),
        incarnation,
        term: term(elected),
        position: Position(99),
    };
    t.give(from(Incarnation([8; 16]), 5)).then(&[]);
    t.give(from(OWN, 4)).then(&[]);
    t.give(from(OWN, 6)).then(&[]);
    t.give(execute(0)).then(&["send 1: s0#1 the key is closed"]);
}

#[test]
fn a_refusal_and_a_done_go_like_a_tombstone() {
    let mut t = Table::led();
    t.give(execute(0)).give(absent(1)).give(refused(2)).give(execute(1)).give(present(3));
    t.give(low_water(11)).then(&["persist 4: low 11, drop s0, drop s1"]);
    assert_eq!(t.ledger.entry_count(), 0);
}

#[test]
fn a_higher_generation_sets_it_back_to_zero_and_the_old_one_is_fenced() {
    let mut t = closed();
    t.give(low_water(50)).give(synced(3));
    let recovered = Term { generation: 1, elected: Position(3) };
    t.give(Input::Lead { link: LinkId(2), term: recovered, position: Position(3), hash: Hash::default() });
    t.then(&["persist 4: low 0, highest 1.3, seen 3"]);
    t.give(low_water(99)).then(&[]);
    t.give(execute(4)).then(&["send 1: s4#1 fenced 1.3"]);
    let mut call = execute(4);
    call.0 = LinkId(2);
    call.1.term = recovered;
    t.give(call).then(&["begin 2 observe s4"]);
}

#[test]
fn it_is_checked_when_the_work_begins_and_running_work_keeps_its_record() {
    let mut t = Table::led();
    t.give(execute(0)).give(present(1)).give(synced(2));
    t.give(undo(0)).then(&["begin 2 undo s0"]);
    t.give(execute(0)).then(&[]);
    t.give(low_water(11)).then(&["persist 3: low 11"]);
    t.give(removed(2)).then(&["send 1: s0#1 below 11", "persist 4: low 11, drop s0"]);
    t.give(synced(4)).then(&["send 1: s0#1 undone"]);

    let mut t = Table::led();
    t.give(execute(0)).give(low_water(11)).give(absent(1)).then(&["send 1: s0#1 below 11"]);
}

#[test]
fn a_tombstone_that_a_delete_leaves_has_the_closed_keys_position_and_goes_with_it() {
    let mut t = Table::led();
    t.give(execute(1).at(20).closing(0, 10)).give(present(1)).give(synced(2));
    t.give(low_water(11)).then(&["persist 3: low 11, drop s0"]);
    t.give(execute(0)).then(&["send 1: s0#1 below 11"]);

    let mut t = Table::led();
    t.give(low_water(11)).give(execute(1).at(20).closing(0, 10)).give(present(1));
    t.then(&["persist 3: s1@20 done"]);
}
