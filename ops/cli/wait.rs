//! Waiting for an operation: one line a step, as it changes; plain lines, so that they read the same in a log.

use std::collections::BTreeMap;
use std::time::Instant;

use windlass_client::v1::operation::Result as Outcome;
use windlass_client::v1::saga::State;
use windlass_client::v1::{Operation, OperationChange, Step, step};

use crate::app::App;
use crate::exit;
use crate::output::{self, Format, short};

/// Prints what became of a change: its preview, its start, or its end after waiting for it. Gives the exit code.
pub(crate) async fn finish(app: &App, operation: Operation) -> anyhow::Result<u8> {
    if let Some(preview) = output::preview(&operation) {
        match app.format {
            Format::Json => output::json(&operation)?,
            Format::Table => show_preview(preview),
        }
        return Ok(exit::OK);
    }
    let operation = if app.wait && !operation.done { follow(app, &operation).await? } else { operation };
    match app.format {
        Format::Json => output::json(&operation)?,
        Format::Table => println!("{}", summary(&operation)),
    }
    Ok(code(&operation))
}

async fn follow(app: &App, operation: &Operation) -> anyhow::Result<Operation> {
    let began = Instant::now();
    let mut shown: BTreeMap<u32, String> = BTreeMap::new();
    let show = |change: &OperationChange| {
        let Some(saga) = change.operation.as_ref().and_then(|operation| operation.metadata.as_ref()) else {
            return;
        };
        for step in &saga.steps {
            let line = line(step);
            if !line.is_empty() && shown.get(&step.index) != Some(&line) {
                eprintln!("{:>8.3}s  {line}", began.elapsed().as_secs_f64());
                shown.insert(step.index, line);
            }
        }
    };
    let waiting = app.client.wait_with(operation, show);
    match app.timeout {
        None => Ok(waiting.await?),
        Some(limit) => match tokio::time::timeout(limit, waiting).await {
            Ok(ended) => Ok(ended?),
            Err(_) => {
                eprintln!(
                    "still running after {} s: follow it with `windlass operation get {} --wait`",
                    limit.as_secs(),
                    short(&operation.name)
                );
                Ok(operation.clone())
            }
        },
    }
}

/// A step on one line: sign, name, host, attempt, state. Empty while nothing happened.
pub(crate) fn line(step: &Step) -> String {
    use step::{State as S, UndoState as U};
    let host = short(&step.host);
    let refused = step.refusal.as_ref().map(|refusal| format!(": {}", refusal.message)).unwrap_or_default();
    let undo = match step.undo_state() {
        U::Unspecified | U::UndoWaiting => None,
        U::UndoRunning => Some(format!("undoing (attempt {})", step.undo_attempt)),
        U::Undone => Some("undone".to_string()),
        U::UndoNotNeeded => Some("nothing to undo".to_string()),
        U::UndoHostGone => Some("undone with its host".to_string()),
        U::UndoSkipped => Some(format!("undo skipped: {}", step.skip_reason)),
        U::UndoRefused => Some(format!("undo refused{refused}")),
    };
    if let Some(undo) = undo {
        return format!("- {:<15} {host:<12} {undo}", step.kind);
    }
    let state = match step.state() {
        S::Unspecified | S::Waiting | S::NeverDispatched => return String::new(),
        S::Running => format!("running (attempt {})", step.attempt),
        S::Done => "done".to_string(),
        S::Refused => format!("refused{refused}"),
        S::Skipped => format!("skipped: {}", step.skip_reason),
    };
    format!("+ {:<15} {host:<12} {state}", step.kind)
}

fn summary(operation: &Operation) -> String {
    let saga = operation.metadata.clone().unwrap_or_default();
    let head = format!("{} {} {}", saga.kind, operation.name, saga.state().as_str_name());
    match &operation.result {
        Some(Outcome::Error(error)) => {
            let hint = if error.hint.is_empty() { String::new() } else { format!("\nhint: {}", error.hint) };
            format!("{head}: {} ({}){hint}", error.message, error.reason)
        }
        Some(Outcome::Response(_) | Outcome::Preview(_)) | None => {
            let subject = if saga.subject.is_empty() { String::new() } else { format!(" {}", saga.subject) };
            format!("{head}{subject}")
        }
    }
}

fn code(operation: &Operation) -> u8 {
    match operation.metadata.as_ref().map(windlass_client::v1::Saga::state) {
        Some(State::RolledBack) => exit::ROLLED_BACK,
        Some(State::Stuck) => exit::STUCK,
        Some(State::Abandoned) => exit::FAILED,
        Some(State::Completed) => exit::OK,
        Some(State::Running | State::Unwinding | State::Unspecified) | None if operation.done => exit::OK,
        Some(State::Running | State::Unwinding | State::Unspecified) | None => exit::OK,
    }
}

fn show_preview(preview: &windlass_client::v1::Preview) {
    println!("{} would do:", preview.kind);
    for step in &preview.steps {
        let pivot = if step.pivot { "  (the pivot)" } else { "" };
        println!("  + {:<15} {:<12} {}{pivot}", step.kind, short(&step.host), step.forward);
        println!("  - {:<15} {:<12} {}", "", "", step.undo);
    }
    for placement in &preview.placements {
        println!("  {} on {}: of {} hosts", placement.what, short(&placement.host), placement.hosts);
        for filter in placement.filters.iter().filter(|filter| filter.removed > 0) {
            println!("    {} removed {}", filter.name, filter.removed);
        }
    }
}
