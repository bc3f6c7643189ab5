//! The traces by which the exhaustive search broke earlier wordings, each replayed against this ledger: what matters is
//! the last line of each. (V1 is the journal's, V7 and V8 are the drivers'.)

use super::*;

/// V2: the intent is lost in a power cut, and a delayed second copy of Execute finds no record.
#[test]
fn v2_a_second_copy_after_a_power_cut_looks_before_it_makes() {
    let mut t = Table::led();
    t.give(execute(0)).give(absent(1)).then(&["begin 2 execute s0"]);
    t.crash(0).again();
    t.give(execute(0)).then(&["begin 1 observe s0"]);
    t.give(present(1)).then(&["persist 1: s0@10 done"]);
}

/// V2, second form: the record is only an older refusal.
#[test]
fn v2_an_older_refusal_does_not_hide_the_change_of_a_later_attempt() {
    let mut t = Table::led();
    t.give(execute(0)).give(absent(1)).give(refused(2)).give(synced(2));
    t.give(execute(0).attempt(2)).give(absent(3)).then(&["begin 4 execute s0"]);
    t.crash(0).again();
    t.give(execute(0).attempt(2)).then(&["begin 1 observe s0"]);
}

/// V3: a look-up answers Done, the saga completes, a delete removes the thing, and a late first Execute comes.
#[test]
fn v3_a_done_that_a_lookup_found_is_recorded_and_a_late_execute_makes_nothing() {
    let mut t = Table::led();
    t.give(execute(0)).give(absent(1)).then(&["begin 2 execute s0"]);
    t.crash(0).again();
    t.give(lookup(0)).give(present(1)).then(&["persist 1: s0@10 done"]);
    t.give(synced(1)).then(&["send 1: s0#1 done"]);
    t.crash(0).again();
    t.give(execute(0)).then(&["send 1: s0#1 done"]);
}

/// V3, the other half: the outcome was lost, but the delete closed the key that made the thing.
#[test]
fn v3_a_delete_closes_the_key_so_a_late_execute_is_told_so() {
    let mut t = Table::led();
    t.give(execute(1).at(20).closing(0, 10)).give(absent(1)).give(did(2)).give(synced(2));
    t.crash(0).again();
    t.give(execute(0)).then(&["send 1: s0#1 the key is closed"]);
}

/// V4a: a refusal that was answered is not in the ledger; the saga unwinds; the other copy of Execute comes.
#[test]
fn v4a_a_call_error_is_never_a_refusal_and_the_undo_closes_the_key_all_the_same() {
    let mut t = Table::led();
    t.give(execute(0).waits_ms(0)).then(&["send 1: s0#1 busy"]);
    t.give(undo(0)).give(removed(1)).give(synced(2)).then(&["send 1: s0#1 undone"]);
    t.give(execute(0)).then(&["send 1: s0#1 the key is closed"]);
}

/// V4b: a refusal names its own attempt, so that it is not taken for the outcome of the next one.
#[test]
fn v4b_a_refusal_names_the_attempt_that_it_speaks_of() {
    let mut t = Table::led();
    t.give(execute(0)).give(absent(1)).give(refused(2)).give(synced(2)).then(&["send 1: s0#1 refused"]);
    t.give(execute(0).attempt(2)).give(absent(3)).then(&["begin 4 execute s0"]);
    t.give(execute(0)).then(&[]);
    t.give(refused(4)).give(synced(3)).then(&["send 1: s0#2 refused", "send 1: s0#2 refused"]);
}

/// V4c: attempt 2 joins running attempt 1, which is refused; attempt 2's other copy comes later.
#[test]
fn v4c_a_joined_attempt_raises_the_refusal_so_its_other_copy_runs_nothing() {
    let mut t = Table::led();
    t.give(execute(0)).give(absent(1)).give(execute(0).attempt(2)).give(refused(2)).give(synced(2));
    t.give(execute(0).attempt(2)).then(&["send 1: s0#2 refused"]);
}

/// V4d: the record of a refusal is lost whole; the undo's tombstone stands for itself.
#[test]
fn v4d_an_undo_needs_no_record_of_what_it_undoes() {
    let mut t = Table::new();
    t.give(lead(1, 5)).give(synced(1));
    t.give(undo(0)).then(&["begin 1 undo s0"]);
    t.give(removed(1)).give(synced(2)).then(&["send 1: s0#1 undone"]);
}

/// V5: undo beside a running execute, and checks made on arrival in a queue.
#[test]
fn v5_no_undo_beside_running_work_and_no_check_before_its_turn() {
    let mut t = Table::led();
    t.give(execute(0)).give(absent(1)).give(undo(0)).then(&[]);
    t.give(lookup(0)).then(&["send 1: s0#1 running"]);
    t.give(did(2)).then(&["begin 3 undo s0", "persist 2: s0@10 done"]);
    t.give(execute(0)).then(&[]);
    t.give(removed(3)).then(&["send 1: s0#1 the key is closed", "persist 3: s0@10 closed"]);
}

/// V5, restart: what the dead process's driver had begun is found by looking, since its work died with it.
#[test]
fn v5_work_of_a_dead_process_is_answered_by_nobody() {
    let mut t = Table::led();
    t.give(execute(0)).give(absent(1));
    t.crash(0).again();
    t.give(did(2)).then(&[]);
    t.give(lookup(0)).then(&["begin 1 observe s0"]);
}

/// V6: the ledger is lost with its tombstones; the late Execute names the lost one.
#[test]
fn v6_a_call_to_a_lost_incarnation_finds_nobody() {
    let mut t = Table::led();
    t.give(undo(0)).give(removed(1)).give(synced(2)).then(&["send 1: s0#1 undone"]);
    let fresh = Incarnation([8; 16]);
    t.ledger = Ledger::new(LEDGER, fresh);
    t.give(lead(1, 5));
    t.give(execute(0)).then(&[&format!("send 1: s0#1 the ledger's incarnation is {fresh}")]);
}

/// V9: attempt 2 is committed but its call is fenced by the look-up; the agent knows only the refusal of attempt 1.
#[test]
fn v9_an_older_refusal_is_no_answer_to_a_lookup() {
    let mut t = Table::led();
    t.give(execute(0)).give(absent(1)).give(refused(2)).give(synced(2));
    t.give(lead(2, 8)).give(synced(3));
    t.give(execute(0).attempt(2)).then(&["send 1: s0#1 fenced 0.8".replace("#1", "#2").as_str()]);
    t.give(lookup(0).attempt(2).on(2, 8)).give(absent(3)).then(&["send 2: s0#2 absent"]);
}

/// §4, tombstone: undo overtakes execute, one leader sent both; and with a power cut between.
#[test]
fn a_tombstone_is_durable_before_the_undo_is_answered() {
    let mut t = Table::led();
    t.give(undo(0)).give(removed(1)).then(&["persist 2: s0@10 closed"]);
    t.crash(0).again();
    t.give(undo(0)).then(&["begin 1 undo s0"]);
    t.give(removed(1)).give(synced(1)).then(&["send 1: s0#1 undone"]);
    t.crash(0).again();
    t.give(execute(0)).then(&["send 1: s0#1 the key is closed"]);
}

/// §7, form M: attempts with a later position than the undo's would outlive its tombstone.
#[test]
fn s7_another_dispatch_position_under_a_key_never_runs() {
    let mut t = Table::led();
    t.give(undo(0).at(2)).give(removed(1)).give(synced(2));
    t.give(execute(0).attempt(2).at(3)).then(&["send 1: s0#2 the key is known with another body"]);
}

/// §7: drop without an answer for calls below; low water lost in a crash; the last value instead of the highest.
#[test]
fn s7_a_late_execute_below_the_low_water_never_runs() {
    let mut t = Table::led();
    t.give(execute(0).at(2)).give(present(1));
    t.give(undo(0).at(2)).give(removed(2)).give(synced(3));
    t.give(low_water(3)).then(&["persist 4: low 3, drop s0"]);
    t.give(low_water(1)).then(&[]);
    t.crash(1).again();
    t.give(execute(0).at(2)).then(&["send 1: s0#1 below 3"]);
}
