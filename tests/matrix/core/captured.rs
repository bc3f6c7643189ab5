//! Operations that were captured from real cells (`windlass history export --as-test`): each file verifies and is decided
//! again as it was, and the same strike on the reference run of the same saga ends in the same way, with nothing left.

use std::path::{Path, PathBuf};

use toml::{Table, Value};
use windlass_replay::{File, Intended, check, verify};
use windlass_sagas::cell::state::Ended;
use windlass_sagas::fault::FaultKind;
use windlass_sagas::plan::REGISTERED;

use crate::matrix::{Cell, Matrix, Part, Row};

/// Everything that was captured, by its directory.
fn captured() -> Vec<(PathBuf, Table)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../golden/captured");
    let entries = std::fs::read_dir(&folder).expect("the folder of captured operations");
    let case = |path: PathBuf| {
        let text = std::fs::read_to_string(path.join("case.toml")).expect("what was recorded");
        (path, text.parse().expect("TOML"))
    };
    let directories = entries.map(|entry| entry.expect("an entry").path()).filter(|path| path.is_dir());
    directories.map(case).collect()
}

fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(future)
}

fn text<'a>(table: &'a Table, key: &str) -> &'a str {
    table.get(key).and_then(Value::as_str).expect(key)
}

fn flag(table: &Table, key: &str) -> bool {
    table.get(key).and_then(Value::as_bool).expect(key)
}

#[test]
fn what_was_captured_is_whole_and_decided_as_it_was() {
    let captured = captured();
    assert!(!captured.is_empty(), "no operation is captured: the test would check nothing");
    let list = Path::new(env!("CARGO_MANIFEST_DIR")).join("../golden/journals/intended.toml");
    let intended = Intended::parse(&std::fs::read_to_string(list).expect("the list")).expect("a list");
    for (path, _) in captured {
        let file = File::open(&path.join("capture.wlj")).expect("a captured file");
        let verified = wait(verify(&file, &[])).expect("readable");
        assert!(verified.is_whole(), "{}: {:?}", path.display(), verified.findings);
        let checked = wait(check(&file, &intended));
        assert!(checked.verdict().passes(), "{}: {checked}", path.display());
    }
}

#[test]
fn the_same_strike_on_the_reference_run_ends_as_what_was_captured() {
    let captured = captured();
    assert!(!captured.is_empty(), "no operation is captured: the test would check nothing");
    let matrix = Matrix::whole();
    for (path, case) in captured {
        let place = path.display();
        let saga = REGISTERED.iter().find(|saga| saga.kind.operation() == text(&case, "saga"));
        let saga = saga.unwrap_or_else(|| panic!("{place}: no saga of that kind is registered"));
        let ended = match text(&case, "ended") {
            "completed" => Ended::Completed,
            "rolled back" => Ended::RolledBack,
            other => panic!("{place}: {other} is no end of the matrix"),
        };
        let wanted = (ended, flag(&case, "stuck"));
        let struck = case.get("struck").and_then(Value::as_array).expect("what struck it");
        let [struck] = struck.as_slice() else { panic!("{place}: the matrix strikes once") };
        let struck = struck.as_table().expect("a strike");
        let fault = FaultKind::ALL.iter().find(|kind| kind.name() == text(struck, "fault"));
        let row = Row { kind: *fault.expect("a kind of fault"), for_good: flag(struck, "for_good") };
        let part = if text(struck, "direction") == "undo" { Part::Undo } else { Part::Forward };
        let square = matrix.squares().iter().find(|(square, _)| {
            let step = square.name == text(struck, "step") && square.part == part;
            square.kind == saga.kind && step && square.row == row
        });
        let (square, cell) = square.unwrap_or_else(|| panic!("{place}: the matrix has no such square"));
        let Cell::Struck(runs) = cell else { panic!("{place}: {square} can't be struck: {cell:?}") };
        assert!(!runs.is_empty(), "{place}: {square} was not struck");
        assert!(runs.iter().all(|run| *run == wanted), "{place}: {square} ends {runs:?}, not {wanted:?}");
        let own = format!("{square}:");
        let found: Vec<String> = matrix.findings().into_iter().filter(|it| it.starts_with(&own)).collect();
        assert!(found.is_empty(), "{place}: {found:?}");
    }
}
