//! What is beyond a bound that the API names is refused, with the field.

use windlass_agent_wire::{Collector, WireError, decode_down, decode_up, encode_down, encode_up};
use windlass_proto::agent::v1;
use windlass_proto::agent::v1::{agent_message, orchestrator_message};
use windlass_sagas::protocol::*;
use windlass_sagas::record::*;

use crate::samples::*;

/// What is said of a call with this change.
fn call_with(change: impl FnOnce(&mut v1::Call)) -> Result<(), &'static str> {
    let mut message = encode_down(&call(inputs().remove(0), Verb::Execute, Direction::Forward));
    let Some(orchestrator_message::Kind::Execute(m)) = &mut message.kind else { unreachable!("{message:?}") };
    change(m.call.as_mut().expect("a call"));
    decode_down(HOST, &message).map(|_| ()).map_err(|error| error.field)
}

#[test]
fn exports_are_bounded_and_their_ends_can_be_dialled() {
    let exports = |count| move |call: &mut v1::Call| call.exports = vec![call.exports[0].clone(); count];
    assert_eq!(call_with(exports(16)), Ok(()));
    assert_eq!(call_with(exports(17)), Err("exports"));
    let endpoint = |host: String, port| {
        move |call: &mut v1::Call| call.exports[0].endpoint = Some(v1::Endpoint { host, port })
    };
    assert_eq!(call_with(endpoint("s".repeat(255), 65_535)), Ok(()));
    for (host, port) in [("s0".into(), 0), ("s0".into(), 65_536), (String::new(), 1), ("s".repeat(256), 1)] {
        assert_eq!(call_with(endpoint(host, port)), Err("exports.endpoint"));
    }
}

#[test]
fn a_build_is_told_in_few_words() {
    let hello = ups().into_iter().find(|up| matches!(up, Up::Hello(_))).expect("a sample");
    let read = |build: &str| {
        let message = encode_up(CELL, build, &hello).remove(0);
        decode_up(HOST, &mut Collector::default(), &message).map(|_| ()).map_err(|error| error.field)
    };
    assert_eq!(read(&"b".repeat(128)), Ok(()));
    assert_eq!(read(&"b".repeat(129)), Err("build"));
}

#[test]
fn a_range_has_no_host_bits_and_no_more_bits_than_its_family() {
    let view = |down: &Down| matches!(down, Down::View { .. });
    let sample = encode_down(&downs().into_iter().find(view).expect("a sample"));
    let read = |address: Vec<u8>, prefix_bits| {
        let mut message = sample.clone();
        let Some(orchestrator_message::Kind::View(m)) = &mut message.kind else {
            unreachable!("{message:?}")
        };
        let address = Some(v1::IpAddress { bytes: address.into() });
        let subnet = &mut m.content.as_mut().expect("a view").networks[0].subnets[0];
        subnet.range = Some(v1::IpPrefix { address, prefix_bits });
        decode_down(HOST, &message).map(|_| ()).map_err(|error| error.field)
    };
    let v6 = |last| [vec![0xfd], vec![0; 14], vec![last]].concat();
    for (address, bits) in [
        (vec![10, 0, 0, 0], 8),
        (vec![10, 0, 0, 1], 32),
        (vec![0; 4], 0),
        (v6(0), 8),
        (v6(1), 128),
        (vec![0; 16], 0),
    ] {
        assert_eq!(read(address, bits), Ok(()));
    }
    for (address, bits) in [
        (vec![10, 0, 0, 1], 31),
        (vec![10, 0, 0, 0], 6),
        (vec![10, 0, 0, 0], 33),
        (vec![10, 0, 0], 8),
        (v6(1), 127),
        (v6(0), 129),
        (v6(0), 300),
    ] {
        assert_eq!(read(address, bits), Err("networks.subnets.range"));
    }
}

#[test]
fn pages_are_bounded_in_order_and_of_one_ledger() {
    let pages = encode_up(CELL, "", &Up::Inventory(inventory(1_700)));
    let read = |pages: &[v1::AgentMessage]| {
        let mut collector = Collector::default();
        let read = pages.iter().map(|page| decode_up(HOST, &mut collector, page)).collect();
        Result::<Vec<_>, WireError>::map_err(read, |error| error.field)
    };
    let with = |at: usize, change: &dyn Fn(&mut v1::InventoryPage)| {
        let mut pages = pages.clone();
        let Some(agent_message::Kind::Inventory(page)) = &mut pages[at].kind else {
            unreachable!("{pages:?}")
        };
        change(page);
        pages
    };
    assert_eq!(read(&pages).expect("good pages").pop(), Some(Some(Up::Inventory(inventory(1_700)))));
    assert_eq!(read(&pages[1..]), Err("page"), "the first is missing");
    assert_eq!(read(&[pages[0].clone(), pages[2].clone()]), Err("page"), "one is missing");
    assert_eq!(read(&[pages[0].clone(), pages[1].clone(), pages[1].clone()]), Err("page"), "one comes twice");
    let anew = [&pages[..2], &pages[..]].concat();
    assert_eq!(read(&anew).expect("it begins anew").pop(), Some(Some(Up::Inventory(inventory(1_700)))));
    let other = with(1, &|page| page.incarnation = vec![9; 16].into());
    assert_eq!(read(&other), Err("incarnation"));
    let many = |count| with(0, &move |page| page.items = vec![page.items[0].clone(); count]);
    assert!(read(&many(1_000)).is_ok());
    assert_eq!(read(&many(1_001)), Err("items"));
}
