//! Hosts that join again: a silent one, whose certificate may have expired, keeps what it is; a gone one nothing.

use windlass_sagas::cell::Reason;
use windlass_sagas::cell::state::HostLife;
use windlass_sagas::ids::*;
use windlass_sagas::record::*;

use crate::support::{World, create_server};

const ROLES: [Role; 2] = [Role::Hypervisor, Role::Network];

fn token(world: &World, roles: &[Role], zone: &str) -> CreateJoinToken {
    let (host, zone, expires) = ("h0".to_string(), zone.to_string(), world.now.plus_ms(60_000));
    CreateJoinToken { host, roles: roles.to_vec(), zone, secret_sha256: Hash([77; 32]), expires }
}

fn join(token: &SagaId) -> JoinHost {
    let (token, address) =
        (JoinTokenId::derived(&token.0, 0), Some("192.0.2.0".parse().expect("an address")));
    JoinHost { token, certificate_sha256: Hash([78; 32]), address }
}

fn silent(world: &mut World) -> HostId {
    let host = world.host_named("h0");
    world.tell(Report::HostSilent(HostSilent { host }).into()).expect("silent");
    host
}

#[test]
fn a_silent_host_joins_again_with_all_that_it_has() {
    let mut world = World::ready(1);
    world.ask(create_server("web", &[])).expect("admitted");
    world.run();
    world.ask(DrainHost { host: "h0".into() }).expect("drained");
    let host = silent(&mut world);
    let before = world.cell.hosts[&host].clone();
    let made = world.ask(token(&world, &ROLES, "a")).expect("it is down");
    world.ask(join(&made)).expect("joined");
    let after = world.cell.hosts[&host].clone();
    assert_eq!(after.certificate_sha256, Some(Hash([78; 32])));
    let certificate_sha256 = before.certificate_sha256;
    assert_eq!(windlass_sagas::cell::state::Host { certificate_sha256, ..after }, before);
    world.seen(host, 1);
    assert_eq!(world.cell.hosts[&host].life, HostLife::Up);
    world.ask(DeleteServer { server: "web".into() }).expect("its ledgers are called as before");
    world.run();
    assert!(world.cell.servers.is_empty());
}

#[test]
fn a_silent_host_joins_again_as_what_it_was() {
    let mut world = World::ready(1);
    silent(&mut world);
    for (roles, zone, field) in [(&ROLES[1..], "a", "roles"), (&ROLES[..], "b", "zone")] {
        let refused = world.ask(token(&world, roles, zone)).expect_err("another host");
        assert_eq!((refused.reason, refused.field.as_deref()), (Reason::InvalidField, Some(field)));
    }
    let made = world.ask(token(&world, &ROLES, "a")).expect("it is down");
    for address in [None, Some("192.0.2.99".parse().expect("an address"))] {
        let refused = world.ask(JoinHost { address, ..join(&made) }).expect_err("another address");
        assert_eq!((refused.reason, refused.field.as_deref()), (Reason::InvalidField, Some("address")));
    }
}

/// A token from before a host's first join is for a machine that is none: a blank one would take the host's place, and
/// the host's own ledgers would be retired.
#[test]
fn a_token_that_was_left_over_joins_nobody_in_the_place_of_a_silent_host() {
    let mut world = World::ready(1);
    let (host, zone, expires) = ("new".to_string(), "a".to_string(), world.now.plus_ms(60_000));
    let spare = |secret| CreateJoinToken {
        host: host.clone(),
        roles: vec![Role::Storage],
        zone: zone.clone(),
        secret_sha256: Hash([secret; 32]),
        expires,
    };
    let [first, second] = [1, 2].map(|secret| world.ask(spare(secret)).expect("a token"));
    world.ask(join(&first)).expect("joined");
    let host = world.host_named("new");
    world.seen(host, 1);
    world.tell(Report::HostSilent(HostSilent { host }).into()).expect("silent");
    assert_eq!(world.refused(join(&second)), Reason::WrongState);
}

#[test]
fn a_host_that_is_up_or_gone_joins_by_no_token_that_was_made_before() {
    let mut world = World::ready(1);
    assert_eq!(world.refused(token(&world, &ROLES, "a")), Reason::NameTaken);
    let host = silent(&mut world);
    let made = world.ask(token(&world, &ROLES, "a")).expect("it is down");
    world.seen(host, 1);
    assert_eq!(world.refused(join(&made)), Reason::NameTaken);
    world.ask(DeclareHostGone { host: "h0".into(), reason: "burnt".into() }).expect("declared");
    assert_eq!(world.refused(join(&made)), Reason::NameTaken);
    assert!(matches!(world.cell.hosts[&host].life, HostLife::Gone { .. }));
    assert_eq!(world.refused(token(&world, &ROLES, "a")), Reason::NameTaken);
    world.ask(RejoinHost { host: "h0".into() }).expect("wiped");
    assert_eq!(world.refused(join(&made)), Reason::WrongState);
    let made = world.ask(token(&world, &ROLES, "a")).expect("it may join anew");
    world.ask(join(&made)).expect("joined");
}
