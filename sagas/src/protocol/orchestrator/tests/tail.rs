//! The journal against what is remembered of it: images, gaps, tails that are gone or written anew, and the operator's
//! order that goes on.

use super::*;
use crate::limits::APPEND_RESEND_MS;
use crate::protocol::PoisonError;

/// A journal of three frames: positions 1-2, 3, 4.
pub(super) fn journal() -> Vec<Vec<u8>> {
    let mut node = Node::leader(1);
    let mut frames = alloc::vec![Node::candidate(1).1.frame];
    for token in 1..3 {
        node.create(token, &name(token));
        let sent = node.sent().expect("at once");
        node.acknowledge(&sent);
        frames.push(sent.frame);
    }
    frames
}

pub(super) fn folded(frames: &[Vec<u8>]) -> Fold {
    let mut fold = Fold::new(Some(CELL));
    for (cursor, bytes) in (1..).zip(frames) {
        fold.absorb(Cursor(cursor), bytes).expect("valid");
    }
    fold
}

/// A follower with the lease that has read these frames; its end is looked up.
pub(super) fn follower(frames: &[Vec<u8>]) -> Node {
    let mut node = Node::new(2);
    node.load();
    for (cursor, bytes) in (1..).zip(frames) {
        node.frame(cursor, bytes);
    }
    node.now_ms += 60_000;
    node.tell(Input::Lease(Lease::Granted));
    node
}

pub(super) fn order(above: u32) -> Recover {
    Recover { order: "ops: disk lost".to_string(), above }
}

fn seen(fold: &Fold) -> Input {
    Input::Seen { seen: (fold.tip().position, fold.tip().hash), highest: fold.tip().term }
}

#[test]
fn what_an_agent_saw_and_the_journal_has_no_longer_keeps_everybody_from_leading() {
    let frames = journal();
    let mut node = follower(&frames[..2]);
    node.tell(seen(&folded(&frames)));
    node.read(&frames[..2]);
    assert!(node.sent().is_none(), "the end was asked for before the word came");
    node.read(&frames[..2]);
    let alarm = |output: &Output| {
        matches!(output, Output::Alarm(Alarm::TailLost { seen: Position(4), tip: Position(3), .. }))
    };
    assert!(node.wants(alarm), "{:?}", node.out);
    node.wait(60_000);
    assert!(node.sent().is_none());
    assert!(!node.wants(alarm), "once");
}

#[test]
fn what_an_agent_saw_first_is_no_alarm_once_the_frame_arrives() {
    let frames = journal();
    let mut node = follower(&frames[..2]);
    node.tell(seen(&folded(&frames)));
    node.read(&frames);
    node.read(&frames);
    assert!(!node.wants(|output| matches!(output, Output::Alarm(_))));
    assert_eq!(node.sent().expect("campaigns").after, Cursor(3));
}

#[test]
fn another_hash_at_a_position_stops_a_leader_and_keeps_it_from_leading() {
    let mut node = Node::leader(1);
    let highest = node.machine.fold().expect("loaded").tip().term;
    node.tell(Input::Seen { seen: (Position(2), Hash([9; 32])), highest });
    assert!(node.wants(|output| *output == Output::SteppedDown(StepDown::TailSeenElsewhere)));
    assert!(node.wants(|output| *output == Output::Reload { from_start: true }));
    node.load();
    node.now_ms += 60_000;
    node.read(&[Node::candidate(1).1.frame]);
    assert!(node.wants(|output| matches!(output, Output::Alarm(Alarm::TailRewritten { .. }))));
    assert_eq!(node.machine.against((Position(2), Hash([9; 32])), highest), Some(Against::Other));
    assert_eq!(
        node.machine.against(
            (
                node.machine.fold().expect("loaded").tip().position,
                node.machine.fold().expect("loaded").tip().hash
            ),
            highest
        ),
        None
    );
    assert!(node.sent().is_none());
}

#[test]
fn a_recover_order_goes_on_with_a_generation_above_every_one_reported() {
    let frames = journal();
    let mut node = follower(&frames[..2]);
    let whole = folded(&frames);
    let highest = Term { generation: 4, elected: Position(1) };
    node.tell(Input::Seen { seen: (whole.tip().position, whole.tip().hash), highest });
    node.read(&frames[..2]);
    node.read(&frames[..2]);
    assert!(node.sent().is_none());
    let shown = node.machine.condemned().expect("what is lost");
    assert!(matches!(shown.alarm, Alarm::TailLost { seen: Position(4), .. }), "{shown:?}");
    assert_eq!((shown.tip, shown.next_generation, shown.ordered), (*folded(&frames[..2]).tip(), 5, false));
    let against = node.machine.against((whole.tip().position, whole.tip().hash), highest);
    assert_eq!(against, Some(Against::Ahead));
    node.tell(Input::Recover(order(2)));
    assert!(node.machine.condemned().is_some_and(|shown| shown.ordered));
    let sent = node.sent().expect("goes on");
    node.acknowledge(&sent);
    node.read(&[&frames[..2], &[sent.frame]].concat());
    let term = Term { generation: 5, elected: Position(4) };
    assert_eq!(node.machine.standing(), Standing::Leading(term));
    assert_eq!(node.machine.condemned(), None);
    // What the old generation saw is settled by it, and the order is used up.
    node.tell(Input::Seen { seen: (Position(4), whole.tip().hash), highest });
    assert_eq!(node.machine.standing(), Standing::Leading(term));
    assert_eq!(node.machine.config.recover, None);
}

#[test]
fn a_leader_whose_journal_got_shorter_steps_down_and_remembers() {
    let mut node = Node::leader(1);
    node.create(1, "a");
    let sent = node.sent().expect("at once");
    node.acknowledge(&sent);
    node.create(2, "b");
    let sent = node.sent().expect("at once");
    for _ in 0..2 {
        assert!(
            matches!(node.machine.standing(), Standing::Leading(_)),
            "at once may be one server that lags"
        );
        node.answer(&sent, Err(AppendError::Unknown));
        node.end(1);
    }
    node.wait(APPEND_RESEND_MS.cast_signed());
    node.end(1);
    assert!(node.wants(|output| *output == Output::SteppedDown(StepDown::TailLost)));
    assert!(node.wants(|output| *output == Output::Reload { from_start: true }));
    node.load();
    node.now_ms += 60_000;
    node.read(&[Node::candidate(1).1.frame]);
    assert!(node.wants(|output| matches!(output, Output::Alarm(Alarm::TailLost { seen: Position(3), .. }))));
}

#[test]
fn one_short_answer_may_be_a_server_that_lags() {
    let frames = journal();
    let mut node = follower(&frames);
    node.end(2);
    assert!(!node.wants(|output| matches!(output, Output::Reload { .. })));
    node.wait(1_000);
    node.read(&frames);
    assert_eq!(node.sent().expect("campaigns").after, Cursor(3));
}

#[test]
fn an_image_is_proven_by_the_frame_it_ends_in() {
    let frames = journal();
    let mut node = Node::new(2);
    node.tell(Input::Loaded(Box::new(folded(&frames[..2]))));
    assert!(node.wants(|output| matches!(output, Output::ReadAfter { cursor: Cursor(1), .. })));
    node.tell(Input::Lease(Lease::Granted));
    node.end(2);
    assert!(node.sent().is_none(), "not proven");
    assert_eq!(node.machine.durable_fold(), None);
    node.now_ms += 60_000;
    node.read(&frames[..2]);
    assert_eq!(node.sent().expect("campaigns").after, Cursor(2));
}

#[test]
fn an_image_of_another_history_is_dropped() {
    let frames = journal();
    let mut node = Node::new(2);
    node.tell(Input::Loaded(Box::new(folded(&frames[..2]))));
    node.frame(2, &first_frame(9).bytes);
    assert_eq!(node.out, [Output::Reload { from_start: true }]);
    assert_eq!(node.machine.standing(), Standing::Loading);
}

#[test]
fn frames_known_already_are_ignored_and_a_gap_is_asked_for_again() {
    let frames = journal();
    let mut node = Node::new(2);
    node.load();
    node.frame(1, &frames[0]);
    node.frame(1, &frames[0]);
    assert!(node.durable().is_empty());
    node.frame(3, &frames[2]);
    assert!(node.durable().is_empty());
    node.end(3);
    node.wait(1_000);
    let missing = Alarm::FramesMissing { have: Cursor(1), end: Cursor(3) };
    assert!(node.wants(|output| *output == Output::Alarm(missing.clone())));
    assert_eq!(node.asked, Cursor(0), "with the frame that the fold ends in");
}

#[test]
fn poison_stops_the_node_with_its_position() {
    let mut node = Node::new(2);
    node.load();
    node.tell(Input::Lease(Lease::Granted));
    node.frame(1, &genesis_frame(99));
    let poisoned = |output: &Output| {
        matches!(output, Output::Alarm(Alarm::Poisoned(poisoned))
            if poisoned.position == Position(1) && poisoned.error == PoisonError::FormatLevel { level: 99 })
    };
    assert!(node.wants(poisoned));
    node.end(1);
    node.wait(60_000);
    assert!(node.sent().is_none());
    assert_eq!(node.machine.standing(), Standing::Stopped);
}
