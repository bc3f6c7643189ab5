//! Promises of the engine and the agents that a named world shows on the machines as they are, each test named by the
//! promise's number in the design. A world that passes has kept every other promise too.

use windlass_sim::{Lab, Outcome, named};

/// Runs a named world: its script fires wholly, its sagas end as they must, nothing is left over.
fn holds(beginning: &str) -> Outcome {
    let world = named::find(beginning).expect("exactly one world's name begins so");
    let outcome = Lab::new().named(&world);
    assert_eq!(outcome.violation, None, "{}: {}", world.name, world.about);
    outcome
}

#[test]
fn every_named_world_holds_and_its_name_finds_it() {
    let all = named::all();
    for world in &all {
        holds(world.name);
    }
    let names: std::collections::BTreeSet<&str> = all.iter().map(|world| world.name).collect();
    assert_eq!(names.len(), all.len());
    assert!(all.len() > 40);
}

#[test]
fn o1_of_two_candidates_for_one_term_one_leads() {
    let outcome = holds("v1-");
    assert_eq!((outcome.seen.leads, outcome.seen.acknowledged), (1, 1), "{:?}", outcome.seen);
}

#[test]
fn o1_a_deposed_leaders_frame_does_not_count() {
    let outcome = holds("p5-");
    assert!(outcome.seen.leads >= 2 && outcome.seen.stepped_down >= 1, "{:?}", outcome.seen);
}

#[test]
fn o1_a_frame_that_lands_behind_another_leader_is_void() {
    let outcome = holds("o1-");
    assert!(outcome.void >= 1 && outcome.seen.alarms >= 1 && outcome.seen.leads >= 2, "{:?}", outcome.seen);
}

#[test]
fn o3_a_new_leader_looks_up_what_its_predecessor_dispatched() {
    let outcome = holds("v9-");
    assert!(outcome.seen.leads >= 2 && outcome.seen.looked_up >= 1, "{:?}", outcome.seen);
}

#[test]
fn o6_a_lost_tail_stops_leading_until_an_operator_orders_to_go_on() {
    for world in ["o6a-", "o6b-", "o6c-", "o6d-", "o6e-"] {
        let seen = holds(world).seen;
        assert!(seen.tail_alarms >= 1 && seen.leads >= 2, "{world} {seen:?}");
    }
}

#[test]
fn s1_an_abandoned_saga_frees_nothing() {
    assert_eq!(holds("l1-").ended[2], 1);
}

#[test]
fn s4_a_refused_step_is_undone_and_its_late_copies_find_the_tombstone() {
    let seen = holds("v4a-").seen;
    assert!(seen.tombstoned + seen.below_low_water >= 1, "{seen:?}");
    holds("v4b-");
    holds("v4c-");
}

#[test]
fn a2_an_execute_looks_at_the_world_before_it_begins() {
    holds("v2-");
}

#[test]
fn a2_a_look_up_that_finds_the_change_records_it() {
    holds("v3-");
}

#[test]
fn a2_a_change_is_durable_before_its_outcome_and_so_is_a_removal() {
    holds("v7a-");
    holds("v7b-");
}

#[test]
fn a3_an_execute_that_arrives_after_its_undo_is_answered_tombstoned() {
    assert!(holds("p2-").seen.tombstoned >= 1);
}

#[test]
fn a3_an_undo_of_a_running_key_waits_for_it() {
    holds("v5b-");
}

#[test]
fn a3_a_delete_closes_the_key_that_made_the_thing() {
    holds("v3-");
}

#[test]
fn a4_a_call_of_a_term_that_is_over_is_answered_fenced() {
    assert!(holds("a4-").seen.fenced >= 1);
}

#[test]
fn a6_driver_work_in_progress_dies_with_its_agent() {
    holds("v5a-");
}

#[test]
fn a6_a_reboot_brings_back_what_the_fold_has_and_nothing_else() {
    holds("a6-");
    holds("v7c-");
}

#[test]
fn a8_a_late_call_to_a_lost_ledger_finds_nobody() {
    assert!(holds("v4d-").seen.wrong_incarnation >= 1);
    assert!(holds("v6a-").seen.wrong_incarnation >= 1);
}

#[test]
fn a8_a_host_that_is_gone_joins_again_under_the_same_leader_or_another() {
    let seen = holds("a8-a-gone-host-").seen;
    assert_eq!((seen.leads, seen.gone, seen.rejoined), (1, 1, 1), "{seen:?}");
    assert!(holds("a8-a-stream-").seen.leads >= 2);
}

#[test]
fn o2_a_clock_that_was_fast_leaves_nobody_unled() {
    let seen = holds("o2-").seen;
    assert!(seen.leads >= 2 && seen.clock_jumps == 2, "{seen:?}");
}

#[test]
fn s5_an_undo_is_tried_until_it_is_done() {
    holds("s5-");
}

#[test]
fn s1_a_stuck_saga_goes_on_the_way_it_went() {
    assert_eq!(holds("s1-").seen.retried, 1);
}

#[test]
fn l2_a_port_keeps_its_address_when_its_server_is_deleted() {
    holds("l2-");
}

#[test]
fn r1_a_request_that_is_sent_again_is_the_same_saga() {
    assert_eq!(holds("r1-").seen.acknowledged, 2);
}

#[test]
fn a1_an_outcome_and_a_tombstone_are_synced_before_the_reply() {
    holds("a1-");
}

#[test]
fn a8_a_host_that_is_declared_gone_has_its_incarnations_retired() {
    holds("v6b-");
}

#[test]
fn s6_a_gone_host_has_nothing_left_to_undo() {
    holds("v6b-");
}
