//! `windlass sim`, the command: what it prints for people and for machines, its exit codes, and that a run is replayed
//! by what it printed. What the worlds check is tested in `tests/sim`.

#![cfg(feature = "lab")]

use std::process::{Command, Output};

use serde_json::Value;

fn sim(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_windlass"));
    command.arg("sim").args(args).output().expect("the command starts")
}

fn text(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).expect("text")
}

fn parts(args: &[&str]) -> Vec<Value> {
    let output = sim(&[args, &["-o", "json"]].concat());
    let parts: Value = serde_json::from_str(&text(&output)).expect("JSON");
    parts.as_array().expect("a list of parts").clone()
}

#[test]
fn f3_the_command_prints_worlds_events_faults_violations_and_the_traces_hash() {
    let told = text(&sim(&["--worlds", "40", "--seed", "7"]));
    let part = &parts(&["--worlds", "40", "--seed", "7", "--threads", "3"])[0];
    let events = part["events"].as_u64().expect("a number");
    assert!(told.contains(&format!("random: 40 worlds, {events} events")), "{told}");
    let fired: u64 = part["fired"].as_object().expect("kinds").values().filter_map(Value::as_u64).sum();
    assert!(fired > 0 && told.contains(&format!("faults fired: {fired}")), "{told}");
    let trace = part["trace"].as_str().expect("a hash");
    assert!(told.contains(&format!("violations: 0   trace: {trace}")), "{told}");
    assert_eq!(part["violations"], Value::Array(Vec::new()));
}

#[test]
fn f3_one_world_is_replayed_by_its_seed_and_its_faults() {
    let drawn = &parts(&["--worlds", "1", "--seed", "34"])[0];
    let traced = &parts(&["--seed", "34", "--trace"])[0];
    assert_eq!(drawn["trace"], traced["trace"], "with or without its lines");
    assert!(traced["lines"].as_array().expect("lines").len() > 100);
    let calm = &parts(&["--seed", "34", "--faults", "none"])[0];
    assert_eq!(calm["fired"], serde_json::json!({}));
    assert_ne!(calm["trace"], drawn["trace"]);
    let alone = &parts(&["--world", "server.create", "--faults", "1700001:orchestrator_crash"])[0];
    assert_eq!(alone["fired"], serde_json::json!({ "orchestrator_crash": 1 }));
}

#[test]
fn f3_a_named_world_is_found_by_the_beginning_of_its_name() {
    let told = text(&sim(&["--world", "v1", "--trace"]));
    assert!(told.contains("v1-two-candidates-for-one-term: 1 worlds"), "{told}");
    assert!(told.contains("orchestrator_pause before an append is sent"), "{told}");
}

#[test]
fn a_wrong_command_line_ends_with_2_and_says_what_there_is() {
    let unknown = sim(&["--world", "tea"]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("server.create"));
    for wrong in [&["--faults", "17:tea"][..], &["--mode", "single", "--faults", "none"]] {
        assert_eq!(sim(wrong).status.code(), Some(2), "{wrong:?}");
    }
}
