//! `server.create`, `server.delete` and `server.restore`.

use windlass_sagas::cell::state::{Lock, SagaState, ServerState};
use windlass_sagas::cell::{Reason, ServerStatus, server_status};
use windlass_sagas::ids::*;
use windlass_sagas::record::*;

use crate::support::*;

fn status(world: &World, name: &str) -> ServerStatus {
    server_status(&world.cell, world.server(name))
}

#[test]
fn s9_a_create_of_n_steps_costs_n_plus_one_commits() {
    let mut world = World::ready(1);
    let before = world.commits.len();
    world.ask(create_server("web", &[])).expect("admitted");
    assert_eq!(status(&world, "web"), ServerStatus::Build);
    assert_eq!(world.names(), ["+reserve_volume", "+prepare_port"]);
    world.run();
    assert_eq!(world.commits.len() - before, 4 + 1);
    assert_eq!(status(&world, "web"), ServerStatus::Active);
    assert_eq!(world.server("web").lock, Lock::Free);
    assert!(world.cell.sagas.is_empty());
}

#[test]
fn s4_every_refused_step_unwinds_to_nothing() {
    for failing in ["reserve_volume", "prepare_port", "boot_vm", "attach", "confirm"] {
        let mut world = World::ready(1);
        world.ask(create_volume("data")).expect("admitted");
        world.run();
        let before = world.cell.clone();
        world.ask(create_server("web", &["data"])).expect("admitted");
        while !world.calls().iter().any(|(.., name)| *name == failing) {
            let (key, direction, attempt, name) = world.calls()[0];
            world.report(key, direction, attempt, done(name, direction));
        }
        world.answer(failing, refusal(false));
        assert_eq!(status(&world, "web"), ServerStatus::Build, "a create that unwinds still shows BUILD");
        world.run();
        assert_eq!(status(&world, "web"), ServerStatus::Error, "failing at {failing}");
        assert!(
            matches!(&world.server("web").state, ServerState::Failed(reason) if reason.contains("no room"))
        );
        assert_eq!(
            world.cell.hosts.values().map(|h| h.claimed).collect::<Vec<_>>(),
            before.hosts.values().map(|h| h.claimed).collect::<Vec<_>>()
        );
        assert_eq!(world.volume("data").attachments, vec![]);
        assert!(world.cell.ports.is_empty(), "its own port is no more");
        world.ask(DeleteServer { server: "web".into() }).expect("an ERROR server is deleted at once");
        assert!(world.cell.servers.is_empty());
    }
}

#[test]
fn unplugs_of_a_create_come_behind_the_destruction_of_its_guest() {
    let mut world = World::ready(1);
    world.ask(create_volume("data")).expect("admitted");
    world.run();
    world.ask(create_server("web", &["data"])).expect("admitted");
    while world.names() != ["+confirm"] {
        let (key, direction, attempt, name) = world.calls()[0];
        world.report(key, direction, attempt, done(name, direction));
    }
    world.answer("confirm", refusal(false));
    assert_eq!(world.names(), ["-boot_vm"]);
    world.answer("boot_vm", Outcome::Done(StepOutput::None));
    assert!(world.names().contains(&"-attach".to_string()), "{:?}", world.names());
    world.run();
    assert!(world.cell.sagas.is_empty());
}

#[test]
fn s3_a_retryable_refusal_is_tried_again_and_then_given_up() {
    let mut world = World::ready(1);
    world.ask(create_server("web", &[])).expect("admitted");
    for attempt in 1..3 {
        assert!(world.calls().iter().any(|(_, _, a, name)| *name == "prepare_port" && a.0 == attempt));
        world.answer("prepare_port", refusal(true));
    }
    world.answer("prepare_port", refusal(true));
    assert!(matches!(world.cell.sagas.values().next().expect("open").state, SagaState::Unwinding));
    world.run();
    assert_eq!(status(&world, "web"), ServerStatus::Error);
}

#[test]
fn s7_cancel_turns_back_before_the_pivot_and_is_refused_behind_it() {
    let mut world = World::ready(1);
    let saga = world.ask(create_server("web", &[])).expect("admitted");
    world.ask(CancelSaga { saga }).expect("before the pivot");
    assert_eq!(world.names().iter().filter(|name| name.starts_with('-')).count(), 2);
    assert_eq!(world.refused(CancelSaga { saga }), Reason::WrongState);
    world.run();
    assert_eq!(status(&world, "web"), ServerStatus::Error);

    world.ask(create_server("app", &[])).expect("admitted");
    world.run();
    let saga = world.ask(DeleteServer { server: "app".into() }).expect("admitted");
    assert_eq!(world.refused(CancelSaga { saga }), Reason::PastPivot);
    world.run();
    assert!(!world.cell.servers.values().any(|server| server.spec.name == "app"));
}

#[test]
fn s5_an_undo_refused_for_good_makes_the_saga_stuck_until_an_operator_helps() {
    for help in ["retry", "skip", "abandon"] {
        let mut world = World::ready(1);
        let saga = world.ask(create_server("web", &[])).expect("admitted");
        world.answer("reserve_volume", done("reserve_volume", Direction::Forward));
        world.ask(CancelSaga { saga }).expect("cancelled");
        world.answer("reserve_volume", refusal(false));
        assert!(matches!(world.cell.sagas[&saga].state, SagaState::Stuck(Direction::Undo)));
        world.answer("prepare_port", Outcome::Done(StepOutput::None));
        match help {
            "retry" => {
                world.ask(RetrySaga { saga }).expect("stuck");
                world.run();
                assert_eq!(status(&world, "web"), ServerStatus::Error);
            }
            "skip" => {
                world
                    .ask(SkipStep { saga, step: StepIndex(0), reason: "gone by hand".into() })
                    .expect("stuck");
                assert!(world.cell.sagas.is_empty());
            }
            _ => {
                world.ask(AbandonSaga { saga, reason: "later".into() }).expect("stuck");
                assert_eq!(world.server("web").lock, Lock::Quarantined(saga));
                assert_eq!(world.refused(DeleteServer { server: "web".into() }), Reason::ResourceQuarantined);
                let root = world.server("web").spec.root;
                let port = world.server("web").spec.ports[0];
                let server = world.server("web").spec.id;
                for resource in
                    [ResourceRef::Volume(root), ResourceRef::Port(port), ResourceRef::Server(server)]
                {
                    world.ask(DiscardResource { resource, reason: "wiped".into() }).expect("in quarantine");
                }
                assert!(world.cell.servers.is_empty() && world.cell.volumes.is_empty());
            }
        }
    }
}

#[test]
fn a6_a_reboot_of_the_host_makes_its_servers_again() {
    let mut world = World::ready(1);
    world.ask(create_server("web", &[])).expect("admitted");
    world.run();
    let host = world.host_named("h0");
    world.seen(host, 2);
    assert_eq!(status(&world, "web"), ServerStatus::Reboot);
    assert_eq!(world.names(), ["+prepare_port"]);
    world.run();
    assert_eq!(status(&world, "web"), ServerStatus::Active);
}

#[test]
fn a_reboot_in_the_middle_of_a_create_turns_it_back_at_its_pivot() {
    let mut world = World::ready(1);
    world.ask(create_server("web", &[])).expect("admitted");
    while world.names() != ["+confirm"] {
        let (key, direction, attempt, name) = world.calls()[0];
        world.report(key, direction, attempt, done(name, direction));
    }
    let host = world.host_named("h0");
    world.seen(host, 2);
    world.answer("confirm", Outcome::Done(StepOutput::None));
    world.run();
    assert_eq!(status(&world, "web"), ServerStatus::Error);
}

#[test]
fn s6_a_host_declared_gone_resolves_its_undos_when_its_calls_are_given_up() {
    let mut world = World::ready(1);
    let saga = world.ask(create_server("web", &[])).expect("admitted");
    world.answer("reserve_volume", done("reserve_volume", Direction::Forward));
    world.ask(CancelSaga { saga }).expect("cancelled");
    world.ask(DeclareHostGone { host: "h0".into(), reason: "burnt".into() }).expect("declared");
    world.answer("prepare_port", Outcome::Overdue);
    let how = |world: &World| {
        world
            .commits
            .last()
            .expect("a commit")
            .events
            .iter()
            .any(|event| matches!(event, Event::StepUndone(e) if e.how == UndoneHow::HostGone))
    };
    assert!(how(&world));
    world.run();
    assert_eq!(status(&world, "web"), ServerStatus::Error);
}

#[test]
fn r4_placement_failures_name_each_filter() {
    let mut world = World::ready(2);
    world.ask(DrainHost { host: "h0".into() }).expect("drained");
    let mut body = create_server("web", &[]);
    body.placement.zone = Some("b".into());
    let rejection = world.ask(body).expect_err("no host");
    assert_eq!(rejection.reason, Reason::NoHostFits);
    let removed: Vec<(&str, usize)> =
        rejection.filters.iter().filter(|f| f.removed > 0).map(|f| (f.filter, f.removed)).collect();
    assert_eq!(removed, [("role", 1), ("enabled", 1), ("zone", 1)]);
}

#[test]
fn l1_a_busy_resource_is_refused_naming_its_holder() {
    let mut world = World::ready(1);
    let saga = world.ask(create_server("web", &[])).expect("admitted");
    let rejection = world.ask(DeleteServer { server: "web".into() }).expect_err("busy");
    assert_eq!(rejection.reason, Reason::ResourceBusy);
    assert!(rejection.message.contains(&saga.to_string()));
}

#[test]
fn l2_a_released_address_rests_before_it_is_given_again() {
    let mut world = World::ready(1);
    let pool = |world: &mut World, name: &str| {
        world.ask(CreatePort {
            name: name.into(),
            network: "net".into(),
            ips: vec!["10.0.0.9".parse().expect("ip")],
            mac: None,
            groups: vec![],
        })
    };
    pool(&mut world, "one").expect("free");
    world.ask(DeletePort { port: "one".into() }).expect("deleted");
    assert_eq!(pool(&mut world, "two").expect_err("rests").reason, Reason::AddressUnavailable);
    world.now = world.now.plus_ms(windlass_sagas::limits::ADDRESS_REST_MS + 1);
    pool(&mut world, "two").expect("rested");
}

#[test]
fn r1_a_repeat_names_the_same_saga_and_another_body_is_refused() {
    use windlass_sagas::cell::Decline;
    let mut world = World::ready(1);
    let fact = world.request(create_server("web", &[]));
    world.tell(fact.clone()).expect("new");
    let saga = world.last_saga();
    assert_eq!(world.tell(fact.clone()), Err(Decline::Repeat(saga)));
    let Fact::Request(mut request) = fact else { unreachable!("a request") };
    request.body = create_server("other", &[]).into();
    assert!(
        matches!(world.tell(Fact::Request(request)), Err(Decline::Rejected(r)) if r.reason == Reason::RequestIdMismatch)
    );
}

#[test]
fn r1_old_and_future_request_ids_are_refused() {
    use windlass_sagas::cell::Decline;
    let mut world = World::ready(1);
    let fact = world.request(create_server("web", &[]));
    world.now = world.now.plus_ms(windlass_sagas::limits::REQUEST_MEMORY_MS + 10);
    assert!(matches!(world.tell(fact), Err(Decline::Rejected(r)) if r.reason == Reason::RequestIdExpired));
    let ahead = world.now;
    world.now = ahead.plus_ms(windlass_sagas::limits::REQUEST_AHEAD_MS + 60_000);
    let fact = world.request(create_server("web", &[]));
    world.now = ahead;
    assert!(matches!(world.tell(fact), Err(Decline::Rejected(r)) if r.reason == Reason::RequestIdInFuture));
}

#[test]
fn quota_refuses_with_the_row_at_fault() {
    let mut world = World::ready(1);
    let quota =
        Amounts { servers: 1, vcpus: 99, ram_mib: 99_999, volumes: 9, gib: 99, networks: 9, ports: 9 };
    world.ask(SetQuota { project: "blue".into(), quota }).expect("set");
    world.ask(create_server("one", &[])).expect("fits");
    let rejection = world.ask(create_server("two", &[])).expect_err("over quota");
    assert_eq!((rejection.reason, rejection.field.as_deref()), (Reason::QuotaExceeded, Some("servers")));
}
