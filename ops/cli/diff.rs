//! `windlass diff`: what differs between two moments, and which commit caused it.

use clap::Args;
use windlass_client::v1;
use windlass_client::v1::resource_diff::Change;

use crate::app::{App, of_cell};
use crate::context::Span;
use crate::exit;
use crate::names::Names;
use crate::output::{self, Format, note, say, short, time};

/// Tell what differs between two moments, field by field, each with the commit that caused it.
///
/// What changed and changed back in between is not told; `windlass operation list` and the histories of resources tell all
/// that happened. Exits with 0 whether anything differs or not.
#[derive(Args, Debug)]
#[command(after_help = "Example: windlass diff --at 1200..1260 -p web servers/web-1")]
pub(crate) struct Diff {
    /// One resource, as servers/web-1, projects/blue/volumes/data or hosts/rack1-07; by default the project's, or the whole
    /// cell where none is set.
    resource: Option<String>,
}

/// Compares the two moments of the span.
pub(crate) async fn run(app: &App, span: Span, diff: Diff) -> anyhow::Result<u8> {
    let parent = match &diff.resource {
        Some(name) if name.starts_with("projects/") => name.clone(),
        Some(name) => match name.split_once('/') {
            Some((collection @ ("hosts" | "flavors"), last)) => of_cell(collection, last),
            Some((collection, last)) => app.name(collection, last)?,
            None => anyhow::bail!(exit::Usage(format!("{name}: its kind is missing, as servers/{name}"))),
        },
        None => app.project.as_ref().map(|project| of_cell("projects", project)).unwrap_or_default(),
    };
    let request = v1::DiffRequest { parent, from: Some(span.from), read_at: span.to, ..Default::default() };
    let answer = app.call(request).await?;
    match app.format {
        Format::Json => output::json(&answer)?,
        Format::Table => {
            let values = answer.resources.iter().flat_map(|it| &it.fields);
            let values = values.flat_map(|it| [it.before.as_deref(), it.after.as_deref()]).flatten();
            let who = answer.commits.iter().filter_map(|it| Some(it.cause.as_ref()?.principal.as_str()));
            let named = values.filter(|value| crate::names::is_name(value)).chain(who);
            say(text(&answer, &Names::of(&app.client, named).await))?;
        }
    }
    note(format!(
        "{} resources differ between positions {} and {}; {} came and went",
        answer.resources.len(),
        answer.from_position,
        answer.to_position,
        answer.passing
    ));
    Ok(exit::OK)
}

fn text(answer: &v1::DiffResponse, names: &Names) -> String {
    let mut lines = Vec::new();
    for resource in &answer.resources {
        let (sign, word) = match resource.change() {
            Change::Added => ('+', "added"),
            Change::Removed => ('-', "removed"),
            Change::Changed | Change::Unspecified => ('~', "changed"),
        };
        let id = short(&resource.resource);
        let name = if resource.display_name.is_empty() { &id } else { &resource.display_name };
        let by = if resource.position == 0 { String::new() } else { format!(" by {}", resource.position) };
        lines.push(format!("{sign} {} {name} ({id}) {word}{by}", resource.kind));
        for field in &resource.fields {
            let shown = |value: &Option<String>| {
                value.as_ref().map_or_else(|| "nothing".to_owned(), |value| names.within(value))
            };
            let by = if field.position == 0 { String::new() } else { format!("   [{}]", field.position) };
            let change = match (&field.before, &field.after) {
                (None, Some(_)) if resource.change() == Change::Added => shown(&field.after),
                (Some(_), None) if resource.change() == Change::Removed => shown(&field.before),
                _ => format!("{} -> {}", shown(&field.before), shown(&field.after)),
            };
            lines.push(format!("    {}: {change}{by}", field.path));
        }
    }
    if !answer.commits.is_empty() {
        lines.push("by".to_owned());
    }
    for commit in &answer.commits {
        let who = commit.cause.as_ref().map(|it| it.principal.as_str()).filter(|it| !it.is_empty());
        let who = who.map(|who| format!(" by {}", names.show(who))).unwrap_or_default();
        let operations: Vec<String> = commit.operations.iter().map(|it| short(it)).collect();
        let of = if operations.is_empty() {
            String::new()
        } else {
            format!(", operation {}", operations.join(", "))
        };
        lines.push(format!(
            "    [{}] {} {}{who}{of}",
            commit.position,
            time(commit.time.as_ref()),
            commit.fact
        ));
    }
    lines.join("\n")
}
