//! Errors: what failed, a hint, the code, and an exit code that scripts can tell apart.

use std::net::TcpListener;

use tonic::{Code, Status};

use super::answers::{at, in_steps, step, usual};
use super::cell::{Cell, refusal};
use super::run::{golden, shown, windlass};

#[test]
fn each_kind_of_failure_has_its_text_and_its_exit_code() {
    let refusals: [(&[&str], Status); 6] = [
        (
            &["volume", "get", "data"],
            refusal(
                Code::NotFound,
                "NOT_FOUND",
                "there is no volume data",
                &[("hint", "volume list shows them")],
            ),
        ),
        (
            &["volume", "attach", "data", "web-1"],
            refusal(
                Code::Aborted,
                "RESOURCE_BUSY",
                "volume data is held by an operation",
                &[("hint", "wait for it"), ("holder", "operations/1")],
            ),
        ),
        (
            &["network", "create", "blue"],
            refusal(Code::AlreadyExists, "NAME_TAKEN", "network blue exists", &[]),
        ),
        (
            &["server", "create", "web-1", "--flavor", "huge", "--image", "debian-12", "--network", "blue"],
            refusal(
                Code::ResourceExhausted,
                "NO_HOST_FITS",
                "no host fits: of 3 hosts, capacity removed 3",
                &[("hint", "a smaller flavor, or more hosts")],
            ),
        ),
        (&["project", "list"], refusal(Code::Unauthenticated, "UNAUTHENTICATED", "no token", &[])),
        (
            &["server", "list", "--filter", "colour=red"],
            refusal(Code::InvalidArgument, "FILTER_INVALID", "this list can be filtered by: state", &[]),
        ),
    ];
    let mut text = String::new();
    for (args, status) in refusals {
        let cell = Cell::new(move |_, _| Err(status.clone()));
        text.push_str(&shown(args, &windlass(Some(&cell), args)));
    }
    golden("errors.txt", &text);
}

#[test]
fn a_command_line_that_can_not_be_right_ends_with_2() {
    let cell = Cell::new(usual);
    for args in [
        &["no-such-noun"][..],
        &["server", "create"],
        &[
            "server",
            "create",
            "a",
            "--flavor",
            "s",
            "--image",
            "i",
            "--network",
            "n",
            "--metadata",
            "novalue",
        ],
        &["security-group", "create", "web", "--rule", "sideways:tcp:1:"],
        &["subnet", "create", "a", "--network", "b", "--cidr", "10.0.0.0/24", "--pool", "10.0.0.5"],
        &["replay", "check"],
        &["replay", "timeline", "not-a-uuid", "--journal", "x"],
    ] {
        let ran = windlass(Some(&cell), args);
        assert_eq!(ran.code, 2, "{args:?}: {ran:?}");
        assert!(ran.err.starts_with("error: "), "{ran:?}");
    }
    assert_eq!(windlass(None, &["server", "list"]).code, 2, "no cell is named");
    assert_eq!(cell.calls(), [], "nothing was asked");
}

#[test]
fn outcomes_have_their_exit_codes() {
    let cases = [
        (
            "ROLLED_BACK",
            true,
            6,
            "error: step 1 was refused: no room\nhint: try a smaller flavor\ncode: NO_ROOM\n",
        ),
        (
            "ABANDONED",
            true,
            1,
            "error: step 1 was refused: no room\nhint: try a smaller flavor\ncode: NO_ROOM\n",
        ),
        ("STUCK", false, 7, "error: stuck: undo of step 0 was refused\n"),
    ];
    for (state, done, code, says) in cases {
        let cell = Cell::new(move |method, asked| {
            if method != "NetworkService/CreateNetwork" {
                return usual(method, asked);
            }
            let undone =
                step(0, "reserve_volume", serde_json::json!({ "state": "DONE", "undoState": "UNDONE" }));
            let mut operation =
                in_steps(state, done, serde_json::json!([undone]), serde_json::json!(at(300)));
            operation["metadata"]["reason"] = "undo of step 0 was refused".into();
            if done {
                operation["error"] = serde_json::json!({
                    "code": 9, "reason": "NO_ROOM", "message": "step 1 was refused: no room", "hint": "try a smaller flavor",
                });
            }
            Ok(operation)
        });
        let ran = windlass(Some(&cell), &["network", "create", "blue"]);
        assert_eq!(ran.code, code, "{ran:?}");
        assert!(ran.err.contains(says), "{ran:?}");
        assert!(ran.out.contains(&state.to_lowercase().replace('_', " ")), "{ran:?}");
    }
}

#[test]
fn a_change_without_an_answer_says_how_to_repeat_it() {
    let cell = Cell::new(|_, _| Err(Status::deadline_exceeded("too late")));
    let ran = windlass(Some(&cell), &["network", "create", "blue"]);
    assert_eq!(ran.code, 5, "{ran:?}");
    assert!(ran.err.contains("repeat it safely with --request-id "), "{ran:?}");
    assert!(ran.err.ends_with("code: DEADLINE_EXCEEDED\n"), "{ran:?}");
}

#[test]
fn a_cell_that_does_not_answer_is_said_while_it_is_tried_again() {
    use std::io::{BufRead, BufReader};
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let address = listener.local_addr().expect("it is bound");
    drop(listener);
    let args = ["cell", "--endpoint", &format!("http://{address}")];
    let mut command = super::run::command(None, &args);
    let mut child = command.stderr(std::process::Stdio::piped()).spawn().expect("the binary runs");
    let mut first = String::new();
    let stderr = child.stderr.take().expect("piped");
    BufReader::new(stderr).read_line(&mut first).expect("it says something");
    child.kill().expect("it still tries");
    child.wait().expect("it was started");
    assert_eq!(first, format!("no answer yet from http://{address}: trying on\n"));
}

#[test]
fn what_was_validated_is_shown_and_nothing_is_waited_for() {
    let cell = Cell::new(|method, asked| {
        if method != "ServerService/CreateServer" {
            return usual(method, asked);
        }
        assert_eq!(asked["validateOnly"], true);
        Ok(preview())
    });
    let args = [
        "server",
        "create",
        "web-1",
        "--flavor",
        "small",
        "--image",
        "debian-12",
        "--network",
        "blue",
        "--validate-only",
    ];
    golden("preview.txt", &shown(&args, &windlass(Some(&cell), &args)));
}

fn preview() -> serde_json::Value {
    let host = "hosts/0b000000-0000-5000-8000-000000000011";
    let amounts = |servers: &str| serde_json::json!({ "servers": servers, "vcpus": "4" });
    serde_json::json!({
        "done": true,
        "preview": {
            "kind": "server.create",
            "steps": [
                { "index": 0, "kind": "reserve_volume", "host": host, "forward": "makes the volume", "undo": "deletes it" },
                { "index": 1, "kind": "boot_vm", "host": host, "forward": "starts the guest", "undo": "stops it", "pivot": true },
            ],
            "placements": [{
                "what": "web-1", "host": host, "hosts": 3, "filters": [{ "name": "capacity", "removed": 2 }],
                "candidates": [{ "host": host, "weight": "120" }],
            }],
            "quota": { "project": super::answers::PROJECT, "limits": amounts("10"), "before": amounts("3"), "after": amounts("4") },
            "changes": [{ "action": "CREATE", "kind": "port", "resource": "web-1-0", "detail": "10.0.0.7" }],
        },
    })
}
