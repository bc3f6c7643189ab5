//! An operation's life for people: what it was and how it ended, then step by step what was done, and under it what
//! undid it.

use windlass_client::v1;
use windlass_client::v1::event::Direction;

use super::by;
use crate::names::Names;
use crate::output::{lower, micros, seconds, time};

/// The life that these events tell, which stand in order.
pub(super) fn tell(saga: &v1::Saga, events: &[v1::Event], names: &Names) -> String {
    let telling = Telling { saga, names, positions: positions(events) };
    let mut lines = telling.head(events);
    let own = |event: &&v1::Event| event.kind.starts_with("saga.");
    lines.extend(events.iter().filter(own).map(|event| telling.line(event)));
    for step in &saga.steps {
        let of_step =
            || events.iter().filter(|it| it.step == Some(step.index) && it.kind.starts_with("step."));
        lines.push(telling.step(step, of_step().next().is_none()));
        let (undo, there): (Vec<_>, Vec<_>) = of_step().partition(|it| it.direction() == Direction::Undo);
        lines.extend(there.into_iter().chain(undo).map(|event| telling.line(event)));
    }
    let mut with =
        events.iter().filter(|it| !it.kind.starts_with("saga.") && !it.kind.starts_with("step.")).peekable();
    if with.peek().is_some() {
        lines.push("\nwith it".into());
        lines.extend(with.map(|event| telling.line(event)));
    }
    lines.join("\n")
}

fn positions(events: &[v1::Event]) -> usize {
    events.iter().map(|event| event.position.to_string().len()).max().unwrap_or_default()
}

struct Telling<'a> {
    saga: &'a v1::Saga,
    names: &'a Names,
    /// The digits of the longest position.
    positions: usize,
}

impl Telling<'_> {
    fn head(&self, events: &[v1::Event]) -> Vec<String> {
        let (saga, names) = (self.saga, self.names);
        let subject = if saga.subject.is_empty() {
            String::new()
        } else {
            format!(" of {}", names.show(&saga.subject))
        };
        let ended = events.iter().rev().find(|event| event.step.is_none() && event.latency_ms.is_some());
        let took = ended.filter(|_| saga.end_time.is_some()).and_then(|event| event.latency_ms);
        let took = took.map(|ms| format!(" after {}", seconds(ms))).unwrap_or_default();
        let state = lower(saga.state().as_str_name());
        let who =
            if saga.principal.is_empty() { "the cell itself".into() } else { names.show(&saga.principal) };
        let cause = events.first().and_then(|event| event.cause.clone()).unwrap_or_default();
        let from = if cause.source_address.is_empty() {
            String::new()
        } else {
            format!(" from {}", cause.source_address)
        };
        let ids =
            [("request", &saga.request_id), ("trace", &cause.trace_id), ("credential", &cause.credential)];
        let ids = ids.iter().filter(|(_, id)| !id.is_empty()).map(|(word, id)| format!("{word} {id}"));
        let mut lines = vec![
            format!("{}{subject}: {state}{took}", saga.kind),
            format!("operation {}", saga.uid),
            format!("{}, asked by {who}{from}", time(saga.create_time.as_ref())),
        ];
        lines.extend(ids);
        lines.push(String::new());
        lines
    }

    fn step(&self, step: &v1::Step, never: bool) -> String {
        let host = self.names.brief(&step.host);
        let pivot = self.saga.pivot.as_ref().filter(|pivot| pivot.step == step.index);
        let pivot = pivot.map(|_| ", the pivot").unwrap_or_default();
        let never = if never { ": not called" } else { "" };
        format!("\n{}. {} on {host}{pivot}{never}", step.index, step.kind)
    }

    /// An event: where it stands, when it was since the begin, which way it goes, and in words what happened.
    fn line(&self, event: &v1::Event) -> String {
        let since = self.saga.create_time.as_ref().zip(event.time.as_ref());
        let since = since.map(|(from, to)| micros(to).saturating_sub(micros(from)) / 1000);
        let since = format!("+{}", seconds(u64::try_from(since.unwrap_or_default()).unwrap_or_default()));
        let sign = match event.direction() {
            Direction::Forward => '+',
            Direction::Undo => '-',
            Direction::Unspecified => ' ',
        };
        let term = format!("{}.{}", event.term_generation, event.term_elected);
        let digits = self.positions;
        format!("  @{:<digits$} {term:<6} {since:>11}  {sign} {}", event.position, self.words(event))
            .trim_end()
            .to_string()
    }

    fn words(&self, event: &v1::Event) -> String {
        let took = event.latency_ms.map(|ms| format!(" after {}", seconds(ms))).unwrap_or_default();
        let tried = if event.attempt > 0 { format!(", attempt {}", event.attempt) } else { String::new() };
        let detail = |name: &str| event.details.get(name).map(String::as_str).unwrap_or_default();
        let undo = event.direction() == Direction::Undo;
        match event.kind.as_str() {
            "step.dispatched" => format!("called{tried}{}", pause(event)),
            "step.done" => format!("done{took}{tried}"),
            "step.refused" => {
                let again = if detail("retryable") == "true" { "for now" } else { "for good" };
                format!("refused {again}{took}{tried}: {} ({})", detail("message"), detail("code"))
            }
            "step.undone" if detail("how") == "by_agent" => format!("undone{took}{tried}"),
            "step.overdue" => format!("{} is past its deadline{tried}", if undo { "the undo" } else { "it" }),
            _ => {
                let summary = self.names.within(&event.summary);
                let own = event.kind == "saga.started" || event.cause.is_none();
                let who = if own || !event.fact.starts_with("request.") {
                    String::new()
                } else {
                    self.asked(event)
                };
                format!("{summary}{took}{who}")
            }
        }
    }

    /// Who asked for what happened later, with which request; nothing for what came of the request that began it.
    fn asked(&self, event: &v1::Event) -> String {
        let cause = event.cause.clone().unwrap_or_default();
        if cause.request_id == self.saga.request_id {
            return String::new();
        }
        let from = if cause.source_address.is_empty() {
            String::new()
        } else {
            format!(" from {}", cause.source_address)
        };
        format!(", asked by {}{from}, request {}", by(event, self.names), cause.request_id)
    }
}

/// How long a call waits before it leaves.
fn pause(event: &v1::Event) -> String {
    let until = event.details.get("not_before").and_then(|text| text.parse::<prost_types::Timestamp>().ok());
    let pause = until.as_ref().zip(event.time.as_ref()).map(|(to, from)| micros(to) - micros(from));
    match pause.and_then(|us| u64::try_from(us / 1000).ok()).filter(|ms| *ms > 0) {
        Some(ms) => format!(", after a pause of {}", seconds(ms)),
        None => String::new(),
    }
}
