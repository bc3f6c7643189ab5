//! What a command prints: a table for people, or the API's own messages as JSON. Data goes to standard output, everything
//! else to standard error.
//!
//! Nothing here panics where nobody reads any more: a reader that has gone ends the command in silence.

use std::fmt;
use std::io::{self, Write};

use clap::ValueEnum;
use comfy_table::{ContentArrangement, Table, presets};
use windlass_client::v1;

use crate::exit;
use crate::names::Names;

/// How to print.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Columns, for people.
    #[default]
    Table,
    /// The API's own message, one document.
    Json,
}

/// A message of the API: it has a JSON form.
pub(crate) trait Message: prost::Message + prost::Name + Default {}
impl<T: prost::Message + prost::Name + Default> Message for T {}

/// A message that has columns.
pub(crate) trait Row: Message {
    /// The columns' names.
    const COLUMNS: &'static [&'static str];
    /// Their values; other things are shown by these names.
    fn cells(&self, names: &Names) -> Vec<String>;
    /// The other things that it shows, by their resource names.
    fn refers(&self) -> Vec<&str>;
}

/// Prints a line to standard output.
pub(crate) fn say(text: impl fmt::Display) -> anyhow::Result<()> {
    written(|out| writeln!(out, "{text}"))
}

/// Prints bytes to standard output, as they are.
pub(crate) fn raw(bytes: &[u8]) -> anyhow::Result<()> {
    written(|out| out.write_all(bytes))
}

fn written(write: impl FnOnce(&mut io::StdoutLock<'_>) -> io::Result<()>) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    match write(&mut out).and_then(|()| out.flush()) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(exit::ReaderGone.into()),
        Err(error) => Err(anyhow::Error::new(error).context("standard output can't be written")),
    }
}

/// Prints a line of a long tale to standard output; that nobody reads it any more does not end what is told of.
pub(crate) fn tell(text: impl fmt::Display) {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}").and_then(|()| out.flush()).ok();
}

/// Prints a line to standard error; nobody may be reading it.
pub(crate) fn note(text: impl fmt::Display) {
    writeln!(io::stderr().lock(), "{text}").ok();
}

/// Prints one thing in lines: what a column says in each.
pub(crate) fn one<T: Row>(item: &T, names: &Names) -> anyhow::Result<()> {
    let cells = item.cells(names);
    let rows = T::COLUMNS.iter().zip(cells).filter(|(_, value)| !value.is_empty());
    say(aligned(None, rows.map(|(name, value)| vec![(*name).to_string(), value])))
}

/// Prints many things, a line each.
pub(crate) fn many<T: Row>(items: &[T], names: &Names) -> anyhow::Result<()> {
    say(aligned(Some(T::COLUMNS), items.iter().map(|item| item.cells(names))))
}

/// Columns side by side.
pub(crate) fn aligned(header: Option<&[&str]>, rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    if let Some(header) = header {
        table.set_header(header.iter().copied());
    }
    for row in rows {
        table.add_row(row);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    let lines: Vec<String> = table.lines().map(|line| line.trim_end().to_string()).collect();
    lines.join("\n")
}

/// Prints a message as JSON.
pub(crate) fn json<T: Message>(item: &T) -> anyhow::Result<()> {
    document(&windlass_proto::to_json(item, true)?)
}

/// Prints a JSON document.
pub(crate) fn document(value: &serde_json::Value) -> anyhow::Result<()> {
    say(serde_json::to_string_pretty(value)?)
}

/// The part of a resource name behind its last slash.
pub(crate) fn short(name: &str) -> String {
    name.rsplit('/').next().unwrap_or(name).to_string()
}

/// An enum's word; empty where it says nothing.
pub(crate) fn word(text: &str) -> String {
    if text.ends_with("_UNSPECIFIED") { String::new() } else { text.to_string() }
}

/// An enum's word as a sentence has it, as `rolled back`.
pub(crate) fn lower(text: &str) -> String {
    word(text).to_lowercase().replace('_', " ")
}

/// A time in UTC, to the millisecond; empty for none.
pub(crate) fn time(time: Option<&prost_types::Timestamp>) -> String {
    let Some(time) = time else { return String::new() };
    let text = windlass_replay::utc(windlass_sagas::ids::Time(micros(time)));
    text.strip_suffix('Z')
        .and_then(|text| text.get(..text.len() - 3))
        .map(|text| format!("{text}Z"))
        .unwrap_or(text)
}

/// Microseconds since 1970.
pub(crate) fn micros(time: &prost_types::Timestamp) -> i64 {
    time.seconds.saturating_mul(1_000_000).saturating_add(i64::from(time.nanos / 1000))
}

/// Seconds between two times, where both are there and in order.
pub(crate) fn between(
    from: Option<&prost_types::Timestamp>,
    to: Option<&prost_types::Timestamp>,
) -> Option<String> {
    let us = micros(to?).saturating_sub(micros(from?));
    (us >= 0).then(|| seconds(us.cast_unsigned() / 1000))
}

/// Milliseconds as seconds.
pub(crate) fn seconds(ms: u64) -> String {
    format!("{}.{:03} s", ms / 1000, ms % 1000)
}

/// An operation that was only previewed.
pub(crate) fn preview(operation: &v1::Operation) -> Option<&v1::Preview> {
    match &operation.result {
        Some(v1::operation::Result::Preview(preview)) => Some(preview),
        Some(v1::operation::Result::Error(_) | v1::operation::Result::Response(_)) | None => None,
    }
}
