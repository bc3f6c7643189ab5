//! Where serde may stand: recorded, stored, configuration and CLI types derive it, domain types never; and the
//! attributes that postcard can't carry are nowhere in the core.

use super::source::{closing, code, line, product_code, words};

/// Folders and files whose types are recorded, stored or configuration, and what they are. (Files and folders named
/// `config` are, everywhere.)
const MAY_DERIVE: [&str; 15] = [
    "sagas/src/record/",                 // the record
    "sagas/src/ids.rs",                  // ids, which the record holds
    "sagas/src/macros.rs",               // the shapes of recorded enums
    "sagas/src/cell/state/",             // fold images
    "replay/store/src/",                 // rows of images and of the index
    "replay/src/check/intended.rs",      // the reviewed list, a file that operators write
    "agents/world/src/",                 // a simulated host on disk
    "orchestrator/src/identity/cell.rs", // the cell's own file
    "orchestrator/src/lead/seen.rs",     // what was seen, a file of the orchestrator's own
    "replay/journal/src/jetstream/",     // what NATS servers are asked, and tell of themselves
    "agents/src/hypervisor/guest.rs",    // a guest's record, a file of the agent's own
    "agents/src/hypervisor/qmp.rs",      // what QEMU's monitor is asked
    "agents/src/storage/record.rs",      // an export's record, a file of the agent's own
    "agents/src/storage/pool.rs",        // what qemu-img tells
    "ops/cli/",                          // JSON output
];

/// Attributes under which postcard's bytes can't be read back.
const BREAKS_POSTCARD: [&str; 7] = [
    "flatten",
    "tag",
    "untagged",
    "skip_serializing_if",
    "skip_serializing",
    "skip_deserializing",
    "default",
];

/// Whether the product code of this file derives serde.
pub(crate) fn derives_serde(text: &str) -> bool {
    !derives(text).is_empty()
}

/// Serde derived where it must not be.
pub(crate) fn serde_place(path: &str, text: &str) -> Vec<String> {
    let is_config = path.split('/').any(|part| part == "config" || part == "config.rs");
    if is_config || MAY_DERIVE.iter().any(|place| path.starts_with(place)) {
        return vec![];
    }
    derives(text)
        .into_iter()
        .map(|line| format!("line {line}: serde is derived outside of recorded types"))
        .collect()
}

/// Serde attributes that break postcard.
pub(crate) fn serde_attributes(text: &str) -> Vec<String> {
    let code = code(text);
    let mut found = Vec::new();
    for (at, _) in code.match_indices("serde(") {
        let Some(end) = closing(&code, at) else { continue };
        let bad = words(&code[at..end]).filter(|(_, word)| BREAKS_POSTCARD.contains(word));
        found.extend(bad.map(|(_, word)| format!("line {}: `{word}` breaks postcard", line(&code, at))));
    }
    found
}

/// The lines of the derives that name serde's traits.
fn derives(text: &str) -> Vec<usize> {
    let code = product_code(text);
    code.match_indices("derive(")
        .filter(|(at, _)| {
            let end = closing(&code, *at).unwrap_or(code.len());
            words(&code[*at..end]).any(|(_, word)| matches!(word, "Serialize" | "Deserialize"))
        })
        .map(|(at, _)| line(&code, at))
        .collect()
}

#[test]
fn serde_in_the_wrong_place_is_found() {
    let text = "#[derive(\n    Clone,\n    serde::Serialize,\n)]\nstruct A;";
    assert_eq!(serde_place("orchestrator/src/lead/a.rs", text).len(), 1);
    assert_eq!(serde_place("sagas/src/cell/decide/a.rs", text).len(), 1);
    assert_eq!(serde_place("sagas/src/record/a.rs", text).len(), 0);
    assert_eq!(serde_place("agents/src/config.rs", text).len(), 0);
    assert_eq!(serde_place("agents/src/a.rs", "// derive(Serialize)\n#[derive(Clone)]\nstruct A;").len(), 0);
}

#[test]
fn an_attribute_that_breaks_postcard_is_found() {
    for bad in ["flatten", "tag = \"a\"", "untagged", "skip_serializing_if = \"Option::is_none\"", "default"]
    {
        assert_eq!(serde_attributes(&format!("#[serde({bad})]\na: u8,")).len(), 1, "{bad}");
    }
    assert_eq!(serde_attributes("#[serde(rename = \"default\")]\n#[default]\nA,").len(), 0);
}
