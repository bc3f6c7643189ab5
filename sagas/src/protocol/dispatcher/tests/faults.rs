//! F1: armed faults reach the agents that they concern, with what is left of their leases, and no others.

use super::*;
use crate::cell::state::Fault;
use crate::fault::{FAULTS_TRAIT, FaultKind};

const LEASE_MS: u64 = 60_000;

fn fault(number: u8, kind: FaultKind, host: Option<HostId>) -> Fault {
    Fault {
        id: FaultId([number; 16]),
        rule: FaultRule::of(&FaultAsked::of(kind)).expect("a rule"),
        host,
        term: TERM,
        armed: at(0),
        expires: at(LEASE_MS.cast_signed()),
        by: Principal::Cell,
        reason: "a drill".into(),
    }
}

fn armed(number: u8, kind: FaultKind, host: Option<HostId>) -> Effect {
    Effect::FaultArmed(Box::new(fault(number, kind, host)))
}

fn allowing() -> Up {
    Up::Hello(Hello { traits: alloc::vec![FAULTS_TRAIT.into()], ..hello(OURS) })
}

/// What an agent was told last: each fault's number, and what is left of its lease.
fn told(desk: &Desk) -> Option<Vec<(u8, u32)>> {
    desk.out.iter().find_map(|output| match output {
        Output::Send { link: LINK, down: Down::Faults { term: TERM, faults } } => {
            Some(faults.iter().map(|it| (it.id.0[0], it.remaining_ms)).collect())
        }
        _ => None,
    })
}

#[test]
fn f1_an_agent_is_told_the_whole_list_at_each_change() {
    let mut desk = Desk::new();
    desk.lead(Vec::new());
    desk.up(LINK, allowing());
    assert_eq!(told(&desk), Some(Vec::new()), "what it holds of an older lead is disarmed");
    desk.effects(alloc::vec![armed(1, FaultKind::Hang, Some(HOST))]);
    assert_eq!(told(&desk), Some(alloc::vec![(1, 60_000)]));
    desk.wait(10_000);
    desk.effects(alloc::vec![armed(2, FaultKind::Delay, None)]);
    assert_eq!(told(&desk), Some(alloc::vec![(1, 50_000), (2, 50_000)]));
    desk.effects(alloc::vec![Effect::FaultEnded { fault: FaultId([1; 16]) }]);
    assert_eq!(told(&desk), Some(alloc::vec![(2, 50_000)]));
}

#[test]
fn f1_a_new_stream_and_a_new_lead_tell_what_is_left_of_each_lease_and_never_more() {
    let mut desk = Desk::new();
    desk.lead(alloc::vec![armed(1, FaultKind::Hang, None)]);
    desk.up(LINK, allowing());
    assert_eq!(told(&desk), Some(alloc::vec![(1, 60_000)]));
    desk.wait(20_000);
    desk.up(LINK, allowing());
    assert_eq!(told(&desk), Some(alloc::vec![(1, 40_000)]));
    desk.lead(alloc::vec![armed(1, FaultKind::Hang, None)]);
    assert_eq!(told(&desk), Some(alloc::vec![(1, 40_000)]));
    desk.wait(40_000);
    desk.up(LINK, allowing());
    assert_eq!(told(&desk), Some(Vec::new()), "its lease has ended");
}

#[test]
fn f1_nothing_goes_to_other_hosts_to_agents_that_allow_none_or_for_the_leader_itself() {
    let mut desk = Desk::new();
    desk.lead(Vec::new());
    desk.up(LINK, Up::Hello(hello(OURS)));
    desk.effects(alloc::vec![armed(1, FaultKind::Hang, None)]);
    assert_eq!(told(&desk), None, "it does not allow any");
    desk.up(LINK, allowing());
    desk.effects(alloc::vec![armed(2, FaultKind::Hang, Some(HostId([4; 16])))]);
    assert_eq!(told(&desk), None, "it is another host's");
    desk.effects(alloc::vec![armed(3, FaultKind::OrchestratorCrash, None)]);
    assert_eq!(told(&desk), None, "it is the leader's");
    desk.up(LINK, allowing());
    assert_eq!(told(&desk), Some(alloc::vec![(1, 60_000)]));
}

#[test]
fn f1_an_agent_that_refuses_is_told_of() {
    let mut desk = Desk::ready();
    let refusal = Some("not started with --faults allow".into());
    desk.up(LINK, Up::FaultsHeld(FaultsHeld { host: HOST, faults: Vec::new(), refusal }));
    assert!(desk.wants(&Output::Alarm(Alarm::FaultsRefused { host: HOST })));
}
