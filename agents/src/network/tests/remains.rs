//! What ports leave behind: nothing.

use std::fs;
use std::path::Path;

use serde_json::Value;
use windlass_sagas::ids::{NetworkId, PortId};
use windlass_sagas::protocol::InventoryItem;
use windlass_sagas::protocol::ledger::Observed;
use windlass_sagas::record::{Direction, StepOutput};

use super::cloud::{port, prepare, remove, view};
use super::host::Host;
use super::place::{Place, inside, run};

/// Everything of ours that the host holds.
pub(super) fn remains(host: &Host) -> Vec<String> {
    let mut found = Vec::new();
    let text = |arguments: &[&str]| String::from_utf8(inside(&host.space, arguments).stdout).unwrap();
    found.extend(text(&["ip", "-o", "link"]).lines().filter(|line| line.contains(": wl")).map(lasting));
    found.extend(text(&["bridge", "fdb"]).lines().filter(|line| line.contains("wl")).map(str::to_owned));
    found.extend(text(&["conntrack", "-L"]).lines().map(str::to_owned));
    let listed: Value = serde_json::from_str(&text(&["nft", "-j", "list", "ruleset"])).unwrap();
    for item in listed["nftables"].as_array().unwrap() {
        for kind in ["set", "map"] {
            let elements = item[kind]["elem"].as_array().into_iter().flatten();
            found.extend(elements.map(|element| format!("{kind} element {element}")));
        }
        let chain = item["chain"]["name"].as_str().unwrap_or_default();
        if chain.starts_with("in_") || chain.starts_with("out_") {
            found.push(format!("chain {chain}"));
        }
    }
    found.extend(
        run("ip", &["netns", "pids", &host.space]).split_whitespace().map(|pid| format!("process {pid}")),
    );
    files(&host.run, &mut found);
    found.sort();
    found
}

/// A link without its carrier, which comes and goes.
fn lasting(line: &str) -> String {
    let words: Vec<&str> = line.split_whitespace().collect();
    let kept = ["mtu", "master", "link/ether", "alias"];
    let pairs = words.windows(2).filter(|pair| kept.contains(&pair[0])).map(|pair| pair.join(" "));
    words[1].to_owned() + " " + &pairs.collect::<Vec<_>>().join(" ")
}

fn files(directory: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else if !path.ends_with("boot") && !path.ends_with("view.bin") {
            found.push(path.display().to_string());
        }
    }
}

#[test]
fn a_port_is_prepared_once_and_removed_without_remains() {
    let Some(mut place) = Place::new() else { return };
    let spaces = place.underlay(&["one"]);
    let host = Host::start(&spaces[0], place.directory.path(), 1);
    let (first, second, other) = (port(1, 7), port(1, 8), port(2, 7));
    assert_eq!(remains(&host), Vec::<String>::new());
    assert_eq!(host.observe(&prepare(&first)), Observed::Absent);
    assert_eq!(
        host.to_end(&prepare(&first), Direction::Undo),
        Vec::<&str>::new(),
        "nothing there is success"
    );
    assert_eq!(host.observe(&remove(&first)), Observed::Present(StepOutput::None));

    assert_eq!(host.advance(&prepare(&first), Direction::Forward).unwrap(), Some("record"));
    assert_eq!(host.observe(&prepare(&first)), Observed::Partial);
    let made = host.to_end(&prepare(&first), Direction::Forward);
    assert!(made.contains(&"rules") && made.contains(&"DHCP server"), "{made:?}");
    assert_eq!(host.observe(&prepare(&first)), Observed::Present(StepOutput::None));
    assert_eq!(host.observe(&remove(&first)), Observed::Partial);
    assert!(host.to_end(&prepare(&first), Direction::Forward).is_empty());
    for setup in [&second, &other] {
        host.to_end(&prepare(setup), Direction::Forward);
    }
    let all = view(&[&first, &second, &other], &[], &[2, 3]);
    host.apply(&all);
    let holds = remains(&host);
    let peers = |peer: &str| holds.iter().filter(|line| line.contains(peer)).count();
    assert_eq!((peers("dst 192.0.2.2"), peers("dst 192.0.2.3")), (2, 2), "{holds:?}");
    host.apply(&view(&[&first, &second, &other], &[], &[3, 4]));
    let moved = remains(&host).join("\n");
    assert!(!moved.contains("dst 192.0.2.2 ") && moved.contains("dst 192.0.2.4 "), "{moved}");
    host.apply(&all);
    assert_eq!(remains(&host), holds);
    host.apply(&all);
    assert_eq!(remains(&host), holds, "the same view again changes nothing");
    host.restart();
    assert_eq!(remains(&host), holds, "another agent changes nothing");
    let item =
        |setup: &windlass_sagas::record::PortSetup| InventoryItem::Port { port: setup.port, mac: setup.mac };
    assert_eq!(host.inventory(), [item(&first), item(&second), item(&other)]);

    // One by the undo of its step, one by a step of its own; the network stays until its last port goes.
    host.to_end(&prepare(&first), Direction::Undo);
    assert!(host.to_end(&prepare(&second), Direction::Forward).is_empty());
    host.to_end(&remove(&second), Direction::Forward);
    assert_eq!(host.observe(&remove(&second)), Observed::Present(StepOutput::None));
    assert!(host.to_end(&prepare(&other), Direction::Forward).is_empty());
    host.to_end(&remove(&other), Direction::Forward);
    assert_eq!(remains(&host), Vec::<String>::new());
    assert!(host.inventory().is_empty());
}

#[test]
fn a_link_that_is_not_ours_is_left_alone_and_named() {
    let Some(mut place) = Place::new() else { return };
    let space = place.space("one");
    let host = Host::start(&space, place.directory.path(), 1);
    let setup = port(1, 7);
    let tap = super::super::names::tap(setup.port);
    host.sh(&["ip", "link", "add", "name", &tap, "type", "bridge"]);
    let refusal = loop {
        match host.advance(&prepare(&setup), Direction::Forward) {
            Ok(change) => assert!(change.is_some()),
            Err(refusal) => break refusal,
        }
    };
    assert_eq!(refusal.code, windlass_sagas::record::RefusalCode::Foreign, "{refusal:?}");
    host.to_end(&prepare(&setup), Direction::Undo);
    assert!(inside(&space, &["ip", "link", "show", &tap]).status.success());
    host.sh(&["ip", "link", "del", &tap]);
    assert_eq!(remains(&host), Vec::<String>::new());
}

#[test]
fn a_tap_without_a_record_is_still_found() {
    let Some(mut place) = Place::new() else { return };
    let space = place.space("one");
    let host = Host::start(&space, place.directory.path(), 1);
    let setup = port(1, 7);
    host.to_end(&prepare(&setup), Direction::Forward);
    fs::remove_file(host.run.join("ports").join(format!("{}.json", setup.port))).unwrap();
    host.restart();
    assert_eq!(host.inventory(), [InventoryItem::Port { port: setup.port, mac: setup.mac }]);
    host.to_end(&remove(&setup), Direction::Forward);
    assert_eq!(remains(&host), Vec::<String>::new());
}

#[test]
fn a_port_of_another_network_does_not_keep_one() {
    let Some(mut place) = Place::new() else { return };
    let space = place.space("one");
    let host = Host::start(&space, place.directory.path(), 1);
    let absent =
        windlass_sagas::record::StepInput::RemovePort { port: PortId([7; 16]), network: NetworkId([8; 16]) };
    let setup = port(1, 7);
    host.to_end(&prepare(&setup), Direction::Forward);
    assert!(host.to_end(&absent, Direction::Forward).is_empty());
    assert!(host.to_end(&prepare(&setup), Direction::Forward).is_empty());
}
