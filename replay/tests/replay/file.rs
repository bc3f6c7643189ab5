//! An exported journal of format 1, which is written no more: the same frames, and damage named with its cursor.

use std::fs;
use std::path::Path;

use tempfile::TempDir;
use windlass_journal::{Damage, FrameId, Read, ReadError};
use windlass_sagas::protocol::{Cursor, Fold};
use windlass_sagas::record::Frame;

use windlass_replay::{File, FileError, Until, Verdict, What, check, fold, verify};

use crate::support::{World, flavor};
use crate::wait;

fn world() -> World {
    let mut world = World::ready(1);
    world.void_frame(2);
    world.lead("0.2.0");
    world.seal();
    for n in 0..4 {
        world.ask(flavor(&format!("f{n}"))).expect("a flavor");
        world.seal();
    }
    world
}

fn exported(world: &World) -> (TempDir, std::path::PathBuf) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("journal.wlj");
    fs::write(&path, format_1(&world.frames)).expect("written");
    (directory, path)
}

/// A file as the first builds wrote it.
fn format_1(frames: &[Vec<u8>]) -> Vec<u8> {
    let mut out = b"WLJ\0\0\x01".to_vec();
    for frame in frames {
        out.extend((frame.len() as u32).to_be_bytes());
        out.extend(FrameId::of(frame).0);
        out.extend(frame);
    }
    out.extend(0_u32.to_be_bytes());
    out.extend((frames.len() as u64).to_be_bytes());
    out
}

fn all(file: &File) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    while let Some((cursor, frame)) =
        wait(file.read(Cursor(found.len() as u64), 1)).expect("readable").into_iter().next()
    {
        assert_eq!(cursor, Cursor(found.len() as u64 + 1));
        found.push(frame.bytes().to_vec());
    }
    found
}

fn reopened(path: &Path, change: impl FnOnce(&mut Vec<u8>)) -> File {
    let mut bytes = fs::read(path).expect("readable");
    change(&mut bytes);
    fs::write(path, bytes).expect("written");
    File::open(path).expect("its head is sound")
}

#[test]
fn an_export_reads_as_the_journal_that_it_is_of() {
    let world = world();
    let (_directory, path) = exported(&world);
    let file = File::open(&path).expect("an export");
    assert_eq!(all(&file), world.frames);
    assert_eq!(wait(file.last()), Ok(Cursor(world.frames.len() as u64)));
    assert_eq!(wait(file.read(Cursor::START, 3)).expect("readable").len(), 3);
    let folded = wait(fold(&file, Fold::new(None), Until::End)).expect("readable");
    assert_eq!(folded.fold.cell(), &world.cell);
    assert_eq!(wait(check(&file, &[])).verdict(), Verdict::Same);
    assert!(wait(verify(&file, &[])).expect("readable").is_whole());
    assert_eq!(wait(file.wait(Cursor::START)), Ok(()));
    let end = Cursor(world.frames.len() as u64);
    assert!(matches!(wait(file.wait(end)), Err(ReadError::Unavailable { .. })), "it never grows");
    let beyond = wait(file.read(end.next(), 1));
    assert_eq!(
        beyond,
        Err(ReadError::Damaged { cursor: end.next(), what: Damage::Shorter { seen: end.next() } })
    );
}

#[test]
fn an_empty_journal_has_an_export_too() {
    let mut world = world();
    world.frames.clear();
    let (_directory, path) = exported(&world);
    let file = File::open(&path).expect("an export");
    assert_eq!((all(&file), wait(file.last())), (vec![], Ok(Cursor::START)));
}

#[test]
fn a_changed_byte_is_named_with_its_frame_and_what_stands_before_it_is_given() {
    let world = world();
    let (_directory, path) = exported(&world);
    let second = 6 + 36 + world.frames[0].len() + 36;
    let file = reopened(&path, |bytes| bytes[second + 9] ^= 1);
    let damaged = ReadError::Damaged { cursor: Cursor(2), what: Damage::Altered };
    assert_eq!(wait(file.read(Cursor::START, 9)).expect("the first").len(), 1);
    assert_eq!(wait(file.read(Cursor(1), 9)), Err(damaged));
    assert_eq!(wait(file.read(Cursor(2), 1)).expect("the third").len(), 1);
    let verified = wait(verify(&file, &[])).expect("readable");
    assert_eq!(verified.findings[0].cursor, Cursor(2));
    assert!(!wait(check(&file, &[])).verdict().passes());
}

#[test]
fn a_file_cut_anywhere_says_that_its_tail_is_gone() {
    let world = world();
    let (_directory, path) = exported(&world);
    let whole = fs::read(&path).expect("readable");
    let lengths = (6..whole.len()).step_by(13).chain(whole.len() - 60..whole.len());
    for length in lengths {
        let file = reopened(&path, |bytes| *bytes = whole[..length].to_vec());
        assert!(matches!(wait(file.last()), Err(ReadError::Damaged { .. })), "cut to {length} bytes");
        assert!(!wait(verify(&file, &[])).expect("readable").is_whole(), "cut to {length} bytes");
        assert!(!wait(check(&file, &[])).verdict().passes(), "cut to {length} bytes");
    }
}

#[test]
fn an_edited_a_dropped_and_a_moved_commit_are_found_with_their_positions() {
    let world = world();
    let (_directory, path) = exported(&world);
    let at = world.frames.len() - 4;
    let first = |at: usize| Frame::decode(&world.frames[at]).expect("a frame").commits[0].header.position;
    let looked = |frames: &[Vec<u8>]| {
        let file = reopened(&path, |bytes| *bytes = format_1(frames));
        wait(verify(&file, &[])).expect("readable").findings
    };
    let mut edited = world.frames.clone();
    let mut frame = Frame::decode(&edited[at]).expect("a frame");
    *frame.commits[0].bytes.last_mut().expect("a byte") ^= 1;
    edited[at] = frame.encode().expect("a frame");
    let found = looked(&edited);
    assert_eq!(found.first().map(|it| it.position), Some(first(at)), "{found:?}");
    let mut dropped = world.frames.clone();
    dropped.remove(at);
    let found = looked(&dropped);
    assert!(
        matches!(&found[..], [it] if it.position == first(at) && matches!(it.what, What::Missing { later: None, .. })),
        "{found:?}"
    );
    let mut moved = world.frames.clone();
    moved.swap(at, at + 1);
    let found = looked(&moved);
    assert!(
        matches!(&found[..], [it] if it.position == first(at) && matches!(it.what, What::Missing { later: Some(_), .. })),
        "{found:?}"
    );
}

#[test]
fn an_end_mark_that_does_not_fit_is_damage() {
    let world = world();
    let (_directory, path) = exported(&world);
    let whole = fs::read(&path).expect("readable");
    let file = reopened(&path, |bytes| bytes.push(0));
    assert!(wait(file.last()).is_err(), "bytes behind the end");
    let file = reopened(&path, |bytes| {
        *bytes = whole.clone();
        *bytes.last_mut().expect("a count") += 1;
    });
    let cursor = Cursor(world.frames.len() as u64 + 1);
    let what = Damage::Shorter { seen: cursor };
    assert_eq!(wait(file.last()), Err(ReadError::Damaged { cursor, what }), "frames were taken out");
}

#[test]
fn what_is_no_export_is_refused() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("x");
    assert!(matches!(File::open(&path), Err(FileError::Io { .. })));
    fs::write(&path, b"WL").expect("written");
    assert!(matches!(File::open(&path), Err(FileError::NotAJournal { .. })));
    fs::write(&path, b"something else").expect("written");
    assert!(matches!(File::open(&path), Err(FileError::NotAJournal { .. })));
    fs::write(&path, b"WLJ\0\0\x03 of the future").expect("written");
    assert!(matches!(File::open(&path), Err(FileError::Format { format: 3, .. })));
}
