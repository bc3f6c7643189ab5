//! The handbook's page of the record lists exactly what is recorded: each kind with its number and newest version,
//! each number of each nested enum. Who adds a kind adds its row.

use std::collections::BTreeSet;
use std::path::Path;

use windlass_sagas::record::*;

use crate::samples::{self, Shape};

fn page() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../ops/handbook/record.md");
    std::fs::read_to_string(path).expect("ops/handbook/record.md")
}

/// The cells of the table rows below `heading`, up to the next heading; head and rule of each table left out.
fn rows(page: &str, heading: &str) -> Vec<Vec<String>> {
    let (_, section) =
        page.split_once(&format!("\n{heading}\n")).unwrap_or_else(|| panic!("no section {heading:?}"));
    let lines: Vec<&str> = section.lines().take_while(|line| !line.starts_with('#')).collect();
    let cells = |line: &str| line.trim_matches('|').split('|').map(|cell| cell.trim().to_string()).collect();
    let below = |place: usize| lines[place].starts_with('|') && !lines[place].starts_with("|-");
    (0..lines.len())
        .filter(|place| below(*place) && !lines.get(place + 1).is_some_and(|next| next.starts_with("|-")))
        .map(|place| cells(lines[place]))
        .collect()
}

#[test]
fn every_kind_has_its_row_and_no_row_is_without_a_kind() {
    for (heading, kinds) in
        [("### Reports", Report::KINDS), ("### Requests", Body::KINDS), ("### Events", Event::KINDS)]
    {
        let found: Vec<[String; 3]> = rows(&page(), heading)
            .into_iter()
            .map(|cells| [cells[0].clone(), cells[1].clone(), cells[2].trim_matches('`').to_string()])
            .collect();
        let expected: Vec<[String; 3]> = kinds
            .iter()
            .map(|(kind, version, name)| [kind.to_string(), version.to_string(), (*name).to_string()])
            .collect();
        assert_eq!(found, expected, "{heading} of ops/handbook/record.md");
        assert!(
            rows(&page(), heading).iter().all(|cells| cells.len() == 4 && !cells[3].is_empty()),
            "{heading}"
        );
    }
}

#[test]
fn every_nested_number_is_on_the_page() {
    for (heading, shapes) in [("### Variants", samples::shapes()), ("### Plain numbers", samples::numbers())]
    {
        let found: BTreeSet<(String, String)> = rows(&page(), heading)
            .into_iter()
            .flat_map(|cells| {
                let of = cells[0].trim_matches('`').to_string();
                cells[1].split(',').map(|entry| (of.clone(), entry.trim().to_string())).collect::<Vec<_>>()
            })
            .collect();
        let entry = |shape: &Shape| (shape.of.to_string(), format!("{} {}", shape.index, shape.variant));
        assert_eq!(found, shapes.iter().map(entry).collect(), "{heading} of ops/handbook/record.md");
    }
}

#[test]
fn the_page_names_the_format_level_of_this_build() {
    assert!(page().contains(&format!("This build reads and writes level {FORMAT_LEVEL}.")));
}
