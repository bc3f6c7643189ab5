//! What one side writes the other reads, for every message; what is missing is named.

use windlass_agent_wire::limits::INVENTORY_ITEMS_MAX;
use windlass_agent_wire::{
    Collector, ConsoleAsked, ConsoleTold, decode_down, decode_up, encode_down, encode_up,
};
use windlass_proto::agent::v1;
use windlass_sagas::ids::*;
use windlass_sagas::protocol::*;
use windlass_sagas::record::*;

use crate::samples::*;

#[test]
fn everything_that_goes_down_reads_back() {
    for down in downs() {
        assert_eq!(decode_down(HOST, &encode_down(&down)), Ok(Some(down)));
    }
}

#[test]
fn everything_that_goes_up_reads_back() {
    for up in ups() {
        let mut collector = Collector::default();
        let messages = encode_up(CELL, "test", &up);
        assert_eq!(messages.len(), 1);
        assert_eq!(decode_up(HOST, &mut collector, &messages[0]), Ok(Some(up)));
    }
}

#[test]
fn an_inventory_of_any_length_reads_back_from_its_pages() {
    for count in [0_u32, 1, 500, 501, 1700] {
        let whole = inventory(count);
        let mut collector = Collector::default();
        let mut read = None;
        for message in encode_up(CELL, "test", &Up::Inventory(whole.clone())) {
            assert_eq!(read, None, "only the last page completes it");
            read = decode_up(HOST, &mut collector, &message).expect("readable");
        }
        assert_eq!(read, Some(Up::Inventory(whole)));
    }
}

/// An agent that never sends its last page must not fill its orchestrator's memory.
#[test]
fn an_inventory_without_end_is_refused() {
    let mut collector = Collector::default();
    let page = encode_up(CELL, "test", &Up::Inventory(inventory(501))).remove(0);
    let refused = (0..=INVENTORY_ITEMS_MAX / 500).find_map(|number| {
        let mut page = page.clone();
        if let Some(v1::agent_message::Kind::Inventory(page)) = &mut page.kind {
            page.page = u32::try_from(number).expect("few pages");
        }
        decode_up(HOST, &mut collector, &page).err()
    });
    assert_eq!(refused.expect("refused").field, "items");
}

#[test]
fn what_is_missing_is_named() {
    let mut message = encode_down(&call(inputs().remove(0), Verb::Execute, Direction::Forward));
    if let Some(v1::orchestrator_message::Kind::Execute(execute)) = &mut message.kind {
        execute.call.as_mut().expect("a call").incarnation = vec![1, 2, 3].into();
    }
    assert_eq!(decode_down(HOST, &message).expect_err("refused").field, "incarnation");
    let other = Up::Hello(Hello {
        cell: CELL,
        host: HostId([99; 16]),
        boot: BootId::default(),
        ledgers: vec![],
        highest: TERM,
        seen: (Position(0), Hash::default()),
        capacity: Capacity::default(),
        traits: vec![],
    });
    let message = encode_up(CELL, "test", &other).remove(0);
    assert_eq!(decode_up(HOST, &mut Collector::default(), &message).expect_err("refused").field, "host");
}

#[test]
fn a_console_that_is_asked_for_and_told_reads_back_and_bad_ones_are_refused() {
    let asked = ConsoleAsked { id: 7, server: ServerId([3; 16]), bytes_max: 262_144 };
    assert_eq!(ConsoleAsked::decode(&asked.encode()), Ok(Some(asked)));
    for bytes_max in [0, 262_145, u32::MAX] {
        let error = ConsoleAsked::decode(&ConsoleAsked { bytes_max, ..asked }.encode());
        assert_eq!(error.map_err(|error| error.field), Err("bytes_max"));
    }
    let refusal = Refusal { code: RefusalCode::Missing, retryable: false, message: "none".into() };
    for result in [Ok(vec![0, 255, 10]), Ok(vec![0; 262_144]), Err(refusal)] {
        let told = ConsoleTold { id: 7, result };
        assert_eq!(ConsoleTold::decode(&told.clone().encode()), Ok(Some(told)));
    }
    let long = ConsoleTold { id: 7, result: Ok(vec![0; 262_145]) }.encode();
    assert_eq!(ConsoleTold::decode(&long).map_err(|error| error.field), Err("text"));
    assert_eq!(ConsoleAsked::decode(&Default::default()), Ok(None));
    assert_eq!(ConsoleTold::decode(&Default::default()), Ok(None));
}
