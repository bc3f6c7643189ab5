//! `windlass events tail`: a line an event, over a stream that breaks, to the journal's end.

use serde_json::{Value, json};
use tonic::Code;

use super::answers::{event, usual};
use super::cell::{Cell, Sends, refusal};
use super::run::windlass;

fn answer(position: u32, events: &[Value], ended: bool) -> Sends {
    Sends::This(json!({ "position": position.to_string(), "events": events, "ended": ended }))
}

/// A cell whose first stream breaks behind position 33.
fn cell() -> Cell {
    let cell = Cell::new(usual);
    let step = json!({ "step": 1, "stepKind": "boot_vm", "direction": "FORWARD", "attempt": 1 });
    let (begun, done) = (
        event(31, 0, "saga.started", "server.create of 2 steps begins", json!({})),
        event(35, 150, "step.done", "step 1 is done", step),
    );
    let broken = refusal(Code::Unavailable, "DRAINING", "this orchestrator stops", &[]);
    cell.watches([
        vec![answer(31, &[begun], false), answer(33, &[], false), Sends::Break(broken)],
        vec![answer(35, &[done], false), answer(40, &[], true)],
    ]);
    cell
}

#[test]
fn a_stream_that_breaks_is_gone_on_with_and_ends_where_it_says_so() {
    let cell = cell();
    let ran =
        windlass(Some(&cell), &["events", "tail", "--after", "30", "--no-follow", "--filter", "host!=h9"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let lines: Vec<&str> = ran.out.lines().collect();
    assert_eq!(lines.len(), 2, "{ran:?}");
    assert!(lines[0].contains("31  2026-09-21 14:13:20.000Z  saga.started"), "{ran:?}");
    assert!(lines[0].contains(" web ") && lines[0].ends_with("server.create of 2 steps begins"), "{ran:?}");
    assert!(
        lines[1].contains("server.create 01a0c450") && lines[1].ends_with("1. boot_vm: step 1 is done"),
        "{ran:?}"
    );
    let asked: Vec<Value> = cell
        .calls()
        .into_iter()
        .filter(|(method, _)| method == "HistoryService/WatchEvents")
        .map(|(_, request)| request)
        .collect();
    let of = |after: &str| {
        let mut request = json!({
            "parent": "projects/web", "afterPosition": after, "filter": "host!=h9", "untilEnd": true,
        });
        if after != "30" {
            request["minPosition"] = after.into();
        }
        request
    };
    assert_eq!(asked, [of("30"), of("33")]);
}

#[test]
fn each_line_of_json_is_one_event() {
    let ran = windlass(Some(&cell()), &["events", "tail", "--after", "30", "--no-follow", "-o", "json"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let events: Vec<windlass_proto::v1::Event> = ran
        .out
        .lines()
        .map(|line| windlass_proto::from_json(serde_json::from_str(line).expect("JSON")).expect("an event"))
        .collect();
    assert_eq!(events.iter().map(|it| it.position).collect::<Vec<_>>(), [31, 35]);
}
