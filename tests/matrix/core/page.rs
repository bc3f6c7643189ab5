//! The published page: every square with how often it was struck and how its sagas ended.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use windlass_sagas::cell::state::Ended;
use windlass_sagas::ids::StepIndex;
use windlass_sagas::plan::REGISTERED;
use windlass_sagas::record::SagaKind;

use crate::matrix::{Cell, Matrix, NO_CHANGE, NO_UNDO, NOT_OUT, ONLY_LOOKS, Part, Row, Square};

/// The page, and where its tables stand in it.
const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../ops/handbook/matrix.md");
const BEGIN: &str = "<!-- squares: begin -->\n";
const END: &str = "<!-- squares: end -->";

/// Compares the page with the matrix, or writes it.
pub(crate) fn keep(matrix: &Matrix) {
    let tables = tables(matrix);
    let page = std::fs::read_to_string(PAGE).expect("the page of the matrix");
    let (before, rest) = page.split_once(BEGIN).expect("the tables' beginning");
    let (there, after) = rest.split_once(END).expect("the tables' end");
    if std::env::var_os("WINDLASS_BLESS").is_some() {
        let page = format!("{before}{BEGIN}{tables}{END}{after}");
        std::fs::write(PAGE, page).expect("the page is written");
        return;
    }
    assert!(there == tables, "the page is not what the matrix finds; WINDLASS_BLESS=1 writes it");
}

fn tables(matrix: &Matrix) -> String {
    let squares: BTreeMap<Square, &Cell> =
        matrix.squares().iter().map(|(square, cell)| (*square, cell)).collect();
    let struck = squares.values().filter(|cell| matches!(cell, Cell::Struck(_))).count();
    let mut out = format!(
        "{} squares of {} sagas: {struck} struck, {} that can't be; {} worlds.\n",
        squares.len(),
        REGISTERED.len(),
        squares.len() - struck,
        matrix.runs(),
    );
    for saga in REGISTERED {
        let _ = writeln!(out, "\n### {}", saga.kind.operation());
        for part in Part::ALL {
            table(&mut out, &squares, saga.kind, part);
        }
    }
    out
}

fn table(out: &mut String, squares: &BTreeMap<Square, &Cell>, kind: SagaKind, part: Part) {
    let of = |square: &Square| square.kind == kind && square.part == part;
    let own: Vec<_> = squares.iter().filter(|(square, _)| of(square)).collect();
    let first = own.first().and_then(|(_, cell)| match cell {
        Cell::None(why) => Some(*why),
        Cell::Struck(_) => None,
    });
    let sign = part.sign();
    if let Some(why) = first.filter(|why| own.iter().all(|(_, cell)| ***cell == Cell::None(why))) {
        let _ = writeln!(out, "\nNo square `{sign}`: {why} ({} of them).", own.len());
        return;
    }
    let steps: BTreeMap<StepIndex, &'static str> =
        own.iter().map(|(square, _)| (square.step, square.name)).collect();
    let titles: String = steps.iter().map(|(step, name)| format!(" {step} {sign}{name} |")).collect();
    let _ = writeln!(out, "\n| fault |{titles}\n|---|{}", "---|".repeat(steps.len()));
    for row in Row::all() {
        let cells = steps.iter().map(|(step, name)| {
            let (step, name) = (*step, *name);
            squares.get(&Square { kind, step, name, part, row }).map(|cell| said(cell))
        });
        let cells: String = cells.map(|cell| format!(" {} |", cell.unwrap_or_default())).collect();
        let _ = writeln!(out, "| {row} |{cells}");
    }
}

/// `12 C`: twelve strikes, all of them ended Completed; `s` behind it: an operator was needed.
fn said(cell: &Cell) -> String {
    let runs = match cell {
        Cell::None(why) => return format!("– {}", note(why)),
        Cell::Struck(runs) => runs,
    };
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for (ended, stuck) in runs {
        let end = match ended {
            Ended::Completed => 'C',
            Ended::RolledBack => 'R',
            Ended::Abandoned => 'A',
        };
        *counts.entry(format!("{end}{}", if *stuck { "s" } else { "" })).or_default() += 1;
    }
    let counts: Vec<String> = counts.iter().map(|(end, count)| format!("{count} {end}")).collect();
    counts.join(", ")
}

/// The page's letter for a reason.
fn note(why: &'static str) -> &'static str {
    match why {
        NO_UNDO => "u",
        NO_CHANGE => "c",
        ONLY_LOOKS => "l",
        NOT_OUT => "n",
        _ => why,
    }
}
