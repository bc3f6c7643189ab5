//! What a ledger holds against what the fold says: whole before it is admitted, and later only guests that have ended.

use windlass_sagas::cell::state::{Lock, ServerState};
use windlass_sagas::cell::{Decline, ServerStatus, reconcile, server_status};
use windlass_sagas::ids::*;
use windlass_sagas::protocol::{Inventory, InventoryItem};
use windlass_sagas::record::*;

use crate::support::*;

/// A host with the server `web`, ACTIVE, and one with the volume `red`.
fn running() -> World {
    let mut world = World::ready(1);
    world.ask(create_volume("red")).expect("admitted");
    world.run();
    world.ask(create_server("web", &["red"])).expect("admitted");
    world.run();
    world
}

fn ledger(world: &World) -> LedgerId {
    LedgerId { host: world.server("web").spec.host, role: Role::Hypervisor }
}

fn admitted(world: &World) -> Incarnation {
    let ledger = ledger(world);
    world.cell.hosts[&ledger.host].incarnations[&ledger.role]
}

fn booted_by(world: &World) -> StepKey {
    let ServerState::Active(maker) = world.server("web").state else { panic!("it runs") };
    StepKey { saga: maker.saga, step: maker.step }
}

fn ended(world: &World, booted_by: StepKey) -> InventoryItem {
    InventoryItem::Ended { server: world.server("web").spec.id, booted_by }
}

/// The leader hears of this inventory.
fn hear(
    world: &mut World,
    incarnation: Incarnation,
    items: Vec<InventoryItem>,
) -> Result<Vec<Event>, Decline> {
    let inventory = Inventory { ledger: Some(ledger(world)), incarnation: Some(incarnation), items };
    let found = reconcile(&world.cell, &inventory).expect("it names its ledger");
    world.tell(Report::Ledger(found).into())
}

#[test]
fn a_guest_that_has_ended_stops_its_server_which_can_be_started() {
    let mut world = running();
    let server = world.server("web").spec.id;
    let (incarnation, item) = (admitted(&world), ended(&world, booted_by(&world)));
    let events = hear(&mut world, incarnation, vec![item]).expect("it is news");
    assert_eq!(events, [ServerStopped { server }.into()]);
    assert_eq!(server_status(&world.cell, world.server("web")), ServerStatus::Shutoff);
    assert_eq!(world.volume("red").attachments.len(), 1, "it keeps what it has");
    assert!(matches!(hear(&mut world, incarnation, vec![item]), Err(Decline::Stale)), "told again");

    world.ask(StartServer { server: "web".into() }).expect("admitted");
    world.run();
    assert_eq!(server_status(&world.cell, world.server("web")), ServerStatus::Active);
    assert!(
        matches!(hear(&mut world, incarnation, vec![item]), Err(Decline::Stale)),
        "it is of an older boot"
    );
    assert_eq!(server_status(&world.cell, world.server("web")), ServerStatus::Active);
}

#[test]
fn a_guest_that_a_saga_has_to_do_with_is_left_to_it() {
    let mut world = running();
    let (incarnation, item) = (admitted(&world), ended(&world, booted_by(&world)));
    world.ask(StopServer { server: "web".into(), grace_ms: 0 }).expect("admitted");
    assert!(matches!(hear(&mut world, incarnation, vec![item]), Err(Decline::Stale)));
    world.run();
    assert_eq!(world.server("web").lock, Lock::Free);
    assert!(
        matches!(hear(&mut world, incarnation, vec![item]), Err(Decline::Stale)),
        "it stands still already"
    );
}

#[test]
fn an_inventory_of_an_admitted_ledger_loses_nothing_by_silence() {
    let mut world = running();
    let incarnation = admitted(&world);
    let before = world.cell.clone();
    let unknown = InventoryItem::Guest { server: ServerId([0xee; 16]), vcpus: 1, ram_mib: 1 };
    for items in [vec![], vec![unknown]] {
        assert!(matches!(hear(&mut world, incarnation, items), Err(Decline::Stale)), "it may be an old one");
    }
    assert_eq!(world.cell, before);
}

#[test]
fn a_new_ledger_is_compared_whole() {
    let mut world = running();
    let (server, orphan) = (world.server("web").spec.id, ServerId([0xee; 16]));
    let guest = |server| InventoryItem::Guest { server, vcpus: 1, ram_mib: 1 };
    let there = vec![guest(server), guest(orphan)];
    let events = hear(&mut world, Incarnation([0xaa; 16]), there).expect("it is news");
    assert!(matches!(&events[0], Event::IncarnationAdmitted(_)));
    let Event::InventoryDiffers(differs) = &events[1] else { panic!("an orphan: {events:?}") };
    assert_eq!((&*differs.orphans, &*differs.losses), (&[ResourceRef::Server(orphan)][..], &[][..]));
    assert_eq!(server_status(&world.cell, world.server("web")), ServerStatus::Active);

    let events = hear(&mut world, Incarnation([0xbb; 16]), vec![]).expect("it is news");
    assert!(matches!(&events[0], Event::IncarnationAdmitted(_)));
    assert!(events.contains(&ServerStopped { server }.into()), "its guest is not there: {events:?}");
    assert_eq!(server_status(&world.cell, world.server("web")), ServerStatus::Shutoff);
    let host = &world.cell.hosts[&ledger(&world).host];
    assert!(host.findings.is_empty(), "what stands still is as the fold has it: {:?}", host.findings);
}

/// What a lost tail leaves: the server stands still, and a commit that is gone has started its guest.
#[test]
fn a_guest_that_runs_of_a_stopped_server_is_an_orphan_to_a_new_ledger() {
    let mut world = running();
    world.ask(StopServer { server: "web".into(), grace_ms: 0 }).expect("admitted");
    let server = world.server("web").spec.id;
    let guest = InventoryItem::Guest { server, vcpus: 1, ram_mib: 1 };
    let inventory = |world: &World| Inventory {
        ledger: Some(ledger(world)),
        incarnation: Some(Incarnation([0xaa; 16])),
        items: vec![guest],
    };
    let found = |world: &World| reconcile(&world.cell, &inventory(world)).expect("of a ledger");
    assert!(found(&world).orphans.is_empty(), "a saga is at it");
    world.run();
    assert_eq!(server_status(&world.cell, world.server("web")), ServerStatus::Shutoff);
    assert_eq!(found(&world).orphans, [ResourceRef::Server(server)]);
    assert!(found(&world).losses.is_empty());
}
