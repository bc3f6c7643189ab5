//! Rust source without what is no code: comments and the insides of strings blanked, byte for byte, so that places and
//! line numbers stay. It is no parser: braces are counted, which is enough for formatted code.

use std::ops::Range;

/// The source with comments and the insides of strings and character literals blanked; newlines stay.
pub(crate) fn code(text: &str) -> String {
    let mut out = text.as_bytes().to_vec();
    let mut at = 0;
    while at < out.len() {
        match no_code(text.as_bytes(), at) {
            Some((inside, next)) => {
                blank(&mut out, inside);
                at = next;
            }
            None => at += 1,
        }
    }
    String::from_utf8(out).expect("whole characters are blanked")
}

/// The same without items under `#[cfg(test)]`.
pub(crate) fn product_code(text: &str) -> String {
    let code = code(text);
    if code.contains("#![cfg(test)]") {
        return String::new();
    }
    let mut out = code.clone().into_bytes();
    for (at, _) in code.match_indices("#[cfg(") {
        let Some(end) = closing(&code, at + 1) else { continue };
        let condition = &code[at..end];
        let tests = words(condition).any(|(_, word)| word == "test")
            && !words(condition).any(|(_, word)| word == "not");
        if tests {
            blank(&mut out, at..item_end(&code, end));
        }
    }
    String::from_utf8(out).expect("whole characters are blanked")
}

/// The identifiers, keywords and numbers, each with its place.
pub(crate) fn words(code: &str) -> impl Iterator<Item = (usize, &str)> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    code.split(move |c| !is_word(c))
        .filter(|word| !word.is_empty())
        .map(move |word| (word.as_ptr() as usize - code.as_ptr() as usize, word))
}

/// The line that a place is on, from 1.
pub(crate) fn line(text: &str, at: usize) -> usize {
    1 + text.as_bytes()[..at].iter().filter(|byte| **byte == b'\n').count()
}

/// The place behind the bracket that closes the first one at or behind `from`.
pub(crate) fn closing(code: &str, from: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, byte) in code.bytes().enumerate().skip(from) {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            _ => {}
        }
    }
    None
}

/// The place of the `{` that opens the body of the item at `from`, or `None` where a `;` ends it first.
pub(crate) fn body(code: &str, from: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, byte) in code.bytes().enumerate().skip(from) {
        match byte {
            b'{' if depth == 0 => return Some(at),
            b';' if depth == 0 => return None,
            b'(' | b'[' => depth += 1,
            b')' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    None
}

fn item_end(code: &str, from: usize) -> usize {
    match body(code, from) {
        Some(open) => closing(code, open).unwrap_or(code.len()),
        None => code[from..].find(';').map_or(code.len(), |semicolon| from + semicolon + 1),
    }
}

fn blank(out: &mut [u8], range: Range<usize>) {
    out[range].iter_mut().filter(|byte| **byte != b'\n').for_each(|byte| *byte = b' ');
}

/// Where no code begins at `at`: what to blank, and where to go on.
fn no_code(text: &[u8], at: usize) -> Option<(Range<usize>, usize)> {
    let rest = &text[at..];
    if rest.starts_with(b"//") {
        let end = at + rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
        return Some((at..end, end));
    }
    if rest.starts_with(b"/*") {
        let end = block_comment(text, at);
        return Some((at..end, end));
    }
    let in_word = at > 0 && (text[at - 1].is_ascii_alphanumeric() || text[at - 1] == b'_');
    if let Some(hashes) = raw_string(rest).filter(|_| !in_word) {
        let open = at + rest.iter().position(|byte| *byte == b'"')? + 1;
        let close = [&b"\""[..], &b"#".repeat(hashes)].concat();
        let end = find(text, open, &close);
        return Some((open..end, (end + close.len()).min(text.len())));
    }
    match rest[0] {
        b'"' => {
            let end = unescaped(text, at + 1, b'"');
            Some((at + 1..end, (end + 1).min(text.len())))
        }
        b'\'' => character(text, at).map(|end| (at + 1..end, end + 1)),
        _ => None,
    }
}

/// The number of `#` where a raw string begins.
fn raw_string(rest: &[u8]) -> Option<usize> {
    let behind = [&b"br"[..], b"cr", b"r"].iter().find_map(|prefix| rest.strip_prefix(*prefix))?;
    let hashes = behind.iter().take_while(|byte| **byte == b'#').count();
    (behind.get(hashes) == Some(&b'"')).then_some(hashes)
}

/// The place of the quote that closes a character literal at `at`; `None` for a lifetime.
fn character(text: &[u8], at: usize) -> Option<usize> {
    if text.get(at + 1) == Some(&b'\\') {
        return Some(unescaped(text, at + 1, b'\''));
    }
    let length = match text.get(at + 1)? {
        0..0x80 => 1,
        0x80..0xe0 => 2,
        0xe0..0xf0 => 3,
        0xf0.. => 4,
    };
    (text.get(at + 1 + length) == Some(&b'\'')).then_some(at + 1 + length)
}

fn unescaped(text: &[u8], from: usize, quote: u8) -> usize {
    let mut at = from;
    while at < text.len() && text[at] != quote {
        at += if text[at] == b'\\' { 2 } else { 1 };
    }
    at.min(text.len())
}

fn block_comment(text: &[u8], from: usize) -> usize {
    let (mut depth, mut at) = (0_usize, from);
    while at < text.len() {
        if text[at..].starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if text[at..].starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    text.len()
}

fn find(text: &[u8], from: usize, wanted: &[u8]) -> usize {
    text[from..]
        .windows(wanted.len())
        .position(|window| window == wanted)
        .map_or(text.len(), |place| from + place)
}

#[test]
fn only_code_stays() {
    let text = "let a = \"} \\\" {\"; // }\nlet b = '{'; /* { /* } */ { */ fn c<'a>(x: &'a u8) {} r#\"\" {\"#; 'é' '\\''";
    let kept = "let a = \"      \"; \nlet b = ' ';  fn c<'a>(x: &'a u8) {} r#\"    \"#; ' ' '  '";
    let squeezed = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(code(text).len(), text.len());
    assert_eq!(squeezed(&code(text)), squeezed(kept));
}

#[test]
fn items_under_cfg_test_are_no_product_code() {
    let text = "fn a() {}\n#[cfg(test)]\nmod tests {\n fn b() { {} }\n}\n#[cfg(not(test))]\nfn c() {}\n#[cfg(test)]\nuse d;\nfn e() {}";
    let kept = product_code(text);
    let names: Vec<&str> = words(&kept).map(|(_, word)| word).filter(|word| word.len() == 1).collect();
    assert_eq!(names, ["a", "c", "e"]);
    assert_eq!(line(text, text.find("fn e").expect("there")), 10);
}
