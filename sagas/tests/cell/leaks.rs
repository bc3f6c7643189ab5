//! The leaks of the system that we replace, each that can exist here as a case of its own name: `leak_NN` is row NN of
//! `ops/handbook/leaks.md`. Every invariant is checked after every commit (`World::tell`).

use windlass_sagas::cell::state::{HostLife, Lock, SagaState};
use windlass_sagas::cell::{Decline, Reason, ServerStatus, VolumeStatus, server_status, volume_status};
use windlass_sagas::ids::*;
use windlass_sagas::record::*;

use crate::support::*;

fn server(world: &World, name: &str) -> ServerStatus {
    server_status(&world.cell, world.server(name))
}

fn volume(world: &World, name: &str) -> VolumeStatus {
    volume_status(&world.cell, world.volume(name))
}

/// A cell with a server `web` that runs and a volume `data` that nobody uses.
fn with_both() -> World {
    let mut world = World::ready(1);
    world.ask(create_server("web", &[])).expect("admitted");
    world.ask(create_volume("data")).expect("admitted");
    world.run();
    world
}

fn attach(server: &str) -> AttachVolume {
    AttachVolume { volume: "data".into(), server: server.into() }
}

fn detach() -> DetachVolume {
    DetachVolume { volume: "data".into() }
}

fn delete_server(name: &str) -> DeleteServer {
    DeleteServer { server: name.into() }
}

/// What the project uses, beside its network.
fn usage(world: &World) -> Amounts {
    Amounts { networks: 0, ..world.cell.projects[&world.project].usage }
}

fn claimed(world: &World, host: &str) -> Capacity {
    world.cell.hosts[&world.host_named(host)].claimed
}

/// A host that an operator let rejoin joins under its name, with ledgers that nobody knows yet.
fn joins_again(world: &mut World, name: &str, roles: &[Role]) {
    let (host, zone, secret_sha256) = (name.to_string(), "a".to_string(), Hash([77; 32]));
    let expires = world.now.plus_ms(60_000);
    let token = CreateJoinToken { host, roles: roles.to_vec(), zone, secret_sha256, expires };
    let token = JoinTokenId::derived(&world.ask(token).expect("token").0, 0);
    world.ask(JoinHost { token, certificate_sha256: Hash([77; 32]), address: None }).expect("join");
    let host = world.host_named(name);
    world.seen(host, 3);
    for role in roles {
        world.admit(host, *role, 7_000 + *role as u128);
    }
}

#[test]
fn leak_01_a_server_that_fits_nowhere_leaves_no_server_and_its_volume_available() {
    let mut world = with_both();
    world.ask(DrainHost { host: "h0".into() }).expect("drained");
    let before = world.cell.clone();
    assert_eq!(world.ask(create_server("two", &["data"])).expect_err("full").reason, Reason::NoHostFits);
    assert_eq!((&world.cell.servers, &world.cell.volumes), (&before.servers, &before.volumes));
    assert_eq!((volume(&world, "data"), world.volume("data").lock), (VolumeStatus::Available, Lock::Free));
    world.ask(DeleteVolume { volume: "data".into() }).expect("nobody holds it");
}

#[test]
fn leak_02_a_server_over_quota_is_refused_before_anything_is_attached() {
    let mut world = with_both();
    let quota =
        Amounts { servers: 1, vcpus: 99, ram_mib: 99_999, volumes: 9, gib: 99, networks: 9, ports: 9 };
    world.ask(SetQuota { project: "blue".into(), quota }).expect("set");
    let before = usage(&world);
    assert_eq!(world.refused(create_server("two", &["data"])), Reason::QuotaExceeded);
    assert_eq!((volume(&world, "data"), usage(&world)), (VolumeStatus::Available, before));
}

#[test]
fn leak_03_a_failed_build_gives_its_volume_back_and_can_still_be_read() {
    let mut world = with_both();
    world.ask(create_server("two", &["data"])).expect("admitted");
    assert_eq!(volume(&world, "data"), VolumeStatus::Reserved);
    while !world.names().contains(&"+boot_vm".to_string()) {
        let (key, direction, attempt, name) = world.calls()[0];
        world.report(key, direction, attempt, done(name, direction));
    }
    world.answer("boot_vm", refusal(false));
    world.run();
    assert_eq!(
        (server(&world, "two"), volume(&world, "data")),
        (ServerStatus::Error, VolumeStatus::Available)
    );
    world.ask(attach("web")).expect("it is free for another server while the failed one stands");
}

#[test]
fn leak_04_a_delete_beside_a_saga_that_makes_the_server_again_is_refused_and_claims_nothing() {
    let mut world = with_both();
    world.ask(DeleteVolume { volume: "data".into() }).expect("admitted");
    world.run();
    let host = world.host_named("h0");
    world.seen(host, 2);
    assert_eq!(world.refused(delete_server("web")), Reason::ResourceBusy);
    world.run();
    world.ask(delete_server("web")).expect("it runs again");
    world.run();
    assert_eq!((claimed(&world, "h0"), claimed(&world, "s0")), (Capacity::default(), Capacity::default()));
    assert_eq!(usage(&world), Amounts::default());
}

#[test]
fn leak_07_deletes_that_race_with_a_boot_or_with_each_other_are_refused_as_busy() {
    let mut world = World::ready(1);
    world.ask(create_server("web", &[])).expect("admitted");
    assert_eq!(world.refused(delete_server("web")), Reason::ResourceBusy);
    world.run();
    world.ask(delete_server("web")).expect("admitted");
    assert_eq!(world.refused(delete_server("web")), Reason::ResourceBusy);
    world.run();
    assert_eq!((world.cell.servers.len(), usage(&world)), (0, Amounts::default()));
}

#[test]
fn leak_08_a_server_of_a_gone_host_can_be_deleted_and_its_host_come_back_empty() {
    let mut world = World::ready(1);
    world.ask(create_server("web", &[])).expect("admitted");
    world.run();
    world.ask(DeclareHostGone { host: "h0".into(), reason: "burnt".into() }).expect("declared");
    world.ask(delete_server("web")).expect("admitted");
    world.run();
    assert!(world.cell.servers.is_empty() && world.cell.ports.is_empty());
    world.ask(AffirmHostOff { host: "h0".into() }).expect("gone");
    world.ask(RejoinHost { host: "h0".into() }).expect("wiped");
    joins_again(&mut world, "h0", &[Role::Hypervisor, Role::Network]);
    assert_eq!(claimed(&world, "h0"), Capacity::default());
    world.ask(create_server("new", &[])).expect("it takes servers again");
}

#[test]
fn leak_09_a_gone_host_does_not_come_up_by_reporting_itself() {
    let mut world = World::ready(1);
    world.ask(DeclareHostGone { host: "h0".into(), reason: "silent".into() }).expect("declared");
    let host = world.host_named("h0");
    let capacity = world.cell.hosts[&host].capacity;
    let seen = HostSeen { host, boot: BootId([9; 16]), capacity, traits: Vec::new() };
    assert_eq!(world.tell(Report::HostSeen(seen).into()), Err(Decline::Stale));
    let incarnation = Incarnation((Role::Hypervisor as u128).to_be_bytes());
    let (orphans, losses) = (Vec::new(), Vec::new());
    let ledger = LedgerReported { host, role: Role::Hypervisor, incarnation, orphans, losses };
    assert_eq!(world.tell(Report::Ledger(ledger).into()), Err(Decline::Stale));
    assert!(matches!(world.cell.hosts[&host].life, HostLife::Gone { .. }));
}

#[test]
fn leak_16_a_volume_whose_detach_has_no_outcome_goes_to_nobody_else() {
    let mut world = with_both();
    world.ask(create_server("two", &[])).expect("admitted");
    world.ask(attach("web")).expect("admitted");
    world.run();
    world.ask(detach()).expect("admitted");
    assert_eq!(volume(&world, "data"), VolumeStatus::Detaching);
    assert_eq!(world.refused(attach("two")), Reason::ResourceBusy);
    assert_eq!(world.refused(create_server("three", &["data"])), Reason::ResourceBusy);
    assert_eq!(world.refused(DeleteVolume { volume: "data".into() }), Reason::ResourceBusy);
    world.answer("detach", Outcome::Overdue);
    assert_eq!(world.names(), ["-detach"], "without evidence it goes back to in-use");
    world.run();
    assert_eq!(volume(&world, "data"), VolumeStatus::InUse);
    assert_eq!(world.refused(attach("two")), Reason::ResourceInUse);
}

#[test]
fn leak_17_a_volume_is_not_deleted_while_it_is_attached_or_detached() {
    let mut world = with_both();
    let delete = || DeleteVolume { volume: "data".into() };
    world.ask(attach("web")).expect("admitted");
    assert_eq!(world.refused(delete()), Reason::ResourceBusy);
    world.run();
    assert_eq!(world.refused(delete()), Reason::ResourceInUse);
    world.ask(detach()).expect("admitted");
    assert_eq!(world.refused(delete()), Reason::ResourceBusy);
    world.run();
    world.ask(delete()).expect("it is free");
    world.run();
    assert!(!world.cell.volumes.values().any(|volume| volume.spec.name == "data"));
}

#[test]
fn leak_18_a_stuck_volume_names_its_saga_and_only_an_audited_order_frees_it() {
    let mut world = with_both();
    let saga = world.ask(attach("web")).expect("admitted");
    world.answer("reserve_volume", done("reserve_volume", Direction::Forward));
    world.answer("attach", refusal(false));
    world.answer("attach", refusal(false));
    assert_eq!(world.cell.sagas[&saga].state, SagaState::Stuck(Direction::Undo));
    let busy = world.ask(attach("web")).expect_err("held");
    assert!(busy.reason == Reason::ResourceBusy && busy.message.contains(&saga.to_string()), "{busy:?}");
    world.ask(AbandonSaga { saga, reason: "the guest hangs".into() }).expect("stuck");
    assert_eq!(world.refused(attach("web")), Reason::ResourceQuarantined);
    let resource = ResourceRef::Volume(world.volume("data").spec.id);
    world.ask(AdoptResource { resource, reason: "unplugged by hand".into() }).expect("in quarantine");
    assert_eq!(volume(&world, "data"), VolumeStatus::Available);
}

#[test]
fn leak_20_one_refused_port_does_not_undo_what_another_one_said() {
    let mut world = World::ready(1);
    let mut body = create_server("web", &[]);
    body.nics.push(body.nics[0].clone());
    world.ask(body).expect("admitted");
    let ports: Vec<_> = world.calls().into_iter().filter(|(.., name)| *name == "prepare_port").collect();
    let [(first, ..), (second, ..)] = ports.as_slice() else { panic!("two ports") };
    world.report(*first, Direction::Forward, Attempt(1), refusal(true));
    world.report(*second, Direction::Forward, Attempt(1), Outcome::Done(StepOutput::None));
    let out: Vec<_> = world.calls().into_iter().filter(|(.., name)| *name == "prepare_port").collect();
    assert_eq!(
        out.iter().map(|(key, _, attempt, _)| (*key, *attempt)).collect::<Vec<_>>(),
        [(*first, Attempt(2))]
    );
    world.run();
    assert_eq!(server(&world, "web"), ServerStatus::Active);
}

#[test]
fn leak_22_a_server_that_fails_does_not_touch_the_one_that_was_asked_beside_it() {
    let mut world = World::ready(1);
    let fails = world.ask(create_server("one", &[])).expect("admitted");
    world.ask(create_server("two", &[])).expect("admitted");
    let (key, direction, attempt, _) =
        *world.calls().iter().find(|(key, ..)| key.saga == fails).expect("its calls are out");
    world.report(key, direction, attempt, refusal(false));
    world.run();
    assert_eq!((server(&world, "one"), server(&world, "two")), (ServerStatus::Error, ServerStatus::Active));
    assert_eq!(claimed(&world, "h0").vcpus, 2, "the failed one claims nothing");
}

#[test]
fn leak_23_what_takes_too_long_turns_back_before_its_pivot_and_is_called_late_behind_it() {
    let mut world = World::ready(1);
    let saga = world.ask(create_server("web", &[])).expect("admitted");
    world.tell(Report::Overdue(SagaOverdue { saga }).into()).expect("late");
    assert_eq!(world.cell.sagas[&saga].state, SagaState::Unwinding);
    world.run();
    assert_eq!((server(&world, "web"), usage(&world).vcpus), (ServerStatus::Error, 0));
    world.ask(create_server("two", &[])).expect("admitted");
    world.run();
    let saga = world.ask(delete_server("two")).expect("admitted");
    world.tell(Report::Overdue(SagaOverdue { saga }).into()).expect("late");
    let late = &world.cell.sagas[&saga];
    assert_eq!((late.state, late.late), (SagaState::Running, true));
    world.run();
    assert!(!world.cell.servers.values().any(|server| server.spec.name == "two"));
}

#[test]
fn leak_26_a_detached_volume_can_be_attached_again_elsewhere() {
    let mut world = with_both();
    world.ask(create_server("two", &[])).expect("admitted");
    world.run();
    for name in ["web", "two", "web"] {
        world.ask(attach(name)).expect("it is available");
        world.run();
        world.ask(detach()).expect("it is in use");
        world.run();
        assert_eq!(
            (volume(&world, "data"), world.volume("data").lock),
            (VolumeStatus::Available, Lock::Free)
        );
    }
}

#[test]
fn leak_27_a_failed_server_leaves_no_port_that_keeps_its_network() {
    let mut world = World::ready(1);
    world.ask(create_server("web", &[])).expect("admitted");
    world.answer("prepare_port", refusal(false));
    world.run();
    assert!(world.cell.ports.is_empty() && server(&world, "web") == ServerStatus::Error);
    world.ask(DeleteSubnet { subnet: "sub".into() }).expect("no address is used");
    world.ask(DeleteNetwork { network: "net".into() }).expect("nothing is on it");
}

#[test]
fn leak_30_error_comes_with_the_last_commit_and_stays() {
    let mut world = World::ready(1);
    world.ask(create_server("web", &[])).expect("admitted");
    world.answer("reserve_volume", refusal(false));
    while !world.calls().is_empty() {
        assert_eq!(server(&world, "web"), ServerStatus::Build);
        let (key, direction, attempt, name) = world.calls()[0];
        world.report(key, direction, attempt, done(name, direction));
    }
    assert_eq!(server(&world, "web"), ServerStatus::Error);
    assert_eq!((claimed(&world, "h0"), world.cell.ports.len()), (Capacity::default(), 0));
}

#[test]
fn leak_31_a_delete_that_can_not_go_on_waits_for_an_operator_and_then_gives_the_quota_back() {
    let mut world = World::ready(1);
    world.ask(create_server("web", &[])).expect("admitted");
    world.run();
    let saga = world.ask(delete_server("web")).expect("admitted");
    world.answer("destroy_vm", done("destroy_vm", Direction::Forward));
    world.answer("release_volume", refusal(false));
    assert_eq!(world.cell.sagas[&saga].state, SagaState::Stuck(Direction::Forward));
    assert_eq!(usage(&world).servers, 1, "what may still be there is still counted");
    world.run();
    world.ask(RetrySaga { saga }).expect("stuck");
    world.run();
    assert_eq!((usage(&world), world.cell.servers.len()), (Amounts::default(), 0));
}

/// Omicron 2.4 L1: a late message of a saga that is over changes no counter.
#[test]
fn omicron_l1_a_late_outcome_of_an_ended_saga_changes_nothing() {
    let mut world = World::ready(1);
    world.ask(create_server("web", &[])).expect("admitted");
    let (key, direction, attempt, name) = world.calls()[0];
    world.run();
    let (before, saga) = (world.cell.clone(), key.saga);
    for outcome in [done(name, direction), refusal(false), Outcome::Overdue] {
        let late = StepReport { saga, step: key.step, direction, attempt, outcome };
        assert_eq!(world.tell(Report::Step(late).into()), Err(Decline::Stale));
    }
    assert_eq!(world.cell, before);
}

/// Omicron 2.5 U8: who asked may lose every right meanwhile; the saga is undone all the same.
#[test]
fn omicron_u8_a_saga_is_undone_although_who_asked_is_no_more() {
    let mut world = World::ready(1);
    let eve = world.ask(CreatePrincipal { name: "eve".into() }).expect("made");
    let eve = Principal::User(PrincipalId::derived(&eve.0, 0));
    let scope = Scope::Project(world.project);
    world.ask(GrantRole { principal: "eve".into(), role: AccessRole::Member, scope }).expect("granted");
    let Fact::Request(request) = world.request(create_server("web", &[])) else { panic!("a request") };
    world.tell(Fact::Request(Request { principal: eve, ..request })).expect("admitted");
    let saga = world.last_saga();
    world.answer("reserve_volume", done("reserve_volume", Direction::Forward));
    world.ask(DeletePrincipal { principal: "eve".into() }).expect("deleted");
    world.ask(CancelSaga { saga }).expect("cancelled");
    world.run();
    assert_eq!((server(&world, "web"), usage(&world).vcpus), (ServerStatus::Error, 0));
}
