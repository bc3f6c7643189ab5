//! `windlass operation history`: everything that happened in one operation, as people read it.

use std::collections::BTreeMap;

use windlass_client::v1;
use windlass_client::v1::event::Direction;

use crate::app::App;
use crate::exit;
use crate::limits::HISTORY_EVENTS_MAX;
use crate::names::Names;
use crate::output::{self, Format, aligned, between, note, say, seconds, time};
use crate::resource::{Listing, collect};

const COLUMNS: [&str; 8] = ["POSITION", "TIME", "LATENCY", "STEP", "WAY", "ATTEMPT", "HOST", "WHAT"];

/// Prints the history of the operation of this name.
pub(crate) async fn run(app: &App, name: String) -> anyhow::Result<u8> {
    let request = v1::ListEventsRequest { parent: name.clone(), ..Default::default() };
    let Listing { items, json, more } = collect(app, request, HISTORY_EVENTS_MAX).await?;
    match app.format {
        Format::Json => output::document(&json)?,
        Format::Table => {
            let request = v1::GetOperationRequest { name, ..Default::default() };
            let saga = app.call(request).await?.metadata.unwrap_or_default();
            let hosts = saga.steps.iter().map(|step| step.host.as_str());
            let events = items.iter().map(|event| event.host.as_str());
            let names = Names::of(&app.client, hosts.chain(events)).await;
            say(text(&saga, &items, &names))?;
        }
    }
    if more {
        note(format!("only the first {HISTORY_EVENTS_MAX} events are shown"));
    }
    Ok(exit::OK)
}

/// A line an event.
fn text(saga: &v1::Saga, events: &[v1::Event], names: &Names) -> String {
    let mut calls = Calls::default();
    let rows = events.iter().map(|event| {
        let step = event.step.and_then(|index| saga.steps.iter().find(|step| step.index == index));
        let host = step.map(|step| step.host.as_str()).filter(|_| event.host.is_empty());
        let (attempt, latency) = calls.take(event, saga);
        vec![
            event.position.to_string(),
            time(event.time.as_ref()),
            latency.unwrap_or_default(),
            step.map(|step| format!("{}. {}", step.index, step.kind)).unwrap_or_default(),
            match event.direction() {
                Direction::Unspecified => String::new(),
                Direction::Forward => "+".into(),
                Direction::Undo => "-".into(),
            },
            attempt.map(|attempt| attempt.to_string()).unwrap_or_default(),
            names.show(host.unwrap_or(&event.host)),
            event.summary.clone(),
        ]
    });
    aligned(Some(&COLUMNS), rows)
}

/// The calls that are under way: their attempt, and since when they may have left.
#[derive(Default)]
struct Calls<'a>(BTreeMap<(u32, i32), &'a v1::Event>);

impl<'a> Calls<'a> {
    /// The attempt that an event is about, and how long it took where the event ends it; of the end of the operation
    /// itself, how long all took.
    fn take(&mut self, event: &'a v1::Event, saga: &v1::Saga) -> (Option<u32>, Option<String>) {
        let own = Some(event.attempt).filter(|attempt| *attempt > 0);
        let Some(step) = event.step else {
            let ends =
                matches!(event.kind.as_str(), "saga.completed" | "saga.rolled_back" | "saga.abandoned");
            return (own, ends.then(|| between(saga.create_time.as_ref(), event.time.as_ref())).flatten());
        };
        let call = (step, event.direction);
        match event.kind.as_str() {
            "step.dispatched" => {
                self.0.insert(call, event);
                (own, None)
            }
            "step.done" | "step.refused" | "step.undone" => {
                let begun = self.0.remove(&call);
                let by_agent = event.details.get("how").is_none_or(|how| how == "by_agent");
                let began = begun.filter(|_| by_agent);
                let latency = began.and_then(|began| latency(began, event));
                (own.or_else(|| began.map(|it| it.attempt)), latency)
            }
            // Anything else about a step says what it says.
            _ => (own, None),
        }
    }
}

/// From the moment that the call might leave, at its dispatch or after its pause, to its outcome.
fn latency(began: &v1::Event, ended: &v1::Event) -> Option<String> {
    let paused = began.details.get("not_before").and_then(|text| text.parse::<prost_types::Timestamp>().ok());
    let (began, ended) = (output::micros(began.time.as_ref()?), output::micros(ended.time.as_ref()?));
    let since = paused.map_or(began, |paused| output::micros(&paused).max(began));
    u64::try_from(ended.saturating_sub(since)).ok().map(|us| seconds(us / 1000))
}

#[cfg(test)]
mod tests {
    use prost_types::Timestamp;

    use super::*;

    fn event(ms: i64, kind: &str, direction: Direction, attempt: u32) -> v1::Event {
        let time = Timestamp { seconds: 1_790_000_000 + ms / 1000, nanos: (ms % 1000) as i32 * 1_000_000 };
        let (kind, direction) = (kind.to_string(), direction.into());
        v1::Event { kind, direction, attempt, step: Some(1), time: Some(time), ..Default::default() }
    }

    #[test]
    fn an_outcome_tells_the_latency_of_its_own_call() {
        let (mut calls, saga) = (Calls::default(), v1::Saga::default());
        let first = event(0, "step.dispatched", Direction::Forward, 1);
        let refused = event(120, "step.refused", Direction::Forward, 1);
        let mut again = event(120, "step.dispatched", Direction::Forward, 2);
        again.details.insert("not_before".into(), "2026-09-21T14:13:20.500Z".into());
        let done = event(750, "step.done", Direction::Forward, 0);
        let undone = event(900, "step.undone", Direction::Undo, 0);
        assert_eq!(calls.take(&first, &saga), (Some(1), None));
        assert_eq!(calls.take(&refused, &saga), (Some(1), Some("0.120 s".into())));
        assert_eq!(calls.take(&again, &saga), (Some(2), None));
        assert_eq!(
            calls.take(&done, &saga),
            (Some(2), Some("0.250 s".into())),
            "the pause is not the agent's"
        );
        assert_eq!(calls.take(&undone, &saga), (None, None), "no call was made for it");
    }
}
