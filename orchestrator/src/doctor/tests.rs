//! Each invariant by itself: what is sound passes, and one thing that is wrong is found under its number.

use super::*;
use windlass_sagas::protocol::Inventory;
use windlass_sagas::record::LedgerId;

const HERE: HostId = HostId([1; 16]);
const THERE: HostId = HostId([2; 16]);
const PROJECT: ProjectId = ProjectId([3; 16]);
const SERVER: ServerId = ServerId([4; 16]);
const VOLUME: VolumeId = VolumeId([5; 16]);
const PORT: PortId = PortId([6; 16]);
const NETWORK: NetworkId = NetworkId([7; 16]);
const MAC: Mac = Mac([2, 0, 0, 0, 0, 1]);

/// Two hosts; on one of them a server with a volume and a port.
fn picture() -> Picture {
    let mut picture = Picture::default();
    for host in [HERE, THERE] {
        picture.hosts.insert(host, Capacity { vcpus: 4, ram_mib: 4_096, disk_gib: 100 });
    }
    picture.thing(ResourceRef::Server(SERVER), PROJECT, Some(HERE), Wanted::Here);
    picture.guests.insert(SERVER, Capacity { vcpus: 2, ram_mib: 1_024, disk_gib: 0 });
    picture.thing(ResourceRef::Volume(VOLUME), PROJECT, Some(HERE), Wanted::Here);
    picture.volumes.insert(VOLUME, 10);
    picture.thing(ResourceRef::Port(PORT), PROJECT, Some(HERE), Wanted::Here);
    picture.ports.insert(PORT, (NETWORK, MAC, vec![IpAddr::from([10, 0, 0, 2])]));
    picture.networks.insert(PROJECT, 1);
    let usage = Amounts { servers: 1, vcpus: 2, ram_mib: 1_024, volumes: 1, gib: 10, ports: 1, networks: 1 };
    picture.usage.insert(PROJECT, usage);
    picture
}

const GUEST: InventoryItem = InventoryItem::Guest { server: SERVER, vcpus: 2, ram_mib: 1_024 };

/// What the first host shows of it.
fn items() -> Vec<InventoryItem> {
    vec![
        GUEST,
        InventoryItem::Volume { volume: VOLUME, size_gib: 10 },
        InventoryItem::Export { volume: VOLUME, host: HERE },
        InventoryItem::Port { port: PORT, mac: MAC },
        InventoryItem::Device { attachment: None, server: SERVER, volume: VOLUME },
    ]
}

fn taken(host: HostId, items: Vec<InventoryItem>) -> Taken {
    let ledger = Some(LedgerId { host, role: Role::Hypervisor });
    let inventories = vec![Inventory { ledger, incarnation: None, items }];
    Taken { host, inventories, incomplete: BTreeMap::new() }
}

/// The findings, by invariant, of this picture where the hosts show this.
fn found(picture: &Picture, here: Vec<InventoryItem>, there: Vec<InventoryItem>) -> Vec<(u32, String)> {
    let asked = [HERE, THERE].into();
    let checks = check(picture, picture, &asked, &[taken(HERE, here), taken(THERE, there)]);
    let of = |check: Check| {
        assert_eq!(check.outcome == Outcome::Failed, !check.findings.is_empty());
        check.findings.into_iter().map(move |finding| (check.invariant, finding.message))
    };
    checks.into_iter().flat_map(of).collect()
}

fn without(item: &InventoryItem) -> Vec<InventoryItem> {
    items().into_iter().filter(|it| it != item).collect()
}

#[test]
fn what_is_as_it_should_be_passes_and_the_rest_is_said_not_to_be_looked_at() {
    assert_eq!(found(&picture(), items(), vec![]), []);
    let checks =
        check(&picture(), &picture(), &[HERE, THERE].into(), &[taken(HERE, items()), taken(THERE, vec![])]);
    let passed: Vec<u32> =
        checks.iter().filter(|it| it.outcome == Outcome::Passed).map(|it| it.invariant).collect();
    assert_eq!(passed, [2, 3, 4, 5, 6]);
    assert_eq!(checks.len(), INVARIANTS.len());
}

#[test]
fn a_host_that_gave_nothing_makes_no_pass() {
    let checks = check(&picture(), &picture(), &[HERE].into(), &[taken(HERE, items())]);
    for check in checks {
        let Outcome::NotChecked(why) = &check.outcome else { panic!("{check:?}") };
        let of_inventories = (2..=6).contains(&check.invariant);
        assert_eq!(why.contains(&format!("host {THERE} was not asked")), of_inventories, "{why}");
    }
}

#[test]
fn orphans_and_losses_break_invariant_2() {
    let orphan = InventoryItem::Guest { server: ServerId([9; 16]), vcpus: 0, ram_mib: 0 };
    let found_orphan = found(&picture(), [items(), vec![orphan]].concat(), vec![]);
    assert!(matches!(&found_orphan[..], [(2, why)] if why.contains("nobody owns it")), "{found_orphan:?}");
    let elsewhere = found(&picture(), items(), vec![GUEST]);
    assert!(elsewhere.iter().any(|(invariant, why)| *invariant == 2 && why.contains("nobody owns it")));
    let lost = found(&picture(), without(&GUEST), vec![]);
    assert!(lost.iter().any(|(invariant, why)| *invariant == 2 && why.contains("should be on the host")));
}

/// What moved while the inventories were taken is nobody's fault.
#[test]
fn a_finding_counts_only_where_it_stands_before_and_after() {
    let mut before = picture();
    before.things.remove(&ResourceRef::Server(SERVER));
    let came = [taken(HERE, items()), taken(THERE, vec![])];
    let checks = check(&before, &picture(), &[HERE, THERE].into(), &came);
    assert!(checks.iter().all(|it| it.findings.is_empty()), "{checks:?}");
}

#[test]
fn the_guest_of_a_stopped_server_must_not_run() {
    let mut stopped = picture();
    stopped.thing(ResourceRef::Server(SERVER), PROJECT, Some(HERE), Wanted::Perhaps);
    assert_eq!(found(&stopped, items(), vec![]), [], "a saga may be at it");
    stopped.stopped.insert(SERVER);
    assert_eq!(found(&stopped, without(&GUEST), vec![]), []);
    let runs = found(&stopped, items(), vec![]);
    assert!(matches!(&runs[..], [(2, why)] if why.contains("it is stopped")), "{runs:?}");
    let booted_by = windlass_sagas::record::StepKey { saga: SagaId([8; 16]), step: StepIndex(0) };
    let ended = InventoryItem::Ended { server: SERVER, booted_by };
    assert_eq!(
        found(&stopped, [without(&GUEST), vec![ended]].concat(), vec![]),
        [],
        "what is left of it is its own"
    );
}

#[test]
fn a_volume_in_two_guests_or_exported_to_two_hosts_breaks_invariant_3() {
    let device = InventoryItem::Device { attachment: None, server: ServerId([9; 16]), volume: VOLUME };
    let twice = found(&picture(), items(), vec![device]);
    assert!(matches!(&twice[..], [(3, why)] if why.contains("2 guests")), "{twice:?}");
    let export = InventoryItem::Export { volume: VOLUME, host: THERE };
    let twice = found(&picture(), [items(), vec![export]].concat(), vec![]);
    assert!(matches!(&twice[..], [(3, why)] if why.contains("2 hosts")), "{twice:?}");
}

#[test]
fn a_mac_or_address_twice_in_a_network_breaks_invariant_4() {
    let (other, mac) = (PortId([9; 16]), Mac([2, 0, 0, 0, 0, 9]));
    let mut two = picture();
    two.thing(ResourceRef::Port(other), PROJECT, Some(HERE), Wanted::Here);
    two.ports.insert(other, (NETWORK, mac, vec![IpAddr::from([10, 0, 0, 2])]));
    two.usage.entry(PROJECT).and_modify(|usage| usage.ports = 2);
    let shown = |mac| [items(), vec![InventoryItem::Port { port: other, mac }]].concat();
    let address = found(&two, shown(mac), vec![]);
    assert!(matches!(&address[..], [(4, why)] if why.contains("10.0.0.2")), "{address:?}");
    two.ports.insert(other, (NETWORK, mac, vec![]));
    let mac_twice = found(&two, shown(MAC), vec![]);
    assert!(matches!(&mac_twice[..], [(4, why)] if why.contains("MAC")), "{mac_twice:?}");
}

#[test]
fn more_than_a_host_has_breaks_invariant_5_and_a_wrong_sum_6() {
    let mut small = picture();
    small.hosts.insert(HERE, Capacity { vcpus: 1, ram_mib: 4_096, disk_gib: 100 });
    let oversold = found(&small, items(), vec![]);
    assert!(matches!(&oversold[..], [(5, why)] if why.contains("2 vCPUs")), "{oversold:?}");
    let mut wrong = picture();
    wrong.usage.entry(PROJECT).and_modify(|usage| usage.gib = 11);
    let sum = found(&wrong, items(), vec![]);
    assert!(matches!(&sum[..], [(6, why)] if why.contains("is said to hold")), "{sum:?}");
}
