//! Named worlds of hosts that are declared gone and join again, and of ports that outlive their servers.

use windlass_sagas::ids::{Hash, Time};
use windlass_sagas::record::*;

use super::*;
use crate::workload::create_server;

/// `h0` is declared gone, wiped, and joins again; then a guest is wanted, for which there is no other host.
fn rejoins(token_ms: u64) -> Vec<Wish> {
    let gone = DeclareHostGone { host: "h0".into(), reason: "its mainboard burns".into() };
    let token = CreateJoinToken {
        host: "h0".into(),
        roles: vec![Role::Hypervisor, Role::Network],
        zone: "a".into(),
        secret_sha256: Hash([6; 32]),
        expires: Time(i64::MAX / 2),
    };
    vec![
        Wish::ask(2_000, gone),
        Wish::ask(3_000, RejoinHost { host: "h0".into() }),
        Wish::ask(token_ms, token),
        Wish { at_ms: token_ms + 2_000, want: Want::Join(2), insist: 0, again: false },
        Wish::ask(token_ms + 6_000, create_server("web", &[])).insisting(6),
    ]
}

/// A guest that ends by itself and is started again.
pub(super) fn guests() -> Vec<Named> {
    let wishes = vec![
        Wish::ask(200, create_server("web", &[])),
        Wish::ask(5_000, StartServer { server: "web".into() }).insisting(6),
    ];
    let told = Rule::at("an inventory with an end", Kind::Duplicate).lasting_ms(9_000);
    vec![
        Named::new(
            "a5-a-guest-that-ends-by-itself",
            "A guest powers itself off: its server is stopped, and another guest is started for it.",
            wishes.clone(),
            vec![],
        )
        .guest_ends(2_000)
        .ends(2, 0, 0),
        Named::new(
            "a5-word-of-an-older-guests-end",
            "The same, and the word of it comes once more when the next guest runs: that one must not be stopped by it.",
            wishes,
            vec![told],
        )
        .guest_ends(2_000)
        .ends(2, 0, 0)
        .fails_with(&[Bug::EndOfAnyBoot]),
    ]
}

pub(super) fn worlds() -> Vec<Named> {
    let nics = vec![Nic::Port("eth".into())];
    let port =
        CreatePort { name: "eth".into(), network: "net".into(), ips: vec![], mac: None, groups: vec![] };
    let on_a_port = vec![
        Wish::ask(200, port),
        Wish::ask(600, CreateServer { nics, ..create_server("web", &[]) }),
        Wish::ask(3_000, DeleteServer { server: "web".into() }).insisting(3),
        Wish::ask(6_000, create_server("db", &[])),
    ];
    vec![
        Named::new(
            "a8-a-gone-host-joins-again",
            "A host is declared gone, its machine is wiped and joins again, all under one leader: its new ledgers are compared \
             and admitted, and it gets the next guest.",
            rejoins(4_000),
            vec![],
        )
        .ends(5, 0, 0),
        Named::new(
            "a8-a-stream-from-before-speaks-of-a-host-that-may-join-again",
            "The same, and the leader stands still before it answers that the host may join again: its successor hears the host, \
             not wiped yet, on the stream of before. That word must not count as its joining, or there is no token for it.",
            rejoins(9_000),
            vec![Rule::at("before a reply leaves", Kind::OrchestratorPause).after(1).lasting_ms(6_000)],
        )
        .orchestrators(2)
        .ends(5, 0, 0),
        Named::new(
            "l2-a-port-outlives-its-server",
            "A server on a port of its own making is deleted: the port keeps its address, and the next server gets another one.",
            on_a_port,
            vec![],
        )
        .ends(4, 0, 0)
        .fails_with(&[Bug::AddressFreedTwice]),
    ]
}
