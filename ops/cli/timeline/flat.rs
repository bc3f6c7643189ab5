//! Events as a flat list: a line an event, in the order of the journal.

use windlass_client::v1;
use windlass_client::v1::event::Direction;

use super::by;
use crate::names::Names;
use crate::output::{aligned, seconds, short, time};

const OF_OPERATION: [&str; 10] =
    ["POSITION", "TIME", "TERM", "LATENCY", "STEP", "WAY", "ATTEMPT", "HOST", "BY", "WHAT"];
const OF_RESOURCE: [&str; 10] =
    ["POSITION", "TIME", "LATENCY", "OPERATION", "STEP", "WAY", "ATTEMPT", "HOST", "BY", "WHAT"];

/// The events of one operation.
pub(super) fn of_operation(saga: &v1::Saga, events: &[v1::Event], names: &Names) -> String {
    let rows = events.iter().map(|event| {
        let mut row = shared(event, names);
        let known = |index: u32| saga.steps.iter().find(|step| step.index == index).map(|step| &step.kind);
        if let (Some(index), true) = (event.step, event.step_kind.is_empty()) {
            row[1] = step(index, known(index).map(String::as_str).unwrap_or_default());
        }
        let mut all = vec![event.position.to_string(), time(event.time.as_ref()), term(event)];
        all.append(&mut row);
        all
    });
    aligned(Some(&OF_OPERATION), rows)
}

/// The events that touched one resource or host, of whichever operation.
pub(super) fn of_resource(events: &[v1::Event], names: &Names) -> String {
    let rows = events.iter().map(|event| {
        let mut row = shared(event, names);
        row.insert(1, operation(event));
        let mut all = vec![event.position.to_string(), time(event.time.as_ref())];
        all.append(&mut row);
        all
    });
    aligned(Some(&OF_RESOURCE), rows)
}

/// From the latency on.
fn shared(event: &v1::Event, names: &Names) -> Vec<String> {
    vec![
        event.latency_ms.map(seconds).unwrap_or_default(),
        event.step.map(|index| step(index, &event.step_kind)).unwrap_or_default(),
        match event.direction() {
            Direction::Unspecified => String::new(),
            Direction::Forward => "+".into(),
            Direction::Undo => "-".into(),
        },
        if event.attempt > 0 { event.attempt.to_string() } else { String::new() },
        names.brief(&event.host),
        by(event, names),
        names.within(&event.summary),
    ]
}

fn step(index: u32, kind: &str) -> String {
    format!("{index}. {kind}")
}

fn term(event: &v1::Event) -> String {
    format!("{}.{}", event.term_generation, event.term_elected)
}

/// An operation by its kind and as much of its id as tells it from others.
fn operation(event: &v1::Event) -> String {
    if event.operation.is_empty() {
        return String::new();
    }
    format!("{} {}", event.operation_kind, short(&event.operation))
}
