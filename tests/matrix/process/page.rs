//! The page's table of the squares on real processes.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use windlass_sagas::cell::state::Ended;

use crate::square::Square;

/// The page, and where the table stands in it.
const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/ops/handbook/matrix.md");
const BEGIN: &str = "<!-- processes: begin -->\n";
const END: &str = "<!-- processes: end -->";

/// Compares the page with the squares, or writes it.
pub(crate) fn keep(squares: &[Square]) {
    let table = table(squares);
    let page = std::fs::read_to_string(PAGE).unwrap();
    let (before, rest) = page.split_once(BEGIN).unwrap();
    let (there, after) = rest.split_once(END).unwrap();
    if std::env::var_os("WINDLASS_BLESS").is_some() {
        std::fs::write(PAGE, format!("{before}{BEGIN}{table}{END}{after}")).unwrap();
        return;
    }
    assert!(there == table, "the page does not show these squares; WINDLASS_BLESS=1 writes it");
}

fn table(squares: &[Square]) -> String {
    let mut columns = Vec::new();
    let mut rows: BTreeMap<String, BTreeMap<String, char>> = BTreeMap::new();
    for square in squares {
        let (row, column) = square.place();
        let end = if square.ends() == Ended::Completed { 'C' } else { 'R' };
        rows.entry(row).or_default().insert(column.clone(), end);
        if !columns.contains(&column) {
            columns.push(column);
        }
    }
    let mut out = format!("{} squares.\n\n| step | {} |\n", squares.len(), columns.join(" | "));
    let _ = writeln!(out, "|---|{}", "---|".repeat(columns.len()));
    for (row, ends) in rows {
        let cell = |column: &String| format!(" {} |", ends.get(column).copied().unwrap_or('–'));
        let _ = writeln!(out, "| {row} |{}", columns.iter().map(cell).collect::<String>());
    }
    out
}
