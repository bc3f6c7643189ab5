//! A node that follows, leads or remembers a tail that the journal has lost, or has had rewritten: it finds out, and takes
//! the lead on nothing but the journal's own chain. What an operator orders counts for what he was shown.

use super::tail::{folded, follower, journal, order};
use super::*;
use crate::limits::{APPEND_RESEND_MS, FOLLOWER_PROOF_MS};

/// What an operator made of `kept` after the rest was lost: one more frame, a raised generation.
fn recovered(kept: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut node = follower(kept);
    node.machine.config.recover = Some(order(0));
    node.read(kept);
    let raised = node.sent().expect("an order at the start is for whatever the journal shows").frame;
    [kept, &[raised]].concat()
}

/// A node without the lease that has read these frames to their end.
fn idle(frames: &[Vec<u8>]) -> Node {
    let mut node = Node::new(2);
    node.load();
    node.read(frames);
    assert!(node.machine.durable_fold().is_some_and(|fold| fold == &folded(frames)));
    node
}

const PROOF: i64 = FOLLOWER_PROOF_MS.cast_signed();
const RESEND: i64 = APPEND_RESEND_MS.cast_signed();

#[test]
fn an_idle_follower_looks_again_whether_its_fold_is_the_journals() {
    let frames = journal();
    let mut node = idle(&frames);
    node.wait(PROOF - 1);
    assert!(!node.wants(|output| matches!(output, Output::ReadAfter { .. })));
    node.wait(1);
    assert_eq!(node.asked, Cursor(2), "with the frame that its fold ends in");
    node.read(&frames);
    assert!(!node.wants(|output| matches!(output, Output::Reload { .. })));
    assert!(!node.wants(|output| matches!(output, Output::ReadAfter { .. })), "once a pause");
}

#[test]
fn o6_a_follower_whose_journal_was_rewritten_reloads_and_remembers_until_the_generation_is_above() {
    let frames = journal();
    // Of the three frames one is lost; the new one stands at its place.
    let rewritten = recovered(&frames[..2]);
    assert_eq!(rewritten.len(), frames.len());
    let mut node = idle(&frames);
    node.wait(PROOF);
    node.read(&rewritten);
    assert!(node.wants(|output| *output == Output::Reload { from_start: true }));
    node.load();
    node.tell(Input::Lease(Lease::Granted));
    node.now_ms += 60_000;
    node.read(&rewritten);
    assert!(!node.wants(|output| matches!(output, Output::Alarm(_))), "the order settled it: {:?}", node.out);
    assert_eq!(node.sent().expect("campaigns").after, Cursor(3));
}

#[test]
fn o6_a_follower_whose_journal_got_shorter_reloads_and_does_not_lead() {
    let frames = journal();
    let mut node = idle(&frames);
    node.tell(Input::Lease(Lease::Granted));
    node.now_ms += 60_000;
    node.read(&frames[..2]);
    assert!(!node.wants(|output| matches!(output, Output::Reload { .. })), "one server may lag");
    node.wait(RESEND);
    node.read(&frames[..2]);
    assert!(node.wants(|output| *output == Output::Reload { from_start: true }));
    node.load();
    node.read(&frames[..2]);
    assert!(node.wants(|output| matches!(output, Output::Alarm(Alarm::TailLost { seen: Position(4), .. }))));
    assert!(node.sent().is_none());
}

#[test]
fn void_commits_of_a_higher_generation_make_a_follower_look_at_once_and_only_once() {
    let frames = journal();
    // Behind the whole journal stands what was written for a shorter one.
    let raised = recovered(&frames[..2]).pop().expect("three");
    let whole = [&frames[..], &[raised]].concat();
    let mut node = idle(&frames);
    node.frame(4, &whole[3]);
    assert!(
        node.wants(|output| matches!(output, Output::Alarm(Alarm::VoidCommits { cursor: Cursor(4), .. })))
    );
    assert_eq!(node.asked, Cursor(2));
    for _ in 0..3 {
        // The fold is the journal's: the same frame again is no reason to look again, to tell, or to reload.
        node.read(&whole);
        assert!(!node.wants(|output| matches!(output, Output::ReadAfter { .. } | Output::Reload { .. })));
        assert!(!node.wants(|output| matches!(output, Output::Alarm(_))));
        node.wait(PROOF);
    }
}

#[test]
fn void_commits_of_a_higher_generation_depose_a_leader_until_its_fold_is_shown_to_be_the_journals() {
    let mut node = Node::leader(1);
    let first = Node::candidate(1).1.frame;
    let raised = recovered(core::slice::from_ref(&first)).pop().expect("two");
    node.create(1, "a");
    let sent = node.sent().expect("at once");
    node.acknowledge(&sent);
    let whole = [first, sent.frame, raised];
    node.frame(3, &whole[2]);
    assert!(node.wants(|output| *output == Output::SteppedDown(StepDown::Deposed)));
    node.now_ms += 60_000;
    node.read(&whole);
    assert!(!node.wants(|output| matches!(output, Output::Reload { .. })));
    assert_eq!(node.sent().expect("it leads again").after, Cursor(3));
}

#[test]
fn a_void_frame_that_became_anothers_is_judged_anew() {
    let frames = journal();
    let void = frames[0].clone();
    let mut node = idle(&frames);
    node.frame(4, &void);
    // The void frame is lost, and another's valid one has its place.
    let mut other = follower(&frames);
    other.read(&frames);
    let valid = other.sent().expect("campaigns").frame;
    node.wait(PROOF);
    node.read(&[&frames[..], &[valid]].concat());
    assert_eq!(node.durable(), [Position(5)]);
}

#[test]
fn a_campaign_that_landed_behind_another_history_is_no_lead() {
    let frames = journal();
    let mut node = follower(&frames);
    node.read(&frames);
    let sent = node.sent().expect("campaigns");
    // Before it lands, the last frame is lost and another one takes its place.
    let rewritten = [recovered(&frames[..2]), alloc::vec![sent.frame.clone()]].concat();
    node.acknowledge(&sent);
    node.read(&rewritten);
    assert!(!node.wants(|output| matches!(output, Output::Lead(_))));
    assert!(node.wants(|output| *output == Output::Reload { from_start: true }));
    node.load();
    node.read(&rewritten);
    assert!(
        node.wants(|output| matches!(output, Output::Alarm(Alarm::VoidCommits { cursor: Cursor(4), .. })))
    );
    assert_eq!(node.sent().expect("on the journal's own chain").after, Cursor(4));
}

#[test]
fn an_order_counts_only_for_the_tip_that_the_operator_was_shown() {
    let frames = journal();
    let condemned = || {
        let mut node = follower(&frames[..2]);
        let highest = Term { generation: 0, elected: Position(9) };
        node.tell(Input::Seen { seen: (Position(9), Hash([9; 32])), highest });
        node.read(&frames[..2]);
        node.read(&frames[..2]);
        assert!(node.sent().is_none());
        // It would go on, but waits: somebody else was just elected.
        node.machine.pause_until = Time((node.now_ms + 1_000) * 1000);
        node.tell(Input::Recover(order(0)));
        assert!(node.sent().is_none());
        node
    };
    let mut same = condemned();
    same.wait(1_000);
    assert!(same.sent().is_some());
    let mut other = condemned();
    other.frame(3, &frames[2]);
    other.wait(1_000);
    assert!(other.sent().is_none(), "the journal has more than the operator has seen");
    assert_eq!(other.machine.config.recover, None);
}

#[test]
fn an_order_does_not_survive_a_reload_that_shows_another_journal() {
    let frames = journal();
    let mut node = follower(&frames);
    node.tell(Input::Recover(order(0)));
    assert!(node.machine.config.recover.is_some());
    node.read(&frames[..2]);
    node.wait(RESEND);
    node.read(&frames[..2]);
    assert!(node.wants(|output| *output == Output::Reload { from_start: true }));
    let at = node.machine.ordered_at;
    node.tell(Input::Recover(order(0)));
    assert_eq!(node.machine.ordered_at, at, "nothing is shown while loading");
    node.load();
    node.read(&frames[..2]);
    assert!(node.wants(|output| matches!(output, Output::Alarm(Alarm::TailLost { .. }))));
    assert!(node.sent().is_none());
    node.tell(Input::Recover(order(0)));
    assert!(node.sent().is_some(), "now he has seen it");
}

#[test]
fn o6_an_own_image_is_a_witness_even_if_the_journal_disproves_it() {
    let frames = journal();
    let short = &frames[..2];
    let rewritten = recovered(&frames[..1]);
    for (there, reads) in [(short, 2), (&rewritten[..], 1)] {
        let mut node = Node::new(2);
        node.tell(Input::Loaded(Box::new(folded(if reads == 1 { short } else { &frames }))));
        node.tell(Input::Lease(Lease::Granted));
        node.now_ms += 60_000;
        for _ in 0..reads {
            node.wait(RESEND);
            node.read(there);
        }
        assert!(node.wants(|output| *output == Output::Reload { from_start: true }), "{reads}");
        node.load();
        node.read(there);
        if reads == 2 {
            let lost =
                |output: &Output| matches!(output, Output::Alarm(Alarm::TailLost { seen: Position(4), .. }));
            assert!(node.wants(lost), "{:?}", node.out);
            assert!(node.sent().is_none());
            node.tell(Input::Recover(order(0)));
        }
        assert!(node.sent().is_some(), "an operator's order settles it");
    }
}

#[test]
fn o6_a_rewritten_tail_of_the_same_generation_is_betrayed_by_an_own_image() {
    let frames = journal();
    let mut writer = Writer::new(9);
    writer.tip = *folded(&frames[..1]).tip();
    let theirs = writer.campaign(None);
    let other = [&frames[..1], &[writer.frame(alloc::vec![theirs], Time(START_MS * 1000)).bytes]].concat();
    let mut node = Node::new(2);
    node.tell(Input::Loaded(Box::new(folded(&frames[..2]))));
    node.tell(Input::Lease(Lease::Granted));
    node.now_ms += 60_000;
    node.read(&other);
    node.load();
    node.read(&other);
    assert!(
        node.wants(|output| matches!(
            output,
            Output::Alarm(Alarm::TailRewritten { position: Position(3), .. })
        ))
    );
    assert!(node.sent().is_none());
}

#[test]
fn an_image_without_a_cell_to_be_of_is_no_witness() {
    let frames = journal();
    let fold = folded(&frames);
    let image = Fold::restored(fold.cell().clone(), *fold.tip(), fold.cursor(), None).expect("of one fold");
    let mut node = Node::new(2);
    node.tell(Input::Loaded(Box::new(image)));
    node.tell(Input::Lease(Lease::Granted));
    node.now_ms += 60_000;
    let there = [first_frame(9).bytes, frames[1].clone(), frames[2].clone()];
    node.read(&[&there[..2], &[first_frame(9).bytes]].concat());
    assert!(node.wants(|output| *output == Output::Reload { from_start: true }));
    node.load();
    node.read(&there[..1]);
    assert!(!node.wants(|output| matches!(output, Output::Alarm(_))), "{:?}", node.out);
    assert!(node.sent().is_some());
}

#[test]
fn two_short_answers_at_once_do_not_depose_and_growth_forgets_them() {
    let mut node = Node::leader(1);
    node.create(1, "a");
    let sent = node.sent().expect("at once");
    node.answer(&sent, Err(AppendError::Unknown));
    node.end(0);
    node.acknowledge(&sent);
    node.wait(60_000);
    // The journal has grown since that server lagged; now it lags once more.
    node.create(2, "b");
    let sent = node.sent().expect("at once");
    node.answer(&sent, Err(AppendError::Unknown));
    node.end(0);
    assert!(matches!(node.machine.standing(), Standing::Leading(_)));
    node.wait(RESEND);
    node.end(1);
    assert!(node.wants(|output| *output == Output::SteppedDown(StepDown::TailLost)));
}
