//! F1: faults are armed for a lease by who may, where they are allowed; repeated, disarmed, bounded, and over by themselves.

use windlass_sagas::cell::state::Fault;
use windlass_sagas::cell::{Decline, Reason, pending};
use windlass_sagas::fault::{FAULTS_TRAIT, FaultKind};
use windlass_sagas::ids::*;
use windlass_sagas::limits::{FAULT_LEASE_DEFAULT_MS, FAULT_LEASE_MS, FAULTS_MAX};
use windlass_sagas::record::*;

use crate::support::*;

/// A cell whose storage host, and one of two hypervisors, allow faults.
fn allowing() -> World {
    let mut world = World::ready(2);
    for name in ["s0", "h0"] {
        let host = world.host_named(name);
        world.seen_with(host, 1, &["ssd", FAULTS_TRAIT]);
    }
    world
}

fn asked(kind: FaultKind, host: Option<&str>) -> ArmFault {
    let (host, reason) = (host.map(Into::into), "a drill".into());
    ArmFault { fault: FaultAsked::of(kind), host, lease_ms: 60_000, reason }
}

fn armed(world: &World) -> &Fault {
    world.cell.faults.values().next_back().expect("an armed fault")
}

fn in_force(world: &World) -> usize {
    world.cell.faults_in_force(world.now).count()
}

#[test]
fn f1_arming_is_one_commit_that_says_who_what_where_until_when_and_why() {
    let mut world = allowing();
    let before = world.commits.len();
    let saga = world.ask(asked(FaultKind::CrashBetween, Some("s0"))).expect("armed");
    assert_eq!(world.commits.len(), before + 1);
    let fault = armed(&world);
    assert_eq!(fault.id, FaultId::derived(&saga.0, 0));
    assert_eq!((fault.by, fault.host), (ADMIN, Some(world.host_named("s0"))));
    assert_eq!((fault.reason.as_str(), fault.expires), ("a drill", world.now.plus_ms(60_000)));
    let names: Vec<&str> = world.commits[before].events.iter().map(Event::name).collect();
    assert_eq!(names, ["SagaStarted", "FaultArmed", "SagaCompleted"]);
    assert!(fault.concerns(world.host_named("s0")) && !fault.concerns(world.host_named("h0")));
    world.ask(asked(FaultKind::Hang, None)).expect("armed everywhere");
    assert_eq!((world.cell.faults.len(), in_force(&world)), (2, 2));
}

#[test]
fn f1_the_same_request_again_arms_once_and_lengthens_nothing() {
    let mut world = allowing();
    let request = world.request(asked(FaultKind::Hang, None));
    world.tell(request.clone()).expect("armed");
    let expires = armed(&world).expires;
    world.now = world.now.plus_ms(1_000);
    assert!(matches!(world.tell(request), Err(Decline::Repeat(_))));
    assert_eq!((world.cell.faults.len(), armed(&world).expires), (1, expires));
}

#[test]
fn f1_a_lease_ends_by_itself_and_the_next_arming_forgets_it() {
    let mut world = allowing();
    world.ask(asked(FaultKind::Hang, None)).expect("armed");
    let first = armed(&world).id;
    assert_eq!(pending(&world.cell).iter().filter(|it| is_fault(it)).count(), 1, "a new leader tells of it");
    world.now = world.now.plus_ms(59_998);
    assert_eq!(in_force(&world), 1);
    world.now = world.now.plus_ms(2);
    assert_eq!(in_force(&world), 0);
    assert_eq!(world.refused(DisarmFault { fault: Some(first) }), Reason::NotFound);
    world.ask(asked(FaultKind::Hang, None)).expect("armed");
    assert!(!world.cell.faults.contains_key(&first), "no clock of the fold removes it: a decision does");
    let names: Vec<&str> = world.commits.last().expect("it").events.iter().map(Event::name).collect();
    assert_eq!(names, ["SagaStarted", "FaultForgotten", "FaultArmed", "SagaCompleted"]);
}

fn is_fault(effect: &windlass_sagas::cell::Effect) -> bool {
    matches!(effect, windlass_sagas::cell::Effect::FaultArmed(_))
}

#[test]
fn f1_one_is_disarmed_by_its_id_and_all_at_once() {
    let mut world = allowing();
    for kind in [FaultKind::Hang, FaultKind::ErrorAfter, FaultKind::JournalUnknown] {
        world.ask(asked(kind, None)).expect("armed");
    }
    let one = armed(&world).id;
    world.ask(DisarmFault { fault: Some(one) }).expect("disarmed");
    assert!(!world.cell.faults.contains_key(&one));
    assert_eq!(world.refused(DisarmFault { fault: Some(one) }), Reason::NotFound);
    world.ask(DisarmFault { fault: None }).expect("all disarmed");
    assert_eq!(world.cell.faults.len(), 0);
    assert_eq!(world.refused(DisarmFault { fault: None }), Reason::NotFound);
}

#[test]
fn f1_only_where_faults_are_allowed() {
    let mut world = allowing();
    assert_eq!(world.refused(asked(FaultKind::Hang, Some("h1"))), Reason::FaultsNotAllowed);
    assert_eq!(world.refused(asked(FaultKind::Hang, Some("h9"))), Reason::NotFound);
    let network = FaultAsked { role: Some(Role::Network), ..FaultAsked::of(FaultKind::Hang) };
    let on_storage = ArmFault { fault: network, ..asked(FaultKind::Hang, Some("s0")) };
    assert_eq!(world.refused(on_storage), Reason::InvalidField);
    let host = world.host_named("s0");
    world.ask(DeclareHostGone { host: "s0".into(), reason: "burnt".into() }).expect("gone");
    assert!(!world.cell.hosts[&host].allows_faults());
    assert_eq!(world.refused(asked(FaultKind::Hang, Some("s0"))), Reason::FaultsNotAllowed);
    let storage = FaultAsked { role: Some(Role::Storage), ..FaultAsked::of(FaultKind::Hang) };
    let anywhere = ArmFault { fault: storage, ..asked(FaultKind::Hang, None) };
    assert_eq!(world.refused(anywhere), Reason::FaultsNotAllowed);
    world.ask(asked(FaultKind::Hang, None)).expect("the hypervisor still allows them");
}

#[test]
fn f1_an_agent_that_was_started_anew_without_them_allows_no_more() {
    let mut world = allowing();
    let host = world.host_named("s0");
    world.seen(host, 1);
    assert_eq!(world.refused(asked(FaultKind::Hang, Some("s0"))), Reason::FaultsNotAllowed);
}

#[test]
fn f1_a_leaders_fault_ends_with_its_lead_and_an_agents_does_not() {
    let mut world = allowing();
    world.campaign(None);
    world.ask(asked(FaultKind::JournalUnavailable, None)).expect("armed");
    world.ask(asked(FaultKind::Hang, None)).expect("armed");
    assert_eq!(world.refused(asked(FaultKind::OrchestratorCrash, Some("s0"))), Reason::InvalidField);
    assert_eq!(in_force(&world), 2);
    world.campaign(None);
    let left: Vec<FaultKind> = world.cell.faults_in_force(world.now).map(|it| it.rule.kind).collect();
    assert_eq!(left, [FaultKind::Hang]);
}

#[test]
fn f1_bounds_are_refused_with_their_field_and_numbers() {
    let mut world = allowing();
    let base = || asked(FaultKind::Hang, None);
    for lease_ms in [FAULT_LEASE_MS.0 - 1, FAULT_LEASE_MS.1 + 1] {
        assert_eq!(world.refused(ArmFault { lease_ms, ..base() }), Reason::InvalidField);
    }
    for reason in [String::new(), "  ".into(), "x".repeat(1025)] {
        assert_eq!(world.refused(ArmFault { reason, ..base() }), Reason::InvalidField);
    }
    let drop = asked(FaultKind::Drop, None);
    assert_eq!(world.ask(drop).expect_err("nobody's order").field.as_deref(), Some("kind"));
    world.ask(ArmFault { lease_ms: 0, ..base() }).expect("the default");
    assert_eq!(armed(&world).expires, world.now.plus_ms(FAULT_LEASE_DEFAULT_MS));
    for _ in 1..FAULTS_MAX {
        world.ask(ArmFault { lease_ms: 0, ..base() }).expect("armed");
    }
    let rejection = world.ask(base()).expect_err("one too many");
    let limit = u64::try_from(FAULTS_MAX).expect("small");
    assert_eq!(
        (rejection.reason, rejection.shortage.map(|it| it.limit)),
        (Reason::TooManyFaults, Some(limit))
    );
    world.now = world.now.plus_ms(FAULT_LEASE_DEFAULT_MS);
    world.ask(base()).expect("the leases have ended");
    assert_eq!(world.cell.faults.len(), 1);
}

#[test]
fn f1_who_may_arm_and_disarm_is_the_drill_operator_of_the_whole_cell() {
    use AccessRole::*;
    let mut world = allowing();
    let may = |world: &mut World, role: AccessRole, scope: Scope| {
        let name = format!("p{}", world.commits.len());
        let saga = world.ask(CreatePrincipal { name: name.clone() }).expect("a principal");
        world.ask(GrantRole { principal: name, role, scope }).expect("granted");
        let user = Principal::User(PrincipalId::derived(&saga.0, 0));
        let mut tell = |body: Body| match world.request(body) {
            Fact::Request(request) => {
                world.tell(Fact::Request(Request { principal: user, ..request })).is_ok()
            }
            Fact::Report(_) => false,
        };
        let (armed, disarmed) =
            (tell(asked(FaultKind::Hang, None).into()), tell(DisarmFault { fault: None }.into()));
        assert_eq!(armed, disarmed, "{role:?} in {scope:?}");
        armed
    };
    let project = Scope::Project(world.project);
    for (role, allowed) in
        [(Admin, true), (DrillOperator, true), (Member, false), (Reader, false), (Auditor, false)]
    {
        assert_eq!(may(&mut world, role, Scope::Cell), allowed, "{role:?}");
    }
    for role in [Admin, DrillOperator] {
        assert!(!may(&mut world, role, project), "{role:?} of a project has no say over hosts");
    }
}
