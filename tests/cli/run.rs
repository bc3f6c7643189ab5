//! Running the real binary, and holding what it prints against the kept texts.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::cell::Cell;

/// What came of a command.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) out: String,
    pub(crate) err: String,
    pub(crate) code: i32,
}

/// The command without anything of this machine's: no context, no variables of ours.
pub(crate) fn command(cell: Option<&Cell>, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_windlass"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("WINDLASS_")) {
        command.env_remove(name);
    }
    command.env("HOME", "/nonexistent").env_remove("XDG_CONFIG_HOME").stdin(Stdio::null()).args(args);
    if let Some(cell) = cell {
        command.env("WINDLASS_ENDPOINT", format!("http://{}", cell.address)).env("WINDLASS_PROJECT", "web");
    }
    command
}

/// Runs it to its end.
pub(crate) fn windlass(cell: Option<&Cell>, args: &[&str]) -> Ran {
    let output = command(cell, args).output().expect("the binary runs");
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("UTF-8");
    let code = output.status.code().expect("it ends by itself");
    Ran { out: text(&output.stdout), err: text(&output.stderr), code }
}

/// The words of a command line, without the first; those in double quotes are one.
pub(crate) fn words(line: &str) -> Vec<String> {
    let line = line.split(" > ").next().unwrap_or_default();
    let words = line.split('"').enumerate().flat_map(|(place, part)| {
        let quoted = place % 2 == 1;
        if quoted { vec![part.to_string()] } else { part.split_whitespace().map(str::to_string).collect() }
    });
    words.skip(1).collect()
}

/// A kept file.
pub(crate) fn kept(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/cli").join(name)
}

/// Holds a text against the kept one.
pub(crate) fn golden(name: &str, text: &str) {
    let path = kept(name);
    if std::env::var_os("WINDLASS_GOLDEN").is_some_and(|it| it == "update") {
        std::fs::write(&path, text).expect("the kept text can be written");
    }
    let before = std::fs::read_to_string(&path).unwrap_or_default();
    let line = before.lines().zip(text.lines()).position(|(old, new)| old != new);
    let line = line.unwrap_or_else(|| before.lines().count().min(text.lines().count()));
    let (old, new) = (before.lines().nth(line), text.lines().nth(line));
    let place = line + 1;
    assert!(
        before == text,
        "{name} differs at line {place}:\n kept {old:?}\n now  {new:?}\nSee it, then WINDLASS_GOLDEN=update"
    );
}

/// How a command went, as the kept texts show it.
pub(crate) fn shown(args: &[&str], ran: &Ran) -> String {
    let mut text = format!("$ windlass {}\n{}", args.join(" "), ran.out);
    text.extend(ran.err.lines().flat_map(|line| ["! ", line, "\n"]));
    text.push_str(&format!("= {}\n\n", ran.code));
    text
}
