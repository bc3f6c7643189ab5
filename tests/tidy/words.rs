//! Rules on words: no file speaks of the machine or the tools that it was written with. Its own lists are cut in two,
//! so that this file obeys them.

/// What no file says, in lower case, each cut in two.
const NEVER: [(&str, &str); 12] = [
    ("/tm", "p/"),
    ("/wor", "k/"),
    ("clau", "de"),
    ("anthro", "pic"),
    ("open", "ai"),
    ("chat", "gpt"),
    ("co", "pilot"),
    ("sub", "agent"),
    ("language ", "model"),
    ("crates", ".io"),
    ("proxy.golang", ".org"),
    ("registry.npmjs", ".org"),
];

/// The one source that locked packages may have.
const SOURCE: (&str, &str) = ("registry+https://github.com/rust-lang/crates", ".io-index");

/// The lines of a file that say what no file says.
pub(crate) fn forbidden(path: &str, text: &str) -> Vec<String> {
    if path == "Cargo.lock" {
        return other_sources(text);
    }
    let never: Vec<String> = NEVER.iter().map(|(front, back)| format!("{front}{back}")).collect();
    let mut found = Vec::new();
    for (place, line) in text.lines().enumerate() {
        let lower = line.to_lowercase();
        let said = never.iter().filter(|word| lower.contains(word.as_str()));
        found.extend(said.map(|word| format!("line {}: says {word:?}", place + 1)));
    }
    found
}

fn other_sources(lock: &str) -> Vec<String> {
    let only = format!("source = \"{}{}\"", SOURCE.0, SOURCE.1);
    let sources = lock.lines().enumerate().filter(|(_, line)| line.starts_with("source = "));
    sources
        .filter(|(_, line)| *line != only)
        .map(|(place, line)| format!("line {}: {line}", place + 1))
        .collect()
}

#[test]
fn a_forbidden_word_is_found() {
    for (front, back) in NEVER {
        assert_eq!(forbidden("a.md", &format!("fine\nsee {front}{back} there")).len(), 1);
        assert_eq!(forbidden("a.md", &format!("see {}{} there", front.to_uppercase(), back)).len(), 1);
    }
    assert_eq!(forbidden("a.md", "an agent, a temporary folder, the work of a day").len(), 0);
}

#[test]
fn another_source_of_packages_is_found() {
    let good = format!("source = \"{}{}\"\n", SOURCE.0, SOURCE.1);
    assert_eq!(forbidden("Cargo.lock", &good).len(), 0);
    assert_eq!(
        forbidden("Cargo.lock", &format!("{good}source = \"sparse+https://mirror.example/\"\n")).len(),
        1
    );
}
