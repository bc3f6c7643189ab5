//! Taking the lead: what must hold before, what settles a campaign, and V1: two candidates at one tail.

use super::*;
use crate::limits::*;
use crate::record::{Event, Frame};

#[test]
fn the_first_candidate_appends_genesis_and_its_campaign_as_one_frame() {
    let (mut node, sent) = Node::candidate(1);
    assert_eq!(sent.after, Cursor::START);
    assert_eq!(Frame::decode(&sent.frame).expect("a frame").commits.len(), 2);
    assert_eq!(node.machine.standing(), Standing::Campaigning);
    node.acknowledge(&sent);
    assert_eq!(node.durable(), [Position(1), Position(2)]);
    let term = Term { generation: 0, elected: Position(2) };
    assert!(node.wants(|output| matches!(output, Output::Lead(led) if led.term == term)));
    assert_eq!(node.machine.standing(), Standing::Leading(term));
}

#[test]
fn without_lease_or_before_the_tail_is_read_nobody_campaigns() {
    let mut node = Node::new(1);
    node.load();
    node.end(0);
    assert!(node.sent().is_none(), "no lease");
    node.tell(Input::Lease(Lease::Granted));
    assert!(node.sent().is_none(), "the end was looked up before the lease");
    node.tell(Input::TailEnd { cursor: Cursor(0), read: node.machine.tail_read() - 1 });
    assert!(node.sent().is_none(), "an end of an older read");
    node.end(1);
    assert!(node.sent().is_none(), "frame 1 is not delivered yet");
    node.frame(1, &first_frame(9).bytes);
    assert_eq!(node.sent().expect("an election of long ago is no reason to wait").after, Cursor(1));
}

#[test]
fn an_empty_journal_without_genesis_is_not_led() {
    let mut node = Node::new(1);
    node.machine.config.genesis = None;
    node.load();
    node.tell(Input::Lease(Lease::Granted));
    node.end(0);
    assert!(node.wants(|output| *output == Output::Alarm(Alarm::NoGenesis)));
    assert!(node.sent().is_none());
}

#[test]
fn a_clock_behind_the_journal_keeps_from_campaigning_and_says_so_once() {
    let mut ahead = Writer::new(9);
    let campaign = first_frame(9);
    let mut node = Node::new(1);
    node.load();
    node.wait(0);
    node.frame(1, &campaign.bytes);
    ahead.frame(alloc::vec![crate::record::Report::Genesis(genesis(1)).into()], Time(1));
    ahead.frame(alloc::vec![ahead.campaign(None)], Time(1));
    assert_eq!(ahead.tip, campaign.tip, "the same commits, in two frames");
    let late = Time((START_MS + 10_000) * 1000);
    let frame = ahead.frame(alloc::vec![create_project(START_MS.cast_unsigned(), "p")], late);
    node.frame(2, &frame.bytes);
    node.tell(Input::Lease(Lease::Granted));
    node.read(&[campaign.bytes, frame.bytes]);
    assert!(node.wants(|output| *output == Output::Alarm(Alarm::Clock(Skew::Behind { ms: 10_000 }))));
    assert!(node.sent().is_none());
    node.wait(1_000);
    assert!(!node.wants(|output| matches!(output, Output::Alarm(_))));
}

#[test]
fn v1_two_candidates_at_one_tail_and_only_the_one_whose_bytes_landed_leads() {
    let (mut a, sent_a) = Node::candidate(1);
    let (mut b, sent_b) = Node::candidate(2);
    assert_eq!(sent_a.after, sent_b.after);
    assert_ne!(sent_a.frame, sent_b.frame, "the writer tells them apart");
    // B's lands; A is told "fenced", reads, and finds B's bytes with its own term and position.
    b.acknowledge(&sent_b);
    a.answer(&sent_a, Err(AppendError::Fenced));
    assert!(a.wants(|output| matches!(output, Output::ReadAfter { cursor: Cursor(0), .. })));
    assert_eq!(a.machine.standing(), Standing::Campaigning, "fenced alone proves nothing");
    a.frame(1, &sent_b.frame);
    assert_eq!(a.machine.standing(), Standing::Following);
    assert!(!a.wants(|output| matches!(output, Output::Lead(_))));
    assert_eq!(a.machine.fold().map(|fold| fold.tip()), b.machine.fold().map(|fold| fold.tip()));
}

#[test]
fn an_unknown_campaign_that_landed_leads_by_its_bytes() {
    let (mut node, sent) = Node::candidate(1);
    node.answer(&sent, Err(AppendError::Unknown));
    node.frame(1, &sent.frame);
    assert!(node.wants(|output| matches!(output, Output::Lead(_))));
    // The answer that comes late is of a frame that is settled.
    node.acknowledge(&sent);
    assert!(node.durable().is_empty());
}

#[test]
fn an_acknowledgement_elsewhere_is_not_ours() {
    let (mut node, sent) = Node::candidate(1);
    node.answer(&sent, Ok(Cursor(2)));
    assert_eq!(node.machine.standing(), Standing::Campaigning);
    assert!(node.wants(|output| matches!(output, Output::ReadAfter { .. })));
}

#[test]
fn nothing_at_its_place_means_the_same_bytes_again_after_a_pause() {
    let (mut node, sent) = Node::candidate(1);
    node.answer(&sent, Err(AppendError::Unknown));
    node.end(0);
    assert!(node.sent().is_none(), "paced");
    node.wait(APPEND_RESEND_MS.cast_signed());
    let again = node.sent().expect("sent again");
    assert_eq!((again.append, again.after, again.frame), (sent.append, sent.after, sent.frame));
}

#[test]
fn an_unanswered_append_is_read_for_and_then_sent_again() {
    let (mut node, sent) = Node::candidate(1);
    node.wait(APPEND_RESEND_MS.cast_signed());
    assert!(node.wants(|output| matches!(output, Output::ReadAfter { cursor: Cursor(0), .. })));
    assert!(node.sent().is_none());
    node.end(0);
    node.wait(APPEND_RESEND_MS.cast_signed());
    assert_eq!(node.sent().expect("again").frame, sent.frame);
}

#[test]
fn whoever_lost_a_campaign_waits_before_the_next() {
    let (mut node, _) = Node::candidate(1);
    let theirs = {
        let (_, sent) = Node::candidate(2);
        sent.frame
    };
    node.frame(1, &theirs);
    node.read(core::slice::from_ref(&theirs));
    assert!(node.sent().is_none(), "somebody was just elected");
    node.wait(CAMPAIGN_PAUSE_MS.cast_signed());
    let sent = node.sent().expect("it still has the lease");
    node.acknowledge(&sent);
    assert_eq!(
        node.machine.standing(),
        Standing::Following,
        "behind which frame it landed is still to be seen"
    );
    node.read(&[theirs, sent.frame]);
    assert_eq!(node.machine.standing(), Standing::Leading(Term { generation: 0, elected: Position(3) }));
}

#[test]
fn a_campaign_that_lands_after_the_lease_is_gone_is_no_lead() {
    let (mut node, sent) = Node::candidate(1);
    node.tell(Input::Lease(Lease::Lost));
    node.acknowledge(&sent);
    assert_eq!(node.machine.standing(), Standing::Following);
    assert_eq!(node.durable(), [Position(1), Position(2)]);
    assert!(!node.wants(|output| matches!(output, Output::Lead(_))));
}

#[test]
fn the_build_and_the_term_stand_in_leader_elected() {
    let (_, sent) = Node::candidate(1);
    let frame = Frame::decode(&sent.frame).expect("a frame");
    let last = frame.commits.last().expect("two").decode().expect("readable");
    let elected = last.events.iter().find_map(|event| match event {
        Event::LeaderElected(elected) => Some((elected.build.clone(), elected.term)),
        _ => None,
    });
    assert_eq!(elected, Some(("test".to_string(), Term { generation: 0, elected: Position(2) })));
}
