//! A timeline as people read it: what was done, and under each step what undid it.

use windlass_sagas::ids::*;
use windlass_sagas::record::*;

use super::{Entry, Timeline};
use crate::when::utc;

impl Timeline {
    /// The text; `host` gives the names of hosts, where they are known. Times are seconds since the saga began.
    #[must_use]
    pub fn text(&self, host: &dyn Fn(HostId) -> Option<String>) -> String {
        let mut out = String::new();
        let Some(begun) = self.begun() else {
            return format!("operation {}: nothing in this journal\n", self.saga);
        };
        let end = self.entries.iter().rev().find_map(|entry| Some((ended(&entry.event)?, entry.latency_ms?)));
        let state = end.map_or_else(|| "open".to_owned(), |(how, ms)| format!("{how} after {}", seconds(ms)));
        let mut line = |text: String| out.extend([text.as_str(), "\n"]);
        line(format!("{} {} of {}: {state}", begun.kind.operation(), self.saga, begun.subject));
        line(format!("  {} {}", utc(begun.time), self.asked()));
        for entry in self.entries.iter().filter(|entry| entry.step.is_none() && is_of_saga(&entry.event)) {
            line(format!("  {} {}", self.head(entry), words(entry)));
        }
        for (index, step) in (0..).map(StepIndex).zip(&begun.steps) {
            let id = step.ledger.host;
            let place = host(id).unwrap_or_else(|| id.to_string());
            line(format!("  {}. {} on {place} ({})", index.0 + 1, step.name, step.ledger.role.name()));
            for entry in self.entries.iter().filter(|entry| entry.step == Some(index)) {
                let sign = match entry.direction {
                    Some(Direction::Forward) => '+',
                    Some(Direction::Undo) => '-',
                    None => ' ',
                };
                line(format!("     {sign} {} {}", self.head(entry), words(entry)));
            }
        }
        let changes: Vec<&Entry> = self.entries.iter().filter(|entry| !is_of_saga(&entry.event)).collect();
        if !changes.is_empty() {
            line("  with it".to_owned());
            changes
                .into_iter()
                .for_each(|entry| line(format!("     {} {}", self.head(entry), entry.event.name())));
        }
        if self.left_out > 0 {
            line(format!("  … and {} events more", self.left_out));
        }
        out
    }

    /// Who asked for it, and how.
    fn asked(&self) -> String {
        let Some(first) = self.entries.first() else { return String::new() };
        let mut text = match (first.principal, self.begun().and_then(|begun| begun.request)) {
            (Some(Principal::User(user)), Some(request)) => format!("asked by {user} as request {request}"),
            (Some(Principal::Host(host)), Some(request)) => {
                format!("asked by host {host} as request {request}")
            }
            (Some(Principal::Cell) | None, _) | (_, None) => format!("set off by {}", first.fact),
        };
        if let Some(source) = first.cause.source {
            text.push_str(&format!(" from {source}"));
        }
        text
    }

    /// Position, term and the time since the saga began.
    fn head(&self, entry: &Entry) -> String {
        let since = self.begun().map_or(0, |begun| entry.time.ms_since(begun.time));
        format!("@{} {} {:>9}", entry.position, entry.term, format!("+{}", seconds(since)))
    }
}

fn seconds(ms: u64) -> String {
    format!("{}.{:03} s", ms / 1000, ms % 1000)
}

const fn ended(event: &Event) -> Option<&'static str> {
    match event {
        Event::SagaCompleted(_) => Some("completed"),
        Event::SagaRolledBack(_) => Some("rolled back"),
        Event::SagaAbandoned(_) => Some("abandoned"),
        _ => None,
    }
}

fn is_of_saga(event: &Event) -> bool {
    super::saga_of(event).is_some()
}

/// What happened, in words.
fn words(entry: &Entry) -> String {
    let attempt = entry.attempt.map_or_else(String::new, |attempt| format!(", attempt {attempt}"));
    let took = entry.latency_ms.map_or_else(String::new, |ms| format!(" in {}", seconds(ms)));
    match &entry.event {
        Event::SagaStarted(e) => format!("begun with {} steps", e.plan.steps.len()),
        Event::StepDispatched(e) => {
            let pause = e.not_before.ms_since(entry.time);
            let pause = if pause > 0 {
                format!(", not before {} have passed", seconds(pause))
            } else {
                String::new()
            };
            format!("dispatched{attempt}{pause}")
        }
        Event::StepDone(_) => format!("done{attempt}{took}"),
        Event::StepRefused(e) => {
            let again = if e.refusal.retryable { "may be tried again" } else { "for good" };
            format!("refused {again}{attempt}{took}: {} ({})", e.refusal.message, e.refusal.code.name())
        }
        Event::StepUndone(e) => match &e.how {
            UndoneHow::ByAgent => format!("undone{attempt}{took}"),
            UndoneHow::Nothing => "nothing to undo".to_owned(),
            UndoneHow::HostGone => "undone with its host, which is gone".to_owned(),
            UndoneHow::Skipped(reason) => format!("counted as undone by an operator: {reason}"),
        },
        Event::StepSkipped(e) => format!("counted as done: {}", e.reason),
        Event::StepOverdue(_) => "past its deadline".to_owned(),
        Event::SagaUnwinding(e) => format!("turned back: {}", turn(&e.reason)),
        Event::SagaStuck(e) => format!("stuck: {}", e.reason),
        Event::SagaResumed(_) => "goes on".to_owned(),
        Event::SagaLate(_) => "past its deadline".to_owned(),
        Event::SagaAbandoned(e) => format!("abandoned{took}: {}", e.reason),
        Event::SagaCompleted(_) => format!("completed{took}"),
        Event::SagaRolledBack(_) => format!("rolled back{took}"),
        other => other.name().to_owned(),
    }
}

fn turn(turn: &Turn) -> String {
    let step = |index: &StepIndex| format!("step {}", index.0 + 1);
    match turn {
        Turn::Cancelled => "cancelled".to_owned(),
        Turn::Refused(index, refusal) => format!("{} was refused: {}", step(index), refusal.message),
        Turn::StepOverdue(index) => format!("{} had no outcome in time", step(index)),
        Turn::SagaOverdue => "not finished in time".to_owned(),
        Turn::HostGone(index) => format!("the host of {} is gone", step(index)),
        Turn::HostRebooted(index) => format!("the host of {} rebooted", step(index)),
    }
}
