//! A9: which views are applied, in which order, what is told of them, and what a restart makes of them.

use super::*;
use crate::cell::views::{HostView, NetworkView};
use crate::protocol::PlacedView;

/// A view of this position, told apart by its one network's number.
fn placed(position: u64, vni: u32) -> Box<PlacedView> {
    let network = NetworkView { vni, mtu: 1450, ..NetworkView::default() };
    let networks = BTreeMap::from([(NetworkId([1; 16]), network)]);
    Box::new(PlacedView::new(Position(position), HostView { networks, ..HostView::default() }))
}

fn view_on(link: u64, elected: u64, position: u64, vni: u32) -> Input {
    Input::View { link: LinkId(link), term: term(elected), view: placed(position, vni) }
}

fn view(position: u64, vni: u32) -> Input {
    view_on(1, 5, position, vni)
}

fn applied(position: u64) -> Input {
    Input::Applied { position: Position(position), result: Ok(()) }
}

#[test]
fn a9_a_view_is_applied_recorded_and_told_once_that_is_durable() {
    let mut t = Table::led();
    t.give(view(20, 1)).then(&["apply 20"]);
    assert!(!t.ledger.is_quiet());
    t.give(applied(20)).then(&["persist 2: view 20"]);
    t.give(synced(2)).then(&["send 1: in force 20"]);
    assert!(t.ledger.is_quiet());
    assert_eq!(t.ledger.view(), Some(&*placed(20, 1)));
}

#[test]
fn a9_an_older_view_is_answered_by_what_is_in_force_and_never_applied() {
    let mut t = Table::led();
    t.give(view(20, 1)).give(applied(20)).give(synced(2));
    t.give(view(19, 2)).then(&["send 1: in force 20"]);
    assert_eq!(t.ledger.view(), Some(&*placed(20, 1)));
}

#[test]
fn a9_the_same_content_again_changes_nothing_but_its_position() {
    let mut t = Table::led();
    t.give(view(20, 1)).give(applied(20)).give(synced(2));
    t.give(view(20, 1)).then(&["send 1: in force 20"]);
    t.give(view(25, 1)).then(&["persist 3: view 25"]);
    t.give(synced(3)).then(&["send 1: in force 25"]);
}

#[test]
fn a9_of_the_views_that_come_while_one_is_applied_only_the_newest_follows() {
    let mut t = Table::led();
    t.give(view(20, 1)).then(&["apply 20"]);
    t.give(view(21, 2)).then(&[]);
    t.give(view(23, 3)).then(&[]);
    t.give(view(22, 4)).then(&[]);
    t.give(applied(20)).then(&["apply 23", "persist 2: view 20"]);
    t.give(applied(20)).then(&[]);
    t.give(applied(23)).then(&["persist 3: view 23"]);
    t.give(synced(3)).then(&["send 1: in force 23"]);
}

#[test]
fn a9_a_view_that_can_not_be_applied_is_told_with_what_is_in_force() {
    let mut t = Table::led();
    let failed = |position| Input::Applied { position: Position(position), result: Err(full()) };
    t.give(view(20, 1)).give(failed(20)).then(&["send 1: in force 0, not full"]);
    t.give(view(20, 1)).then(&["apply 20"]);
    t.give(applied(20)).give(synced(2)).then(&["send 1: in force 20"]);
    t.give(view(21, 2)).give(failed(21)).then(&["send 1: in force 20, not full"]);
}

#[test]
fn a9_only_the_highest_term_on_its_own_stream_is_heard() {
    let mut t = Table::led();
    t.give(view_on(1, 4, 20, 1)).then(&[]);
    t.give(view_on(2, 5, 20, 1)).then(&[]);
    t.give(lead(2, 6)).give(view_on(1, 5, 20, 1)).then(&[]);
    t.give(view_on(2, 6, 20, 1)).then(&["apply 20"]);
}

/// A reboot may have taken what was in force, and the process can't tell.
#[test]
fn a9_after_a_restart_the_same_view_is_applied_again_and_an_older_one_is_not() {
    let mut t = Table::led();
    t.give(view(20, 1)).give(applied(20)).give(synced(2));
    t.crash(0).again();
    assert_eq!(t.ledger.view(), Some(&*placed(20, 1)));
    t.give(view(19, 2)).then(&[]);
    t.give(view(20, 1)).then(&["apply 20"]);
    t.give(applied(20)).then(&["persist 1: view 20"]);
    t.give(synced(1)).then(&["send 1: in force 20"]);
}

#[test]
fn a9_a_crash_between_applying_and_its_record_shows_the_view_before() {
    let mut t = Table::led();
    t.give(view(20, 1)).give(applied(20)).give(synced(2));
    t.give(view(21, 2)).give(applied(21)).then(&["persist 3: view 21"]);
    t.crash(0).again();
    assert_eq!(t.ledger.view().map(|view| view.position), Some(Position(20)));
    t.give(view(21, 2)).then(&["apply 21"]);
}

#[test]
fn a9_a_higher_generation_may_begin_at_a_lower_position() {
    let mut t = Table::led();
    t.give(view(20, 1)).give(applied(20)).give(synced(2));
    let next = Term { generation: 1, elected: Position(8) };
    t.give(Input::Lead { link: LinkId(1), term: next, position: Position(8), hash: Hash([8; 32]) });
    t.then(&["persist 3: view 0, highest 1.8, seen 8"]);
    t.give(synced(3));
    t.give(Input::View { link: LinkId(1), term: next, view: placed(9, 2) }).then(&["apply 9"]);
}

#[test]
fn a9_what_is_applied_over_a_change_of_generation_counts_as_the_oldest() {
    let mut t = Table::led();
    t.give(view(20, 1)).give(view(21, 3)).then(&[]);
    let next = Term { generation: 1, elected: Position(8) };
    t.give(Input::Lead { link: LinkId(1), term: next, position: Position(8), hash: Hash([8; 32]) });
    t.give(Input::View { link: LinkId(1), term: next, view: placed(9, 2) }).then(&[]);
    t.give(applied(20)).then(&["apply 9", "persist 3: view 0"]);
    t.give(applied(9)).then(&["persist 4: view 9"]);
    t.give(synced(4)).then(&["send 1: in force 9"]);
}

#[test]
fn a9_nobody_is_told_on_a_stream_that_is_gone() {
    let mut t = Table::led();
    t.give(view(20, 1)).give(lost(1)).give(applied(20)).then(&["persist 2: view 20"]);
    t.give(synced(2)).then(&[]);
}
