//! `windlass replay` on a journal that a first build recorded, on an embedded one, and on one in use.

use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;
use windlass_journal::embedded::{Embedded, Settings};
use windlass_journal::{Append, Read};
use windlass_sagas::protocol::Cursor;

use super::run::{golden, shown, windlass};

/// The recorded journal, by a path that the kept texts can show.
fn recorded() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/journals/journal-1.wlj")
}

fn run(args: &[&str]) -> (String, i32) {
    let path = recorded();
    let path = path.to_str().expect("a path");
    let all: Vec<&str> = args.iter().copied().chain(["--journal", path]).collect();
    let ran = windlass(None, &all);
    (shown(args, &ran), ran.code)
}

fn wait<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(future)
}

/// A state directory that holds the recorded journal.
fn state() -> (TempDir, Embedded) {
    let state = tempfile::tempdir().expect("a directory");
    let journal = wait(async {
        let file = windlass_replay::File::open(&recorded()).expect("the recorded journal");
        let mut journal =
            Embedded::open(Settings::new(state.path().join("journal"))).await.expect("a new journal");
        let mut at = Cursor::START;
        loop {
            let frames = file.read(at, 256).await.expect("readable");
            if frames.is_empty() {
                break journal;
            }
            for (_, frame) in frames {
                at = journal.append(at, frame).await.expect("appended");
            }
        }
    });
    (state, journal)
}

/// The same commands as for a live cell, the same code behind them.
#[test]
fn the_recorded_journal_s_histories_read_as_they_are_kept() {
    let mut text = String::new();
    let operation = "b1aebf59-30ca-5180-b69c-2857faca6907";
    for args in [
        &["operation", "history", operation][..],
        &["operation", "history", operation, "--at", "29", "--flat"],
        &["host", "history", "h0", "--limit", "20"],
        &["events", "tail", "--cell", "--after", "26", "--at", "32"],
    ] {
        let (shown, code) = run(args);
        assert_eq!(code, 0, "{shown}");
        text.push_str(&shown);
    }
    golden("history.txt", &text);
    let all = run(&["events", "tail", "--cell", "--after", "0", "-o", "json"]).0;
    let positions: Vec<u64> = all
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok()?["position"].as_str()?.parse().ok())
        .collect();
    let mut commits = positions.clone();
    commits.dedup();
    let last = commits.last().copied().unwrap_or_default();
    assert!(last > 30 && commits == (1..=last).collect::<Vec<_>>(), "every commit, in order: {positions:?}");
}

#[test]
fn the_recorded_journal_reads_as_it_is_kept() {
    let mut text = String::new();
    for args in [&["replay", "check"][..], &["replay", "verify"], &["replay", "timeline", "--limit", "15"]] {
        let (shown, code) = run(args);
        assert_eq!(code, 0, "{shown}");
        text.push_str(&shown);
    }
    golden("replay.txt", &text);
    let id = text
        .lines()
        .find(|line| line.contains("rolled back"))
        .and_then(|line| line.split_whitespace().last());
    let (shown, code) = run(&["replay", "timeline", id.expect("one was rolled back")]);
    assert_eq!(code, 0, "{shown}");
    golden("timeline.txt", &shown);
}

#[test]
fn json_tells_the_same() {
    let path = recorded();
    let json = |args: &[&str]| -> Value {
        let all: Vec<&str> =
            args.iter().copied().chain(["-o", "json", "--journal", path.to_str().expect("a path")]).collect();
        serde_json::from_str(&windlass(None, &all).out).expect("one JSON document")
    };
    let checked = json(&["replay", "check"]);
    assert_eq!((&checked["verdict"], &checked["differences"]), (&Value::from("SAME"), &Value::from(0)));
    assert!(checked["factsDecidedAgain"].as_u64().is_some_and(|facts| facts > 50), "{checked}");
    let verified = json(&["replay", "verify"]);
    assert_eq!(
        (&verified["whole"], &verified["commits"]),
        (&Value::from(true), &checked["factsDecidedAgain"])
    );
    let sagas = json(&["replay", "timeline"]);
    let first = sagas["operations"][0]["operation"].as_str().expect("an operation").to_string();
    let told = json(&["replay", "timeline", &first]);
    assert_eq!(told["operation"], Value::from(first));
    assert!(told["entries"].as_array().is_some_and(|entries| !entries.is_empty()));
}

#[test]
fn a_seen_commit_is_looked_for() {
    let path = recorded();
    let path = path.to_str().expect("a path");
    let verify = |seen: &str| windlass(None, &["replay", "verify", "--journal", path, "--seen", seen]);
    let out = verify(&format!("1:{}", "00".repeat(32)));
    assert_eq!(out.code, 1, "{out:?}");
    assert!(out.out.contains("position 1, frame 1: rewritten"), "{out:?}");
    assert_eq!(verify("1:00").code, 2);
}

#[test]
fn a_stopped_orchestrators_journal_is_read_and_exported() {
    let (state, journal) = state();
    wait(journal.close());
    let directory = state.path().to_str().expect("a path").to_string();
    let check = windlass(None, &["replay", "check", "--state", &directory]);
    assert_eq!(check.code, 0, "{check:?}");
    let file = state.path().join("kept.wlj");
    let export = ["replay", "export", file.to_str().expect("a path"), "--state", &directory];
    let ran = windlass(None, &export);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(
        std::fs::read(&file).expect("written"),
        std::fs::read(recorded()).expect("kept"),
        "byte for byte"
    );
    let again = windlass(None, &export);
    assert_eq!(again.code, 4, "{again:?}");
    assert!(again.err.contains("hint: an export never writes over a file"));
}

#[test]
fn a_running_orchestrators_journal_is_named_with_what_to_do() {
    let (state, journal) = state();
    let ran = windlass(None, &["replay", "check", "--state", state.path().to_str().expect("a path")]);
    wait(journal.close());
    assert_eq!(ran.code, 4, "{ran:?}");
    let pid = std::process::id();
    assert!(
        ran.err.contains(&format!("is held by a running orchestrator (process {pid})\nhint: stop that")),
        "{ran:?}"
    );
}

#[test]
fn what_can_not_be_looked_at_is_no_pass() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().to_str().expect("a path").to_string();
    let nowhere = windlass(None, &["replay", "check", "--state", &path]);
    assert_eq!(nowhere.code, 3, "{nowhere:?}");
    assert!(!directory.path().join("journal").exists(), "no journal is made by looking for one");
    let cut = directory.path().join("cut.wlj");
    let mut bytes = std::fs::read(recorded()).expect("kept");
    bytes.truncate(bytes.len() - 100);
    std::fs::write(&cut, bytes).expect("written");
    for verb in ["check", "verify"] {
        let ran = windlass(None, &["replay", verb, "--journal", cut.to_str().expect("a path")]);
        assert_eq!(ran.code, 1, "{verb}: {ran:?}");
        assert!(
            !ran.err.contains("everything is decided") && !ran.err.contains("the chain is whole"),
            "{ran:?}"
        );
    }
}
