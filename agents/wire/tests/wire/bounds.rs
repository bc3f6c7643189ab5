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
    assert_eq!(call_with(endpoint("fd00::1".into(), 1)), Ok(()));
    for (host, port) in [
        ("s0", 0),
        ("s0", 65_536),
        ("", 1),
        (&"s".repeat(256), 1),
        ("s0,file.filename=/etc/passwd", 1),
        ("s0 s1", 1),
        ("s0/", 1),
        ("é", 1),
    ] {
        assert_eq!(call_with(endpoint(host.into(), port)), Err("exports.endpoint"), "{host}:{port}");
    }
}

#[test]
fn steps_are_within_their_bounds() {
    use v1::step_input::Kind;
    /// What is said of the first step of a kind with this change.
    fn step_with(change: impl Fn(&mut Kind) -> bool) -> Result<(), &'static str> {
        let with = |input: StepInput| {
            let mut message = encode_down(&call(input, Verb::Execute, Direction::Forward));
            let Some(orchestrator_message::Kind::Execute(m)) = &mut message.kind else {
                unreachable!("{message:?}")
            };
            let input = m.call.as_mut().and_then(|call| call.input.as_mut()).expect("an input");
            change(input.kind.as_mut().expect("a kind")).then_some(message)
        };
        let message = inputs().into_iter().find_map(with).expect("a sample of the kind");
        decode_down(HOST, &message).map(|_| ()).map_err(|error| error.field)
    }
    macro_rules! bounds {
        ($($kind:ident $field:ident: $($good:expr),* ; $($bad:expr),* ; $name:literal)*) => {$(
            $(assert_eq!(step_with(|kind| {
                let Kind::$kind(m) = kind else { return false };
                m.$field = $good;
                true
            }), Ok(()), $name);)*
            $(assert_eq!(step_with(|kind| {
                let Kind::$kind(m) = kind else { return false };
                m.$field = $bad;
                true
            }), Err($name));)*
        )*};
    }
    // As a function of their length.
    fn id(_: usize) -> prost::bytes::Bytes {
        vec![1; 16].into()
    }
    fn entry(key: usize) -> v1::MetadataEntry {
        v1::MetadataEntry { key: "k".repeat(key), value: "v".into() }
    }
    let address = v1::FixedIp {
        address: Some(v1::IpAddress { bytes: vec![10, 0, 0, 2].into() }),
        prefix_bits: 24,
        gateway: None,
    };
    bounds! {
        ReserveVolume size_gib: 1, 65_536; 0, 65_537; "size_gib"
        PreparePort vni: 1, 16_777_215; 0, 16_777_216; "vni"
        PreparePort mtu: 1_280, 9_000; 1_279, 9_001; "mtu"
        PreparePort fixed_ips: vec![address.clone(); 8]; vec![address.clone(); 9]; "fixed_ips"
        PreparePort fixed_ips: vec![v1::FixedIp { prefix_bits: 32, ..address.clone() }];
            vec![v1::FixedIp { prefix_bits: 33, ..address.clone() }]; "fixed_ips.prefix_bits"
        BootVm vcpus: 1, 1_024; 0, 1_025; "vcpus"
        BootVm ram_mib: 1, 16_777_216; 0, 16_777_217; "ram_mib"
        BootVm name: "n".repeat(255); "n".repeat(256); "name"
        BootVm volumes: (0..16).map(id).collect(); (0..17).map(id).collect(); "volumes"
        BootVm ports: (0..8).map(id).collect(); (0..9).map(id).collect(); "ports"
        BootVm public_key: "k".repeat(4_096); "k".repeat(4_097); "public_key"
        BootVm metadata: vec![entry(255); 64]; vec![entry(1); 65], vec![entry(256)]; "metadata"
        AttachVolume device_index: 1, 15; 0, 16, 256; "device_index"
        DetachVolume device_index: 1, 15; 0, 16, 256; "device_index"
        StopVm grace_ms: 0, 240_000; 240_001; "grace_ms"
    }
}

/// What an orchestrator hears of a Hello with this change.
fn hello_with(build: &str, change: impl FnOnce(&mut v1::Hello)) -> Result<Hello, &'static str> {
    let hello = ups().into_iter().find(|up| matches!(up, Up::Hello(_))).expect("a sample");
    let mut message = encode_up(CELL, build, &hello).remove(0);
    let Some(agent_message::Kind::Hello(m)) = &mut message.kind else { unreachable!("{message:?}") };
    change(m);
    match decode_up(HOST, &mut Collector::default(), &message) {
        Ok(Some(Up::Hello(hello))) => Ok(hello),
        Ok(other) => unreachable!("{other:?}"),
        Err(error) => Err(error.field),
    }
}

#[test]
fn a_hello_is_bounded_and_a_position_has_its_hash() {
    assert!(hello_with(&"b".repeat(128), |_| {}).is_ok());
    assert_eq!(hello_with(&"b".repeat(129), |_| {}), Err("build"));
    let traits = |m: &mut v1::Hello| m.traits = (0..40).map(|number| format!("t{number}")).collect();
    let first: Vec<String> = (0..32).map(|number| format!("t{number}")).collect();
    assert_eq!(hello_with("", traits).expect("bounded").traits, first);
    let long = |m: &mut v1::Hello| m.traits = vec!["t".repeat(256), "t".repeat(255)];
    assert_eq!(hello_with("", long).expect("bounded").traits, ["t".repeat(255)]);
    assert_eq!(hello_with("", |m| m.last_hash = Default::default()), Err("last_hash"));
    let none = hello_with("", |m| (m.last_position, m.last_hash) = (0, Default::default()));
    assert_eq!(none.expect("nothing seen").seen, Default::default());
    assert_eq!(hello_with("", |m| m.highest_term = None).expect("none yet").highest, Default::default());
}

/// A longer one could not be recorded: its step would stand still for ever.
#[test]
fn the_text_of_a_refusal_is_cut_to_its_bound() {
    let refused = |message: String| {
        let answer = Answer::Refused(Refusal { code: RefusalCode::NoRoom, retryable: true, message });
        let replies = ups().into_iter().find_map(|up| if let Up::Reply(it) = up { Some(it) } else { None });
        let reply = Reply { answer, ..replies.expect("a sample") };
        let mut sent = encode_up(CELL, "", &Up::Reply(reply)).remove(0);
        let Some(agent_message::Kind::Outcome(m)) = &mut sent.kind else { unreachable!("{sent:?}") };
        let Some(v1::outcome::Kind::Refused(m)) = &mut m.kind else { unreachable!("{m:?}") };
        let was = m.message.len();
        // An agent that does not keep to it.
        m.message.push_str(&"ü".repeat(2_000));
        match decode_up(HOST, &mut Collector::default(), &sent) {
            Ok(Some(Up::Reply(Reply { answer: Answer::Refused(refusal), .. }))) => {
                (was, refusal.message.len())
            }
            other => unreachable!("{other:?}"),
        }
    };
    assert_eq!(refused("x".into()), (1, 1_023), "no half of a letter");
    assert_eq!(refused("x".repeat(5_000)), (1_024, 1_024));
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
