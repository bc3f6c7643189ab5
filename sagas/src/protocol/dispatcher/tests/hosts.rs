//! Hosts and streams: lost streams, incarnations, silence.

use super::*;

fn asks_inventory(desk: &Desk) -> bool {
    desk.wants(&Output::Send { link: LINK, down: Down::TakeInventory { ledger: LEDGER } })
}

fn silent() -> Output {
    Output::Fact(Box::new(Report::HostSilent(HostSilent { host: HOST }).into()))
}

fn seen(desk: &Desk) -> bool {
    desk.out.iter().any(|output| match output {
        Output::Fact(fact) => matches!(&**fact, Fact::Report(Report::HostSeen(seen)) if seen.host == HOST),
        _ => false,
    })
}

#[test]
fn a_hello_reports_the_host_and_what_it_has_seen() {
    let mut desk = Desk::new();
    desk.lead(Vec::new());
    desk.up(LINK, Up::Hello(hello(OURS)));
    assert!(seen(&desk));
    assert!(desk.wants(&Output::Seen { host: HOST, seen: (Position(10), Hash([1; 32])), highest: TERM }));
}

#[test]
fn a_ledger_that_is_not_the_admitted_one_gets_no_call_until_a_commit_admits_it() {
    let mut desk = Desk::new();
    desk.lead(alloc::vec![Effect::Admitted { ledger: LEDGER, incarnation: OURS }]);
    desk.up(LINK, Up::Hello(hello(OTHER)));
    assert!(asks_inventory(&desk));
    desk.effects(alloc::vec![call_effect(0, Direction::Forward, 1)]);
    assert!(desk.calls().is_empty());
    let inventory = Inventory { ledger: Some(LEDGER), incarnation: Some(OTHER), items: Vec::new() };
    desk.up(LINK, Up::Inventory(inventory.clone()));
    assert!(desk.wants(&Output::Reconcile(inventory)));
    assert!(desk.calls().is_empty(), "a leader admits nothing by itself");
    desk.wait(INVENTORY_AGAIN_MS);
    assert!(asks_inventory(&desk), "it may have been lost");
    desk.effects(alloc::vec![Effect::Admitted { ledger: LEDGER, incarnation: OTHER }]);
    assert_eq!(desk.calls(), [(LINK, 0, Verb::Execute, 1)]);
    desk.wait(INVENTORY_AGAIN_MS);
    assert!(!asks_inventory(&desk));
}

#[test]
fn an_answer_that_names_another_incarnation_waits_for_admission() {
    let mut desk = Desk::ready();
    desk.effects(alloc::vec![call_effect(0, Direction::Forward, 1)]);
    desk.reply(Verb::Execute, 1, Answer::Error(CallError::WrongIncarnation(OTHER)));
    assert!(asks_inventory(&desk));
    desk.wait(LOOKUP_PAUSE_MS.1);
    assert!(desk.calls().is_empty() && desk.reports().is_empty());
    desk.effects(alloc::vec![Effect::Admitted { ledger: LEDGER, incarnation: OTHER }]);
    assert_eq!(desk.calls(), [(LINK, 0, Verb::Execute, 1)]);
}

#[test]
fn a_lost_stream_makes_its_calls_unknown() {
    let mut desk = Desk::ready();
    desk.effects(alloc::vec![call_effect(0, Direction::Forward, 1)]);
    desk.tell(Input::LinkDown { link: LINK });
    assert!(desk.calls().is_empty());
    desk.up(LinkId(2), Up::Hello(hello(OURS)));
    assert_eq!(desk.calls(), [(LinkId(2), 0, Verb::Lookup, 1)]);
    desk.reply(Verb::Lookup, 1, Answer::Absent);
    assert!(desk.calls().is_empty(), "the old stream has nothing to say");
}

#[test]
fn a_newer_stream_takes_the_place_of_the_old_one() {
    let mut desk = Desk::ready();
    desk.effects(alloc::vec![call_effect(0, Direction::Forward, 1)]);
    desk.up(LinkId(2), Up::Hello(hello(OURS)));
    assert!(desk.wants(&Output::Close { link: LINK }));
    assert!(!desk.wants(&Output::Alarm(Alarm::HostClaimedTwice { host: HOST })));
    assert_eq!(desk.calls(), [(LinkId(2), 0, Verb::Lookup, 1)]);
    desk.tell(Input::LinkDown { link: LINK });
    assert_eq!(desk.machine.link(HOST), Some(LinkId(2)));
    desk.up(LinkId(3), Up::Hello(hello(OTHER)));
    assert!(desk.wants(&Output::Alarm(Alarm::HostClaimedTwice { host: HOST })));
}

#[test]
fn an_agent_of_another_cell_is_sent_away() {
    let mut desk = Desk::ready();
    let other = Hello { cell: CellId([8; 16]), ..hello(OURS) };
    desk.up(LinkId(2), Up::Hello(other));
    assert!(desk.wants(&Output::Close { link: LinkId(2) }));
    assert_eq!(desk.machine.link(HOST), Some(LINK));
}

#[test]
fn a_host_is_silent_only_after_the_grace_period_counted_from_the_lead() {
    let mut desk = Desk::new();
    desk.now_ms = 500_000;
    desk.lead(alloc::vec![Effect::View { host: HOST }]);
    desk.wait(HOST_GRACE_MS - 1);
    assert!(!desk.wants(&silent()));
    desk.wait(1);
    assert!(desk.wants(&silent()));
    desk.up(LINK, Up::Hello(hello(OURS)));
    assert!(seen(&desk));
}

#[test]
fn words_of_any_kind_keep_a_host_from_being_silent_and_end_its_silence() {
    let mut desk = Desk::ready();
    for _ in 0..5 {
        desk.wait(HOST_GRACE_MS / 2);
        assert!(!desk.wants(&silent()));
        desk.up(LINK, Up::Heartbeat { host: HOST });
        assert!(!seen(&desk));
    }
    desk.wait(HOST_GRACE_MS);
    assert!(desk.wants(&silent()), "a stream alone is no word");
    desk.up(LINK, Up::Heartbeat { host: HOST });
    assert!(seen(&desk));
}

#[test]
fn nothing_goes_to_a_host_that_was_declared_gone_and_nobody_waits_for_it() {
    let mut desk = Desk::ready();
    desk.effects(alloc::vec![Effect::Retired { host: HOST }]);
    desk.effects(alloc::vec![call_effect(0, Direction::Forward, 1)]);
    assert!(desk.calls().is_empty());
    desk.wait(HOST_GRACE_MS * 2);
    assert!(!desk.wants(&silent()) && !asks_inventory(&desk));
    desk.effects(alloc::vec![Effect::Admitted { ledger: LEDGER, incarnation: OURS }]);
    assert_eq!(desk.calls().len(), 1, "it has rejoined");
}

#[test]
fn a8_a_gone_host_that_joins_again_is_asked_for_its_inventory_before_it_gets_a_call() {
    let mut desk = Desk::ready();
    desk.effects(alloc::vec![Effect::Retired { host: HOST }]);
    desk.tell(Input::LinkDown { link: LINK });
    let link = LinkId(LINK.0 + 1);
    let asks = |desk: &Desk| desk.wants(&Output::Send { link, down: Down::TakeInventory { ledger: LEDGER } });
    desk.up(link, Up::Hello(hello(OTHER)));
    assert!(!asks(&desk), "it is still gone");
    desk.effects(alloc::vec![Effect::Joined { host: HOST }]);
    assert!(asks(&desk) && desk.calls().is_empty());
}

#[test]
fn a_low_water_goes_only_to_the_ledger_that_it_names() {
    let mut desk = Desk::ready();
    let tell = |incarnation| Input::LowWater { ledger: LEDGER, incarnation, position: Position(11) };
    desk.tell(tell(OTHER));
    assert!(desk.out.is_empty());
    desk.tell(tell(OURS));
    let (ledger, incarnation, term, position) = (LEDGER, OURS, TERM, Position(11));
    let down = Down::LowWater { ledger, incarnation, term, position };
    assert_eq!(desk.out, [Output::Send { link: LINK, down }]);
}

#[test]
fn a_lead_that_an_agent_fences_stops() {
    let mut desk = Desk::ready();
    let highest = Term { generation: 1, elected: Position(3) };
    desk.up(LINK, Up::FencedLead { highest });
    assert!(desk.wants(&Output::StopLeading(Stop::Fenced(highest))));
}

#[test]
fn s6_what_is_open_on_a_host_declared_gone_is_overdue_at_once_and_later_calls_too() {
    let mut desk = Desk::ready();
    desk.effects(alloc::vec![call_effect(0, Direction::Undo, 1)]);
    desk.effects(alloc::vec![Effect::Retired { host: HOST }]);
    assert_eq!(desk.outcomes(), [(Outcome::Overdue, 1)]);
    desk.effects(alloc::vec![call_effect(1, Direction::Undo, 1)]);
    assert_eq!(desk.reports().iter().map(|report| report.step.0).collect::<Vec<_>>(), [1]);
    assert!(desk.calls().is_empty(), "nothing is sent there");
}

#[test]
fn s6_a_new_leader_learns_of_a_gone_host_from_what_is_pending() {
    let mut desk = Desk::new();
    desk.lead(alloc::vec![call_effect(0, Direction::Undo, 2), Effect::Retired { host: HOST }]);
    assert_eq!(desk.outcomes(), [(Outcome::Overdue, 2)]);
}
