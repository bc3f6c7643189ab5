//! How long the evidence of a guest may take: the longer, the more guests boot on its host meanwhile.

use windlass_sagas::record::*;

use crate::support::*;

/// What a guest that boots alone has: for one call and for all attempts, milliseconds.
const ALONE: (u32, u64) = (30_000, 300_000);

fn beside(boots: u32) -> (u32, u64) {
    (ALONE.0 + boots * 5_000, ALONE.1 + u64::from(boots) * 3 * 5_000)
}

/// What `confirm` has in the plan of a saga that the last commit began, and how late the saga may be, milliseconds.
fn confirms(world: &World) -> Vec<((u32, u64), u64)> {
    let confirm = |plan: &Plan| {
        let step = plan.steps.iter().find(|step| matches!(step.input, StepInput::ConfirmGuest { .. }));
        step.map(|step| ((step.retry.call_ms, step.deadline_ms), plan.deadline_ms))
    };
    world.begun().filter_map(confirm).collect()
}

fn created(world: &mut World, name: &str) -> (u32, u64) {
    world.ask(create_server(name, &[])).expect("admitted");
    confirms(world)[0].0
}

#[test]
fn a_create_counts_those_that_are_under_way_on_its_host() {
    let mut world = World::ready(1);
    assert_eq!(created(&mut world, "a"), ALONE);
    assert_eq!(created(&mut world, "b"), beside(1));
    assert_eq!(created(&mut world, "c"), beside(2));
    assert_eq!(confirms(&world)[0].1, 20 * 60_000 + 2 * 3 * 5_000, "the saga has that time more, too");
    world.run();
    assert_eq!(created(&mut world, "d"), ALONE, "those that are up do not count");
    world.answer("reserve_volume", refusal(false));
    world.run();
    assert_eq!(created(&mut world, "e"), ALONE, "nor those that failed");
}

#[test]
fn guests_on_other_hosts_do_not_count() {
    let mut world = World::ready(2);
    let (first, second) = (created(&mut world, "a"), created(&mut world, "b"));
    let hosts = ["a", "b"].map(|name| world.server(name).spec.host);
    assert_ne!(hosts[0], hosts[1], "the second is placed where there is more room");
    assert_eq!((first, second), (ALONE, ALONE));
}

#[test]
fn restores_count_those_that_a_reboot_starts_with_them() {
    let mut world = World::ready(1);
    let host = world.host_named("h0");
    for name in ["a", "b", "c"] {
        created(&mut world, name);
    }
    world.run();
    world.seen(host, 2);
    let confirms = confirms(&world);
    assert_eq!(confirms.len(), 3);
    assert!(confirms.iter().all(|(confirm, _)| *confirm == beside(2)), "{confirms:?}");
    assert_eq!(created(&mut world, "d"), beside(3), "a create waits for the lost ones, too");
    world.run();
    world.ask(StopServer { server: "a".into(), grace_ms: 0 }).expect("admitted");
    world.run();
    world.ask(create_server("e", &[])).expect("admitted");
    world.ask(StartServer { server: "a".into() }).expect("admitted");
    assert_eq!(self::confirms(&world)[0].0, beside(1));
    world.run();
    world.ask(create_server("f", &[])).expect("admitted");
    world.ask(RebootServer { server: "a".into(), grace_ms: 0 }).expect("admitted");
    assert_eq!(self::confirms(&world)[0].0, beside(1));
}
