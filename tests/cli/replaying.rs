//! `windlass replay` and `windlass history` on a journal that a first build recorded, on an embedded one, and on one in use.

use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;
use windlass_journal::embedded::{Embedded, Settings};
use windlass_journal::{Append, Read};
use windlass_replay::File;
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
    for args in
        [&["replay", "check"][..], &["history", "verify"], &["operation", "list", "--cell"], &["cell"]]
    {
        let (shown, code) = run(args);
        assert_eq!(code, 0, "{shown}");
        text.push_str(&shown);
    }
    golden("replay.txt", &text);
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
    let verified = json(&["history", "verify"]);
    assert_eq!(
        (&verified["whole"], &verified["commits"]),
        (&Value::from(true), &checked["factsDecidedAgain"])
    );
}

#[test]
fn a_seen_commit_is_looked_for() {
    let path = recorded();
    let path = path.to_str().expect("a path");
    let verify = |seen: &str| windlass(None, &["history", "verify", "--journal", path, "--seen", seen]);
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
    let export = ["history", "export", file.to_str().expect("a path"), "--state", &directory];
    let ran = windlass(None, &export);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(frames(&file), frames(&recorded()), "byte for byte");
    assert!(!state.path().join("kept.wlj.part").exists());
    let again = windlass(None, &export);
    assert_eq!(again.code, 4, "{again:?}");
    assert!(again.err.contains("hint: an export never writes over a file"));
}

/// The frames of a file.
fn frames(path: &Path) -> Vec<Vec<u8>> {
    wait(async {
        let file = File::open(path).expect("a file");
        let frames = file.read(Cursor::START, 1024).await.expect("readable");
        frames.into_iter().map(|(_, frame)| frame.bytes().to_vec()).collect()
    })
}

#[test]
fn parts_of_a_journal_are_exported_and_verify() {
    let directory = tempfile::tempdir().expect("a directory");
    let (recorded, part) = (recorded(), directory.path().join("part.wlj"));
    let (recorded, path) = (recorded.to_str().expect("a path"), part.to_str().expect("a path").to_string());
    let export = |args: &[&str]| {
        std::fs::remove_file(&part).ok();
        let all = [&["history", "export", &path, "--journal", recorded], args].concat();
        windlass(None, &all)
    };
    let rolled_back = "b1aebf59-30ca-5180-b69c-2857faca6907";
    for args in [
        &["--span", "20..40"][..],
        &["--span", "..30"],
        &["--operation", rolled_back],
        &["--of-project", "blue"],
    ] {
        let ran = export(args);
        assert_eq!(ran.code, 0, "{args:?}: {ran:?}");
        let verified = windlass(None, &["history", "verify", "--journal", &path]);
        assert_eq!(verified.code, 0, "{args:?}: {verified:?}");
    }
    for (args, code) in [
        (&["--span", "20..4000"][..], 1),
        (&["--span", "x..y"], 2),
        (&["--operation", "00000000-0000-5000-8000-000000000000"], 3),
        (&["--of-project", "green"], 3),
        (&["--of-project", "blue", "--span", "1..2"], 2),
    ] {
        let ran = export(args);
        assert_eq!(ran.code, code, "{args:?}: {ran:?}");
        assert!(!part.exists() && !directory.path().join("part.wlj.part").exists(), "{args:?}");
    }
    let folder = directory.path().to_str().expect("a path");
    let captured =
        ["history", "export", "--journal", recorded, "--operation", rolled_back, "--as-test", folder];
    let ran = windlass(None, &captured);
    assert_eq!(ran.code, 0, "{ran:?}");
    let case = directory.path().join("server-create-prepare_port-error_before-b1aebf59".replace('_', "-"));
    let text = std::fs::read_to_string(case.join("case.toml")).expect("a case");
    assert!(text.contains("ended = \"rolled back\"") && text.contains("for_good = true"), "{text}");
    assert_eq!(windlass(None, &captured).code, 4, "it is captured already");
}

#[test]
fn a_part_of_a_journal_answers_what_it_holds_and_refuses_the_rest() {
    let directory = tempfile::tempdir().expect("a directory");
    let recorded = recorded();
    let part = |name: &str, args: &[&str]| {
        let path = directory.path().join(name).to_str().expect("a path").to_string();
        let all = ["history", "export", &path, "--journal", recorded.to_str().expect("a path")];
        let ran = windlass(None, &[&all[..], args].concat());
        assert_eq!(ran.code, 0, "{ran:?}");
        path
    };
    let span = part("span.wlj", &["--span", "24..40"]);
    let project = part("project.wlj", &["--of-project", "blue"]);
    for (file, args, code) in [
        (&span, &["cell"][..], 0),
        (&span, &["server", "list", "-p", "-", "--at", "30"], 0),
        (&span, &["host", "list"], 0),
        (&span, &["doctor", "--at", "30"], 0),
        (&span, &["diff", "--at", "26..40"], 0),
        (&span, &["events", "tail", "--cell", "--after", "0", "--no-follow"], 0),
        (&span, &["operation", "history", "b1aebf59-30ca-5180-b69c-2857faca6907"], 0),
        (&span, &["server", "list", "-p", "-", "--at", "5"], 2),
        (&span, &["server", "list", "-p", "-", "--at", "41"], 2),
        (&span, &["server", "list", "-p", "-", "--at", "2020-01-01"], 2),
        (&project, &["cell"], 0),
        (&project, &["server", "list", "-p", "blue"], 0),
        (&project, &["server", "list", "-p", "blue", "--at", "30"], 0),
        (&project, &["operation", "list", "-p", "blue"], 0),
        (&project, &["diff", "--at", "22..", "-p", "blue"], 0),
        // What all projects have a part in is not told by what is one's.
        (&project, &["host", "list"], 1),
        (&project, &["diff", "--at", "22.."], 1),
        (
            &project,
            &["server", "create", "x", "--flavor", "f", "--image", "i", "--network", "n", "-p", "blue"],
            4,
        ),
    ] {
        let ran = windlass(None, &[args, &["--journal", file]].concat());
        assert_eq!(ran.code, code, "{args:?}: {ran:?}");
    }
    let whole =
        windlass(None, &["server", "list", "-p", "blue", "--journal", recorded.to_str().expect("a path")]);
    let alone = windlass(None, &["server", "list", "-p", "blue", "--journal", &project]);
    assert_eq!(alone.out, whole.out);
}

#[test]
fn a_running_orchestrators_journal_is_named_with_what_to_do() {
    let (state, journal) = state();
    let ran = windlass(None, &["replay", "check", "--state", state.path().to_str().expect("a path")]);
    wait(journal.close());
    assert_eq!(ran.code, 4, "{ran:?}");
    let pid = std::process::id();
    assert!(
        ran.err.contains(&format!("is held by a running orchestrator (process {pid})\nhint: ask it")),
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
    for (group, verb) in [("replay", "check"), ("history", "verify")] {
        let ran = windlass(None, &[group, verb, "--journal", cut.to_str().expect("a path")]);
        assert_eq!(ran.code, 1, "{verb}: {ran:?}");
        assert!(
            !ran.err.contains("everything is decided") && !ran.err.contains("the chain is whole"),
            "{ran:?}"
        );
    }
}
