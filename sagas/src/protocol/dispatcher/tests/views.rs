//! A9: a host's view is sent until it is in force there, on every new stream and under every new lead again.

use super::*;

const NETWORK: LedgerId = LedgerId { host: HOST, role: Role::Network };

fn network_hello() -> Up {
    Up::Hello(Hello { ledgers: alloc::vec![(LEDGER, OURS), (NETWORK, OURS)], ..hello(OURS) })
}

/// A lead that pushes the view of the one host, which is connected.
fn pushing() -> Desk {
    let mut desk = Desk::new();
    desk.lead(alloc::vec![Effect::View { host: HOST }]);
    desk.up(LINK, network_hello());
    desk
}

fn pushes(desk: &Desk) -> bool {
    desk.wants(&Output::PushView { host: HOST })
}

fn view(position: u64) -> Box<PlacedView> {
    Box::new(PlacedView::new(Position(position), crate::cell::views::HostView::default()))
}

fn in_force(position: u64) -> Up {
    Up::ViewApplied(ViewApplied { host: HOST, position: Position(position), failure: None })
}

#[test]
fn a9_a_view_that_changed_is_computed_and_sent_in_the_leads_term() {
    let mut desk = pushing();
    assert!(pushes(&desk));
    desk.tell(Input::View { host: HOST, view: view(10) });
    assert_eq!(desk.out, [Output::Send { link: LINK, down: Down::View { term: TERM, view: view(10) } }]);
}

#[test]
fn a9_it_is_sent_again_until_it_is_in_force() {
    let mut desk = pushing();
    desk.tell(Input::View { host: HOST, view: view(10) });
    desk.wait(VIEW_AGAIN_MS - 1);
    assert!(!pushes(&desk));
    desk.wait(1);
    assert!(pushes(&desk));
    desk.up(LINK, in_force(9));
    assert!(!pushes(&desk));
    desk.wait(VIEW_AGAIN_MS);
    assert!(pushes(&desk), "an older one is in force");
    let failure = Some("the driver failed".into());
    let failed = ViewApplied { host: HOST, position: Position(9), failure };
    desk.up(LINK, Up::ViewApplied(failed));
    assert!(desk.wants(&Output::Alarm(Alarm::ViewNotApplied { host: HOST })));
    desk.wait(VIEW_AGAIN_MS);
    assert!(pushes(&desk), "it could not be applied");
    desk.up(LINK, in_force(10));
    assert_eq!(desk.machine.view_applied_at(HOST), Some(Position(10)));
    desk.wait(VIEW_AGAIN_MS * 3);
    assert!(!pushes(&desk));
}

#[test]
fn a9_a_later_change_is_pushed_at_once_where_the_last_one_is_a_pause_ago() {
    let mut desk = pushing();
    desk.up(LINK, in_force(10));
    desk.wait(VIEW_PAUSE_MS);
    desk.effects(alloc::vec![Effect::View { host: HOST }]);
    assert!(pushes(&desk));
}

#[test]
fn a9_changes_within_the_pause_are_one_view_behind_it() {
    let mut desk = pushing();
    desk.up(LINK, in_force(10));
    for _ in 0..3 {
        desk.effects(alloc::vec![Effect::View { host: HOST }]);
        assert!(!pushes(&desk));
    }
    desk.wait(VIEW_PAUSE_MS - 1);
    assert!(!pushes(&desk));
    desk.wait(1);
    assert!(pushes(&desk));
}

#[test]
fn a9_what_changes_while_a_view_is_on_its_way_leaves_when_that_one_is_in_force() {
    let mut desk = pushing();
    desk.wait(VIEW_PAUSE_MS);
    desk.effects(alloc::vec![Effect::View { host: HOST }]);
    assert!(!pushes(&desk));
    desk.up(LINK, in_force(10));
    assert!(pushes(&desk), "the change is later than what is in force");
    desk.wait(VIEW_PAUSE_MS);
    desk.up(LINK, in_force(11));
    assert!(!pushes(&desk));
    desk.wait(VIEW_AGAIN_MS * 2);
    assert!(!pushes(&desk));
}

#[test]
fn a9_a_new_stream_may_be_a_rebooted_host_and_gets_the_view_again() {
    let mut desk = pushing();
    desk.up(LINK, in_force(10));
    desk.up(LinkId(2), network_hello());
    assert!(pushes(&desk));
    assert_eq!(desk.machine.view_applied_at(HOST), None);
    desk.up(LINK, in_force(10));
    assert_eq!(desk.machine.view_applied_at(HOST), None, "the old stream's word counts no more");
    desk.up(LinkId(2), in_force(10));
    assert_eq!(desk.machine.view_applied_at(HOST), Some(Position(10)));
}

#[test]
fn a9_a_host_that_comes_under_a_lead_gets_its_view() {
    let mut desk = Desk::new();
    desk.lead(alloc::vec![]);
    desk.up(LINK, network_hello());
    assert!(pushes(&desk));
}

#[test]
fn a9_a_new_leader_pushes_every_view_again() {
    let mut desk = pushing();
    desk.up(LINK, in_force(10));
    desk.tell(Input::SteppedDown);
    desk.tell(Input::View { host: HOST, view: view(10) });
    assert!(desk.out.is_empty(), "what was computed under a lead does not outlive it");
    desk.lead(alloc::vec![Effect::View { host: HOST }]);
    assert!(pushes(&desk));
    assert_eq!(desk.out.iter().filter(|it| **it == Output::PushView { host: HOST }).count(), 1);
}

#[test]
fn a9_no_view_goes_to_a_host_without_the_network_role_or_to_one_that_is_gone() {
    let mut desk = Desk::ready();
    desk.effects(alloc::vec![Effect::View { host: HOST }]);
    assert!(!pushes(&desk));
    let mut desk = pushing();
    desk.effects(alloc::vec![Effect::Retired { host: HOST }]);
    desk.wait(VIEW_AGAIN_MS);
    assert!(!pushes(&desk));
    desk.tell(Input::View { host: HOST, view: view(10) });
    assert!(!desk.out.iter().any(|it| matches!(it, Output::Send { down: Down::View { .. }, .. })));
}
