//! One call and its answers.

use super::*;

/// A call that is out: forward by Execute, back by Undo, in its second attempt.
fn out(direction: Direction) -> Desk {
    let mut desk = Desk::ready();
    desk.effects(alloc::vec![call_effect(0, direction, 2)]);
    assert_eq!(desk.calls().len(), 1);
    desk
}

/// The same, unanswered for so long that its look-up is out.
fn looked_up(direction: Direction) -> Desk {
    let mut desk = out(direction);
    desk.wait(u64::from(CALL_MS));
    assert_eq!(desk.calls(), [(LINK, 0, Verb::Lookup, 2)], "never repeated blindly");
    desk
}

fn verb(direction: Direction) -> Verb {
    match direction {
        Direction::Forward => Verb::Execute,
        Direction::Undo => Verb::Undo,
    }
}

#[test]
fn a_call_carries_all_that_a_ledger_checks() {
    let mut desk = Desk::ready();
    let wanted = open(0, Direction::Forward, 1);
    desk.effects(alloc::vec![Effect::Call(Box::new(wanted.clone()))]);
    let call = Call {
        term: TERM,
        key: key(0),
        verb: Verb::Execute,
        direction: Direction::Forward,
        attempt: Attempt(1),
        dispatched: Position(11),
        ledger: LEDGER,
        incarnation: OURS,
        remaining_ms: CALL_MS,
        owner: wanted.owner,
        body: wanted.body,
    };
    assert!(desk.wants(&Output::Send { link: LINK, down: Down::Call(Box::new(call)) }));
}

#[test]
fn an_outcome_of_the_attempt_that_is_out_is_reported() {
    for direction in [Direction::Forward, Direction::Undo] {
        let done = match direction {
            Direction::Forward => Answer::Done(StepOutput::None),
            Direction::Undo => Answer::Undone,
        };
        let mut desk = out(direction);
        desk.reply(verb(direction), 2, done);
        assert_eq!(desk.outcomes(), [(Outcome::Done(StepOutput::None), 2)]);
        assert_eq!(desk.reports()[0].direction, direction);

        let mut desk = out(direction);
        desk.reply(verb(direction), 2, Answer::Refused(refusal()));
        assert_eq!(desk.outcomes(), [(Outcome::Refused(refusal()), 2)]);
    }
}

#[test]
fn a_refusal_of_an_older_attempt_says_nothing_but_its_done_is_done() {
    for direction in [Direction::Forward, Direction::Undo] {
        let mut desk = out(direction);
        desk.reply(verb(direction), 1, Answer::Refused(refusal()));
        assert_eq!((desk.reports().len(), desk.calls().len()), (0, 0));
    }
    let mut desk = out(Direction::Forward);
    desk.reply(Verb::Execute, 1, Answer::Done(StepOutput::None));
    assert_eq!(desk.outcomes(), [(Outcome::Done(StepOutput::None), 1)]);
}

#[test]
fn what_a_look_up_answers_forward() {
    let rows: [(Answer, u32, Option<Outcome>, Option<Verb>); 6] = [
        (Answer::Done(StepOutput::None), 2, Some(Outcome::Done(StepOutput::None)), None),
        (Answer::Done(StepOutput::None), 1, Some(Outcome::Done(StepOutput::None)), None),
        (Answer::Refused(refusal()), 2, Some(Outcome::Refused(refusal())), None),
        // V9: an older refusal is as good as nothing.
        (Answer::Refused(refusal()), 1, None, Some(Verb::Execute)),
        (Answer::Absent, 2, None, Some(Verb::Execute)),
        (Answer::Undone, 2, Some(Outcome::Impossible("the step's key is closed".into())), None),
    ];
    for (answer, attempt, outcome, sent) in rows {
        let mut desk = looked_up(Direction::Forward);
        desk.reply(Verb::Lookup, attempt, answer.clone());
        let told: Vec<Outcome> = desk.outcomes().into_iter().map(|(outcome, _)| outcome).collect();
        assert_eq!(told, Vec::from_iter(outcome), "{answer:?}");
        let calls = Vec::from_iter(sent.map(|verb| (LINK, 0, verb, 2)));
        assert_eq!(desk.calls(), calls, "{answer:?}: the same key and attempt again");
    }
}

#[test]
fn what_a_look_up_answers_on_the_way_back() {
    for answer in [Answer::Done(StepOutput::None), Answer::Absent, Answer::Refused(refusal())] {
        let mut desk = looked_up(Direction::Undo);
        desk.reply(Verb::Lookup, 2, answer);
        assert_eq!(desk.calls(), [(LINK, 0, Verb::Undo, 2)]);
        assert!(desk.reports().is_empty());
    }
    let mut desk = looked_up(Direction::Undo);
    desk.reply(Verb::Lookup, 2, Answer::Undone);
    assert_eq!(desk.outcomes(), [(Outcome::Done(StepOutput::None), 2)]);
}

#[test]
fn a_running_call_is_looked_at_again_after_a_growing_pause() {
    let mut desk = looked_up(Direction::Forward);
    for pause_ms in [50, 100, 200, 400] {
        desk.reply(Verb::Lookup, 2, Answer::Running);
        assert!(desk.calls().is_empty());
        desk.wait(pause_ms - 1);
        assert!(desk.calls().is_empty());
        desk.wait(1);
        assert_eq!(desk.calls(), [(LINK, 0, Verb::Lookup, 2)]);
    }
}

#[test]
fn a_late_answer_to_the_call_counts_while_it_is_looked_up() {
    let mut desk = looked_up(Direction::Forward);
    desk.reply(Verb::Execute, 2, Answer::Done(StepOutput::None));
    assert_eq!(desk.outcomes(), [(Outcome::Done(StepOutput::None), 2)]);
    desk.reply(Verb::Lookup, 2, Answer::Absent);
    assert!(desk.calls().is_empty(), "it is reported");
}

#[test]
fn a_late_look_up_never_sends_a_call_again() {
    let mut desk = looked_up(Direction::Forward);
    desk.reply(Verb::Lookup, 2, Answer::Absent);
    assert_eq!(desk.calls(), [(LINK, 0, Verb::Execute, 2)]);
    desk.reply(Verb::Lookup, 2, Answer::Absent);
    assert!(desk.calls().is_empty(), "the Execute is out");
}

#[test]
fn call_errors_are_no_outcomes() {
    for error in [CallError::Busy, CallError::Draining] {
        let mut desk = out(Direction::Forward);
        desk.reply(Verb::Execute, 2, Answer::Error(error));
        assert!(desk.reports().is_empty() && desk.calls().is_empty());
        desk.wait(LOOKUP_PAUSE_MS.0);
        assert_eq!(desk.calls(), [(LINK, 0, Verb::Execute, 2)], "no attempt is counted");
    }
    let mut desk = out(Direction::Forward);
    desk.reply(Verb::Execute, 2, Answer::Error(CallError::Tombstoned));
    assert!(matches!(&desk.outcomes()[..], [(Outcome::Impossible(_), 2)]));
    let mut desk = out(Direction::Undo);
    desk.reply(Verb::Execute, 1, Answer::Error(CallError::Tombstoned));
    assert!(desk.reports().is_empty(), "the saga has turned: the late Execute is nobody's");
    for direction in [Direction::Forward, Direction::Undo] {
        let mut desk = out(direction);
        desk.reply(verb(direction), 2, Answer::Error(CallError::KeyConflict));
        assert!(matches!(&desk.outcomes()[..], [(Outcome::Impossible(_), 2)]));
        assert!(desk.wants(&Output::Alarm(Alarm::KeyConflict { key: key(0), ledger: LEDGER })));
        let mut desk = out(direction);
        desk.reply(verb(direction), 2, Answer::Error(CallError::Unsupported));
        let outcomes = desk.outcomes();
        let [(Outcome::Impossible(why), 2)] = &outcomes[..] else { panic!("{outcomes:?}") };
        assert!(why.contains("upgrade"), "{why}");
    }
}

#[test]
fn fenced_and_below_low_water_stop_the_lead() {
    let higher = Term { generation: 0, elected: Position(12) };
    let mut desk = out(Direction::Forward);
    desk.reply(Verb::Execute, 2, Answer::Error(CallError::Fenced(higher)));
    assert!(desk.wants(&Output::StopLeading(Stop::Fenced(higher))));
    let mut desk = out(Direction::Undo);
    desk.reply(Verb::Undo, 2, Answer::Error(CallError::BelowLowWater(Position(12))));
    let stop = Stop::BelowLowWater { ledger: LEDGER, low_water: Position(12) };
    assert!(desk.wants(&Output::StopLeading(stop)));
    // A word about a step that nobody waits for changes nothing.
    let mut desk = Desk::ready();
    desk.reply(Verb::Undo, 2, Answer::Error(CallError::BelowLowWater(Position(12))));
    assert!(!desk.wants(&Output::StopLeading(stop)));
    let mut desk = out(Direction::Forward);
    desk.reply(Verb::Execute, 2, Answer::Error(CallError::Fenced(TERM)));
    assert!(!desk.out.iter().any(|output| matches!(output, Output::StopLeading(_))), "that is us");
}

#[test]
fn an_answer_of_another_incarnation_is_nobodys() {
    let mut desk = out(Direction::Forward);
    let answer = Answer::Done(StepOutput::None);
    let (verb, attempt) = (Verb::Execute, Attempt(2));
    let reply = Reply { ledger: LEDGER, incarnation: OTHER, key: key(0), verb, attempt, answer };
    desk.up(LINK, Up::Reply(reply));
    assert!(desk.reports().is_empty());
}

#[test]
fn a_report_is_said_again_until_a_commit_settles_it() {
    let mut desk = out(Direction::Forward);
    desk.reply(Verb::Execute, 2, Answer::Done(StepOutput::None));
    desk.wait(REPORT_AGAIN_MS.0);
    assert_eq!(desk.outcomes().len(), 1);
    desk.wait(REPORT_AGAIN_MS.0);
    assert_eq!(desk.outcomes().len(), 0, "the pause doubles");
    desk.wait(REPORT_AGAIN_MS.0);
    assert_eq!(desk.outcomes().len(), 1);
    desk.effects(alloc::vec![Effect::Settled { key: key(0), direction: Direction::Forward }]);
    assert_eq!(desk.machine.open_calls(), 0);
    desk.wait(REPORT_AGAIN_MS.1);
    assert!(desk.outcomes().is_empty());
}

#[test]
fn not_before_is_respected() {
    let mut desk = Desk::ready();
    let mut call = open(0, Direction::Forward, 1);
    call.not_before = at(700);
    desk.effects(alloc::vec![Effect::Call(Box::new(call))]);
    assert!(desk.calls().is_empty());
    assert!(desk.wants(&Output::WakeAt(at(700))));
    desk.wait(699);
    assert!(desk.calls().is_empty());
    desk.wait(1);
    assert_eq!(desk.calls().len(), 1);
}

#[test]
fn calls_to_one_ledger_are_bounded_and_an_answer_lets_the_next_leave() {
    let mut desk = Desk::ready();
    let most = u16::try_from(LEDGER_CALLS_MAX).expect("small");
    let all = (0..most + 2).map(|step| call_effect(step, Direction::Forward, 1)).collect();
    desk.effects(all);
    assert_eq!(desk.calls().len(), LEDGER_CALLS_MAX);
    desk.reply(Verb::Execute, 1, Answer::Done(StepOutput::None));
    assert_eq!(desk.calls().len(), 1);
    desk.effects(alloc::vec![Effect::Settled { key: key(1), direction: Direction::Forward }]);
    assert_eq!(desk.calls().len(), 1);
}

#[test]
fn a_turned_sagas_undo_takes_the_place_of_its_forward_call() {
    let mut desk = out(Direction::Forward);
    desk.effects(alloc::vec![call_effect(0, Direction::Undo, 1)]);
    assert_eq!(desk.calls(), [(LINK, 0, Verb::Undo, 1)]);
    desk.reply(Verb::Execute, 2, Answer::Done(StepOutput::None));
    assert!(desk.reports().is_empty());
    desk.reply(Verb::Undo, 1, Answer::Undone);
    assert_eq!(desk.outcomes(), [(Outcome::Done(StepOutput::None), 1)]);
}

#[test]
fn an_undo_that_was_resolved_without_a_call_settles_the_forward_call_too() {
    let mut desk = out(Direction::Forward);
    desk.effects(alloc::vec![Effect::Settled { key: key(0), direction: Direction::Undo }]);
    assert_eq!(desk.machine.open_calls(), 0);
    let mut desk = out(Direction::Undo);
    desk.effects(alloc::vec![Effect::Settled { key: key(0), direction: Direction::Forward }]);
    assert_eq!(desk.machine.open_calls(), 1, "a forward outcome settles no undo");
    desk.effects(alloc::vec![Effect::SagaEnded { saga: SAGA }]);
    assert_eq!(desk.machine.open_calls(), 0);
}

#[test]
fn a_passed_deadline_is_a_fact_unless_an_outcome_is_reported() {
    let mut late = open(0, Direction::Forward, 1);
    late.deadline = Some(at(1_000));
    let mut desk = Desk::ready();
    desk.effects(alloc::vec![Effect::Call(Box::new(late.clone()))]);
    desk.wait(1_000);
    assert_eq!(desk.outcomes(), [(Outcome::Overdue, 1)]);
    let mut desk = Desk::ready();
    desk.effects(alloc::vec![Effect::Call(Box::new(late))]);
    desk.reply(Verb::Execute, 1, Answer::Done(StepOutput::None));
    desk.wait(REPORT_AGAIN_MS.0);
    assert_eq!(desk.outcomes(), [(Outcome::Done(StepOutput::None), 1)]);
}

#[test]
fn a_sagas_deadline_is_watched_until_it_ends() {
    let overdue = Output::Fact(Box::new(Report::Overdue(SagaOverdue { saga: SAGA }).into()));
    let open = || alloc::vec![Effect::SagaOpen { saga: SAGA, deadline: at(500) }];
    let mut desk = Desk::ready();
    desk.effects(open());
    desk.wait(499);
    assert!(!desk.wants(&overdue));
    desk.wait(1);
    assert!(desk.wants(&overdue));
    let mut desk = Desk::ready();
    desk.effects(open());
    desk.effects(alloc::vec![Effect::SagaEnded { saga: SAGA }]);
    desk.wait(500);
    assert!(!desk.wants(&overdue));
}
