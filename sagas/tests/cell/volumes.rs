//! `volume.create`, `volume.delete`, `volume.attach`, `volume.detach`.

use windlass_sagas::cell::{Reason, VolumeStatus, volume_status};
use windlass_sagas::record::*;

use crate::support::*;

fn status(world: &World, name: &str) -> VolumeStatus {
    volume_status(&world.cell, world.volume(name))
}

fn with_server() -> World {
    let mut world = World::ready(1);
    world.ask(create_server("web", &[])).expect("admitted");
    world.ask(create_volume("data")).expect("admitted");
    world.run();
    world
}

#[test]
fn a_volume_goes_round() {
    let mut world = with_server();
    assert_eq!(status(&world, "data"), VolumeStatus::Available);
    world.ask(AttachVolume { volume: "data".into(), server: "web".into() }).expect("admitted");
    assert_eq!(status(&world, "data"), VolumeStatus::Attaching);
    world.run();
    assert_eq!(status(&world, "data"), VolumeStatus::InUse);
    assert_eq!(world.refused(DeleteVolume { volume: "data".into() }), Reason::ResourceInUse);
    world.ask(DetachVolume { volume: "data".into() }).expect("admitted");
    assert_eq!(status(&world, "data"), VolumeStatus::Detaching);
    world.run();
    assert_eq!(status(&world, "data"), VolumeStatus::Available);
    world.ask(DeleteVolume { volume: "data".into() }).expect("admitted");
    world.run();
    assert!(!world.cell.volumes.values().any(|volume| volume.spec.name == "data"));
}

#[test]
fn a_detach_that_the_guest_refuses_goes_back_to_in_use() {
    let mut world = with_server();
    world.ask(AttachVolume { volume: "data".into(), server: "web".into() }).expect("admitted");
    world.run();
    world.ask(DetachVolume { volume: "data".into() }).expect("admitted");
    world.answer("detach", refusal(false));
    assert_eq!(world.names(), ["-detach"]);
    world.run();
    assert_eq!(status(&world, "data"), VolumeStatus::InUse);
}

#[test]
fn an_attach_that_fails_leaves_the_volume_available() {
    let mut world = with_server();
    world.ask(AttachVolume { volume: "data".into(), server: "web".into() }).expect("admitted");
    world.answer("reserve_volume", done("reserve_volume", Direction::Forward));
    world.answer("attach", refusal(false));
    assert_eq!(world.names(), ["-attach"], "a refused step is undone too, and first");
    world.run();
    assert_eq!(status(&world, "data"), VolumeStatus::Available);
}

#[test]
fn the_guest_keeps_its_devices_in_place() {
    let mut world = with_server();
    for name in ["b", "c"] {
        world.ask(create_volume(name)).expect("admitted");
        world.run();
    }
    for name in ["data", "b"] {
        world.ask(AttachVolume { volume: name.into(), server: "web".into() }).expect("admitted");
        world.run();
    }
    world.ask(DetachVolume { volume: "data".into() }).expect("admitted");
    world.run();
    world.ask(AttachVolume { volume: "c".into(), server: "web".into() }).expect("admitted");
    world.run();
    assert_eq!(world.volume("b").attachments[0].device, 2);
    assert_eq!(world.volume("c").attachments[0].device, 1);
}

#[test]
fn a_delete_frees_what_was_attached_and_closes_the_keys_that_made_it() {
    let mut world = with_server();
    world.ask(AttachVolume { volume: "data".into(), server: "web".into() }).expect("admitted");
    world.run();
    world.ask(DeleteServer { server: "web".into() }).expect("admitted");
    let saga = world.cell.sagas.values().next().expect("open");
    assert!(saga.plan.steps.iter().all(|step| !step.closes.is_empty()), "every removal closes a key");
    assert_eq!(saga.plan.steps[0].closes.len(), 2, "the boot's and the plug's");
    world.run();
    assert_eq!(status(&world, "data"), VolumeStatus::Available);
    assert!(world.cell.servers.is_empty());
}

#[test]
fn a6_a_restore_that_follows_a_detach_boots_without_the_detached_volume() {
    let mut world = with_server();
    world.ask(AttachVolume { volume: "data".into(), server: "web".into() }).expect("admitted");
    world.run();
    let (host, root) = (world.host_named("h0"), world.server("web").spec.root);
    world.ask(DetachVolume { volume: "data".into() }).expect("admitted");
    world.seen(host, 2);
    assert_eq!(world.names(), ["+detach"], "the server is held: it is restored behind the detach");
    world.answer("detach", done("detach", Direction::Forward));
    world.answer("release_volume", done("release_volume", Direction::Forward));
    let saga = world.cell.sagas.values().next().expect("the restore follows in the same commit");
    let boots = saga.plan.steps.iter().find_map(|step| Some(step.input.boots()?.volumes.clone()));
    assert_eq!((saga.kind, boots), (SagaKind::ServerRestore, Some(vec![root])));
}
