//! The tree as the rules see it: every text file of the project, build output and version control left out.

use std::fs;
use std::path::{Path, PathBuf};

/// One text file.
pub(crate) struct File {
    /// Its path from the root, with `/`.
    pub(crate) path: String,
    /// What is in it.
    pub(crate) text: String,
}

/// Every text file of the project, in the order of their paths.
pub(crate) struct Tree {
    /// The files.
    pub(crate) files: Vec<File>,
}

/// The root of the workspace.
pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

impl Tree {
    /// Reads the project.
    pub(crate) fn read() -> Self {
        let mut files = Vec::new();
        walk(&root(), &root(), &mut files);
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Self { files }
    }

    /// The Rust sources.
    pub(crate) fn rust(&self) -> impl Iterator<Item = &File> {
        self.with_extension("rs")
    }

    /// The files with this extension.
    pub(crate) fn with_extension<'a>(&'a self, extension: &'a str) -> impl Iterator<Item = &'a File> {
        self.files
            .iter()
            .filter(move |file| file.path.rsplit_once('.').is_some_and(|(_, end)| end == extension))
    }

    /// The files of this name, in any folder.
    pub(crate) fn named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a File> {
        self.files.iter().filter(move |file| file.path.rsplit('/').next() == Some(name))
    }
}

/// Whether a source is test code by its place; the simulator's library under `tests/` is not.
pub(crate) fn is_test(path: &str) -> bool {
    !path.starts_with("tests/sim/src/")
        && path.split('/').any(|part| matches!(part, "tests" | "tests.rs" | "benches"))
}

fn walk(root: &Path, folder: &Path, files: &mut Vec<File>) {
    for entry in fs::read_dir(folder).expect("a readable folder") {
        let entry = entry.expect("a readable entry");
        let (path, kind) = (entry.path(), entry.file_type().expect("a kind of file"));
        let name = entry.file_name();
        let skipped = name == ".git" || (name == "target" && folder == root);
        if kind.is_dir() && !skipped {
            walk(root, &path, files);
        } else if kind.is_file() && !skipped {
            // What vanishes while it is read, or is no text, is not a file of ours.
            let Ok(text) = fs::read_to_string(&path) else { continue };
            let place = path.strip_prefix(root).expect("below the root");
            let parts: Vec<_> = place.iter().map(|part| part.to_string_lossy()).collect();
            files.push(File { path: parts.join("/"), text });
        }
    }
}

#[test]
fn tests_are_known_by_their_place() {
    assert!(is_test("sagas/tests/cell/main.rs") && is_test("tests/tidy.rs") && is_test("a/src/b/tests.rs"));
    assert!(!is_test("tests/sim/src/lib.rs") && !is_test("sagas/src/cell/mod.rs"));
}
