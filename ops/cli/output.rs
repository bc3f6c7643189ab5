//! What a command prints: a table for people, or the API's own messages as JSON.

use clap::ValueEnum;
use comfy_table::{ContentArrangement, Table, presets};
use windlass_client::v1;

/// How to print.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Columns, for people.
    #[default]
    Table,
    /// The API's message, unchanged; a list is an array.
    Json,
}

/// A message of the API: it has a JSON form.
pub(crate) trait Message: prost::Message + prost::Name + Default {}
impl<T: prost::Message + prost::Name + Default> Message for T {}

/// A message that has columns.
pub(crate) trait Row: Message {
    /// The columns' names.
    const COLUMNS: &'static [&'static str];
    /// Their values.
    fn cells(&self) -> Vec<String>;
}

/// Prints one thing: a line a column.
pub(crate) fn one<T: Row>(format: Format, item: &T) -> anyhow::Result<()> {
    match format {
        Format::Json => json(item),
        Format::Table => {
            let mut table = plain();
            for (name, value) in T::COLUMNS.iter().zip(item.cells()) {
                table.add_row([(*name).to_string(), value]);
            }
            println!("{table}");
            Ok(())
        }
    }
}

/// Prints many: a line a thing.
pub(crate) fn many<T: Row>(format: Format, items: &[T]) -> anyhow::Result<()> {
    match format {
        Format::Json => {
            let values = items
                .iter()
                .map(|item| windlass_proto::to_json(item, true))
                .collect::<Result<Vec<_>, _>>()?;
            println!("{}", serde_json::to_string_pretty(&values)?);
        }
        Format::Table => {
            let mut table = plain();
            table.set_header(T::COLUMNS.iter().copied());
            for item in items {
                table.add_row(item.cells());
            }
            println!("{table}");
        }
    }
    Ok(())
}

/// Prints a message as JSON.
pub(crate) fn json<T: Message>(item: &T) -> anyhow::Result<()> {
    println!("{}", serde_json::to_string_pretty(&windlass_proto::to_json(item, true)?)?);
    Ok(())
}

fn plain() -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table
}

/// The part of a resource name behind its last slash.
pub(crate) fn short(name: &str) -> String {
    name.rsplit('/').next().unwrap_or(name).to_string()
}

/// An enum's word, as `BUILD`.
pub(crate) fn word(text: &str) -> String {
    text.trim_end_matches("_UNSPECIFIED").to_string()
}

/// A time of day, UTC, to the millisecond; empty for none.
pub(crate) fn time(time: Option<&prost_types::Timestamp>) -> String {
    time.map(ToString::to_string).unwrap_or_default()
}

/// An operation that was only previewed.
pub(crate) fn preview(operation: &v1::Operation) -> Option<&v1::Preview> {
    match &operation.result {
        Some(v1::operation::Result::Preview(preview)) => Some(preview),
        Some(v1::operation::Result::Error(_) | v1::operation::Result::Response(_)) | None => None,
    }
}
