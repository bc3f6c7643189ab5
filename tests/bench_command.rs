//! `windlass bench`, the command: that every row is measured without an error and told in a form that machines read, and
//! that nothing stays behind. Never how fast anything was.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use windlass_journal::jetstream::local::{Plan, Program, Server};

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
    bench_command(temporary).args(args).output().expect("the command starts")
}

fn bench_command(temporary: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_windlass"));
    // A cell of the user's own that the benchmark must not touch.
    command.env("TMPDIR", temporary).env("WINDLASS_NATS", "nats://127.0.0.1:1").arg("bench");
    command
}

/// Runs it and reads its document.
fn report(temporary: &Path, args: &[&str]) -> Value {
    let always = ["--seconds", "1", "--links", "3", "--fill", "40", "--log", "warn", "-o", "json"];
    let output = bench(temporary, &[&always, args].concat());
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{told}");
    check_empty(temporary);
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(report["links"], 3);
    report
}

/// That neither a file nor a process of it is left.
fn check_empty(temporary: &Path) {
    let left: Vec<_> = std::fs::read_dir(temporary).expect("a directory").collect();
    assert!(left.is_empty(), "its directory is removed: {left:?}");
    let running = running_below(temporary);
    assert!(running.is_empty(), "its processes have ended: {running:?}");
}

/// Command lines of processes that were told of this directory.
fn running_below(directory: &Path) -> Vec<String> {
    let directory = directory.to_str().expect("UTF-8");
    let processes = std::fs::read_dir("/proc").expect("processes").filter_map(Result::ok);
    let lines = processes.filter_map(|it| std::fs::read_to_string(it.path().join("cmdline")).ok());
    lines.filter(|line| line.contains(directory)).collect()
}

fn names(journal: &Value) -> Vec<&str> {
    journal["rows"].as_array().expect("rows").iter().filter_map(|row| row["row"].as_str()).collect()
}

fn check_all(journal: &Value) {
    journal["rows"].as_array().expect("rows").iter().for_each(check);
    check_ratios(journal);
}

fn check_ratios(of: &Value) {
    for ratio in of["ratios"].as_array().expect("ratios") {
        let told = ratio["what"].is_string() && ratio["holds"].is_boolean();
        assert!(told && number(ratio, "value") > 0.0, "{ratio}");
    }
}

fn number(row: &Value, key: &str) -> f64 {
    let number = row[key].as_f64();
    assert!(number.is_some(), "{key} is no number: {row}");
    number.unwrap_or_default()
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
    let report = report(temporary.path(), &["--on", "embedded", "--only", ONLY]);
    let journals = report["journals"].as_array().expect("journals");
    assert_eq!((journals.len(), &journals[0]["journal"]), (1, &Value::from("embedded")));
    assert_eq!(names(&journals[0]), ROWS, "in the order of the table, whatever was measured first");
    check_all(&journals[0]);
    assert_eq!((&report["ledgersSynced"], &report["ratios"]), (&Value::from(true), &Value::from([0; 0])));
}

#[test]
fn a_history_is_made_read_folded_asked_checked_and_removed() {
    let temporary = tempfile::tempdir().expect("a directory");
    let args = ["history", "--commits", "4000", "--questions", "3", "-o", "json"];
    let output = bench(temporary.path(), &args);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    check_empty(temporary.path());
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let expected = ["raw", "fold", "cold", "cold-image", "at", "list", "verify", "check", "export"];
    assert_eq!(names(&report), expected);
    assert!((4_000.0..4_100.0).contains(&number(&report, "commits")), "{report}");
    assert!(number(&report, "finishedSagas") > 300.0, "{report}");
    for row in report["rows"].as_array().expect("rows") {
        let asked = ["at", "list"].contains(&row["row"].as_str().expect("a name"));
        let keys = if asked { ["p50Ms", "maxMs"] } else { ["ofRaw", "perSecond"] };
        assert!(keys.iter().all(|key| number(row, key) > 0.0) && number(row, "seconds") > 0.0, "{row}");
        let count = if asked { 3.0 } else { number(&report, "commits") };
        assert!(number(row, "count") <= count, "{row}");
    }
    for amount in report["amounts"].as_array().expect("amounts") {
        // So few commits need no kept image, and may fit into memory that was there.
        let little = ["kept images", "in memory"].iter().any(|it| amount["what"].to_string().contains(it));
        assert!(little || number(amount, "value") > 0.0, "{amount}");
    }
    assert!(report["ratios"].as_array().is_some_and(|ratios| ratios.len() == 5), "{report}");
}

#[test]
fn journals_on_nats_are_started_measured_compared_and_ended() {
    let temporary = tempfile::tempdir().expect("a directory");
    let args = ["--on", "r1-synced,r1,r1", "--only", "journal-1,ok-32", "--unsynced-ledgers"];
    let report = report(temporary.path(), &args);
    assert_eq!(report["ledgersSynced"], false);
    let journals = report["journals"].as_array().expect("journals");
    let kinds: Vec<&str> = journals.iter().filter_map(|journal| journal["journal"].as_str()).collect();
    assert_eq!(kinds, ["r1-synced", "r1"], "in the order of the command line, each once");
    for journal in journals {
        assert_eq!(names(journal), ["journal-1", "journal-128", "ok-32"]);
        check_all(journal);
        for row in journal["rows"].as_array().expect("rows") {
            assert!(number(&row["residentMib"], "broker") > 0.0, "the server counts: {row}");
        }
    }
    check_ratios(&report);
    assert_eq!(report["ratios"][0]["what"], "sagas/s at 32, r1-synced / r1");
}

#[test]
fn on_a_server_that_runs_already_no_stream_stays_behind() {
    let (temporary, directory) = directories();
    let server = server(&directory);
    let (url, pid) = (server.plan.url(), server.pid().to_string());
    let report = report(temporary.path(), &["--nats", &url, "--broker", &pid, "--only", "journal-32,ok-1"]);
    let journal = &report["journals"][0];
    assert_eq!((&journal["journal"], names(journal)), (&"nats".into(), vec!["journal-32", "ok-1"]));
    check_all(journal);
    check_left_empty(&server);
}

#[test]
fn an_interrupt_ends_every_process_and_deletes_the_streams_too() {
    let (temporary, directory) = directories();
    let server = server(&directory);
    let url = server.plan.url();
    let mut command = bench_command(temporary.path());
    command.args(["--seconds", "600", "--links", "2", "--only", "ok-1", "--nats", &url]);
    let mut child = command.stderr(Stdio::piped()).spawn().expect("the command starts");
    let stderr = BufReader::new(child.stderr.take().expect("its standard error"));
    let mut lines = stderr.lines().map_while(Result::ok);
    let begun = lines.any(|line| line.starts_with("ok-1: "));
    let pid = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw);
    let signal = rustix::process::Signal::TERM;
    rustix::process::kill_process(pid.expect("a process id"), signal).expect("it runs");
    let told: Vec<String> = lines.collect();
    assert_eq!(child.wait().expect("it ends").code(), Some(1), "{told:?}");
    assert!(begun && told.iter().any(|line| line.contains("told to stop")), "{told:?}");
    check_empty(temporary.path());
    check_left_empty(&server);
}

fn directories() -> (tempfile::TempDir, tempfile::TempDir) {
    (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"))
}

fn server(directory: &tempfile::TempDir) -> Server {
    let program = Program::find().expect("nats-server 2.11 or newer is on the PATH");
    let plan = Plan::alone(directory.path().to_path_buf()).expect("ports");
    Server::start(&program, plan).expect("a server")
}

/// That there were streams on the server, and are none.
fn check_left_empty(server: &Server) {
    let account = monitored(server.plan.monitor_port, "/jsz");
    assert_eq!((&account["streams"], &account["messages"]), (&Value::from(0), &Value::from(0)), "{account}");
    assert!(number(&account["api"], "total") > 0.0, "it was used: {account}");
}

/// What a server's monitoring says.
fn monitored(port: u16, path: &str) -> Value {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("the monitoring listens");
    stream.write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes()).expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    let (_, body) = answer.split_once("\r\n\r\n").expect("a body");
    serde_json::from_str(body).expect("JSON")
}

#[test]
fn without_a_server_what_needs_one_is_refused_and_the_way_to_one_is_told() {
    let temporary = tempfile::tempdir().expect("a directory");
    let output = bench(temporary.path(), &["--on", "r1", "--nats-server", "nowhere"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("nowhere is no nats-server"));
    let mut command = Command::new(env!("CARGO_BIN_EXE_windlass"));
    let output = command.env("PATH", "").args(["bench", "--on", "embedded,r3-synced"]).output();
    let output = output.expect("the command starts");
    assert_eq!(output.status.code(), Some(2));
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains("r3-synced needs a nats-server") && told.contains("--nats-server"), "{told}");
}

#[test]
fn an_unknown_row_is_refused_with_the_rows_that_there_are() {
    let temporary = tempfile::tempdir().expect("a directory");
    let output = bench(temporary.path(), &["--only", "tea"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("channel-synced-256"));
}
