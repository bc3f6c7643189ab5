//! Leading: one frame in flight, group commit, stepping down.

use super::*;
use crate::limits::*;
use crate::record::Frame;

#[test]
fn a_lone_fact_leaves_at_once_and_its_reply_waits_for_the_acknowledgement() {
    let mut node = Node::leader(1);
    node.create(5, "a");
    let sent = node.sent().expect("at once");
    assert_eq!(sent.after, Cursor(1));
    assert!(node.replies().is_empty());
    assert_eq!(node.machine.durable_position(), Position(2));
    node.acknowledge(&sent);
    assert!(matches!(&node.replies()[..], [(5, reply)] if accepted(3)(reply)));
    assert_eq!(node.durable(), [Position(3)]);
}

#[test]
fn what_is_decided_while_a_frame_is_out_is_the_next_frame() {
    let mut node = Node::leader(1);
    node.create(1, "a");
    let first = node.sent().expect("at once");
    for token in 2..5 {
        node.create(token, &name(token));
        assert!(node.sent().is_none(), "one frame in flight");
    }
    node.acknowledge(&first);
    let second = node.sent().expect("the next");
    assert_eq!(second.after, Cursor(2));
    assert_eq!(Frame::decode(&second.frame).expect("a frame").commits.len(), 3);
    node.acknowledge(&second);
    assert_eq!(node.replies().iter().map(|(token, _)| *token).collect::<Vec<_>>(), [2, 3, 4]);
}

#[test]
fn a_frame_holds_no_more_than_its_bound_and_the_rest_follows() {
    let mut node = Node::leader(1);
    node.create(1, "a");
    let first = node.sent().expect("at once");
    for token in 2..(FRAME_COMMITS_MAX as u64 + 12) {
        node.create(token, &name(token));
    }
    node.acknowledge(&first);
    let second = node.sent().expect("full");
    assert_eq!(Frame::decode(&second.frame).expect("a frame").commits.len(), FRAME_COMMITS_MAX);
    node.acknowledge(&second);
    assert_eq!(Frame::decode(&node.sent().expect("rest").frame).expect("a frame").commits.len(), 10);
}

#[test]
fn a_full_queue_is_answered_overloaded() {
    let mut node = Node::leader(1);
    node.create(1, "a");
    for token in 0..LEADER_QUEUE_MAX as u64 + 1 {
        node.create(100 + token, &name(token));
    }
    assert_eq!(node.replies(), [(100 + LEADER_QUEUE_MAX as u64, Err(Refused::Overloaded))]);
}

#[test]
fn time_never_goes_backwards() {
    let mut node = Node::leader(1);
    let before = node.machine.fold().expect("loaded").tip().time;
    node.now_ms -= 3_000;
    node.create(1, "a");
    assert_eq!(node.machine.fold().expect("loaded").tip().time, before);
}

#[test]
fn anothers_bytes_where_ours_should_be_drop_the_fold() {
    let mut node = Node::leader(1);
    node.create(1, "a");
    let sent = node.sent().expect("at once");
    node.answer(&sent, Err(AppendError::Fenced));
    assert!(node.replies().is_empty(), "fenced alone proves nothing");
    node.frame(2, &first_frame(9).bytes);
    assert_eq!(node.replies(), [(1, Err(Refused::SteppedDown))]);
    assert!(node.wants(|output| *output == Output::SteppedDown(StepDown::Deposed)));
    assert!(node.wants(|output| *output == Output::Reload { from_start: false }));
    assert!(node.machine.fold().is_none());
    assert_eq!(node.machine.standing(), Standing::Loading);
}

#[test]
fn an_idle_leader_that_reads_a_higher_leader_elected_follows_without_reloading() {
    let mut node = Node::leader(1);
    let mut other = Writer::new(2);
    let first = Node::candidate(1).1;
    for commit in Frame::decode(&first.frame).expect("a frame").commits {
        other.cell.fold(&commit.decode().expect("readable"));
        other.tip = *node.machine.fold().expect("loaded").tip();
    }
    let frame = other.frame(alloc::vec![other.campaign(None)], other.tip.time);
    node.frame(2, &frame.bytes);
    assert!(node.wants(|output| *output == Output::SteppedDown(StepDown::Deposed)));
    assert_eq!(node.machine.standing(), Standing::Following);
    assert_eq!(node.machine.fold().expect("kept").tip().position, Position(3));
}

#[test]
fn a_void_frame_only_moves_an_idle_leaders_cursor() {
    let mut node = Node::leader(1);
    node.frame(2, &first_frame(9).bytes);
    assert!(node.wants(|output| matches!(output, Output::Alarm(Alarm::VoidCommits { commits: 2, .. }))));
    assert!(matches!(node.machine.standing(), Standing::Leading(_)));
    node.create(1, "a");
    assert_eq!(node.sent().expect("at once").after, Cursor(2));
}

#[test]
fn a_lost_lease_lets_what_is_decided_land_and_then_follows() {
    let mut node = Node::leader(1);
    node.create(1, "a");
    let sent = node.sent().expect("at once");
    node.tell(Input::Lease(Lease::Lost));
    node.create(2, "b");
    assert_eq!(node.replies(), [(2, Err(Refused::NotLeader))]);
    node.acknowledge(&sent);
    assert!(matches!(&node.replies()[..], [(1, reply)] if accepted(3)(reply)));
    assert!(node.wants(|output| *output == Output::SteppedDown(StepDown::LeaseLost)));
    assert_eq!(node.machine.standing(), Standing::Following);
}

#[test]
fn the_dispatcher_ends_a_lead_and_below_low_water_drops_the_fold() {
    let ledger = crate::record::LedgerId { host: HostId([1; 16]), role: crate::record::Role::Storage };
    let below = Stop::BelowLowWater { ledger, low_water: Position(2) };
    let mut node = Node::leader(1);
    node.tell(Input::StopLeading(below));
    assert!(node.wants(|output| *output == Output::SteppedDown(StepDown::Told(below))));
    assert!(node.wants(|output| *output == Output::Reload { from_start: false }));

    let mut node = Node::leader(1);
    let term = Term { generation: 0, elected: Position(9) };
    node.tell(Input::StopLeading(Stop::Fenced(term)));
    assert_eq!(node.machine.standing(), Standing::Following);
    // The journal knows no such term: a tail is lost, and nobody leads.
    node.read(&[Node::candidate(1).1.frame]);
    assert!(node.wants(|output| matches!(output, Output::Alarm(Alarm::TailLost { .. }))));
    assert!(node.sent().is_none());
}

#[test]
fn a_follower_decides_nothing() {
    let mut node = Node::new(1);
    node.load();
    node.create(1, "a");
    assert_eq!(node.replies(), [(1, Err(Refused::NotLeader))]);
    node.create(0, "b");
    assert!(node.replies().is_empty(), "token 0 wants no reply");
}

#[test]
fn the_same_inputs_give_the_same_outputs() {
    let run = || {
        let mut node = Node::leader(1);
        let mut all = Vec::new();
        for token in 1..20 {
            node.create(token, &name(token % 7));
            all.extend(node.out.clone());
            if let Some(sent) = node.sent() {
                node.acknowledge(&sent);
                all.extend(node.out.clone());
            }
        }
        all
    };
    assert_eq!(run(), run());
}
