//! Rules on what is declared once and used elsewhere: error reasons, which have a handbook page each, and metrics, which
//! a crate declares in its `metrics.rs` and dashboards only use.

use std::collections::BTreeSet;

use super::source::{line, product_code};
use super::tree::{File, Tree};

const API_REASONS: &str = "proto/windlass/v1/error_reason.proto";
const CORE_REASONS: &str = "sagas/src/cell/rejection.rs";
const PAGES: &str = "ops/handbook/errors/";

/// The reasons of the public API.
pub(crate) fn api_reasons(tree: &Tree) -> BTreeSet<String> {
    let lines = text(tree, API_REASONS).lines().map(str::trim);
    let entries = lines.filter(|line| !line.starts_with("//")).filter_map(|line| line.split_once(" = "));
    let names =
        entries.map(|(name, _)| name).filter(|name| is_reason(name) && !name.ends_with("_UNSPECIFIED"));
    names.map(str::to_string).collect()
}

/// The reasons of the core.
pub(crate) fn core_reasons(tree: &Tree) -> BTreeSet<String> {
    let lines = text(tree, CORE_REASONS).lines().map(str::trim);
    let codes = lines.filter_map(|line| line.split_once(" = \"")?.1.strip_suffix("\","));
    codes.filter(|code| is_reason(code)).map(str::to_string).collect()
}

/// Reasons without a page, and pages without a reason. A page is named after its reason, in either case.
pub(crate) fn reasons_without_page(tree: &Tree, reasons: &BTreeSet<String>) -> Vec<String> {
    let below =
        tree.with_extension("md").filter_map(|file| file.path.strip_prefix(PAGES)?.strip_suffix(".md"));
    let pages: BTreeSet<String> = below
        .map(|stem| stem.to_uppercase().replace('-', "_"))
        .filter(|stem| stem != "README" && stem != "INDEX")
        .collect();
    let missing = reasons.difference(&pages).map(|reason| format!("{reason} has no page in {PAGES}"));
    missing
        .chain(pages.difference(reasons).map(|page| format!("{PAGES}: no reason is named {page}")))
        .collect()
}

/// Metrics that are named where they are used instead of in `metrics.rs`.
pub(crate) fn metrics_elsewhere(path: &str, text: &str) -> Vec<String> {
    if path.ends_with("/metrics.rs") {
        return vec![];
    }
    let code = product_code(text);
    let mut found = Vec::new();
    for name in ["counter", "gauge", "histogram"] {
        for prefix in ["", "describe_"] {
            let call = format!("{prefix}{name}!(");
            let calls = code.match_indices(&call).filter(|(at, _)| !code[..*at].ends_with('_'));
            let literal = calls.filter(|(at, _)| code[at + call.len()..].trim_start().starts_with('"'));
            found.extend(
                literal
                    .map(|(at, _)| format!("line {}: a metric named outside of metrics.rs", line(text, at))),
            );
        }
    }
    found
}

/// Every metric that a `metrics.rs` declares.
pub(crate) fn metric_names(tree: &Tree) -> BTreeSet<String> {
    tree.named("metrics.rs")
        .filter(|file| file.path.ends_with(".rs"))
        .flat_map(|file| names(&file.text))
        .collect()
}

/// Metrics of a dashboard that nobody declares; a histogram's series count as the histogram.
pub(crate) fn undeclared_metrics(text: &str, declared: &BTreeSet<String>) -> Vec<String> {
    let known = |name: &str| {
        let bases = ["_bucket", "_sum", "_count"].iter().filter_map(|end| name.strip_suffix(end));
        declared.contains(name) || bases.into_iter().any(|base| declared.contains(base))
    };
    names(text)
        .into_iter()
        .filter(|name| !known(name))
        .map(|name| format!("no metric is named {name}"))
        .collect()
}

fn names(text: &str) -> BTreeSet<String> {
    let parts = text.split(|c: char| !(c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_'));
    parts
        .filter(|part| part.starts_with("windlass_") && part.len() > "windlass_".len())
        .map(str::to_string)
        .collect()
}

fn is_reason(name: &str) -> bool {
    name.len() > 2
        && name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
}

fn text<'a>(tree: &'a Tree, path: &str) -> &'a str {
    tree.files.iter().find(|file| file.path == path).map_or("", |file| file.text.as_str())
}

#[cfg(test)]
fn planted(files: &[(&str, &str)]) -> Tree {
    let file = |(path, text): &(&str, &str)| File { path: (*path).into(), text: (*text).into() };
    Tree { files: files.iter().map(file).collect() }
}

#[test]
fn a_reason_without_a_page_and_a_page_without_a_reason_are_found() {
    let tree = planted(&[
        (
            API_REASONS,
            "enum ErrorReason {\n  ERROR_REASON_UNSPECIFIED = 0;\n  // OLD = 1;\n  NOT_FOUND = 30 [(a) = \"B\"];\n  BUSY = 31;\n}",
        ),
        (CORE_REASONS, "reasons! {\n  /// Here = \"NO\",\n  TooLarge = \"TOO_LARGE\",\n}"),
        ("ops/handbook/errors/not_found.md", ""),
        ("ops/handbook/errors/GONE.md", ""),
        ("ops/handbook/errors/README.md", ""),
    ]);
    let (api, core) = (api_reasons(&tree), core_reasons(&tree));
    assert_eq!(api.iter().collect::<Vec<_>>(), ["BUSY", "NOT_FOUND"]);
    assert!(core.contains("TOO_LARGE"));
    let found = reasons_without_page(&tree, &api.union(&core).cloned().collect());
    assert!(found.iter().any(|it| it.starts_with("BUSY ")) && found.iter().any(|it| it.ends_with(" GONE")));
    assert!(!found.iter().any(|it| it.contains("NOT_FOUND") || it.contains("README")));
}

#[test]
fn a_metric_outside_of_its_file_or_undeclared_is_found() {
    let text = "fn a() { counter!(\"windlass_a\").increment(1); gauge!(\n  \"b\"); histogram!(names::C); }";
    assert_eq!(metrics_elsewhere("orchestrator/src/a.rs", text).len(), 2);
    assert_eq!(metrics_elsewhere("orchestrator/src/metrics.rs", text).len(), 0);
    let tree = planted(&[(
        "a/src/metrics.rs",
        "pub const A: &str = \"windlass_commits_total\"; \"windlass_wait_seconds\"",
    )]);
    let board = "rate(windlass_commits_total[5m]) windlass_wait_seconds_bucket windlass_other";
    assert_eq!(undeclared_metrics(board, &metric_names(&tree)), ["no metric is named windlass_other"]);
}
