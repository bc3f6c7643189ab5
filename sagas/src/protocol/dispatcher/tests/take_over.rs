//! A change of leaders: everything is looked up first, deadlines do not count the time without a leader.

use super::*;

fn pending(calls: Vec<Effect>) -> Vec<Effect> {
    let mut all = alloc::vec![Effect::Admitted { ledger: LEDGER, incarnation: OURS }];
    all.extend(calls);
    all.push(Effect::View { host: HOST });
    all
}

#[test]
fn every_stream_hears_of_the_lead_before_any_call() {
    let mut desk = Desk::new();
    desk.up(LINK, Up::Hello(hello(OURS)));
    assert!(!desk.out.iter().any(|output| matches!(output, Output::Send { .. })), "nobody leads here");
    desk.lead(pending(alloc::vec![call_effect(0, Direction::Forward, 1)]));
    let sends: Vec<&Down> = desk
        .out
        .iter()
        .filter_map(|output| match output {
            Output::Send { down, .. } => Some(down),
            _ => None,
        })
        .collect();
    assert!(matches!(sends[..], [Down::Lead { term: TERM, .. }, Down::Call(_)]), "{sends:?}");
}

#[test]
fn what_may_have_been_sent_before_is_looked_up_in_both_directions() {
    for direction in [Direction::Forward, Direction::Undo] {
        let mut desk = Desk::new();
        desk.up(LINK, Up::Hello(hello(OURS)));
        desk.lead(pending(alloc::vec![call_effect(0, direction, 3)]));
        assert_eq!(desk.calls(), [(LINK, 0, Verb::Lookup, 3)]);
    }
}

#[test]
fn what_is_committed_after_the_take_over_is_sent_at_once() {
    let mut desk = Desk::new();
    desk.up(LINK, Up::Hello(hello(OURS)));
    desk.lead(pending(Vec::new()));
    desk.effects(alloc::vec![call_effect(0, Direction::Forward, 1)]);
    assert_eq!(desk.calls(), [(LINK, 0, Verb::Execute, 1)]);
}

#[test]
fn an_absent_call_that_waits_out_its_back_off_still_does() {
    let mut desk = Desk::new();
    desk.up(LINK, Up::Hello(hello(OURS)));
    let mut call = open(0, Direction::Forward, 2);
    call.not_before = at(900);
    desk.lead(pending(alloc::vec![Effect::Call(Box::new(call))]));
    desk.reply(Verb::Lookup, 2, Answer::Absent);
    assert!(desk.calls().is_empty());
    desk.wait(900);
    assert_eq!(desk.calls(), [(LINK, 0, Verb::Execute, 2)]);
}

#[test]
fn deadlines_do_not_count_the_time_without_a_leader() {
    // Nobody led for ten seconds, says the lead.
    let deadline_at = |deadline_ms| {
        let mut call = open(0, Direction::Forward, 1);
        call.deadline = Some(at(deadline_ms));
        call.dispatched = Position(4);
        let mut desk = Desk::new();
        desk.lead(pending(alloc::vec![Effect::Call(Box::new(call))]));
        let mut waited_ms = 0;
        while desk.outcomes().is_empty() {
            desk.wait(1_000);
            waited_ms += 1_000;
        }
        waited_ms
    };
    assert_eq!(deadline_at(5_000), 15_000);
    assert_eq!(deadline_at(-9_000), 1_000);
    let anew = deadline_at(-60_000);
    assert!((DEADLINE_RESTART_MS..=2 * DEADLINE_RESTART_MS + 1_000).contains(&anew), "{anew}");
    assert_eq!(anew, deadline_at(-70_000), "the jitter is the key's");
}

#[test]
fn after_stepping_down_nothing_leaves_and_streams_stay() {
    let mut desk = Desk::ready();
    desk.effects(alloc::vec![call_effect(0, Direction::Forward, 1)]);
    desk.tell(Input::SteppedDown);
    desk.reply(Verb::Execute, 1, Answer::Done(StepOutput::None));
    assert!(desk.out.is_empty());
    desk.wait(1_000_000);
    assert!(desk.out.is_empty());
    desk.lead(pending(alloc::vec![call_effect(0, Direction::Forward, 1)]));
    assert_eq!(desk.calls(), [(LINK, 0, Verb::Lookup, 1)]);
}

#[test]
fn agents_are_told_the_last_durable_commit_now_and_then() {
    let mut desk = Desk::ready();
    let told = Output::Send {
        link: LINK,
        down: Down::Seen { term: TERM, position: Position(11), hash: Hash([2; 32]) },
    };
    desk.wait(SEEN_PAUSE_MS);
    assert!(!desk.wants(&told));
    desk.effects(Vec::new());
    desk.wait(SEEN_PAUSE_MS);
    assert!(desk.wants(&told));
    desk.wait(SEEN_PAUSE_MS);
    assert!(!desk.wants(&told));
}
