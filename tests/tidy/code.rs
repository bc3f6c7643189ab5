//! Rules on single Rust files: the header, the length of files and functions, what must not be left in them, and what
//! the pure crates never mention.

use super::source::{body, closing, code, line, product_code, words};

const FILE_LINES_MAX: usize = 500;
const FUNCTION_LINES_MAX: usize = 70;
const HEADER_LINES_MAX: usize = 6;

/// Functions that are one table over all events, in a macro of their own, so that their rows are not match arms.
const TABLES: [(&str, &str); 1] = [("replay/store/src/touch.rs", "touch")];

/// What is wrong with the header: one to six `//!` lines at the top, a table's rows not counted (a plan shows its
/// steps there); a `lib.rs` may say more.
pub(crate) fn header(path: &str, text: &str) -> Vec<String> {
    let header = text.lines().take_while(|line| line.starts_with("//!"));
    let lines = header.filter(|line| !line.starts_with("//! |")).count();
    let longer = path == "lib.rs" || path.ends_with("/lib.rs");
    match lines {
        0 => vec!["does not open with a `//!` header".into()],
        _ if lines > HEADER_LINES_MAX && !longer => vec![format!("its header has {lines} lines")],
        _ => vec![],
    }
}

/// Whether the file is too long.
pub(crate) fn length(text: &str) -> Vec<String> {
    let lines = text.lines().count();
    if lines > FILE_LINES_MAX { vec![format!("has {lines} lines: two subjects")] } else { vec![] }
}

/// The functions that don't fit on a screen. A match arm on one line, or one alternative of its pattern, is a row of a
/// table and not counted: a match over all events has as many as there are events.
pub(crate) fn function_lengths(path: &str, text: &str) -> Vec<String> {
    let code = code(text);
    let mut found = Vec::new();
    let mut after_fn = false;
    for (at, word) in words(&code) {
        if std::mem::replace(&mut after_fn, word == "fn") && !code[..at].ends_with('$') {
            let Some(end) = body(&code, at).and_then(|open| closing(&code, open)) else { continue };
            let lines = 1 + code[at..end].lines().skip(1).filter(|line| !is_row(line.trim())).count();
            match (lines > FUNCTION_LINES_MAX, TABLES.contains(&(path, word))) {
                (true, false) => found.push(format!("line {}: `{word}` has {lines} lines", line(&code, at))),
                (false, true) => {
                    found.push(format!("line {}: `{word}` fits, take it off TABLES", line(&code, at)));
                }
                (true, true) | (false, false) => {}
            }
        }
    }
    found
}

fn is_row(line: &str) -> bool {
    line.starts_with("| ") || (line.contains(" => ") && line.ends_with(','))
}

/// What must not be left in product code: unfinished work, debugging, unwraps.
pub(crate) fn markers(text: &str) -> Vec<String> {
    let code = product_code(text);
    let found = |marker: &'static str| {
        let code = &code;
        code.match_indices(marker).map(move |(at, _)| format!("line {}: `{marker}`", line(code, at)))
    };
    [".unwrap()", "todo!(", "unimplemented!(", "dbg!("].into_iter().flat_map(found).collect()
}

/// Attributes that silence a lint and don't say why.
pub(crate) fn silenced_lints(text: &str) -> Vec<String> {
    let code = code(text);
    let mut found = Vec::new();
    for (at, word) in words(&code).filter(|(_, word)| matches!(*word, "allow" | "expect")) {
        let before = code[..at].trim_end();
        let is_attribute = before.ends_with("#[") || before.ends_with("#![") || before.ends_with(',');
        let Some(end) =
            closing(&code, at).filter(|_| is_attribute && code[at + word.len()..].starts_with('('))
        else {
            continue;
        };
        if !words(&code[at..end]).any(|(_, inner)| inner == "reason") {
            found.push(format!("line {}: `{word}` without a reason", line(&code, at)));
        }
    }
    found
}

/// What a pure crate never mentions: the standard library, hash order, clocks, floats, async.
pub(crate) fn impure(text: &str) -> Vec<String> {
    const NEVER: [&str; 10] =
        ["std", "HashMap", "HashSet", "f32", "f64", "async", "await", "SystemTime", "Instant", "unsafe"];
    let code = product_code(text);
    let floats = words(&code).filter(|(at, word)| is_float(&code, *at, word));
    words(&code)
        .filter(|(_, word)| NEVER.contains(word))
        .chain(floats)
        .map(|(at, word)| format!("line {}: `{word}` in a pure crate", line(&code, at)))
        .collect()
}

/// Whether the number at `at` is the front of a float: `1.5`, and neither `pair.1.5` nor `1..5`.
fn is_float(code: &str, at: usize, word: &str) -> bool {
    let digit = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_digit);
    let behind = &code.as_bytes()[at + word.len()..];
    word.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_')
        && digit(word.as_bytes().first())
        && !code[..at].ends_with('.')
        && behind.first() == Some(&b'.')
        && digit(behind.get(1))
}

#[test]
fn a_missing_or_long_header_is_found() {
    assert_eq!(header("a.rs", "use b;\n").len(), 1);
    assert_eq!(header("a.rs", &"//! x\n".repeat(7)).len(), 1);
    assert_eq!(header("a.rs", &format!("{}{}", "//! x\n".repeat(6), "//! | x |\n".repeat(7))).len(), 0);
    assert_eq!(header("a/lib.rs", &"//! x\n".repeat(7)).len(), 0);
    assert_eq!(header("a.rs", "//! x\nuse b;\n").len(), 0);
}

#[test]
fn a_long_file_or_function_is_found() {
    assert_eq!((length(&"\n".repeat(501)).len(), length(&"\n".repeat(500)).len()), (1, 0));
    let function = |lines: usize, rows: usize| {
        let (lines, rows) = ("  {}\n".repeat(lines - 2), "  A => b(),\n  | C(_)\n".repeat(rows));
        function_lengths("a.rs", &format!("fn a(b: [u8; 2]) {{\n{lines}{rows}}}\nfn c();\n")).len()
    };
    assert_eq!((function(71, 0), function(71, 9), function(70, 0), function(70, 90)), (1, 1, 0, 0));
}

#[test]
fn what_is_left_unfinished_is_found() {
    assert_eq!(markers("fn a() { b.unwrap(); todo!(); dbg!(c); unimplemented!(); }").len(), 4);
    assert_eq!(
        markers("// todo!()\nfn a() { b(\".unwrap()\"); }\n#[cfg(test)]\nmod t { fn c() { d.unwrap() } }")
            .len(),
        0
    );
}

#[test]
fn a_silenced_lint_without_a_reason_is_found() {
    for bad in ["#[allow(dead_code)]", "#![allow(x)]", "#[expect(x)]", "#[cfg_attr(y, allow(x))]"] {
        assert_eq!(silenced_lints(bad).len(), 1, "{bad}");
    }
    assert_eq!(
        silenced_lints("#[expect(x, reason = \"y\")]\nfn a() { b.expect(\"c\"); d(e, expect(1)) }").len(),
        1
    );
    assert_eq!(silenced_lints("#[allow(x, reason = \"y\")]\nfn a() { b.expect(\"c\"); }").len(), 0);
}

#[test]
fn what_is_not_pure_is_found() {
    assert_eq!(impure("use std::fs; fn a(b: f64) -> HashMap<u8, u8> { 1.5; }").len(), 4);
    assert_eq!(impure("/// std\nfn a(b: (u8, (u8, u8))) { b.1.1; 1..5; \"f64\"; }").len(), 0);
}
