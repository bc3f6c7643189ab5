//! `windlass events tail`: every event, from a position on, as it happens.

use clap::Args;
use tokio::signal::unix::{SignalKind, signal};
use windlass_client::v1;

use crate::app::App;
use crate::exit;
use crate::names::Names;
use crate::output::{Format, note, say, time};

/// Which events.
#[derive(Args, Debug)]
pub(crate) struct Tail {
    /// Every event behind this position, from 0 for all; by default from now on.
    #[arg(long, value_name = "POSITION")]
    after: Option<u64>,
    /// Only what fits: `FIELD=VALUE` or `FIELD!=VALUE`, joined by ` AND `; fields kind, step, host, direction, operation,
    /// operation_kind, resource, project.
    #[arg(long, default_value = "")]
    filter: String,
    /// Everything that happens in the cell, whoever's it is; by default the project's, or all projects' where none is set.
    #[arg(long)]
    cell: bool,
    /// End at the journal's end.
    #[arg(long)]
    no_follow: bool,
}

pub(crate) async fn run(app: &App, command: Tail) -> anyhow::Result<u8> {
    let parent = match (command.cell, app.parent()) {
        (true, _) => "cell".into(),
        (false, Ok(project)) => project,
        (false, Err(_)) => "projects/-".into(),
    };
    let request = v1::WatchEventsRequest {
        parent,
        after_position: command.after,
        min_position: 0,
        filter: command.filter,
        // Nothing comes to the end of a journal that nobody leads.
        until_end: command.no_follow || app.past,
        read_at: None,
    };
    let mut interrupted = signal(SignalKind::interrupt())?;
    let mut tail = app.client.tail(request);
    let mut names = Names::default();
    loop {
        let answer = tokio::select! {
            biased;
            answer = tail.next() => answer?,
            _ = interrupted.recv() => {
                let at = tail.position().unwrap_or_default();
                note(format!("stopped: `--after {at}` goes on from here"));
                return Ok(exit::INTERRUPTED);
            }
        };
        let Some(answer) = answer else { return Ok(exit::OK) };
        for event in &answer.events {
            match app.format {
                Format::Json => say(windlass_proto::to_json(event, false)?)?,
                Format::Table => {
                    names.learn(&app.client, [event.host.as_str(), event.project.as_str()]).await;
                    say(line(event, &names))?;
                }
            }
        }
    }
}

/// An event on one line: where and when, of which operation, on which host, and what happened.
fn line(event: &v1::Event, names: &Names) -> String {
    let operation = match (event.operation_kind.as_str(), names.brief(&event.operation)) {
        ("", _) => String::new(),
        (kind, id) => format!("{kind} {id}"),
    };
    let (project, host) = (names.brief(&event.project), names.brief(&event.host));
    let step = match event.step {
        Some(index) if !event.step_kind.is_empty() => format!("{index}. {}: ", event.step_kind),
        Some(_) | None => String::new(),
    };
    let what = names.within(&event.summary);
    let (position, at, kind) = (event.position, time(event.time.as_ref()), &event.kind);
    format!("{position:>8}  {at}  {kind:<18} {project:<10} {operation:<26} {host:<10} {step}{what}")
}
