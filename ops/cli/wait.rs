//! Waiting for an operation, and what became of it: one line a step while it goes on, its outcome, its exit code. The
//! waiting may end before the operation does; then it says so, and how to follow it.

use std::cell::RefCell;

use tokio::signal::unix::{SignalKind, signal};
use windlass_client::v1;
use windlass_client::v1::operation::Result as Outcome;
use windlass_client::v1::saga::State;

use crate::app::App;
use crate::columns::kind_and_name;
use crate::limits::REDRAW_EVERY;
use crate::names::Names;
use crate::output::{self, Format, between, lower, note, short};
use crate::progress::Progress;
use crate::{exit, preview};

/// Prints what became of a change: its preview, its start, or its end after waiting for it. Gives the exit code.
pub(crate) async fn finish(app: &App, operation: v1::Operation) -> anyhow::Result<u8> {
    if let Some(preview) = output::preview(&operation) {
        match app.format {
            Format::Json => output::json(&operation)?,
            Format::Table => preview::show(app, preview).await?,
        }
        return Ok(exit::OK);
    }
    // Looked up now: what is deleted has its name for the last time.
    let subject = operation.metadata.iter().map(|saga| saga.subject.as_str());
    let hosts = operation.metadata.iter().flat_map(|saga| &saga.steps).map(|step| step.host.as_str());
    let names = Names::of(&app.client, subject.chain(hosts)).await;
    if !app.wait {
        return told(app, &operation, None, &names);
    }
    let (operation, early) = follow(app, operation, &names).await?;
    told(app, &operation, early, &names)
}

/// Why the waiting ended before the operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Early {
    TimedOut,
    Interrupted,
}

/// Follows the operation to its end, to where it is stuck, or to where the waiting ends.
async fn follow(
    app: &App,
    operation: v1::Operation,
    names: &Names,
) -> anyhow::Result<(v1::Operation, Option<Early>)> {
    if rests(&operation) {
        return Ok((operation, None));
    }
    // From before anything is shown: who sees a step may interrupt.
    let mut interrupted = signal(SignalKind::interrupt())?;
    let progress = RefCell::new(Progress::new(names.clone()));
    let last = RefCell::new(operation.clone());
    let see = |now: &v1::Operation| {
        if let Some(saga) = &now.metadata {
            progress.borrow_mut().take(saga);
        }
        last.replace(now.clone());
    };
    see(&operation);
    let mut waiting =
        Box::pin(app.client.wait_with(&operation, |change| change.operation.iter().for_each(see)));
    let mut limit = Box::pin(async {
        match app.timeout {
            Some(limit) => tokio::time::sleep(limit).await,
            None => std::future::pending().await,
        }
    });
    let mut ticks = tokio::time::interval(REDRAW_EVERY);
    let early = loop {
        tokio::select! {
            biased;
            ended = &mut waiting => {
                let ended = ended.inspect_err(|_| note(goes_on(&operation.name)))?;
                see(&ended);
                return Ok((ended, None));
            }
            _ = interrupted.recv() => break Early::Interrupted,
            () = &mut limit => break Early::TimedOut,
            _ = ticks.tick() => progress.borrow_mut().tick(),
        }
    };
    drop(waiting);
    Ok((last.into_inner(), Some(early)))
}

/// Whether nothing will happen any more without somebody's doing.
fn rests(operation: &v1::Operation) -> bool {
    operation.done || operation.metadata.as_ref().is_some_and(|saga| saga.state() == State::Stuck)
}

fn goes_on(name: &str) -> String {
    let id = short(name);
    format!(
        "the operation goes on: `windlass operation get {id} --wait` follows it, `windlass operation cancel {id}` turns it back"
    )
}

/// Prints how the operation stands, and gives the exit code.
fn told(app: &App, operation: &v1::Operation, early: Option<Early>, names: &Names) -> anyhow::Result<u8> {
    match app.format {
        Format::Json => output::json(operation)?,
        Format::Table => output::say(summary(operation, names))?,
    }
    if let Some(text) = trouble(operation) {
        note(text);
    }
    match early {
        Some(Early::TimedOut) => {
            let waited = app.timeout.unwrap_or_default().as_secs();
            note(format!("error: not ended after {waited} s\nhint: {}", goes_on(&operation.name)));
            Ok(exit::TIMED_OUT)
        }
        Some(Early::Interrupted) => {
            note(format!("interrupted: {}", goes_on(&operation.name)));
            Ok(exit::INTERRUPTED)
        }
        None => Ok(code(operation)),
    }
}

/// An operation on one line: what, of what, its state, its id.
pub(crate) fn summary(operation: &v1::Operation, names: &Names) -> String {
    let Some(saga) = &operation.metadata else { return operation.name.clone() };
    let subject = if saga.subject.is_empty() {
        String::new()
    } else {
        format!(" of {}", kind_and_name(&saga.subject, names))
    };
    let took = between(saga.create_time.as_ref(), saga.end_time.as_ref());
    let took = took.map(|time| format!(" in {time}")).unwrap_or_default();
    let state = lower(saga.state().as_str_name());
    format!("{}{subject}: {state}{took} (operation {})", saga.kind, short(&operation.name))
}

/// Why an operation did not do what was asked.
fn trouble(operation: &v1::Operation) -> Option<String> {
    let mut lines = Vec::new();
    match &operation.result {
        Some(Outcome::Error(error)) => {
            lines.push(format!("error: {}", error.message));
            if !error.hint.is_empty() {
                lines.push(format!("hint: {}", error.hint));
            }
            lines.push(format!("code: {}", error.reason));
        }
        Some(Outcome::Response(_) | Outcome::Preview(_)) | None => {
            let saga = operation.metadata.as_ref().filter(|saga| saga.state() == State::Stuck)?;
            let id = short(&operation.name);
            lines.push(format!("error: stuck: {}", saga.reason));
            lines.push(format!(
                "hint: `windlass operation get {id}` shows where; then `windlass operation retry`, `skip` or `abandon`"
            ));
        }
    }
    Some(lines.join("\n"))
}

/// The exit code of an operation as it stands.
pub(crate) fn code(operation: &v1::Operation) -> u8 {
    match operation.metadata.as_ref().map(v1::Saga::state) {
        Some(State::RolledBack) => exit::ROLLED_BACK,
        Some(State::Stuck) => exit::STUCK,
        Some(State::Abandoned) => exit::FAILED,
        Some(State::Completed | State::Running | State::Unwinding | State::Unspecified) | None => exit::OK,
    }
}
