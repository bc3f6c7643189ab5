//! A raised generation: an operator's order to go on without a lost tail. What that tail had made on hosts is not known,
//! so every ledger is compared with the fold before a call names it again.

use std::collections::BTreeMap;

use windlass_sagas::cell::{Effect, Reason, pending};
use windlass_sagas::ids::*;
use windlass_sagas::record::*;

use crate::support::*;

fn report(host: HostId, role: Role, incarnation: Incarnation, orphans: Vec<ResourceRef>) -> Fact {
    Report::Ledger(LedgerReported { host, role, incarnation, orphans, losses: vec![] }).into()
}

fn admitted(world: &World) -> Vec<(HostId, Role, Incarnation)> {
    let of = |(ledger, incarnation): (LedgerId, Incarnation)| (ledger.host, ledger.role, incarnation);
    world.cell.ledgers().map(of).collect()
}

#[test]
fn a8_a_raised_generation_admits_no_ledger_before_its_inventory_is_compared() {
    let mut world = World::ready(1);
    let before = admitted(&world);
    assert_eq!(before.len(), 3);
    world.campaign(None);
    assert_eq!(admitted(&world), before, "another leader of the same generation knows what was made");
    world.campaign(Some("the tail is gone"));
    assert_eq!(admitted(&world), []);
    let named = pending(&world.cell).into_iter().filter(|effect| matches!(effect, Effect::Admitted { .. }));
    assert_eq!(named.count(), 0, "its leader names none");
    assert_eq!(world.refused(create_server("web", &[])), Reason::NoHostFits);

    // The same ledgers, and one thing that nobody knows.
    let orphan = ResourceRef::Volume(VolumeId([9; 16]));
    for (host, role, incarnation) in &before {
        let orphans = if *role == Role::Storage { vec![orphan] } else { vec![] };
        let events = world.tell(report(*host, *role, *incarnation, orphans)).expect("admitted");
        let again = IncarnationAdmitted { host: *host, role: *role, incarnation: *incarnation };
        assert_eq!(events.first(), Some(&again.into()));
    }
    assert_eq!(admitted(&world), before);
    assert!(world.cell.hosts.values().all(|host| host.unconfirmed.is_empty() && host.retired.is_empty()));
    let storage = world.host_named("s0");
    assert_eq!(world.cell.hosts[&storage].findings[&Role::Storage], (vec![orphan], vec![]));
    world.ask(create_server("web", &[])).expect("admitted");
}

#[test]
fn a8_a_ledger_that_was_lost_with_the_tail_is_retired_by_the_one_in_its_place() {
    let mut world = World::ready(1);
    let storage = world.host_named("s0");
    let old = world.cell.hosts[&storage].incarnations[&Role::Storage];
    world.campaign(Some("the tail is gone"));
    world.admit(storage, Role::Storage, 99);
    let host = &world.cell.hosts[&storage];
    assert_eq!(host.incarnations, BTreeMap::from([(Role::Storage, Incarnation(99_u128.to_be_bytes()))]));
    assert!(host.retired.contains(&old) && host.unconfirmed.is_empty());
}

#[test]
fn s6_a_host_that_is_declared_gone_after_a_raised_generation_has_its_old_ledgers_retired() {
    let mut world = World::ready(1);
    let id = world.host_named("h0");
    let old = world.cell.hosts[&id].incarnations.clone();
    assert_eq!(old.len(), 2);
    world.campaign(Some("the tail is gone"));
    world.ask(DeclareHostGone { host: "h0".into(), reason: "burnt".into() }).expect("gone");
    let host = &world.cell.hosts[&id];
    assert!(old.values().all(|incarnation| host.retired.contains(incarnation)));
    assert!(host.incarnations.is_empty() && host.unconfirmed.is_empty());
    world.ask(AffirmHostOff { host: "h0".into() }).expect("off");
    world.ask(RejoinHost { host: "h0".into() }).expect("it may join anew");
    for (role, incarnation) in old {
        assert!(world.tell(report(id, role, incarnation, vec![])).is_err(), "never again");
    }
}
