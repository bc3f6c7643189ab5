//! `windlass operation history` and the histories of servers, volumes, ports, networks and hosts: everything that
//! happened, as people read it.

mod flat;
mod svg;
mod text;

use std::collections::BTreeSet;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use windlass_client::v1;

use crate::app::{App, of_cell};
use crate::exit;
use crate::limits::HISTORY_EVENTS_MAX;
use crate::names::Names;
use crate::output::{self, Format, note, say};
use crate::resource::{Listing, collect};

/// The history of one operation.
#[derive(Args, Debug)]
pub(crate) struct History {
    /// The operation's id.
    id: String,
    /// A line an event in the order of the journal, instead of by step.
    #[arg(long)]
    flat: bool,
    /// Draw it into this SVG file instead (`-`: standard output).
    #[arg(long, value_name = "FILE", conflicts_with = "flat")]
    svg: Option<PathBuf>,
}

/// The history of one resource.
#[derive(Args, Debug)]
pub(crate) struct Touched {
    /// Its name or id; its id where it is deleted.
    name: String,
    /// Only what fits: `FIELD=VALUE` or `FIELD!=VALUE`, joined by ` AND `; fields kind, step, host, direction, operation,
    /// operation_kind, resource.
    #[arg(long, default_value = "")]
    filter: String,
    /// At most so many.
    #[arg(long, default_value_t = 1000)]
    limit: usize,
}

/// Prints or draws the history of an operation.
pub(crate) async fn run(app: &App, history: History) -> anyhow::Result<u8> {
    let name = of_cell("operations", &history.id);
    let request = v1::ListEventsRequest { parent: name.clone(), ..Default::default() };
    let Listing { items, json, more } = collect(app, request, HISTORY_EVENTS_MAX).await?;
    if let (Format::Json, None) = (app.format, &history.svg) {
        output::document(&json)?;
    } else {
        let request = v1::GetOperationRequest { name, ..Default::default() };
        let saga = app.call(request).await?.metadata.unwrap_or_default();
        let names = names(app, &saga, &items).await;
        match history.svg {
            Some(path) => draw(app, &path, &saga, &items, &names).await?,
            None if history.flat => say(flat::of_operation(&saga, &items, &names))?,
            None => say(text::tell(&saga, &items, &names))?,
        }
    }
    if more {
        note(format!("only the first {HISTORY_EVENTS_MAX} events are shown"));
    }
    Ok(exit::OK)
}

/// Prints the history of a resource of the project, or of the cell as a whole.
pub(crate) async fn of(app: &App, collection: &str, touched: Touched) -> anyhow::Result<u8> {
    let parent = match collection {
        "hosts" => of_cell(collection, &touched.name),
        _ => app.name(collection, &touched.name)?,
    };
    let request = v1::ListEventsRequest { parent, filter: touched.filter, ..Default::default() };
    let Listing { items, json, more } = collect(app, request, touched.limit).await?;
    match app.format {
        Format::Json => output::document(&json)?,
        Format::Table => {
            let names = names(app, &v1::Saga::default(), &items).await;
            say(flat::of_resource(&items, &names))?;
        }
    }
    if more {
        note(format!("there is more than these {} events: see --limit and --filter", items.len()));
    }
    Ok(exit::OK)
}

/// The names of what is spoken of.
async fn names(app: &App, saga: &v1::Saga, events: &[v1::Event]) -> Names {
    let mut wanted: Vec<&str> = vec![&saga.subject, &saga.principal];
    wanted.extend(saga.steps.iter().map(|step| step.host.as_str()));
    let causes = events.iter().filter_map(|event| Some(event.cause.as_ref()?.principal.as_str()));
    wanted.extend(events.iter().map(|event| event.host.as_str()).chain(causes));
    Names::of(&app.client, wanted).await
}

/// Draws an operation into a file.
async fn draw(
    app: &App,
    path: &PathBuf,
    saga: &v1::Saga,
    events: &[v1::Event],
    names: &Names,
) -> anyhow::Result<()> {
    let terms: BTreeSet<u64> = events.iter().map(|event| event.term_elected).collect();
    // Only the leader of now can be named; the journal knows the others by their terms alone.
    let cell = if terms.len() > 1 { app.call(v1::GetCellRequest::default()).await.ok() } else { None };
    let leader = cell.and_then(|cell| cell.leader);
    let named = |elected| {
        let known = leader.as_ref().filter(|leader| leader.elected == elected)?;
        Some(known.address.clone()).filter(|address| !address.is_empty())
    };
    let drawing = svg::draw(saga, events, names, &named);
    if path.as_os_str() == "-" {
        return output::raw(drawing.as_bytes());
    }
    std::fs::write(path, drawing).with_context(|| format!("{} can't be written", path.display()))?;
    note(format!("drawn into {}", path.display()));
    Ok(())
}

/// Who asked for an event: a person or a host; empty where the cell did by itself.
fn by(event: &v1::Event, names: &Names) -> String {
    let who = event.cause.as_ref().map(|cause| cause.principal.as_str()).unwrap_or_default();
    if who.is_empty() { String::new() } else { names.show(who) }
}
