//! Output that nobody reads any more ends a command in silence, never with a panic.

use std::process::Stdio;

use super::answers::usual;
use super::cell::Cell;
use super::run::command;

#[test]
fn a_reader_that_has_gone_is_no_failure() {
    let cell = Cell::new(usual);
    for args in [
        &["explain"][..],
        &["completion", "bash"],
        &["version"],
        &["--help"],
        &["server", "list"],
        &["server", "get", "web-1", "-o", "json"],
        &["operation", "history", "01a0c450-0000-7000-8000-000000000001"],
        &["doctor"],
    ] {
        let mut child = command(Some(&cell), args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary runs");
        drop(child.stdout.take());
        let output = child.wait_with_output().expect("it ends");
        let err = String::from_utf8_lossy(&output.stderr);
        assert!(!err.contains("panicked"), "{args:?}: {err}");
        assert!(!err.contains("error"), "{args:?}: {err}");
        assert_eq!(output.status.code(), Some(0), "{args:?}: {err}");
    }
}

#[test]
fn a_gone_standard_error_does_not_stop_a_change() {
    let cell = Cell::new(usual);
    let mut child = command(Some(&cell), &["network", "create", "blue"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    drop(child.stderr.take());
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&output.stdout).contains("completed"));
}

#[test]
fn nothing_is_coloured_where_colours_are_not_wanted() {
    for args in [&["--help"][..], &["server", "nonsense"]] {
        let output = command(None, args).env("NO_COLOR", "1").env("CLICOLOR_FORCE", "0").output();
        let output = output.expect("the binary runs");
        assert!(!output.stdout.contains(&0x1b) && !output.stderr.contains(&0x1b), "{args:?}");
    }
}
