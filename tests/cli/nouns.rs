//! The nouns: each command's own example calls the RPC that the table says, with whole resource names; tables and JSON
//! look as they are kept.

use std::collections::BTreeMap;

use serde_json::Value;

use super::answers::usual;
use super::cell::{Cell, Sends, refusal};
use super::run::{golden, kept, shown, windlass, words};

const REQUEST_ID: &str = "01a0c450-6c0f-7000-8000-00000000000a";

/// The methods that each command calls, as the table says.
fn table() -> BTreeMap<String, Vec<String>> {
    let text = std::fs::read_to_string(kept("methods.txt")).expect("the table");
    let mut commands: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (method, command) in
        text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once(" = "))
    {
        commands.entry(command.into()).or_default().push(method.into());
    }
    commands
}

/// A cell whose project watch ends, which a real one's does not.
fn cell() -> Cell {
    let cell = Cell::new(usual);
    let end = refusal(tonic::Code::OutOfRange, "POSITION_OUT_OF_RANGE", "the journal ends at 40", &[]);
    cell.watches([vec![Sends::Break(end)]]);
    cell
}

/// Takes out what is new each time: secrets' hashes, and moments counted from now.
fn steady(json: &mut Value) {
    match json {
        Value::Object(fields) => {
            for (name, value) in fields {
                if matches!(name.as_str(), "secretSha256" | "expireTime") {
                    *value = Value::from("…");
                }
                steady(value);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(steady),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn each_commands_example_calls_its_rpc() {
    let commands = table();
    assert!(commands.len() > 50, "only {} commands in the table", commands.len());
    let key = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(&key, "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGRh ada\n").expect("written");
    let mut requests = String::new();
    for (command, methods) in commands {
        let help: Vec<&str> = command.split(' ').chain(["--help"]).collect();
        let help = windlass(None, &help);
        assert_eq!(help.code, 0, "windlass {command} --help");
        let example = help.out.lines().find_map(|line| line.strip_prefix("Example: "));
        let mut args = words(example.unwrap_or_else(|| panic!("windlass {command} shows no example")));
        for arg in args.iter_mut().filter(|arg| arg.starts_with("~/")) {
            *arg = key.path().to_string_lossy().into_owned();
        }
        args.extend(["--request-id".into(), REQUEST_ID.into()]);
        let cell = cell();
        let ran = windlass(Some(&cell), &args.iter().map(String::as_str).collect::<Vec<_>>());
        let calls = cell.calls();
        for method in &methods {
            assert!(
                calls.iter().any(|(it, _)| it == method),
                "windlass {command} does not call {method}: {ran:?}"
            );
        }
        requests.push_str(&format!("{}\n", example.unwrap_or_default()));
        for (method, mut request) in calls.into_iter().filter(|(it, _)| methods.contains(it)) {
            steady(&mut request);
            requests.push_str(&format!("  {method} {request}\n"));
        }
    }
    golden("requests.txt", &requests);
}

#[test]
fn tables_look_as_they_are_kept() {
    let mut text = String::new();
    let nouns = [
        "server",
        "volume",
        "network",
        "subnet",
        "port",
        "security-group",
        "flavor",
        "image",
        "key-pair",
        "project",
        "host",
        "principal",
    ];
    let mut all: Vec<Vec<&str>> = Vec::new();
    for noun in nouns {
        all.extend([vec![noun, "list"], vec![noun, "get", "it"]]);
    }
    all.extend([
        vec!["quota", "get"],
        vec!["token", "list"],
        vec!["host", "tokens"],
        vec!["operation", "list"],
        vec!["operation", "get", "01a0c450-0000-7000-8000-000000000001"],
        vec!["operation", "history", "01a0c450-0000-7000-8000-000000000001"],
        vec!["operation", "history", "01a0c450-0000-7000-8000-000000000001", "--flat"],
        vec!["server", "history", "web-1"],
        vec!["quarantine", "list"],
        vec!["cell"],
        vec!["doctor"],
        vec!["recover"],
    ]);
    for args in all {
        text.push_str(&shown(&args, &windlass(Some(&Cell::new(usual)), &args)));
    }
    golden("tables.txt", &text);
}

#[test]
fn json_is_the_apis_message_and_one_document() {
    let cell = Cell::new(|method, asked| match (method, asked.get("pageToken")) {
        // Two pages become one message.
        ("VolumeService/ListVolumes", None) => Ok(serde_json::json!({
            "volumes": [{ "displayName": "a" }], "nextPageToken": "more", "position": "7",
        })),
        ("VolumeService/ListVolumes", Some(_)) => {
            Ok(serde_json::json!({ "volumes": [{ "displayName": "b" }], "position": "8" }))
        }
        _ => usual(method, asked),
    });
    let read = |args: &[&str]| -> Value {
        let ran = windlass(Some(&cell), args);
        assert_eq!(ran.code, 0, "{ran:?}");
        serde_json::from_str(&ran.out).expect("one JSON document")
    };
    let pages: windlass_proto::v1::ListVolumesResponse =
        windlass_proto::from_json(read(&["volume", "list", "-o", "json"])).expect("the API's message");
    let names: Vec<&str> = pages.volumes.iter().map(|it| it.display_name.as_str()).collect();
    assert_eq!((names, pages.position, pages.next_page_token.as_str()), (vec!["a", "b"], 8, ""));
    let one: windlass_proto::v1::ListVolumesResponse =
        windlass_proto::from_json(read(&["volume", "list", "-o", "json", "--limit", "1"])).expect("the same");
    assert_eq!((one.volumes.len(), one.next_page_token.as_str()), (1, "more"), "it can be gone on with");
    let server: windlass_proto::v1::Server =
        windlass_proto::from_json(read(&["server", "get", "web-1", "-o", "json"]))
            .expect("the API's message");
    assert_eq!(server.display_name, "web-1");
    let history = read(&["operation", "history", "01a0c450-0000-7000-8000-000000000001", "-o", "json"]);
    let history: windlass_proto::v1::ListEventsResponse =
        windlass_proto::from_json(history).expect("the API's message");
    assert_eq!(history.events.len(), 10);
    let made: windlass_proto::v1::Operation =
        windlass_proto::from_json(read(&["network", "create", "blue", "-o", "json"]))
            .expect("the API's message");
    assert!(made.done);
}

#[test]
fn a_quota_keeps_what_is_not_named() {
    let cell = Cell::new(usual);
    assert_eq!(windlass(Some(&cell), &["quota", "set", "--servers", "20"]).code, 0);
    let calls = cell.calls();
    let (_, set) = calls.iter().find(|(method, _)| method == "ProjectService/SetQuota").expect("it was set");
    assert_eq!(
        (&set["limits"]["servers"], &set["limits"]["vcpus"]),
        (&Value::from("20"), &Value::from("10"))
    );
}

#[test]
fn a_secret_is_shown_once_and_only_its_hash_is_sent() {
    for (args, prefix) in [
        (&["token", "create", "ci", "--principal", "ada"][..], "wlt_"),
        (&["host", "token", "rack1-07", "--role", "storage"][..], "wlj_"),
    ] {
        let cell = Cell::new(usual);
        let ran = windlass(Some(&cell), args);
        assert_eq!(ran.code, 0, "{ran:?}");
        let secret = ran.out.trim_end();
        assert!(secret.starts_with(prefix) && !secret.contains('\n'), "standard output is the secret alone");
        assert!(!ran.err.contains(secret));
        let sent = format!("{:?}", cell.calls());
        assert!(!sent.contains(secret) && sent.contains("secretSha256"), "{sent}");
    }
}

#[test]
fn the_help_of_the_root_and_of_a_change_look_as_they_are_kept() {
    let help = |args: &[&str]| shown(args, &windlass(None, args));
    golden("help.txt", &help(&["--help"]));
    golden("help_volume_create.txt", &help(&["volume", "create", "--help"]));
}
