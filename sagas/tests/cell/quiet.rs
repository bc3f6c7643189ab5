//! What sets nothing in motion: things of a saga that turns back, and hosts that only say that they are there.

use windlass_sagas::cell::state::SagaState;
use windlass_sagas::cell::{Decline, ServerStatus, server_status};
use windlass_sagas::ids::*;
use windlass_sagas::record::*;

use crate::support::*;

fn seen(world: &World, host: HostId, boot: u8, vcpus: u64) -> Fact {
    let capacity = Capacity { vcpus, ..world.cell.hosts[&host].capacity };
    Report::HostSeen(HostSeen { host, boot: BootId([boot; 16]), capacity, traits: vec![] }).into()
}

#[test]
fn l3_what_a_saga_that_turns_back_still_holds_starts_nothing_else() {
    let mut world = World::ready(1);
    world.ask(create_volume("data")).expect("admitted");
    world.run();
    let saga = world.ask(create_server("web", &["data"])).expect("admitted");
    while !world.names().contains(&"+boot_vm".to_string()) {
        let (key, direction, attempt, name) = world.calls()[0];
        world.report(key, direction, attempt, done(name, direction));
    }
    world.answer("boot_vm", refusal(false));
    assert_eq!(world.cell.sagas[&saga].state, SagaState::Unwinding);
    // Its host starts anew: servers that are there are made again, this one is on its way out.
    let host = world.host_named("h0");
    let events = world.tell(seen(&world, host, 2, 8)).expect("another boot");
    assert!(events.iter().all(|event| !matches!(event, Event::SagaStarted(_))), "{events:?}");
    // Nor can anybody else touch what it holds.
    assert!(world.ask(DeleteVolume { volume: "data".into() }).is_err());
    assert_eq!(world.cell.sagas.len(), 1);
    world.run();
    assert_eq!(server_status(&world.cell, world.server("web")), ServerStatus::Error);
    assert!(world.cell.sagas.is_empty());
}

#[test]
fn a7_a_host_that_only_shows_itself_again_is_not_in_the_journal() {
    let mut world = World::ready(1);
    let host = world.host_named("h0");
    let before = world.cell.clone();
    for _ in 0..3 {
        let again = seen(&world, host, 1, 8);
        assert_eq!(world.tell(again), Err(Decline::Stale));
    }
    assert_eq!(world.cell, before);
    // What a decision may rest on is: another capacity, silence, and the end of it.
    assert!(world.tell(seen(&world, host, 1, 16)).is_ok());
    assert_eq!(world.cell.hosts[&host].capacity.vcpus, 16);
    assert!(world.tell(Report::HostSilent(HostSilent { host }).into()).is_ok());
    assert!(world.tell(seen(&world, host, 1, 16)).is_ok());
    assert_eq!(world.tell(seen(&world, host, 1, 16)), Err(Decline::Stale));
}
