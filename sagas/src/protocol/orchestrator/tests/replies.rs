//! What a reply rests on: positive ones on their position, negative ones also on having led since; reads; a silent journal.

use super::*;
use crate::cell::Reason;
use crate::limits::*;

fn renewal(node: &Node) -> Option<u64> {
    node.out.iter().find_map(|output| match output {
        Output::RenewLease { asked } => Some(*asked),
        _ => None,
    })
}

fn rejected_at(reply: &Result<Receipt, Refused>, at: u64) -> bool {
    matches!(reply, Err(Refused::Rejected { rejection, position })
        if rejection.reason == Reason::NameTaken && *position == Position(at))
}

#[test]
fn an_idle_leaders_refusal_waits_for_a_renewal_that_began_after_it() {
    let mut node = Node::leader(1);
    node.create(1, "a");
    let sent = node.sent().expect("at once");
    node.acknowledge(&sent);
    node.create(2, "a");
    let asked = renewal(&node).expect("asked for at once");
    assert!(node.replies().is_empty());
    node.create(3, "a");
    assert_eq!(renewal(&node), None, "one renewal at a time");
    node.tell(Input::Lease(Lease::Renewed { asked }));
    assert!(matches!(&node.replies()[..], [(2, reply)] if rejected_at(reply, 3)));
    let shared = renewal(&node).expect("for the one that came after the first began");
    node.tell(Input::Lease(Lease::Renewed { asked: shared }));
    assert!(matches!(&node.replies()[..], [(3, reply)] if rejected_at(reply, 3)));
}

#[test]
fn a_refusal_that_rests_on_a_frame_in_flight_waits_for_that_frame_too() {
    let mut node = Node::leader(1);
    node.create(1, "a");
    let sent = node.sent().expect("at once");
    node.create(2, "a");
    let asked = renewal(&node).expect("no frame follows that would serve");
    node.tell(Input::Lease(Lease::Renewed { asked }));
    assert!(node.replies().is_empty(), "position 3 is not durable");
    node.acknowledge(&sent);
    assert_eq!(node.replies().len(), 2);
    assert!(rejected_at(&node.replies()[1].1, 3));
}

#[test]
fn a_frame_that_left_before_the_refusal_does_not_prove_it_but_the_next_one_does() {
    let mut node = Node::leader(1);
    node.create(1, "a");
    let first = node.sent().expect("at once");
    node.create(2, "b");
    node.create(3, "a");
    assert_eq!(renewal(&node), None, "the next frame will serve");
    node.acknowledge(&first);
    assert_eq!(node.replies().iter().map(|(token, _)| *token).collect::<Vec<_>>(), [1]);
    let second = node.sent().expect("b");
    assert_eq!(renewal(&node), None);
    node.acknowledge(&second);
    assert_eq!(node.replies().iter().map(|(token, _)| *token).collect::<Vec<_>>(), [2, 3]);
}

#[test]
fn a_renewal_that_is_not_answered_is_asked_for_again() {
    let mut node = Node::leader(1);
    node.create(1, "");
    assert!(renewal(&node).is_some());
    node.wait(APPEND_RESEND_MS.cast_signed() - 1);
    assert_eq!(renewal(&node), None);
    node.wait(1);
    assert!(renewal(&node).is_some());
}

#[test]
fn a_deposed_leader_refuses_nothing() {
    let mut node = Node::leader(1);
    node.create(1, "a");
    node.create(2, "a");
    node.frame(2, &first_frame(9).bytes);
    assert_eq!(node.replies(), [(1, Err(Refused::SteppedDown)), (2, Err(Refused::SteppedDown))]);
}

#[test]
fn a_repeat_names_the_saga_and_rests_on_the_running_position() {
    let mut node = Node::leader(1);
    let request = create_project(START_MS.cast_unsigned(), "a");
    node.ask(1, request.clone());
    let sent = node.sent().expect("at once");
    node.ask(2, request.clone());
    assert!(node.replies().is_empty(), "the first is not durable");
    node.acknowledge(&sent);
    let replies = node.replies();
    assert_eq!(replies[0].1, replies[1].1, "the same saga, the same position");
    assert!(matches!(&replies[0].1, Ok(Receipt { saga: Some(_), position: Position(3) })));
    node.ask(3, request);
    assert_eq!(node.replies().len(), 1, "durable already: at once");
}

#[test]
fn a_stale_report_is_dropped_and_answered_only_where_a_reply_is_wanted() {
    let stale = || Fact::from(crate::record::Report::Genesis(genesis(1)));
    let mut node = Node::leader(1);
    node.ask(0, stale());
    assert!(node.out.iter().all(|output| matches!(output, Output::WakeAt(_))), "{:?}", node.out);
    node.ask(7, stale());
    let asked = renewal(&node).expect("a negative answer");
    node.tell(Input::Lease(Lease::Renewed { asked }));
    assert_eq!(node.replies(), [(7, Err(Refused::Stale { position: Position(2) }))]);
}

#[test]
fn a_read_leaves_when_what_it_was_computed_from_is_durable() {
    let mut node = Node::leader(1);
    node.create(1, "a");
    let sent = node.sent().expect("at once");
    node.tell(Input::Read { token: 9, min_position: Position(0) });
    assert!(node.wants(|output| *output == Output::ReadNow { token: 9, position: Position(3) }));
    assert!(!node.wants(|output| matches!(output, Output::ReadReady { .. })));
    node.acknowledge(&sent);
    assert!(node.wants(|output| *output == Output::ReadReady { token: 9, position: Position(3) }));
}

#[test]
fn a_read_of_the_own_write_waits_until_the_follower_has_it() {
    let mut node = Node::new(1);
    node.load();
    node.tell(Input::Read { token: 9, min_position: Position(2) });
    assert!(!node.wants(|output| matches!(output, Output::ReadNow { .. })));
    node.frame(1, &first_frame(9).bytes);
    assert!(node.wants(|output| *output == Output::ReadNow { token: 9, position: Position(2) }));
    assert!(node.wants(|output| *output == Output::ReadReady { token: 9, position: Position(2) }));
}

#[test]
fn a_read_computed_from_a_dropped_fold_never_leaves() {
    let mut node = Node::leader(1);
    node.create(1, "a");
    node.tell(Input::Read { token: 9, min_position: Position(0) });
    node.frame(2, &first_frame(9).bytes);
    assert!(node.replies().contains(&(9, Err(Refused::SteppedDown))));
}

#[test]
fn a_journal_that_takes_nothing_is_tried_on_while_those_who_wait_are_told() {
    let mut node = Node::leader(1);
    node.create(1, "a");
    let sent = node.sent().expect("at once");
    node.answer(&sent, Err(AppendError::Unavailable));
    let (mut resent, mut told) = (0, Vec::new());
    for _ in 0..(APPEND_PATIENCE_MS / APPEND_RESEND_MS) {
        node.wait(APPEND_RESEND_MS.cast_signed());
        told.extend(node.replies());
        if let Some(again) = node.sent() {
            resent += 1;
            assert_eq!(again.frame, sent.frame, "the same bytes");
            node.answer(&again, Err(AppendError::Unavailable));
        }
    }
    assert_eq!(resent, 10);
    assert_eq!(told, [(1, Err(Refused::JournalUnavailable))]);
    node.create(2, "b");
    assert_eq!(node.replies(), [(2, Err(Refused::JournalUnavailable))]);
    node.acknowledge(&sent);
    assert_eq!(node.durable(), [Position(3)], "what was decided stays decided");
    node.create(3, "c");
    assert!(node.sent().is_some());
}

#[test]
fn low_water_leaves_only_once_its_position_is_durable() {
    let mut node = Node::leader(1);
    let ledger = join_a_host(&mut node);
    node.create(1, "a");
    let sent = node.sent().expect("at once");
    node.wait(LOW_WATER_PAUSE_MS.cast_signed());
    assert!(!node.wants(|output| matches!(output, Output::LowWater { .. })));
    node.acknowledge(&sent);
    let durable = node.machine.durable_position();
    let wanted = Output::LowWater { ledger, incarnation: INCARNATION, position: durable.next() };
    assert!(node.wants(|output| *output == wanted), "{:?}", node.out);
    node.wait(LOW_WATER_PAUSE_MS.cast_signed());
    assert!(!node.wants(|output| matches!(output, Output::LowWater { .. })), "nothing new to say");
}

const INCARNATION: Incarnation = Incarnation([5; 16]);

/// A token, a host that joins with it, and its ledger admitted; all durable.
fn join_a_host(node: &mut Node) -> crate::record::LedgerId {
    use crate::record::*;
    let body = CreateJoinToken {
        host: "h".to_string(),
        roles: alloc::vec![Role::Storage],
        zone: "z".to_string(),
        secret_sha256: Hash([1; 32]),
        expires: Time(i64::MAX),
    };
    let durable = |node: &mut Node| {
        let sent = node.sent().expect("decided");
        node.acknowledge(&sent);
    };
    node.ask(0, request(1, body.into()));
    durable(node);
    let token = *node.machine.fold().expect("loaded").cell().join_tokens.keys().next().expect("made");
    let join = JoinHost { token, certificate_sha256: Hash([2; 32]), address: None };
    node.ask(0, request(2, join.into()));
    durable(node);
    let host = *node.machine.fold().expect("loaded").cell().hosts.keys().next().expect("joined");
    let (orphans, losses) = (Vec::new(), Vec::new());
    let role = Role::Storage;
    let report = LedgerReported { host, role, incarnation: INCARNATION, orphans, losses };
    node.ask(0, Report::Ledger(report).into());
    durable(node);
    LedgerId { host, role }
}

fn request(number: u64, body: crate::record::Body) -> Fact {
    let Fact::Request(mut request) = create_project(START_MS.cast_unsigned() + 500 + number, "x") else {
        panic!("a request")
    };
    request.body = body;
    Fact::Request(request)
}
