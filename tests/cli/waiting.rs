//! Waiting for an operation: plain lines, a live picture on a terminal, a broken watch, a limit, and ctrl-C.

use std::io::Read;
use std::process::{Child, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tonic::Status;

use super::answers::{at, in_steps, step, usual};
use super::cell::{Cell, Sends};
use super::run::{command, windlass};

/// A cell in which a network takes steps, so that there is something to wait for.
fn slow() -> Cell {
    Cell::new(|method, asked| match method {
        "NetworkService/CreateNetwork" => Ok(begun()),
        _ => usual(method, asked),
    })
}

fn begun() -> Value {
    let running = step(0, "reserve_volume", json!({ "state": "RUNNING", "startTime": at(0) }));
    in_steps(
        "RUNNING",
        false,
        json!([running, step(1, "boot_vm", json!({ "state": "WAITING" }))]),
        Value::Null,
    )
}

fn half() -> Value {
    let done = step(0, "reserve_volume", json!({ "state": "DONE", "startTime": at(0), "endTime": at(122) }));
    let running = step(1, "boot_vm", json!({ "state": "RUNNING", "attempt": 2, "startTime": at(122) }));
    in_steps("RUNNING", false, json!([done, running]), Value::Null)
}

/// One answer of a watch: the operation after the commit at this position.
fn change(position: u32, operation: &Value) -> Sends {
    let changes = json!([{ "operation": operation, "events": [] }]);
    Sends::This(json!({ "position": position.to_string(), "changes": changes }))
}

fn ended() -> Value {
    super::answers::operation("COMPLETED", true)
}

#[test]
fn each_change_of_a_step_is_one_plain_line_where_no_terminal_is() {
    let cell = slow();
    cell.watches([vec![change(41, &half()), change(42, &half()), change(43, &ended())]]);
    let ran = windlass(Some(&cell), &["network", "create", "blue"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let lines: Vec<&str> =
        ran.err.lines().map(|line| line.split_once("s  ").map_or(line, |(_, rest)| rest)).collect();
    assert_eq!(
        lines,
        [
            "+ reserve_volume  rack1-07     running",
            "+ reserve_volume  rack1-07     done in 0.122 s",
            "+ boot_vm         rack1-07     running, attempt 2",
            "+ boot_vm         rack1-07     done in 0.078 s, attempt 2",
        ],
        "a commit that changes no step says nothing"
    );
    assert_eq!(
        ran.out,
        "server.create of server web-1: completed in 0.210 s (operation 01a0c450-0000-7000-8000-000000000001)\n"
    );
}

#[test]
fn a_watch_that_breaks_is_gone_on_with_from_where_it_was() {
    let cell = slow();
    let broken = Sends::Break(Status::unavailable("the orchestrator stops"));
    cell.watches([vec![change(41, &half()), broken], vec![change(42, &ended())]]);
    let ran = windlass(Some(&cell), &["network", "create", "blue"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let from: Vec<Value> = cell
        .calls()
        .into_iter()
        .filter(|(method, _)| method == "OperationService/WatchOperations")
        .map(|(_, asked)| asked["afterPosition"].clone())
        .collect();
    assert_eq!(from, ["40", "41"], "from the answer's position, then from the last one that arrived");
}

#[test]
fn a_limit_ends_the_waiting_and_not_the_operation() {
    let ran = windlass(Some(&slow()), &["network", "create", "blue", "--timeout", "1"]);
    assert_eq!(ran.code, 5, "{ran:?}");
    assert!(
        ran.err.contains("error: not ended after 1 s\nhint: the operation goes on: `windlass operation get ")
    );
    assert!(ran.out.contains("running"), "{ran:?}");
}

#[test]
fn without_waiting_the_operation_is_printed_as_it_began() {
    let cell = slow();
    let ran = windlass(Some(&cell), &["network", "create", "blue", "--no-wait"]);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    assert!(ran.out.contains("running"), "{ran:?}");
    assert!(cell.calls().iter().all(|(method, _)| method != "OperationService/WatchOperations"));
}

/// A command that is under way; it does not outlive its test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // Where it has ended, there is nothing to kill.
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// Reads until a text has come; the picture of a terminal goes on for ever, so this does not.
fn until(from: &mut impl Read, wanted: &str) -> String {
    const SEEN_BYTES_MAX: usize = 64 * 1024;
    let (mut seen, mut bytes) = (String::new(), [0; 256]);
    while !seen.contains(wanted) {
        assert!(seen.len() < SEEN_BYTES_MAX, "no {wanted:?} came: {seen}");
        let count = from.read(&mut bytes).expect("readable");
        assert!(count > 0, "it ended before {wanted:?}: {seen}");
        seen.push_str(&String::from_utf8_lossy(&bytes[..count]));
    }
    seen
}

fn interrupt(Running(child): &Running) {
    let pid = Pid::from_raw(child.id().cast_signed()).expect("a process that was started");
    kill_process(pid, Signal::INT).expect("it runs");
}

#[test]
fn an_interrupt_says_that_the_operation_goes_on_and_how_to_follow_it() {
    let cell = slow();
    let child = command(Some(&cell), &["network", "create", "blue"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    let mut child = Running(child);
    let mut err = child.0.stderr.take().expect("piped");
    until(&mut err, "running");
    interrupt(&child);
    let said = until(&mut err, "turns it back");
    assert!(said.contains("interrupted: the operation goes on: `windlass operation get "), "{said}");
    assert_eq!(child.0.wait().expect("it ends").code(), Some(130));
}

#[test]
fn a_terminal_shows_each_step_on_a_line_that_is_drawn_again() {
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    let cell = slow();
    cell.watches([vec![change(41, &half()), Sends::Nothing]]);
    let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
    grantpt(&terminal).and_then(|()| unlockpt(&terminal)).expect("its other end can be opened");
    let name = ptsname(&terminal, Vec::new()).expect("it has a name");
    let end = std::fs::OpenOptions::new().read(true).write(true).open(name.to_str().expect("a path"));
    let child = command(Some(&cell), &["network", "create", "blue"])
        .stdout(Stdio::piped())
        .stderr(end.expect("the other end"))
        .spawn()
        .expect("the binary runs");
    let mut child = Running(child);
    let mut screen = std::fs::File::from(terminal);
    let seen = until(&mut screen, "running, attempt 2, 0.");
    assert!(seen.contains("server.create running"), "{seen}");
    assert!(seen.contains("  boot_vm         rack1-07     waiting"), "what is to come is shown: {seen}");
    assert!(seen.contains("\u{1b}[3A\r\u{1b}[2K"), "three lines are drawn over: {seen:?}");
    interrupt(&child);
    assert!(until(&mut screen, "turns it back").contains("interrupted"));
    assert_eq!(child.0.wait().expect("it ends").code(), Some(130));
}

#[test]
fn a_watch_of_an_operation_ends_with_it() {
    let cell = Cell::new(usual);
    let event =
        json!({ "position": "41", "time": at(0), "summary": "step 1 is done", "operation": "operations/1" });
    let commit = json!({ "position": "41", "changes": [{ "operation": ended(), "events": [event] }] });
    cell.watches([vec![Sends::This(commit)]]);
    let ran = windlass(
        Some(&cell),
        &["operation", "watch", "01a0c450-0000-7000-8000-000000000001", "--after", "0"],
    );
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(ran.out, "      41  2026-09-21 14:13:20.000Z  1  step 1 is done\n");
}
