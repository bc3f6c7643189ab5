//! `server.stop`, `server.start` and `server.reboot`.

use windlass_sagas::cell::state::{Lock, SagaState, ServerState};
use windlass_sagas::cell::{Reason, ServerStatus, VolumeStatus, server_status, volume_status};
use windlass_sagas::ids::*;
use windlass_sagas::limits::GUEST_GRACE_MS_MAX;
use windlass_sagas::record::*;

use crate::support::*;

fn status(world: &World) -> ServerStatus {
    server_status(&world.cell, world.server("web"))
}

fn start() -> StartServer {
    StartServer { server: "web".into() }
}

fn stop(grace_ms: u32) -> StopServer {
    StopServer { server: "web".into(), grace_ms }
}

fn reboot() -> RebootServer {
    RebootServer { server: "web".into(), grace_ms: 0 }
}

/// A host with the server `web`, ACTIVE, with the volumes `red` and `blue`.
fn running() -> World {
    let mut world = World::ready(1);
    for name in ["red", "blue"] {
        world.ask(create_volume(name)).expect("admitted");
        world.run();
    }
    world.ask(create_server("web", &["red", "blue"])).expect("admitted");
    world.run();
    assert_eq!(status(&world), ServerStatus::Active);
    world
}

/// The same, SHUTOFF.
fn stopped() -> World {
    let mut world = running();
    world.ask(stop(1_000)).expect("admitted");
    world.run();
    world
}

fn host_reboots(world: &mut World, boot: u8) {
    let host = world.host_named("h0");
    world.seen(host, boot);
}

/// Answers with success until these calls are open.
fn until(world: &mut World, names: &[&str]) {
    for _ in 0..100 {
        if world.names() == names {
            return;
        }
        let (key, direction, attempt, name) = world.calls()[0];
        world.report(key, direction, attempt, done(name, direction));
    }
    panic!("{names:?} are never open, but {:?}", world.names());
}

fn refused(code: RefusalCode) -> Outcome {
    Outcome::Refused(Refusal { code, retryable: false, message: "it is not there".into() })
}

/// The makers of the guest, of its devices in the order of their places, and of its port.
fn makers(world: &World) -> Vec<Maker> {
    let server = world.server("web");
    let guest = match &server.state {
        ServerState::Active(maker) | ServerState::Lost(maker) | ServerState::Stopped(maker) => *maker,
        ServerState::Building | ServerState::Failed(_) => panic!("no guest was ever made"),
    };
    let attachments = world.cell.volumes.values().flat_map(|volume| &volume.attachments);
    let mut devices: Vec<_> = attachments.map(|it| (it.device, it.plugged_by)).collect();
    devices.sort_unstable();
    let ports = world.cell.ports.values().filter_map(|port| match port.state {
        windlass_sagas::cell::state::PortState::Ready(_, _, maker) => Some(maker),
        _ => None,
    });
    [guest].into_iter().chain(devices.into_iter().map(|(_, maker)| maker)).chain(ports).collect()
}

fn plan(world: &World, saga: SagaId) -> Plan {
    world.cell.sagas[&saga].plan.as_ref().clone()
}

#[test]
fn a_stop_closes_what_made_the_guest_and_keeps_what_it_was_plugged_into() {
    let mut world = running();
    let before = makers(&world);
    let saga = world.ask(stop(60_000)).expect("admitted");
    let steps = plan(&world, saga).steps;
    assert_eq!(world.names(), ["+stop_vm"]);
    assert_eq!(steps[0].closes, [before[0], before[2], before[3]], "the boot, and the plugs in their order");
    assert_eq!(steps[0].retry.call_ms, 90_000, "a call outlasts the grace");
    assert_eq!(status(&world), ServerStatus::Active);
    assert_eq!(world.refused(CancelSaga { saga }), Reason::PastPivot);
    world.run();
    assert_eq!(status(&world), ServerStatus::Shutoff);
    assert_eq!(volume_status(&world.cell, world.volume("red")), VolumeStatus::InUse);
    assert_eq!(makers(&world), before, "attachments and ports stay");
    assert_eq!(world.server("web").lock, Lock::Free);
}

#[test]
fn a_start_boots_from_the_root_and_plugs_each_volume_into_its_place() {
    let mut world = stopped();
    let before = makers(&world);
    let saga = world.ask(start()).expect("admitted");
    let inputs: Vec<StepInput> = plan(&world, saga).steps.into_iter().map(|step| step.input).collect();
    let root = world.server("web").spec.root;
    assert_eq!(inputs[1].boots().map(|guest| guest.volumes.clone()), Some(vec![root]));
    let place = |input: &StepInput| match input {
        StepInput::PlugVolume { volume, device, .. } => Some((*volume, *device)),
        _ => None,
    };
    let (red, blue) = (world.volume("red").spec.id, world.volume("blue").spec.id);
    assert_eq!(inputs.iter().filter_map(place).collect::<Vec<_>>(), [(red, 1), (blue, 2)]);
    assert_eq!(status(&world), ServerStatus::Shutoff);
    let commits = world.commits.len();
    world.run();
    assert_eq!(world.commits.len() - commits, 5, "S9: a commit a step behind the first");
    assert_eq!(status(&world), ServerStatus::Active);
    let after = makers(&world);
    assert_eq!(after.len(), before.len());
    assert!(after.iter().all(|maker| maker.saga == saga), "each has a new maker: {after:?}");
}

#[test]
fn each_refused_step_of_a_start_leaves_the_server_shutoff() {
    for failing in ["prepare_port", "boot_vm", "attach", "confirm"] {
        let mut world = stopped();
        let before = world.server("web").state.clone();
        world.ask(start()).expect("admitted");
        while !world.calls().iter().any(|(.., name)| *name == failing) {
            let (key, direction, attempt, name) = world.calls()[0];
            world.report(key, direction, attempt, done(name, direction));
        }
        world.answer(failing, refusal(false));
        world.run();
        assert_eq!(
            (status(&world), &world.server("web").state),
            (ServerStatus::Shutoff, &before),
            "{failing}"
        );
        world.ask(start()).expect("it may be tried again");
        world.run();
        assert_eq!(status(&world), ServerStatus::Active);
    }
}

#[test]
fn unplugs_of_a_start_come_behind_the_destruction_of_its_guest() {
    let mut world = stopped();
    let saga = world.ask(start()).expect("admitted");
    until(&mut world, &["+confirm"]);
    world.ask(CancelSaga { saga }).expect("before the pivot");
    assert_eq!(world.names(), ["-boot_vm"]);
    world.answer("boot_vm", Outcome::Done(StepOutput::None));
    assert_eq!(world.names().iter().filter(|name| *name == "-attach").count(), 2);
    world.run();
    assert_eq!(status(&world), ServerStatus::Shutoff);
}

#[test]
fn a_reboot_of_the_host_turns_a_start_back_and_leaves_a_stopped_server_alone() {
    let mut world = stopped();
    host_reboots(&mut world, 2);
    assert_eq!((status(&world), world.names()), (ServerStatus::Shutoff, vec![]));
    world.ask(start()).expect("admitted");
    until(&mut world, &["+confirm"]);
    host_reboots(&mut world, 3);
    world.answer("confirm", done("confirm", Direction::Forward));
    world.run();
    assert_eq!(status(&world), ServerStatus::Shutoff);
}

#[test]
fn a_rebooted_server_has_a_new_guest_and_is_never_turned_back() {
    let mut world = running();
    let before = makers(&world);
    let saga = world.ask(reboot()).expect("admitted");
    assert_eq!((status(&world), world.names()), (ServerStatus::Reboot, vec!["+stop_vm".to_string()]));
    assert_eq!(world.refused(CancelSaga { saga }), Reason::PastPivot);
    until(&mut world, &["+boot_vm"]);
    for _ in 0..5 {
        world.answer("boot_vm", refusal(true));
        assert_eq!(world.names(), ["+boot_vm"], "tried again without limit");
    }
    assert_eq!(status(&world), ServerStatus::Reboot);
    world.run();
    assert_eq!(status(&world), ServerStatus::Active);
    assert!(makers(&world).iter().zip(&before).all(|(after, before)| after != before));
}

#[test]
fn a_reboot_that_can_not_boot_is_stuck_until_an_operator_helps() {
    let mut world = running();
    let saga = world.ask(reboot()).expect("admitted");
    until(&mut world, &["+boot_vm"]);
    world.answer("boot_vm", refusal(false));
    assert_eq!(world.cell.sagas[&saga].state, SagaState::Stuck(Direction::Forward));
    world.ask(RetrySaga { saga }).expect("stuck");
    world.run();
    assert_eq!(status(&world), ServerStatus::Active);
}

/// Where the host's reboot strikes a reboot, and what the agent says from then on.
#[test]
fn a_reboot_whose_host_reboots_ends_and_the_server_is_made_again() {
    let missing = RefusalCode::Missing;
    let cases: [(&str, &[(&str, RefusalCode)]); 4] = [
        ("+boot_vm", &[("boot_vm", missing), ("attach", missing), ("attach", missing)]),
        ("+attach", &[("attach", missing), ("attach", missing)]),
        ("+confirm", &[]),
        ("+stop_vm", &[]),
    ];
    for (at, missing) in cases {
        let mut world = running();
        let saga = world.ask(reboot()).expect("admitted");
        while world.names().first().is_none_or(|name| name != at) {
            let (key, direction, attempt, name) = world.calls()[0];
            world.report(key, direction, attempt, done(name, direction));
        }
        host_reboots(&mut world, 2);
        assert_eq!(status(&world), ServerStatus::Reboot);
        for (step, code) in missing {
            world.answer(step, refused(*code));
        }
        if at != "+stop_vm" {
            world.answer("confirm", refused(RefusalCode::NoEvidence));
            assert!(!world.cell.sagas.contains_key(&saga), "{at}: it has ended");
            let restore = world.cell.sagas.values().next().expect("in the same commit");
            assert_eq!((restore.kind, status(&world)), (SagaKind::ServerRestore, ServerStatus::Reboot));
        }
        world.run();
        assert_eq!(status(&world), ServerStatus::Active, "{at}");
        assert!(world.cell.sagas.is_empty());
    }
}

/// It is tried again, or waits for an operator, where no reboot explains it.
#[test]
fn a_guest_that_is_missing_without_a_reboot_is_no_reason_to_go_on() {
    let mut world = running();
    let saga = world.ask(reboot()).expect("admitted");
    until(&mut world, &["+confirm"]);
    world.answer("confirm", refused(RefusalCode::NoEvidence));
    assert_eq!(world.cell.sagas[&saga].state, SagaState::Stuck(Direction::Forward));
}

#[test]
fn s6_a_guest_of_a_host_that_is_gone_is_stopped_by_whatever_was_to_stop_or_reboot_it() {
    for body in [Body::from(stop(0)), Body::from(reboot())] {
        let mut world = running();
        world.ask(body).expect("admitted");
        world.ask(DeclareHostGone { host: "h0".into(), reason: "burnt".into() }).expect("declared");
        world.answer("stop_vm", Outcome::Overdue);
        world.run();
        assert_eq!(status(&world), ServerStatus::Shutoff);
        world.ask(start()).expect("admitted");
        world.run();
        assert_eq!(status(&world), ServerStatus::Shutoff, "there is no host to start it on");
        world.ask(DeleteServer { server: "web".into() }).expect("admitted");
        world.run();
        assert!(world.cell.servers.is_empty());
    }
}

#[test]
fn wrong_states_are_refused_by_their_name() {
    let mut world = running();
    let refused = |world: &mut World, body: Body, state: &str| {
        let rejection = world.ask(body).expect_err("refused");
        assert_eq!(rejection.reason, Reason::WrongState);
        assert!(rejection.message.contains(state), "{}", rejection.message);
    };
    refused(&mut world, start().into(), "is ACTIVE, not SHUTOFF");
    world.ask(stop(0)).expect("admitted");
    assert_eq!(world.refused(reboot()), Reason::ResourceBusy);
    world.run();
    refused(&mut world, stop(0).into(), "is SHUTOFF, not ACTIVE");
    refused(&mut world, reboot().into(), "is SHUTOFF, not ACTIVE");
    refused(&mut world, DetachVolume { volume: "red".into() }.into(), "is SHUTOFF, not ACTIVE");
    let saga = world.ask(create_server("other", &[])).expect("admitted");
    world.ask(CancelSaga { saga }).expect("cancelled");
    world.run();
    refused(&mut world, StartServer { server: "other".into() }.into(), "is ERROR, not SHUTOFF");
    let long = GUEST_GRACE_MS_MAX + 1;
    for body in [Body::from(stop(long)), RebootServer { grace_ms: long, ..reboot() }.into()] {
        let rejection = world.ask(body).expect_err("refused");
        let found = (rejection.reason, rejection.field.as_deref());
        assert_eq!(found, (Reason::InvalidField, Some("grace_ms")));
    }
}

#[test]
fn a_stopped_server_is_deleted_with_all_that_it_has() {
    let mut world = stopped();
    world.ask(DeleteServer { server: "web".into() }).expect("admitted");
    world.run();
    assert!(world.cell.servers.is_empty() && world.cell.ports.is_empty());
    assert_eq!(volume_status(&world.cell, world.volume("red")), VolumeStatus::Available);
}

/// An unplug waits for the destruction of its guest; meanwhile the plug's own answer comes.
#[test]
fn s1_a_late_refusal_of_a_saga_that_turned_back_is_not_tried_again() {
    for late in [refusal(true), refusal(false), Outcome::Impossible("closed".into()), Outcome::Overdue] {
        let mut world = stopped();
        let saga = world.ask(start()).expect("admitted");
        until(&mut world, &["+attach", "+attach"]);
        let (key, direction, attempt, _) = world.calls()[0];
        world.ask(CancelSaga { saga }).expect("before the pivot");
        assert_eq!(world.names(), ["-boot_vm"]);
        let report = StepReport { saga, step: key.step, direction, attempt, outcome: late };
        world.tell(Report::Step(report).into()).ok();
        assert_eq!(world.names(), ["-boot_vm"]);
        world.run();
        assert_eq!((status(&world), world.cell.sagas.len()), (ServerStatus::Shutoff, 0));
    }
}

#[test]
fn a_server_left_in_quarantine_is_not_discarded_under_its_volumes() {
    let mut world = running();
    let saga = world.ask(reboot()).expect("admitted");
    until(&mut world, &["+boot_vm"]);
    world.answer("boot_vm", refusal(false));
    world.ask(AbandonSaga { saga, reason: "later".into() }).expect("stuck");
    let server = world.server("web").spec.clone();
    let discard = |resource| DiscardResource { resource, reason: "wiped".into() };
    world.ask(discard(ResourceRef::Port(server.ports[0]))).expect("in quarantine");
    assert_eq!(world.refused(discard(ResourceRef::Server(server.id))), Reason::ResourceInUse);
    let reason = "looked at".to_string();
    world
        .ask(AdoptResource { resource: ResourceRef::Server(server.id), reason: reason.clone() })
        .expect("adopted");
    for volume in world.server("web").attached.clone() {
        let resource = ResourceRef::Volume(volume);
        world.ask(AdoptResource { resource, reason: reason.clone() }).expect("adopted");
    }
    world.ask(DeleteServer { server: "web".into() }).expect("admitted");
    world.run();
    assert_eq!(volume_status(&world.cell, world.volume("red")), VolumeStatus::Available);
}
