//! The style, as far as a machine can check it (`cargo test --test tidy`): each test reads the whole tree and names
//! every line that breaks one rule. A rule asserts how much it saw, so that it can't pass by finding nothing, and is
//! itself tested on a planted bad input, in its module under `tests/tidy/`.

mod tidy {
    pub(super) mod code;
    pub(super) mod crates;
    pub(super) mod declared;
    pub(super) mod pages;
    pub(super) mod recorded;
    pub(super) mod source;
    pub(super) mod tree;
    pub(super) mod words;
}

use tidy::tree::{File, Tree, is_test};
use tidy::{code, crates, declared, pages, recorded, words};

/// Parts of the project that are not there yet, with the rule that waits for each. A part that is there and still
/// listed fails, as does one that is neither there nor listed: no rule rests by mistake.
const NOT_YET: [(&str, &str); 1] = [("ops/dashboards", "dashboards use declared metrics")];

/// Runs `rule` over `files`, of which there must be at least `least`, and fails with all that it found.
fn check<'a>(files: impl Iterator<Item = &'a File>, least: usize, rule: impl Fn(&File) -> Vec<String>) {
    let mut seen = 0;
    let mut found = Vec::new();
    for file in files {
        seen += 1;
        found.extend(rule(file).into_iter().map(|what| format!("{}: {what}", file.path)));
    }
    assert!(seen >= least, "only {seen} files seen, of at least {least}: the rule looks in the wrong place");
    assert!(found.is_empty(), "{} violations:\n{}", found.len(), found.join("\n"));
}

/// Whether `part` is there; checks that `NOT_YET` says the same.
fn is_there(tree: &Tree, part: &str) -> bool {
    let there = tree.files.iter().any(|file| file.path.starts_with(&format!("{part}/")));
    let listed = NOT_YET.iter().any(|(name, _)| *name == part);
    assert!(
        there != listed,
        "{part} is {}; mend NOT_YET in tests/tidy.rs",
        if there { "there" } else { "gone" }
    );
    there
}

#[test]
fn every_source_opens_with_a_header() {
    check(Tree::read().rust(), 100, |file| code::header(&file.path, &file.text));
}

#[test]
fn no_source_is_over_500_lines() {
    check(Tree::read().rust(), 100, |file| code::length(&file.text));
}

#[test]
fn every_function_is_on_one_screen() {
    check(Tree::read().rust(), 100, |file| code::function_lengths(&file.path, &file.text));
}

#[test]
fn nothing_is_left_unfinished_or_unwrapped_outside_tests() {
    check(Tree::read().rust().filter(|file| !is_test(&file.path)), 80, |file| code::markers(&file.text));
}

#[test]
fn no_lint_is_silenced_without_a_reason() {
    check(Tree::read().rust(), 100, |file| code::silenced_lints(&file.text));
}

#[test]
fn the_core_is_pure() {
    let tree = Tree::read();
    for root in ["sagas/src/lib.rs", "agents/world/src/lib.rs"] {
        let text = &tree.files.iter().find(|file| file.path == root).expect("a pure crate's root").text;
        assert!(text.lines().any(|line| line == "#![no_std]"), "{root} is not no_std");
    }
    let pure = ["sagas/src/", "agents/world/src/"];
    let files = tree.rust().filter(|file| pure.iter().any(|folder| file.path.starts_with(folder)));
    check(files, 40, |file| code::impure(&file.text));
}

#[test]
fn serde_is_derived_only_where_it_may_stand() {
    let tree = Tree::read();
    let derives = tree.rust().filter(|file| recorded::derives_serde(&file.text)).count();
    assert!(derives >= 10, "serde is derived in {derives} files only: the search is broken");
    check(tree.rust().filter(|file| !is_test(&file.path)), 80, |file| {
        recorded::serde_place(&file.path, &file.text)
    });
}

#[test]
fn no_serde_attribute_of_the_core_breaks_postcard() {
    let tree = Tree::read();
    check(tree.rust().filter(|file| file.path.starts_with("sagas/src/")), 40, |file| {
        recorded::serde_attributes(&file.text)
    });
}

#[test]
fn crates_depend_only_to_their_left() {
    let metadata = crates::metadata();
    let found = crates::directions(&metadata);
    assert!(crates::packages(&metadata) >= 12, "only {} packages", crates::packages(&metadata));
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn versions_and_lints_stand_in_the_root_manifest() {
    check(Tree::read().named("Cargo.toml"), 12, |file| crates::manifest(&file.text));
}

#[test]
fn links_between_pages_resolve() {
    let tree = Tree::read();
    check(tree.with_extension("md"), 1, |file| pages::dead_links(&tree, file));
}

#[test]
fn tests_that_pages_name_are_there() {
    let tree = Tree::read();
    check(tree.with_extension("md"), 1, |file| pages::unknown_tests(&tree, file));
}

#[test]
fn every_promise_has_its_row() {
    let tree = Tree::read();
    let page = tree.files.iter().find(|file| file.path.ends_with("handbook/promises.md")).expect("the page");
    for (letter, numbers) in
        [('R', 1..=6), ('S', 0..=9), ('L', 1..=3), ('A', 1..=9), ('O', 1..=7), ('F', 1..=3)]
    {
        for number in numbers {
            let rows = page.text.lines().filter(|line| line.starts_with(&format!("| {letter}{number} |")));
            let rows: Vec<&str> = rows.collect();
            assert!(rows.len() == 1 && rows[0].contains(".rs::"), "{letter}{number}: {rows:?}");
        }
    }
}

#[test]
fn no_file_speaks_of_where_it_was_written() {
    check(Tree::read().files.iter(), 150, |file| words::forbidden(&file.path, &file.text));
}

#[test]
fn every_error_reason_has_its_page_and_every_page_its_reason() {
    let tree = Tree::read();
    let (api, core) = (declared::api_reasons(&tree), declared::core_reasons(&tree));
    assert!(api.len() >= 30, "only {} reasons in the API", api.len());
    assert!(core.len() >= 20, "only {} reasons in the core", core.len());
    if is_there(&tree, "ops/handbook/errors") {
        let found = declared::reasons_without_page(&tree, &api.union(&core).cloned().collect());
        assert!(found.is_empty(), "{}", found.join("\n"));
    }
}

#[test]
fn metrics_are_declared_in_one_file_a_crate() {
    check(Tree::read().rust().filter(|file| !is_test(&file.path)), 80, |file| {
        declared::metrics_elsewhere(&file.path, &file.text)
    });
}

#[test]
fn dashboards_use_only_declared_metrics() {
    let tree = Tree::read();
    if is_there(&tree, "ops/dashboards") {
        let names = declared::metric_names(&tree);
        assert!(!names.is_empty(), "dashboards, but not one declared metric");
        let boards = tree.files.iter().filter(|file| file.path.starts_with("ops/dashboards/"));
        check(boards, 1, |file| declared::undeclared_metrics(&file.text, &names));
    }
}
