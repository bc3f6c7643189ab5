//! The bytes of rows: golden for every kind, whole for every value, refused by name for anything else.

use proptest::prelude::*;

use super::*;
use crate::cell::views::{HostView, NetworkView, SubnetView};
use crate::protocol::PlacedView;
use crate::record::Cidr;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn entry(forward: Forward, undo: Backward) -> Entry {
    Entry { dispatched: Position(300), body: Some(Hash([0xab; 32])), forward, undo }
}

fn view() -> HostView {
    let network = NetworkView { vni: 4096, mtu: 1450, ..NetworkView::default() };
    HostView { networks: BTreeMap::from([(NetworkId([1; 16]), network)]), ..HostView::default() }
}

/// The same with a subnet: what came later stands behind what was there before.
fn subnets() -> HostView {
    let ip = |text: &str| text.parse().unwrap();
    let cidr = Cidr { address: ip("10.0.0.0"), prefix_bits: 24 };
    let subnet =
        SubnetView { cidr, gateway: Some(ip("10.0.0.1")), dns: alloc::vec![ip("fd00::53")], dhcp: true };
    let mut view = view();
    view.networks.values_mut().for_each(|network| network.subnets.push(subnet.clone()));
    view
}

fn samples() -> Vec<Row> {
    let export = StepOutput::Export(Endpoint { host: "st1".into(), port: 10_809 });
    let closed =
        Entry { dispatched: Position(4), body: None, forward: Forward::Open, undo: Backward::Closed };
    alloc::vec![
        Row::Identity(LEDGER, OWN),
        Row::Highest(Term { generation: 1, elected: Position(5) }),
        Row::Seen(Seen { term: term(5), position: Position(6), hash: Hash([0xcd; 32]) }),
        Row::LowWater(Position(130)),
        Row::Entry(key(1), Box::new(entry(Forward::Done(export), Backward::Open))),
        Row::Entry(key(2), Box::new(entry(Forward::Refused(Attempt(2), full()), Backward::Open))),
        Row::Entry(
            key(3),
            Box::new(entry(Forward::Done(StepOutput::None), Backward::Refused(Attempt(1), full())))
        ),
        Row::Entry(key(4), Box::new(closed)),
        Row::View(Box::new(PlacedView { position: Position(20), hash: Hash([0xef; 32]), content: view() })),
        Row::View(Box::new(PlacedView {
            position: Position(21),
            hash: Hash([0xee; 32]),
            content: subnets()
        })),
    ]
}

#[test]
fn the_stored_bytes_never_change() {
    let golden = include_str!("rows.golden");
    let now: String = samples()
        .iter()
        .map(|row| format!("{} {}\n", hex(&row.key_bytes()), hex(&row.value_bytes().unwrap())))
        .collect();
    assert_eq!(now, golden);
}

#[test]
fn every_row_reads_back_and_a_dropped_one_deletes_its_entry() {
    for row in samples() {
        assert_eq!(Row::decode(&row.key_bytes(), &row.value_bytes().unwrap()), Ok(row));
    }
    let dropped = Row::Dropped(key(1));
    assert_eq!(dropped.value_bytes(), None);
    assert_eq!(dropped.key_bytes(), samples()[4].key_bytes());
}

#[test]
fn what_is_not_a_row_is_refused_by_name() {
    let row = Row::Highest(term(5));
    let (key, value) = (row.key_bytes(), row.value_bytes().unwrap());
    let with = |at: usize, byte: u8| {
        let mut value = value.clone();
        value[at] = byte;
        value
    };
    let longer = [value.clone(), alloc::vec![0]].concat();
    let cases: [(&[u8], &[u8], RowError); 7] = [
        (&[], &value, RowError::Key { kind: 0 }),
        (&[99], &value, RowError::Unknown { kind: 99, version: 0 }),
        (&[2, 0], &value, RowError::Key { kind: 2 }),
        (&[16, 1, 2], &value, RowError::Key { kind: 16 }),
        (&key, &[], RowError::Value { kind: 2 }),
        (&key, &with(0, 2), RowError::Unknown { kind: 2, version: 2 }),
        (&key, &longer, RowError::Value { kind: 2 }),
    ];
    for (key, value, error) in cases {
        assert_eq!(Row::decode(key, value), Err(error));
    }
    let oversized = alloc::vec![1; limits::LEDGER_ROW_BYTES_MAX + 1];
    assert_eq!(Row::decode(&key, &oversized), Err(RowError::Value { kind: 2 }));
}

#[test]
fn a_record_that_contradicts_itself_is_refused() {
    let stored = |done: Option<StepOutput>, refused: Option<(Attempt, Refusal)>, closed: bool| {
        let undo = closed.then(|| (Attempt(1), full()));
        let body = (Position(1), None::<Hash>, done, refused, closed, undo);
        postcard::to_extend(&body, alloc::vec![1_u8]).unwrap()
    };
    let key = Row::Dropped(key(1)).key_bytes();
    let broken = Err(RowError::Value { kind: 16 });
    assert_eq!(Row::decode(&key, &stored(Some(StepOutput::None), Some((Attempt(1), full())), false)), broken);
    assert_eq!(Row::decode(&key, &stored(None, None, true)), broken);
    let long = Refusal { message: "x".repeat(1_025), ..full() };
    assert_eq!(Row::decode(&key, &stored(None, Some((Attempt(1), long)), false)), broken);
}

#[test]
fn a_disk_without_an_identity_is_no_ledger() {
    let row = Row::Highest(term(5));
    let stored = [(row.key_bytes(), row.value_bytes().unwrap())];
    assert_eq!(Ledger::restore(stored).unwrap_err(), RowError::NoIdentity);
    let nothing: [(Vec<u8>, Vec<u8>); 0] = [];
    assert_eq!(Ledger::restore(nothing).unwrap_err(), RowError::NoIdentity);
}

#[test]
fn a_restored_ledger_knows_what_was_stored() {
    let stored = samples().into_iter().map(|row| (row.key_bytes(), row.value_bytes().unwrap()));
    let ledger = Ledger::restore(stored).unwrap();
    assert_eq!((ledger.id(), ledger.incarnation()), (LEDGER, OWN));
    assert_eq!(ledger.highest(), Term { generation: 1, elected: Position(5) });
    assert_eq!((ledger.seen().position, ledger.low_water()), (Position(6), Position(130)));
    assert_eq!((ledger.entry_count(), ledger.is_quiet(), ledger.running().count()), (4, true, 0));
}

proptest! {
    #[test]
    fn no_bytes_make_the_decoder_panic(key in proptest::collection::vec(any::<u8>(), 0..24), value: Vec<u8>) {
        if let Ok(row) = Row::decode(&key, &value) {
            prop_assert_eq!(Row::decode(&row.key_bytes(), &row.value_bytes().unwrap()), Ok(row));
        }
    }

    /// A row with one bit turned reads as a row or is refused; what reads, writes itself back as it was read.
    #[test]
    fn a_turned_bit_is_read_or_refused(which in 0_usize..9, at in 0_usize..64, bit in 0_u8..8) {
        let row = &samples()[which];
        let mut value = row.value_bytes().unwrap();
        let at = at % value.len();
        value[at] ^= 1 << bit;
        if let Ok(read) = Row::decode(&row.key_bytes(), &value) {
            prop_assert_eq!(Row::decode(&read.key_bytes(), &read.value_bytes().unwrap()), Ok(read));
        }
    }
}
