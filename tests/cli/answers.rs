//! What the scripted cell says: one thing of each kind, with fixed ids and times.

use serde_json::{Value, json};

use super::cell::Answer;

const OPERATION: &str = "01a0c450-0000-7000-8000-000000000001";
pub(crate) const PROJECT: &str = "projects/0a000000-0000-5000-8000-000000000001";

/// A resource's UUID.
fn uid(number: u32) -> String {
    format!("0b000000-0000-5000-8000-{number:012}")
}

/// A time, seconds and milliseconds after the first one.
pub(crate) fn at(ms: u32) -> String {
    format!("2026-09-21T14:13:{:02}.{:03}Z", 20 + ms / 1000, ms % 1000)
}

/// Usual answers: gets and lists of one thing, changes that are done at once.
pub(crate) fn usual(method: &str, _: &Value) -> Answer {
    let (_, verb) = method.split_once('/').unwrap_or_default();
    Ok(match verb {
        "GetCell" => cell(),
        "Doctor" => doctor(),
        "UploadImageData" => {
            json!({ "sha256": "ab".repeat(32), "sizeBytes": "45", "virtualSizeBytes": "3221225473" })
        }
        "GetRecovery" => recovery(),
        "Recover" => json!({ "state": "NOTHING_LOST", "position": "27" }),
        "GetQuota" => json!({ "limits": amounts(10), "used": amounts(3), "position": "40" }),
        "GetServerConsole" => json!({ "text": "bG9naW46IA==", "truncated": true, "position": "40" }),
        "ListEvents" => json!({ "events": events(), "position": "40" }),
        "GetOperation" => operation("COMPLETED", true),
        "ListOperations" => json!({ "operations": [operation("COMPLETED", true)], "position": "40" }),
        "ListQuarantine" => json!({ "resources": [quarantined()], "position": "40" }),
        verb if verb.starts_with("Get") => thing(&verb[3..]),
        verb if verb.starts_with("List") => {
            let noun = &verb[4..verb.len() - 1];
            let field = format!("{}{}s", noun[..1].to_lowercase(), &noun[1..]);
            json!({ field: [thing(noun)], "position": "40" })
        }
        _ => operation("COMPLETED", true),
    })
}

fn amounts(each: u32) -> Value {
    let each = each.to_string();
    json!({ "servers": each, "vcpus": each, "ramMib": each, "volumes": each, "gib": each, "networks": each, "ports": each })
}

/// One thing of a kind.
fn thing(noun: &str) -> Value {
    let named = |collection: &str, number| format!("{PROJECT}/{collection}/{}", uid(number));
    match noun {
        "Server" => json!({
            "name": named("servers", 1), "uid": uid(1), "displayName": "web-1", "state": "ACTIVE",
            "flavor": format!("flavors/{}", uid(7)), "host": format!("hosts/{}", uid(11)),
            "interfaces": [{ "network": named("networks", 3), "fixedIps": [{ "ipAddress": "10.0.0.7" }] }],
            "volumes": [{ "volume": named("volumes", 2) }], "position": "40",
        }),
        "Volume" => json!({
            "name": named("volumes", 2), "uid": uid(2), "displayName": "data", "state": "IN_USE", "sizeGib": "100",
            "host": format!("hosts/{}", uid(11)), "attachments": [{ "server": named("servers", 1) }],
        }),
        "Network" => json!({
            "name": named("networks", 3), "uid": uid(3), "displayName": "blue", "vni": 4096, "mtu": 1450,
            "subnets": [named("subnets", 4)],
        }),
        "Subnet" => json!({
            "name": named("subnets", 4), "uid": uid(4), "displayName": "blue-4", "cidr": "10.0.0.0/24",
            "gatewayIp": "10.0.0.1", "network": named("networks", 3),
        }),
        "Port" => json!({
            "name": named("ports", 5), "uid": uid(5), "displayName": "web-1", "state": "ACTIVE",
            "macAddress": "fa:16:3e:00:00:01", "fixedIps": [{ "ipAddress": "10.0.0.7" }],
            "network": named("networks", 3), "server": named("servers", 1),
        }),
        "SecurityGroup" => json!({
            "name": named("securityGroups", 6), "uid": uid(6), "displayName": "web",
            "rules": [{ "direction": "INGRESS", "protocol": "TCP", "portMin": 443, "portMax": 443, "remoteCidr": "0.0.0.0/0" }],
        }),
        "Flavor" => json!({
            "name": format!("flavors/{}", uid(7)), "uid": uid(7), "displayName": "small", "vcpus": 1,
            "ramMib": "1024", "rootGib": "10",
        }),
        "Image" => json!({
            "name": named("images", 8), "uid": uid(8), "displayName": "debian-12", "format": "QCOW2",
            "sizeBytes": "1048576", "sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "visibility": "PUBLIC", "dataPresent": true,
        }),
        "KeyPair" => json!({
            "name": named("keyPairs", 9), "uid": uid(9), "displayName": "ada", "fingerprint": "SHA256:47DEQpj8HBSa",
        }),
        "Project" => json!({ "name": PROJECT, "uid": uid(10), "displayName": "web", "quota": amounts(10) }),
        "Host" => host(),
        "JoinToken" => json!({
            "name": format!("joinTokens/{}", uid(12)), "uid": uid(12), "displayName": "rack1-07", "state": "OPEN",
            "roles": ["HYPERVISOR", "NETWORK"], "zone": "a", "expireTime": at(0),
        }),
        "Principal" => json!({
            "name": format!("principals/{}", uid(13)), "uid": uid(13), "displayName": "ada",
            "grants": [{ "role": "ADMIN" }, { "role": "MEMBER", "scope": PROJECT }],
        }),
        "ApiToken" => json!({
            "name": format!("principals/{}/apiTokens/{}", uid(13), uid(14)), "uid": uid(14), "displayName": "ci",
        }),
        "PlannedFault" => json!({
            "name": format!("faults/{}", uid(16)), "kind": "CRASH_BETWEEN", "host": format!("hosts/{}", uid(11)),
            "step": "boot_vm", "nthCall": "1", "times": "1", "point": "BETWEEN", "afterChanges": 1, "leaseMs": "60000",
            "reason": "autumn drill", "state": "ARMED", "armedBy": format!("principals/{}", uid(13)),
            "armTime": at(0), "expireTime": at(60000), "remainingMs": "41500", "strikes": "1",
            "holders": [{ "host": format!("hosts/{}", uid(11)), "strikes": "1" }],
        }),
        // No message has such a field: the call fails and says so.
        other => json!({ "thereIsNoAnswerFor": other }),
    }
}

fn host() -> Value {
    json!({
        "name": format!("hosts/{}", uid(11)), "uid": uid(11), "displayName": "rack1-07", "state": "UP", "zone": "a",
        "connected": true, "roles": ["HYPERVISOR", "NETWORK"],
        "capacity": { "vcpus": "64", "ramMib": "262144", "diskGib": "2000" },
        "claimed": { "vcpus": "2", "ramMib": "4096", "diskGib": "0" },
        "ledgers": [{ "role": "HYPERVISOR", "admitted": true, "incarnation": uid(15), "callsInFlight": 2 }],
        "drain": {
            "startTime": at(0),
            "blockers": [{
                "resource": format!("{PROJECT}/servers/{}", uid(1)), "since": at(0), "hint": "delete it, or wait for migration",
            }],
        },
    })
}

fn cell() -> Value {
    json!({
        "name": "cell", "uid": uid(20), "displayName": "lab", "createTime": at(0), "position": "40",
        "hash": "0f".repeat(32), "positionTime": at(2000), "formatLevel": 1, "build": "0.1.0", "journal": "embedded",
        "leader": { "address": "127.0.0.1:7700", "generation": 0, "elected": "2", "since": at(100) },
        "operationsOpen": "3", "operationsStuck": "1", "warnings": ["the broker syncs every two minutes"],
    })
}

fn recovery() -> Value {
    let seen = json!({ "position": "40", "hash": "0f".repeat(32), "elected": "2" });
    let host = format!("hosts/{}", uid(11));
    json!({
        "position": "26", "state": "TAIL_LOST", "tipTime": at(1000), "nextGeneration": 1, "operationsKnownTo": "40",
        "tip": { "position": "26", "hash": "c0ffee00".repeat(8), "elected": "2" },
        "witnesses": [{ "seen": seen, "against": "AHEAD" }, { "host": host, "seen": seen, "against": "AHEAD" }],
        "operations": [
            {
                "name": format!("operations/{OPERATION}"), "kind": "server.create", "project": PROJECT, "state": "COMPLETED",
                "firstPosition": "31", "lastPosition": "38",
            },
            {
                "name": "operations/01a0c450-0000-7000-8000-000000000002", "kind": "volume.create", "project": PROJECT,
                "state": "RUNNING", "firstPosition": "20", "lastPosition": "40", "known": true,
            },
        ],
    })
}

fn doctor() -> Value {
    let host = format!("hosts/{}", uid(11));
    json!({
        "checks": [
            { "invariant": 2, "statement": "no resource without an owner, no owner without its resource",
              "result": "FAILED", "lookedAt": "12",
              "findings": [{ "resource": format!("{PROJECT}/volumes/{}", uid(2)), "host": host,
                             "message": "is there, and should not be", "hint": "adopt it or remove it" }] },
            { "invariant": 3, "statement": "no volume attached twice", "result": "PASSED", "lookedAt": "12" },
            { "invariant": 6, "statement": "usage equals the sum of what exists", "result": "NOT_CHECKED",
              "notCheckedBecause": "not everywhere: host 7 gave none" },
        ],
        "hostsCompared": [host], "hostsMissing": [format!("hosts/{}", uid(16))], "position": "40",
    })
}

fn quarantined() -> Value {
    json!({
        "kind": "volume", "resource": format!("{PROJECT}/volumes/{}", uid(2)), "hosts": [format!("hosts/{}", uid(11))],
        "operation": format!("operations/{OPERATION}"), "since": at(0), "reason": "host is scrap",
    })
}

/// A step as the API shows it.
pub(crate) fn step(index: u32, kind: &str, fields: Value) -> Value {
    let mut step =
        json!({ "index": index, "kind": kind, "host": format!("hosts/{}", uid(11)), "attempt": 1 });
    if let (Some(step), Value::Object(fields)) = (step.as_object_mut(), fields) {
        step.extend(fields);
    }
    step
}

/// The operation that makes a server, in a state.
pub(crate) fn operation(state: &str, done: bool) -> Value {
    let ended = if done { json!(at(210)) } else { Value::Null };
    let steps = json!([
        step(0, "reserve_volume", json!({ "state": "DONE", "startTime": at(0), "endTime": at(122) })),
        step(
            1,
            "boot_vm",
            json!({ "state": "DONE", "attempt": 2, "startTime": at(122), "endTime": at(200) })
        ),
    ]);
    in_steps(state, done, steps, ended)
}

/// The same with these steps.
#[expect(clippy::needless_pass_by_value, reason = "values are made where they are given")]
pub(crate) fn in_steps(state: &str, done: bool, steps: Value, ended: Value) -> Value {
    json!({
        "name": format!("operations/{OPERATION}"), "done": done, "position": "40",
        "metadata": {
            "uid": OPERATION, "kind": "server.create", "state": state, "project": PROJECT,
            "subject": format!("{PROJECT}/servers/{}", uid(1)), "principal": format!("principals/{}", uid(13)),
            "requestId": "01a0c450-6c0f-7000-8000-00000000000a", "createTime": at(0), "endTime": ended, "steps": steps, "startPosition": "31", "lastPosition": "40",
            "pivot": { "step": 1, "passed": done }, "cancellable": !done,
        },
    })
}

fn events() -> Value {
    let host = format!("hosts/{}", uid(11));
    let step = |step: u32, attempt: u32, more: Value| {
        let kind = ["reserve_volume", "boot_vm"][usize::try_from(step).expect("small")];
        let mut fields = json!({
            "step": step, "direction": "FORWARD", "attempt": attempt, "stepKind": kind, "host": host,
        });
        if let (Some(fields), Value::Object(more)) = (fields.as_object_mut(), more) {
            fields.extend(more);
        }
        fields
    };
    let latency = |ms: u32| json!({ "latencyMs": ms.to_string() });
    let refused = json!({
        "latencyMs": "28", "details": { "retryable": "true", "message": "no room", "code": "NO_ROOM" },
    });
    let pause = json!({ "details": { "not_before": at(165) } });
    json!([
        event(31, 0, "server.claimed", "server web-1 is claimed", json!({})),
        event(31, 0, "saga.started", "server.create of 2 steps begins", json!({})),
        event(31, 0, "step.dispatched", "step 0 may be called, attempt 1", step(0, 1, json!({}))),
        event(33, 122, "step.done", "step 0 is done", step(0, 1, latency(122))),
        event(33, 122, "step.dispatched", "step 1 may be called, attempt 1", step(1, 1, json!({}))),
        event(35, 150, "step.refused", "step 1 was refused at attempt 1: no room", step(1, 1, refused)),
        event(35, 150, "step.dispatched", "step 1 may be called, attempt 2", step(1, 2, pause)),
        event(40, 200, "step.done", "step 1 is done", step(1, 2, latency(35))),
        event(40, 210, "server.activated", "the server is ACTIVE", json!({})),
        event(40, 210, "saga.completed", "everything is done", latency(210)),
    ])
}

/// An event of the operation.
pub(crate) fn event(position: u32, ms: u32, kind: &str, summary: &str, fields: Value) -> Value {
    let principal = if position == 31 { format!("principals/{}", uid(13)) } else { String::new() };
    let request = if position == 31 { "01a0c450-6c0f-7000-8000-00000000000a" } else { "" };
    let mut event = json!({
        "position": position.to_string(), "time": at(ms), "kind": kind, "summary": summary,
        "operation": format!("operations/{OPERATION}"), "operationKind": "server.create", "project": PROJECT,
        "termElected": "2", "cause": { "principal": principal, "requestId": request },
        "fact": if position == 31 { "request.create_server" } else { "step.report" },
    });
    if let (Some(event), Value::Object(fields)) = (event.as_object_mut(), fields) {
        event.extend(fields);
    }
    event
}
