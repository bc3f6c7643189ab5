//! `windlass operation` and `windlass quarantine`: what is going on, what happened, and what to do about it.

use clap::{Args, Subcommand};
use tokio::signal::unix::{SignalKind, signal};
use windlass_client::v1;

use crate::app::{App, of_cell};
use crate::names::Names;
use crate::output::{self, Format, lower, note, say, time};
use crate::resource::{self, Listed};
use crate::{exit, progress, timeline, wait};

/// Operations.
#[derive(Subcommand, Debug)]
pub(crate) enum Operation {
    /// List operations, newest first: the project's, or all where none is set.
    #[command(after_help = "Example: windlass operation list --filter state=STUCK")]
    List(ListOperations),
    /// Show one with its steps, and what it waits for.
    #[command(after_help = "Example: windlass operation get 018f6e5a-0000-7000-8000-000000000001 --wait")]
    Get {
        /// Its id.
        id: String,
        /// Follow it to its end.
        #[arg(long)]
        wait: bool,
    },
    /// Tell everything that happened in one: step by step, and under each what undid it; or draw it.
    #[command(
        after_help = "Example: windlass operation history 018f6e5a-0000-7000-8000-000000000001 --svg - > operation.svg"
    )]
    History(timeline::History),
    /// Follow one, or the whole project where none is named: a line an event, until it ends or you stop it.
    ///
    /// What was missed by a lost connection is caught up by itself. With -o json each line is one
    /// `WatchOperationsResponse`.
    #[command(after_help = "Example: windlass operation watch --after 1200")]
    Watch {
        /// Its id.
        id: Option<String>,
        /// Every event behind this position, from 0 for all; by default from now on.
        #[arg(long, value_name = "POSITION")]
        after: Option<u64>,
    },
    /// Turn one back: what it did is undone in reverse. Refused behind its pivot.
    #[command(after_help = "Example: windlass operation cancel 018f6e5a-0000-7000-8000-000000000001")]
    Cancel(Id),
    /// Try a stuck one's failed steps again.
    #[command(after_help = "Example: windlass operation retry 018f6e5a-0000-7000-8000-000000000001")]
    Retry(Id),
    /// Count a stuck step as resolved: undone where the operation unwinds, done where it goes forward.
    #[command(
        after_help = "Example: windlass operation skip 018f6e5a-0000-7000-8000-000000000001 --step 2 --reason \"disk replaced\""
    )]
    Skip {
        /// The operation's id.
        id: String,
        /// The step's index, as `operation get` shows it.
        #[arg(long)]
        step: u32,
        /// Why; it is recorded.
        #[arg(long)]
        reason: String,
    },
    /// Give a stuck one up. Frees nothing: what it held goes into quarantine.
    #[command(
        after_help = "Example: windlass operation abandon 018f6e5a-0000-7000-8000-000000000001 --reason \"host is scrap\""
    )]
    Abandon {
        /// The operation's id.
        id: String,
        /// Why; it is recorded.
        #[arg(long)]
        reason: String,
    },
    /// Take a quarantined resource back into use as it is.
    #[command(
        after_help = "Example: windlass operation adopt projects/web/volumes/data --reason \"its bytes are whole\""
    )]
    Adopt(Quarantined),
    /// Affirm that a quarantined resource is gone from every host; what it claimed is freed.
    #[command(
        after_help = "Example: windlass operation discard projects/web/volumes/data --reason \"wiped by hand\""
    )]
    Discard(Quarantined),
}

/// One operation.
#[derive(Args, Debug)]
pub(crate) struct Id {
    /// Its id.
    pub(crate) id: String,
}

/// Which operations.
#[derive(Args, Debug)]
pub(crate) struct ListOperations {
    #[command(flatten)]
    listed: Listed,
    /// Those of no project: hosts, flavors, access.
    #[arg(long)]
    cell: bool,
}

/// A quarantined resource and the reason for what is done with it.
#[derive(Args, Debug)]
pub(crate) struct Quarantined {
    /// Its resource name, as `quarantine list` shows it.
    resource: String,
    /// Why; it is recorded.
    #[arg(long)]
    reason: String,
}

/// What abandoned operations left.
#[derive(Subcommand, Debug)]
pub(crate) enum Quarantine {
    /// List what is in quarantine; `operation adopt` or `discard` takes it out.
    #[command(after_help = "Example: windlass quarantine list")]
    List(Listed),
}

pub(crate) async fn run(app: &App, command: Operation) -> anyhow::Result<u8> {
    let validate_only = app.validate_only;
    match command {
        Operation::List(list) => {
            let parent = if list.cell { "cell".into() } else { project_or_all(app) };
            let Listed { filter, limit } = list.listed;
            resource::list(app, v1::ListOperationsRequest { parent, filter, ..Default::default() }, limit)
                .await
        }
        Operation::Get { id, wait: follow } => get(app, full(&id), follow).await,
        Operation::History(history) => timeline::run(app, history).await,
        Operation::Watch { id, after } => {
            let parent = id.map_or_else(|| project_or_all(app), |id| full(&id));
            watch(app, parent, after).await
        }
        Operation::Cancel(id) => {
            let name = full(&id.id);
            let request = v1::CancelOperationRequest { name, validate_only, ..Default::default() };
            resource::change(app, request).await
        }
        Operation::Retry(id) => {
            let name = full(&id.id);
            let request = v1::RetryOperationRequest { name, validate_only, ..Default::default() };
            resource::change(app, request).await
        }
        Operation::Skip { id, step, reason } => {
            let name = full(&id);
            let request = v1::SkipStepRequest { name, step, reason, validate_only, ..Default::default() };
            resource::change(app, request).await
        }
        Operation::Abandon { id, reason } => {
            let name = full(&id);
            let request = v1::AbandonOperationRequest { name, reason, validate_only, ..Default::default() };
            resource::change(app, request).await
        }
        Operation::Adopt(Quarantined { resource: name, reason }) => {
            let request = v1::AdoptResourceRequest { name, reason, validate_only, ..Default::default() };
            resource::change(app, request).await
        }
        Operation::Discard(Quarantined { resource: name, reason }) => {
            let request = v1::DiscardResourceRequest { name, reason, validate_only, ..Default::default() };
            resource::change(app, request).await
        }
    }
}

pub(crate) async fn quarantine(app: &App, command: Quarantine) -> anyhow::Result<u8> {
    match command {
        Quarantine::List(Listed { filter, limit }) => {
            let parent = project_or_all(app);
            resource::list(app, v1::ListQuarantineRequest { parent, filter, ..Default::default() }, limit)
                .await
        }
    }
}

fn full(id: &str) -> String {
    of_cell("operations", id)
}

fn project_or_all(app: &App) -> String {
    app.parent().unwrap_or_else(|_| "projects/-".into())
}

async fn get(app: &App, name: String, follow: bool) -> anyhow::Result<u8> {
    let operation = app.call(v1::GetOperationRequest { name, ..Default::default() }).await?;
    if follow {
        return wait::finish(app, operation).await;
    }
    resource::show(app, &operation).await?;
    let Some(saga) = operation.metadata.filter(|_| app.format == Format::Table) else { return Ok(exit::OK) };
    let hosts = saga.steps.iter().map(|step| step.host.as_str());
    let names = Names::of(&app.client, hosts.chain([saga.principal.as_str()])).await;
    say(details(&saga, &names))?;
    Ok(exit::OK)
}

/// What stands below an operation's columns: who asked, its steps, what it waits for.
fn details(saga: &v1::Saga, names: &Names) -> String {
    let asked =
        if saga.principal.is_empty() { "the cell itself".into() } else { names.show(&saga.principal) };
    let mut lines =
        vec![format!("asked by {asked}; commits {} to {}", saga.start_position, saga.last_position)];
    if let Some(pivot) = &saga.pivot {
        let passed = if pivot.passed { "passed" } else { "not passed" };
        let cancel = if saga.cancellable { "can be cancelled" } else { "can't be cancelled" };
        lines.push(format!("pivot: step {}, {passed}; {cancel}", pivot.step));
    }
    for step in &saga.steps {
        let line = progress::line(step, names);
        let line = if line.is_empty() {
            format!(
                "  {:<15} {:<12} {}",
                step.kind,
                names.show(&step.host),
                lower(step.state().as_str_name())
            )
        } else {
            line
        };
        let stuck = if saga.stuck_steps.contains(&step.index) { "  <- stuck" } else { "" };
        let overdue = if step.overdue { "  <- overdue" } else { "" };
        lines.push(format!("{:>3}. {line}{stuck}{overdue}", step.index));
    }
    for wait in &saga.waits {
        let until = time(wait.until.as_ref());
        let until = if until.is_empty() { "without end".to_string() } else { format!("until {until}") };
        lines.push(format!("waits {until}: {}", wait.message));
    }
    lines.join("\n")
}

async fn watch(app: &App, parent: String, after: Option<u64>) -> anyhow::Result<u8> {
    let one = parent.starts_with("operations/");
    let mut interrupted = signal(SignalKind::interrupt())?;
    let mut watch = app.client.watch(parent, after);
    let mut last = None;
    // A journal that nobody leads does not go on: what is in it is all.
    let end = if app.past { Some(app.call(v1::GetCellRequest::default()).await?.position) } else { None };
    while end.is_none_or(|end| watch.position().or(after).is_none_or(|at| at < end)) {
        let answer = tokio::select! {
            biased;
            answer = watch.next() => answer?,
            _ = interrupted.recv() => {
                let at = watch.position().unwrap_or_default();
                note(format!("stopped: `--after {at}` goes on from here"));
                return Ok(exit::INTERRUPTED);
            }
        };
        let Some(answer) = answer else { break };
        match app.format {
            Format::Json => say(windlass_proto::to_json(&answer, false)?)?,
            Format::Table => seen(&answer)?,
        }
        last = answer.changes.into_iter().next_back().and_then(|change| change.operation).or(last);
    }
    Ok(last.filter(|_| one).as_ref().map_or(exit::OK, wait::code))
}

/// Prints what a watch brought: a line an event, or how each operation stands.
fn seen(answer: &v1::WatchOperationsResponse) -> anyhow::Result<()> {
    for change in &answer.changes {
        if answer.snapshot {
            let mut standing = change.operation.iter().map(|it| wait::summary(it, &Names::default()));
            standing.try_for_each(|line| say(format!("{:>8}  {line}", answer.position)))?;
        }
        for event in &change.events {
            let (at, operation) = (time(event.time.as_ref()), output::short(&event.operation));
            say(format!("{:>8}  {at}  {operation}  {}", event.position, event.summary))?;
        }
    }
    Ok(())
}
