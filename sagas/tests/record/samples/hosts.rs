//! Samples of the events of hosts, ledgers and quarantine.

use windlass_sagas::ids::*;
use windlass_sagas::record::*;

use super::*;

pub(crate) fn all() -> Vec<Event> {
    let mut all = joining();
    all.extend(life());
    all.extend(ledgers());
    all
}

fn joining() -> Vec<Event> {
    let token = JoinTokenId(hex(1));
    vec![
        Event::JoinTokenCreated(JoinTokenCreated {
            id: token,
            host: "rack-4-7".into(),
            roles: vec![Role::Hypervisor, Role::Network],
            zone: "zone-a".into(),
            secret_sha256: hash(2),
            expires: Time(1_800_000_000_000_000),
        }),
        Event::JoinTokenEnded(JoinTokenEnded { token }),
        Event::HostJoined(HostJoined {
            id: HostId(hex(1)),
            name: "rack-4-7".into(),
            roles: vec![Role::Hypervisor, Role::Storage, Role::Network],
            zone: "zone-a".into(),
            address: Some(v6(3)),
            certificate_sha256: hash(2),
        }),
    ]
}

fn life() -> Vec<Event> {
    let host = HostId(hex(1));
    vec![
        Event::HostUp(HostUp { host, boot: BootId(hex(2)), capacity: capacity(), traits: texts(&["kvm"]) }),
        Event::HostDown(HostDown { host }),
        Event::HostRebooted(HostRebooted { host }),
        Event::HostDraining(HostDraining { host, draining: true }),
        Event::HostGone(HostGone { host, reason: "burnt".into() }),
        Event::HostOff(HostOff { host }),
        Event::HostRejoined(HostRejoined { host }),
    ]
}

fn ledgers() -> Vec<Event> {
    let host = HostId(hex(1));
    let volume = ResourceRef::Volume(VolumeId(hex(3)));
    let guest = ResourceRef::Server(ServerId(hex(4)));
    vec![
        Event::IncarnationAdmitted(IncarnationAdmitted {
            host,
            role: Role::Network,
            incarnation: Incarnation(hex(2)),
        }),
        Event::InventoryDiffers(InventoryDiffers {
            host,
            role: Role::Storage,
            orphans: vec![volume],
            losses: vec![guest],
        }),
        Event::ResourceAdopted(ResourceAdopted { resource: volume, reason: "it is whole".into() }),
        Event::ResourceDiscarded(ResourceDiscarded { resource: guest, reason: "it is nowhere".into() }),
    ]
}
