//! An exported file that was cut, damaged, mixed or forged: refused, or found with its position.

use std::path::Path;

use windlass_journal::{Read, ReadError};
use windlass_sagas::ids::*;
use windlass_sagas::protocol::Cursor;
use windlass_sagas::record::*;

use windlass_replay::{Ask, ExportError, File, FileError, Moment, What, export, verify};

use crate::capture::{file_of, two_projects};
use crate::support::{World, flavor};
use crate::{journal, wait};

fn reopened(path: &Path, bytes: &[u8]) -> Result<File, FileError> {
    std::fs::write(path, bytes).expect("written");
    File::open(path)
}

/// More than one block.
fn large() -> World {
    let mut world = World::ready(1);
    for n in 0..1500 {
        world.ask(flavor(&format!("flavor-with-a-long-name-{n}"))).expect("a flavor");
        if n % 5 == 0 {
            world.seal();
        }
    }
    world.seal();
    world
}

#[test]
fn a_file_cut_anywhere_is_refused_as_cut() {
    let (world, ..) = two_projects();
    let from = Some(Moment::Position(Position(9)));
    for ask in [Ask::cell(), Ask::span(from, None)] {
        let (_directory, path) = file_of(&world, ask);
        let whole = std::fs::read(&path).expect("readable");
        for length in (6..whole.len()).step_by(7).chain(whole.len() - 120..whole.len()) {
            let cut = reopened(&path, &whole[..length]);
            assert!(matches!(cut, Err(FileError::Cut { .. })), "cut to {length} bytes: {cut:?}");
        }
    }
}

#[test]
fn a_cut_file_says_how_far_it_is_whole() {
    let world = large();
    let (_directory, path) = file_of(&world, Ask::cell());
    let whole = std::fs::read(&path).expect("readable");
    let Err(FileError::Cut { position, bytes, .. }) = reopened(&path, &whole[..whole.len() - 30]) else {
        panic!("it is cut")
    };
    assert_eq!(position, world.tip.position, "only its end is missing");
    assert!(bytes > 0);
    let Err(FileError::Cut { position, .. }) = reopened(&path, &whole[..whole.len() / 4 * 3]) else {
        panic!("it is cut")
    };
    assert!(position > Position(0) && position < world.tip.position, "{position}");
}

#[test]
fn any_changed_byte_is_refused_or_found() {
    let (world, ..) = two_projects();
    let from = Some(Moment::Position(Position(9)));
    let (_directory, path) = file_of(&world, Ask::span(from, None));
    let whole = std::fs::read(&path).expect("readable");
    for place in (0..whole.len()).step_by(11).chain(whole.len() - 24..whole.len()) {
        let mut bytes = whole.clone();
        bytes[place] ^= 1;
        if let Ok(file) = reopened(&path, &bytes) {
            let verified = wait(verify(&file, &[])).expect("readable");
            assert!(!verified.is_whole(), "byte {place} of {}", whole.len());
        }
    }
}

#[test]
fn a_damaged_block_is_named_with_its_cursor_and_the_others_are_given() {
    let world = large();
    let (_directory, path) = file_of(&world, Ask::cell());
    let mut bytes = std::fs::read(&path).expect("readable");
    bytes[3000] ^= 1;
    let file = reopened(&path, &bytes).expect("its index is sound");
    assert!(matches!(wait(file.read(Cursor::START, 9)), Err(ReadError::Damaged { cursor: Cursor(1), .. })));
    let verified = wait(verify(&file, &[])).expect("readable");
    assert_eq!(verified.findings.len(), 1, "one piece is damaged: {:?}", verified.findings);
    assert!(matches!(verified.findings[0].what, What::Damaged(_)));
    assert!(verified.cut_off > 100, "the next block was looked at");
    let last = wait(file.last()).expect("its index tells");
    assert_eq!(wait(file.read(Cursor(last.0 - 1), 9)).expect("the last block").len(), 1);
}

#[test]
fn pieces_of_two_files_are_not_one() {
    let (world, ..) = two_projects();
    let (_directory, path) = file_of(&world, Ask::cell());
    let whole = std::fs::read(&path).expect("readable");
    let mut longer = world;
    longer.ask(flavor("more")).expect("a flavor");
    longer.seal();
    let (_other, other) = file_of(&longer, Ask::cell());
    let other = std::fs::read(&other).expect("readable");
    let mixed = [&whole[..whole.len() - 24], &other[other.len() - 24..]].concat();
    assert!(reopened(&path, &mixed).is_err());
    let behind = [&whole[..], b"x"].concat();
    assert!(reopened(&path, &behind).is_err());
}

#[test]
fn a_journal_whose_chain_is_broken_is_not_exported_as_if_it_were_whole() {
    let (world, ..) = two_projects();
    let mut frames = world.frames.clone();
    let at = world.commits[world.commits.len() / 2].0.0 as usize - 1;
    let mut frame = Frame::decode(&frames[at]).expect("a frame");
    let mut commit = frame.commits[0].decode().expect("a commit");
    commit.header.writer = WriterId([0xee; 16]);
    frame.commits[0] = StoredCommit::of(&commit).expect("a commit");
    frames[at] = frame.encode().expect("a frame");
    let broken = wait(export(&journal(&frames), Ask::cell(), &mut Vec::new()));
    assert!(matches!(broken, Err(ExportError::Broken { .. })), "{broken:?}");
}
