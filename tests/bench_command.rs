//! `windlass bench`, the command: that every row is measured without an error and told in a form that machines read, and
//! that nothing stays behind. Never how fast anything was.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

/// Rows of every kind: the journal, a read, both channels, sagas that complete and that are undone, both journals.
const ONLY: &str = "journal,api-1,channel,ok-32,failed-1,filled-ok-1";
const ROWS: [&str; 11] = [
    "journal-1",
    "journal-32",
    "journal-128",
    "api-1",
    "channel-synced-1",
    "channel-synced-256",
    "channel-unsynced-1",
    "channel-unsynced-256",
    "ok-32",
    "failed-1",
    "filled-ok-1",
];

fn bench(temporary: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_windlass"));
    command.env("TMPDIR", temporary).arg("bench").args(args).output().expect("the command starts")
}

fn number(row: &Value, key: &str) -> f64 {
    row[key].as_f64().unwrap_or_else(|| panic!("{key} is no number: {row}"))
}

fn check(row: &Value) {
    let name = row["row"].as_str().expect("a name");
    assert_eq!(row["errors"], 0, "{row}");
    for key in ["count", "perSecond", "p50Ms", "p99Ms", "seconds"] {
        assert!(number(row, key) > 0.0, "{key}: {row}");
    }
    assert!(number(row, "p99Ms") >= number(row, "p50Ms"), "{row}");
    if name.contains("ok") || name.contains("failed") {
        for key in ["commitsEach", "commitsPerFrame", "journalBytesEach"] {
            assert!(number(row, key) > 0.0, "{key}: {row}");
        }
        for process in ["orchestrator", "agents", "bench"] {
            assert!(number(&row["residentMib"], process) > 0.0, "{process}: {row}");
            assert!(number(&row["cpuUsEach"], process) >= 0.0, "{process}: {row}");
        }
    }
    if let Some(commits) = name.strip_prefix("journal-") {
        let commits: f64 = commits.parse().expect("a number");
        assert!((number(row, "commitsPerFrame") - commits).abs() < 1e-9, "{row}");
    }
}

#[test]
fn every_row_is_measured_without_an_error_and_nothing_stays_behind() {
    let temporary = tempfile::tempdir().expect("a directory");
    let args =
        ["--seconds", "1", "--links", "3", "--fill", "40", "--only", ONLY, "--log", "warn", "-o", "json"];
    let output = bench(temporary.path(), &args);
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{told}");
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!((&report["journal"], &report["links"]), (&Value::from("embedded"), &Value::from(3)));
    let rows = report["rows"].as_array().expect("rows");
    let names: Vec<&str> = rows.iter().filter_map(|row| row["row"].as_str()).collect();
    assert_eq!(names, ROWS, "in the order of the table, whatever was measured first");
    rows.iter().for_each(check);
    for ratio in report["ratios"].as_array().expect("ratios") {
        assert!(
            ratio["what"].is_string() && number(ratio, "value") > 0.0 && ratio["holds"].is_boolean(),
            "{ratio}"
        );
    }
    let left: Vec<_> = std::fs::read_dir(temporary.path()).expect("a directory").collect();
    assert!(left.is_empty(), "its directory is removed: {left:?}");
}

#[test]
fn an_unknown_row_is_refused_with_the_rows_that_there_are() {
    let temporary = tempfile::tempdir().expect("a directory");
    let output = bench(temporary.path(), &["--only", "tea"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("channel-synced-256"));
}
