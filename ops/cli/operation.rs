//! `windlass operation` and `windlass doctor`: what is going on, what happened, and what to do about it.

use clap::{Args, Subcommand};
use windlass_client::v1;

use crate::app::App;
use crate::output::{self, Format};
use crate::resource::{self, Listed, Named};
use crate::{exit, wait};

/// Operations.
#[derive(Subcommand, Debug)]
pub(crate) enum Operation {
    /// List the project's operations, newest first.
    List(Listed),
    /// Show one with its steps.
    Get {
        /// Its id.
        name: String,
        /// Follow it to its end.
        #[arg(long)]
        wait: bool,
    },
    /// Everything that happened in one, in order.
    History(Named),
    /// Follow one, or the whole project where none is named, one line a change.
    Watch {
        /// Its id.
        name: Option<String>,
        /// From behind this position; by default from the state now.
        #[arg(long)]
        after: Option<u64>,
    },
    /// Turn one back; refused behind its pivot.
    Cancel(Named),
    /// Try a stuck one's failed steps again.
    Retry(Named),
    /// Count a stuck step as resolved.
    Skip {
        /// The operation.
        name: String,
        /// The step's index.
        #[arg(long)]
        step: u32,
        /// Why; it is recorded.
        #[arg(long)]
        reason: String,
    },
    /// Give a stuck one up: what it held goes into quarantine.
    Abandon {
        /// The operation.
        name: String,
        /// Why; it is recorded.
        #[arg(long)]
        reason: String,
    },
}

pub(crate) async fn run(app: &App, command: Operation) -> anyhow::Result<u8> {
    let validate_only = app.dry_run;
    let full = |name: &str| format!("operations/{}", output::short(name));
    match command {
        Operation::List(listed) => {
            let parent = if app.project.is_some() { app.parent()? } else { "projects/-".into() };
            let request = v1::ListOperationsRequest { parent, filter: listed.filter, ..Default::default() };
            resource::list(app, request, listed.limit).await
        }
        Operation::Get { name, wait: follow } => get(app, full(&name), follow).await,
        Operation::History(named) => {
            let request = v1::ListEventsRequest { parent: full(&named.name), ..Default::default() };
            resource::list(app, request, usize::MAX).await
        }
        Operation::Watch { name, after } => {
            let parent = match name {
                Some(name) => full(&name),
                None => app.parent()?,
            };
            watch(app, parent, after).await
        }
        Operation::Cancel(named) => {
            let name = full(&named.name);
            resource::change(app, v1::CancelOperationRequest { name, validate_only, ..Default::default() })
                .await
        }
        Operation::Retry(named) => {
            let name = full(&named.name);
            resource::change(app, v1::RetryOperationRequest { name, validate_only, ..Default::default() })
                .await
        }
        Operation::Skip { name, step, reason } => {
            let name = full(&name);
            resource::change(
                app,
                v1::SkipStepRequest { name, step, reason, validate_only, ..Default::default() },
            )
            .await
        }
        Operation::Abandon { name, reason } => {
            let name = full(&name);
            resource::change(
                app,
                v1::AbandonOperationRequest { name, reason, validate_only, ..Default::default() },
            )
            .await
        }
    }
}

async fn get(app: &App, name: String, follow: bool) -> anyhow::Result<u8> {
    let operation = app.client.call(v1::GetOperationRequest { name, ..Default::default() }).await?;
    if follow {
        return wait::finish(app, operation).await;
    }
    output::one(app.format, &operation)?;
    if app.format == Format::Table {
        for step in operation.metadata.iter().flat_map(|saga| &saga.steps) {
            println!("  {}", wait::line(step));
        }
    }
    Ok(exit::OK)
}

async fn watch(app: &App, parent: String, after: Option<u64>) -> anyhow::Result<u8> {
    let mut watch = app.client.watch(parent, after);
    while let Some(answer) = watch.next().await? {
        for change in &answer.changes {
            match app.format {
                Format::Json => output::json(change)?,
                Format::Table => {
                    for event in &change.events {
                        println!(
                            "{:>8}  {}  {}",
                            event.position,
                            output::short(&event.operation),
                            event.summary
                        );
                    }
                }
            }
        }
    }
    Ok(exit::OK)
}

/// Compare what the hosts hold with what the cell says.
#[derive(Args, Debug)]
pub(crate) struct Doctor {
    /// How long to wait for the hosts' inventories, milliseconds.
    #[arg(long, default_value_t = 10_000)]
    wait_ms: u32,
}

pub(crate) async fn doctor(app: &App, doctor: Doctor) -> anyhow::Result<u8> {
    use v1::invariant_check::Result as Found;
    let request = v1::DoctorRequest { wait_ms: doctor.wait_ms, ..Default::default() };
    let answer = app.client.call(request).await?;
    match app.format {
        Format::Json => output::json(&answer)?,
        Format::Table => {
            for check in &answer.checks {
                let found = check.result().as_str_name();
                println!(
                    "{:<12} {}. {} ({} looked at)",
                    found, check.invariant, check.statement, check.looked_at
                );
                if !check.not_checked_because.is_empty() {
                    println!("             not checked: {}", check.not_checked_because);
                }
                for finding in &check.findings {
                    println!("             {} on {}: {}", finding.resource, finding.host, finding.message);
                }
            }
            if !answer.hosts_missing.is_empty() {
                println!("hosts without an inventory: {}", answer.hosts_missing.join(", "));
            }
        }
    }
    let sound = answer.checks.iter().all(|check| check.result() == Found::Passed);
    Ok(if sound { exit::OK } else { exit::FAILED })
}
