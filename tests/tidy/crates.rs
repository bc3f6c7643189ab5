//! Rules on manifests: a crate depends only on crates to its left in the one list of crates, and versions and lints
//! stand in the root manifest alone.

use std::process::Command;

use serde_json::Value;

/// Every crate of ours; each may depend on those before it. A new crate takes its place here.
const LEFT_TO_RIGHT: [&str; 12] = [
    "windlass-proto",
    "windlass-client",
    "windlass-sagas",
    "windlass-agent-wire",
    "windlass-world",
    "windlass-journal",
    "windlass-store",
    "windlass-replay",
    "windlass-orchestrator",
    "windlass-agents",
    "windlass-sim",
    "windlass",
];

/// What must not be, although it points to the left.
const NEVER: [(&str, &[&str]); 2] = [
    ("windlass-sagas", &["windlass-proto", "windlass-client"]),
    ("windlass-agents", &["windlass-orchestrator", "windlass-replay", "windlass-journal", "windlass-store"]),
];

/// `cargo metadata` of the workspace.
pub(crate) fn metadata() -> Value {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(super::tree::root())
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("cargo writes JSON")
}

/// How many packages the workspace has.
pub(crate) fn packages(metadata: &Value) -> usize {
    metadata["packages"].as_array().map_or(0, Vec::len)
}

/// Dependencies, of tests and builds too, that don't point to the left.
pub(crate) fn directions(metadata: &Value) -> Vec<String> {
    let place = |name: &str| LEFT_TO_RIGHT.iter().position(|it| *it == name);
    let mut found = Vec::new();
    for package in metadata["packages"].as_array().into_iter().flatten() {
        let name = package["name"].as_str().unwrap_or_default();
        let Some(own) = place(name) else {
            found.push(format!("{name} has no place in LEFT_TO_RIGHT"));
            continue;
        };
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            let on = dependency["name"].as_str().unwrap_or_default();
            let ours = on.starts_with("windlass") || dependency["path"].is_string();
            let never = NEVER.iter().any(|(of, all)| *of == name && all.contains(&on));
            if ours && (never || place(on).is_none_or(|other| other >= own)) {
                found.push(format!("{name} depends on {on}"));
            }
        }
    }
    found
}

/// What a manifest says itself although it stands in the root, and what it does not inherit.
pub(crate) fn manifest(text: &str) -> Vec<String> {
    const INHERITED: [&str; 5] = ["version", "edition", "rust-version", "license", "publish"];
    let mut found = Vec::new();
    let (mut section, mut depth, mut lints) = (String::new(), 0_i32, false);
    let is_package = text.lines().any(|line| line.trim() == "[package]");
    for (place, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default().trim();
        let opened = depth;
        depth += line.matches(['[', '{']).count() as i32 - line.matches([']', '}']).count() as i32;
        if opened == 0 && line.starts_with('[') {
            section = line.trim_matches(['[', ']']).to_string();
            continue;
        }
        let inherits = line.contains("workspace = true");
        lints |= section == "lints" && inherits;
        let entry = opened == 0 && line.contains('=');
        let dependency = section.ends_with("dependencies") && section != "workspace.dependencies";
        let own = |key: &&str| section == "package" && line.split(['=', ' ']).next() == Some(*key);
        if entry && ((dependency && !inherits) || INHERITED.iter().any(own)) {
            found.push(format!("line {}: `{line}` belongs in the root manifest", place + 1));
        }
        if entry && section.contains("dependencies.") && line.starts_with("version") {
            found.push(format!("line {}: `{line}` belongs in the root manifest", place + 1));
        }
    }
    if is_package && !lints {
        found.push("does not inherit the workspace's lints".into());
    }
    found
}

#[test]
fn a_dependency_to_the_right_is_found() {
    let package = |name: &str, on: &str| {
        let text = format!(r#"{{"packages":[{{"name":"{name}","dependencies":[{{"name":"{on}"}}]}}]}}"#);
        directions(&serde_json::from_str(&text).expect("JSON")).len()
    };
    assert_eq!(package("windlass-journal", "windlass-store"), 1);
    assert_eq!(package("windlass-sagas", "windlass-sagas"), 1);
    assert_eq!(package("windlass-agents", "windlass-journal"), 1);
    assert_eq!(package("windlass-sagas", "windlass-proto"), 1);
    assert_eq!(package("windlass-new", "serde"), 1);
    assert_eq!(package("windlass-journal", "windlass-new"), 1);
    assert_eq!(package("windlass-store", "windlass-journal"), 0);
    assert_eq!(package("windlass-sagas", "serde"), 0);
}

#[test]
fn a_version_or_lint_outside_the_root_is_found() {
    let good = "[package]\nname = \"a\"\nversion.workspace = true\n[dependencies]\nb.workspace = true\n\
                c = { workspace = true, features = [\n  \"d\",\n] }\n[lints]\nworkspace = true\n";
    assert_eq!(manifest(good), Vec::<String>::new());
    assert_eq!(manifest(&good.replace("b.workspace = true", "b = \"1\"")).len(), 1);
    assert_eq!(manifest(&good.replace("{ workspace = true,", "{ version = \"1\",")).len(), 1);
    assert_eq!(manifest(&good.replace("version.workspace = true", "version = \"1\"")).len(), 1);
    assert_eq!(manifest(&good.replace("[lints]", "[other]")).len(), 1);
    assert_eq!(manifest(&format!("{good}[dev-dependencies.e]\nversion = \"1\"\n")).len(), 1);
}
