//! Named worlds of hosts: lost ledgers, hosts declared gone, power cuts and reboots.

use windlass_sagas::record::{AffirmHostOff, DeclareHostGone, DeleteServer, DeleteVolume};

use super::*;
use crate::workload::{attach, create_server};

pub(super) fn worlds() -> Vec<Named> {
    vec![
        Named::new(
            "v6a-a-lost-ledger-its-tombstone-with-it",
            "The step is refused, undone, its saga over; then the whole ledger is lost with the tombstone, and a late copy of \
             the Execute comes to the new ledger: it names another incarnation.",
            vec![red(200), Wish::ask(900, create_volume("grey"))],
            vec![
                reserve(CALL, Kind::Duplicate).lasting_ms(4_000),
                reserve(BEFORE, Kind::ErrorBefore).way(1),
                Rule::at(SYNCED, Kind::LedgerLost).on(STORAGE).after(3).lasting_ms(500),
            ],
        )
        .ends(1, 1, 0),
        Named::new(
            "v6b-a-host-that-is-declared-gone-while-it-is-only-slow",
            "The driver hangs, the host is declared gone, its undo is resolved without it; what the host still does \
             concerns nobody.",
            vec![
                Wish::ask(200, create_server("web", &[])),
                Wish::ask(2_000, DeclareHostGone { host: "h0".into(), reason: "it burns".into() }),
                Wish::ask(4_000, AffirmHostOff { host: "h0".into() }),
            ],
            vec![
                Rule::at(CALL, Kind::Duplicate).of("prepare_port", Forward).lasting_ms(8_000),
                Rule::at(BETWEEN, Kind::Hang).of("prepare_port", Forward),
            ],
        )
        .ends(2, 1, 0),
        Named::new(
            "v7a-a-power-cut-right-after-the-record-of-a-change",
            "What the record says is there must be there.",
            vec![red(200)],
            vec![Rule::at(SYNCED, Kind::PowerCut).on(STORAGE).after(1).lasting_ms(3_000).way(0)],
        )
        .fails_with(&[Bug::OutcomeBeforeDurable]),
        Named::new(
            "v7b-a-power-cut-right-after-the-record-of-a-removal",
            "What the record says is gone must not come back.",
            vec![red(200), Wish::ask(2_000, DeleteVolume { volume: "red".into() })],
            vec![Rule::at(SYNCED, Kind::PowerCut).on(STORAGE).after(2).lasting_ms(3_000).way(0)],
        )
        .ends(2, 0, 0),
        Named::new(
            "v7c-a-reboot-takes-a-guest-that-is-being-deleted",
            "What is volatile is made again from the leader's fold alone: never what was deleted.",
            vec![
                Wish::ask(200, create_server("web", &[])),
                Wish::ask(3_000, DeleteServer { server: "web".into() }).insisting(3),
            ],
            vec![Rule::at(BETWEEN, Kind::HostReboot).of("destroy_vm", Forward).lasting_ms(4_000)],
        )
        .ends(2, 0, 0),
        Named::new(
            "a6-a-reboot-under-a-guest-that-runs",
            "The host starts anew once a volume was plugged into its guest: what is volatile comes back, once.",
            vec![red(200), Wish::ask(200, create_server("web", &[])), Wish::ask(3_000, attach("red", "web"))],
            vec![Rule::at(SYNCED, Kind::HostReboot).on(HYPERVISOR).after(9).lasting_ms(4_000)],
        )
        .ends(4, 0, 0),
    ]
}
