//! The table of reasons, its pages and its index say the same: none is missing, none is left over, and each names the
//! code that the reason is sent with.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use windlass_proto::v1::ErrorReason;
use windlass_sagas::cell::Reason;

fn pages() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../ops/handbook/errors")
}

/// Every reason that is sent, by its name and its code's.
fn reasons() -> Vec<(String, String)> {
    let table = windlass_proto::pool().get_enum_by_name("windlass.v1.ErrorReason").expect("the table");
    let numbers = table.values().map(|value| value.number()).filter(|number| *number != 0);
    numbers
        .map(|number| {
            let reason = ErrorReason::try_from(number).expect("of the table");
            (reason.as_str_name().to_owned(), upper(&format!("{:?}", reason.code())))
        })
        .collect()
}

/// `NotFound` as `NOT_FOUND`.
fn upper(name: &str) -> String {
    let mut out = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !out.is_empty() {
            out.push('_');
        }
        out.push(letter.to_ascii_uppercase());
    }
    out
}

#[test]
fn each_reason_has_a_page_and_a_row_of_the_index_that_name_its_code() {
    let index = std::fs::read_to_string(pages().join("README.md")).expect("the index");
    let reasons = reasons();
    assert!(reasons.len() > 30, "only {} reasons", reasons.len());
    for (reason, code) in &reasons {
        let page = std::fs::read_to_string(pages().join(format!("{reason}.md")));
        let page = page.unwrap_or_else(|error| panic!("{reason} has no page: {error}"));
        let mut lines = page.lines().filter(|line| !line.is_empty());
        assert_eq!(lines.next(), Some(format!("# {reason}").as_str()));
        assert_eq!(lines.next(), Some(format!("Sent with `{code}`.").as_str()), "{reason}");
        let row = format!("| [{reason}]({reason}.md) | {code} | ");
        assert_eq!(index.matches(&row).count(), 1, "{reason} has no row of the index with {code}");
    }
    let rows = index.lines().filter(|line| line.starts_with("| [")).count();
    assert_eq!(rows, reasons.len(), "the index has a row too many");
}

#[test]
fn no_page_is_left_over_and_the_core_has_no_reason_of_its_own() {
    let known: BTreeSet<String> = reasons().into_iter().map(|(reason, _)| reason).collect();
    for entry in std::fs::read_dir(pages()).expect("the pages") {
        let name = entry.expect("a page").file_name().into_string().expect("text");
        let reason = name.strip_suffix(".md").expect("only pages");
        assert!(reason == "README" || known.contains(reason), "{name} is no reason's page");
    }
    for reason in Reason::ALL {
        assert!(known.contains(reason.code()), "{} is not in the API's table", reason.code());
    }
}
