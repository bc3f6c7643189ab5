//! Golden bytes: `sagas/tests/golden/record.txt` holds a sample of everything that is ever recorded. Journals in the
//! field hold these bytes, so lines are only added: `WINDLASS_BLESS=1` writes missing ones and never changes one.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use windlass_sagas::ids::Hash;
use windlass_sagas::record::*;

use crate::layout::{self, parts};
use crate::samples::{self, Shape};

const ADVICE: &str = "Journals hold the old bytes: give the change a new version and an upcaster. (Only before the \
                      first release: delete the line and run the test with WINDLASS_BLESS=1.)";
const HEAD: &str = "\
# The bytes of every record of a Windlass journal: `family kind version name hex`. Lines are only added.
# report, request: the fact as it stands in a commit (a request's head before its body); event: the body.
# variant: a nested enum that carries data, by its postcard index; number: a plain enum, by its number.
# whole: a commit, a frame, and the hash that follows the commit.
";

/// What stands in front of the bytes: family, kind, version, name. A variant or number has version 0.
type Name = (&'static str, u16, u16, String);

#[test]
fn every_record_has_its_golden_bytes() {
    let expected: BTreeMap<String, String> =
        written().into_iter().map(|(name, bytes)| (label(&name), hex(&bytes))).collect();
    let text = std::fs::read_to_string(file()).unwrap_or_default();
    let found = lines(&text);
    let differs: Vec<&String> = expected
        .iter()
        .filter(|(key, hex)| found.get(*key).is_some_and(|old| old != *hex))
        .map(|it| it.0)
        .collect();
    assert!(differs.is_empty(), "other bytes than before for {differs:?}. {ADVICE}");
    let missing: Vec<&String> = expected.keys().filter(|key| !found.contains_key(*key)).collect();
    if !missing.is_empty() && std::env::var_os("WINDLASS_BLESS").is_some() {
        std::fs::write(file(), bless(&found)).expect("the golden file can be written");
    } else {
        assert!(missing.is_empty(), "no golden bytes for {missing:?}; WINDLASS_BLESS=1 writes them");
    }
}

#[test]
fn every_golden_line_still_has_its_kind() {
    let known: BTreeSet<String> = names().iter().map(label).collect();
    let text = std::fs::read_to_string(file()).expect("the golden file");
    for key in lines(&text).keys() {
        assert!(known.contains(key), "nothing reads {key:?} any more. {ADVICE}");
    }
    for (family, kinds) in FAMILIES {
        for (kind, newest, name) in kinds {
            for version in 1..=*newest {
                let key = label(&(family, *kind, version, (*name).to_string()));
                assert!(lines(&text).contains_key(&key), "no golden bytes for {key:?}");
            }
        }
    }
}

#[test]
fn golden_facts_and_events_decode_to_exactly_their_samples() {
    let text = std::fs::read_to_string(file()).expect("the golden file");
    let found = lines(&text);
    let cause = postcard::to_allocvec(&samples::cause()).expect("a cause is small");
    let header = samples::header();
    let golden = |family, kind, version, name: &str| {
        let key = label(&(family, kind, version, name.to_string()));
        unhex(found.get(&key).unwrap_or_else(|| panic!("no golden bytes for {key:?}")))
    };
    let genesis = golden("report", 1, 1, "Genesis");
    for fact in samples::facts() {
        let (kind, version) = (fact.kind(), fact.version());
        let bytes = golden(family(&fact), kind, version, fact.name());
        let stored = layout::commit(&header, kind, version, &cause, &bytes, &[]);
        assert_eq!(
            Commit::decode(&stored),
            Ok(Commit { header, cause: samples::cause(), fact, events: vec![] })
        );
    }
    for event in samples::events() {
        let bytes = golden("event", event.kind(), event.version(), event.name());
        let events = [(event.kind(), event.version(), bytes)];
        let stored = layout::commit(&header, 1, 1, &cause, &genesis, &events);
        assert_eq!(Commit::decode(&stored).map(|commit| commit.events), Ok(vec![event]));
    }
}

#[test]
fn golden_lines_of_every_version_still_decode() {
    let text = std::fs::read_to_string(file()).expect("the golden file");
    let cause = postcard::to_allocvec(&samples::cause()).expect("a cause is small");
    let genesis = unhex(&lines(&text)["report 1 1 Genesis"]);
    let mut read = 0;
    for (key, hex) in lines(&text) {
        let words: Vec<&str> = key.split(' ').collect();
        let number = |place: usize| words[place].parse::<u16>().expect("a number");
        let (kind, version, body) = (number(1), number(2), unhex(&hex));
        let stored = match words[0] {
            "report" | "request" => layout::commit(&samples::header(), kind, version, &cause, &body, &[]),
            "event" => layout::commit(&samples::header(), 1, 1, &cause, &genesis, &[(kind, version, body)]),
            _ => continue,
        };
        assert!(Commit::decode(&stored).is_ok(), "{key:?} no longer decodes. {ADVICE}");
        read += 1;
    }
    let kinds: usize = FAMILIES.iter().map(|(_, kinds)| kinds.len()).sum();
    assert!(read >= kinds, "{read} lines for {kinds} kinds");
}

#[test]
fn golden_variants_and_numbers_decode_to_exactly_their_samples() {
    let text = std::fs::read_to_string(file()).expect("the golden file");
    let found = lines(&text);
    for (name, shape) in nested() {
        let bytes = unhex(found.get(&label(&name)).expect("golden bytes"));
        assert_eq!(bytes.first(), Some(&shape.index), "{}: the number stands first", label(&name));
        assert!((shape.reads)(&bytes), "{} reads as another value", label(&name));
    }
}

#[test]
fn the_golden_commit_frame_and_hash_read_back() {
    let text = std::fs::read_to_string(file()).expect("the golden file");
    let found = lines(&text);
    let whole = |name: &str| unhex(found.get(&label(&("whole", 0, 0, name.into()))).expect("golden bytes"));
    assert_eq!(Commit::decode(&whole("commit")), Ok(samples::commit()));
    let frame = Frame::decode(&whole("frame")).expect("a frame");
    assert_eq!(frame.commits.first().map(StoredCommit::decode), Some(Ok(samples::commit())));
    assert_eq!(frame.commits.first().map(StoredCommit::hash), whole("hash").try_into().ok().map(Hash));
    assert_eq!(whole("frame"), layout::frame(&[whole("commit"), whole("commit")]));
}

#[test]
fn no_kind_number_is_given_twice() {
    for (family, kinds) in FAMILIES {
        let numbers: BTreeSet<u16> = kinds.iter().map(|(kind, _, _)| *kind).collect();
        assert_eq!(numbers.len(), kinds.len(), "a {family} kind is there twice");
        assert!(kinds.iter().all(|(kind, version, _)| *kind > 0 && *version > 0), "numbers begin at 1");
    }
    assert!(Report::KINDS.iter().all(|(kind, _, _)| *kind < 100), "reports stay below 100");
    assert!(Body::KINDS.iter().all(|(kind, _, _)| *kind >= 100), "requests begin at 100");
}

#[test]
fn every_enum_of_the_record_is_pinned() {
    let pinned: BTreeSet<&str> = nested().iter().map(|(_, shape)| shape.of).collect();
    let mut declared = declared_enums();
    // It stands with the vocabulary that it is part of, in `fault.rs`.
    declared.insert("FaultKind".to_owned());
    assert!(declared.len() >= 20, "only {} enums found: the search is broken", declared.len());
    assert_eq!(pinned, declared.iter().map(String::as_str).collect(), "pin it in `samples/nested.rs`");
}

/// Kind, newest version, name.
type Kind = (u16, u16, &'static str);

const FAMILIES: [(&str, &[Kind]); 3] =
    [("report", Report::KINDS), ("request", Body::KINDS), ("event", Event::KINDS)];

fn family(fact: &Fact) -> &'static str {
    match fact {
        Fact::Report(_) => "report",
        Fact::Request(_) => "request",
    }
}

/// The lines that this build writes, in the order of the file.
fn written() -> Vec<(Name, Vec<u8>)> {
    let mut all = Vec::new();
    for fact in samples::facts() {
        let name = (family(&fact), fact.kind(), fact.version(), fact.name().to_string());
        let commit = Commit { header: samples::header(), cause: samples::cause(), fact, events: vec![] };
        all.push((name, parts(&commit.encode().expect("a small commit")).fact));
    }
    for event in samples::events() {
        let mut commit = samples::commit();
        commit.events = vec![event];
        let (kind, version, body) = parts(&commit.encode().expect("a small commit")).events.remove(0);
        all.push((("event", kind, version, commit.events[0].name().to_string()), body));
    }
    all.extend(nested().into_iter().map(|(name, shape)| (name, shape.bytes)));
    let stored = StoredCommit::of(&samples::commit()).expect("a small commit");
    let frame = Frame { commits: vec![stored.clone(), stored.clone()] }.encode().expect("a small frame");
    let wholes = [("commit", stored.bytes.clone()), ("frame", frame), ("hash", stored.hash().0.to_vec())];
    all.extend(wholes.map(|(name, bytes)| (("whole", 0, 0, name.to_string()), bytes)));
    all
}

fn nested() -> Vec<(Name, Shape)> {
    let name = |family, shape: &Shape| {
        (family, u16::from(shape.index), 0, format!("{}::{}", shape.of, shape.variant))
    };
    let variants = samples::shapes().into_iter().map(|shape| (name("variant", &shape), shape));
    variants.chain(samples::numbers().into_iter().map(|shape| (name("number", &shape), shape))).collect()
}

/// The names of all lines that may stand in the file, those of older versions among them.
fn names() -> Vec<Name> {
    let mut all: Vec<Name> = written().into_iter().map(|(name, _)| name).collect();
    for (family, kinds) in FAMILIES {
        for (kind, newest, name) in kinds {
            all.extend((1..*newest).map(|version| (family, *kind, version, (*name).to_string())));
        }
    }
    all
}

/// The file with the missing lines in their places; lines that stand there already stay as they are.
fn bless(found: &BTreeMap<String, String>) -> String {
    let mut out = HEAD.to_string();
    let mut rest = found.clone();
    for (name, bytes) in written() {
        for version in 1..name.2 {
            let older = label(&(name.0, name.1, version, name.3.clone()));
            let hex =
                rest.remove(&older).unwrap_or_else(|| panic!("the line of {older:?} is gone. {ADVICE}"));
            writeln!(out, "{older} {hex}").expect("a string takes all");
        }
        let key = label(&name);
        let hex = rest.remove(&key).unwrap_or_else(|| hex(&bytes));
        writeln!(out, "{key} {hex}").expect("a string takes all");
    }
    assert!(rest.is_empty(), "lines without a kind: {:?}. {ADVICE}", rest.keys());
    out
}

fn file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/record.txt")
}

fn label((family, kind, version, name): &Name) -> String {
    format!("{family} {kind} {version} {name}")
}

/// Name → hex; panics on a line that is no golden line, or on a name that is there twice.
fn lines(text: &str) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (name, hex) = line.rsplit_once(' ').expect("a name and its bytes");
        assert!(all.insert(name.to_string(), hex.to_string()).is_none(), "{name:?} is there twice");
    }
    all
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a string takes all");
        text
    })
}

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> =
        text.chars().map(|c| u8::try_from(c.to_digit(16).expect("a hex digit")).expect("a digit")).collect();
    assert!(digits.len().is_multiple_of(2), "half a byte in {text:?}");
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

/// The names of the enums that the record's sources declare and that derive or write serde.
fn declared_enums() -> BTreeSet<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/record");
    let mut found = BTreeSet::new();
    for entry in std::fs::read_dir(folder).expect("the record's sources") {
        let text = std::fs::read_to_string(entry.expect("a file").path()).expect("a source file");
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        for (place, line) in lines.iter().enumerate() {
            let derives = place > 0
                && lines[..place]
                    .iter()
                    .rev()
                    .take_while(|it| it.starts_with("#["))
                    .any(|it| it.contains("Deserialize"));
            if let Some(name) = line.strip_prefix("pub enum ").filter(|_| derives) {
                found.extend(name.split_whitespace().next().map(str::to_string));
            }
            if *line == "recorded_enum! {" {
                let name = lines[place + 1..].iter().find(|it| !it.starts_with("//"));
                found.extend(name.and_then(|it| it.split_whitespace().next()).map(str::to_string));
            }
        }
    }
    found
}
