//! Files that somebody wrote who meant ill: every hash of the file fits, and the chain does not.

use windlass_journal::Gap;
use windlass_sagas::ids::*;
use windlass_sagas::record::{Frame, StoredCommit, Tip};
use windlass_store::Image;

use super::write::Writer;
use crate::File;
use crate::file::{Manifest, Scope};
use crate::support::{CELL, World, flavor};
use crate::verify::{Finding, Verified, What, verify};

/// What a forger puts in a file.
enum Put {
    Frame(Vec<u8>),
    Gap(Gap),
}

fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(future)
}

/// A file of these, and what is found in it.
fn forged(base: Option<&Image>, puts: Vec<Put>, tip: &Tip) -> Verified {
    let about = Manifest::new(CELL, "test".into(), String::new(), Scope::Span);
    let mut writer = Writer::begin(about, base).expect("into memory");
    for put in puts {
        match put {
            Put::Frame(frame) => writer.frame(&frame, Position(1), Time(0)),
            Put::Gap(gap) => writer.gap(&gap),
        }
    }
    writer.end(tip);
    let bytes: Vec<u8> = std::iter::from_fn(|| writer.take()).flatten().collect();
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("forged.wlj");
    std::fs::write(&path, bytes).expect("written");
    wait(verify(&File::open(&path).expect("every hash fits"), &[])).expect("readable")
}

/// A world whose last eight commits stand in frames of their own, and the tip behind each frame.
fn world() -> (World, Vec<Tip>) {
    let mut world = World::ready(1);
    let mut tips = vec![world.tip; world.frames.len()];
    for n in 0..8 {
        world.ask(flavor(&format!("f{n}"))).expect("a flavor");
        world.seal();
        tips.push(world.tip);
    }
    (world, tips)
}

fn frames(world: &World) -> Vec<Put> {
    world.frames.iter().cloned().map(Put::Frame).collect()
}

#[test]
fn a_file_of_the_journals_own_frames_is_whole() {
    let (world, _) = world();
    let verified = forged(None, frames(&world), &world.tip);
    assert!(verified.is_whole(), "{:?}", verified.findings);
}

#[test]
fn an_edited_commit_is_found() {
    let (world, tips) = world();
    let at = world.frames.len() - 3;
    let mut frame = Frame::decode(&world.frames[at]).expect("a frame");
    let mut commit = frame.commits[0].decode().expect("a commit");
    commit.cause.credential = None;
    commit.header.writer = WriterId([0xee; 16]);
    frame.commits[0] = StoredCommit::of(&commit).expect("a commit");
    let mut puts = frames(&world);
    puts[at] = Put::Frame(frame.encode().expect("a frame"));
    let found = forged(None, puts, &world.tip).findings;
    assert!(
        matches!(&found[..], [Finding { position, what: What::Edited, .. }] if *position == tips[at].position)
    );
}

#[test]
fn a_dropped_and_a_moved_commit_are_found() {
    let (world, tips) = world();
    let at = world.frames.len() - 3;
    let mut dropped = frames(&world);
    dropped.remove(at);
    let found = forged(None, dropped, &world.tip).findings;
    assert_eq!(found[0].position, tips[at].position);
    assert!(matches!(found[0].what, What::Missing { later: None, .. }), "{found:?}");
    let mut moved = frames(&world);
    moved.swap(at, at + 1);
    let found = forged(None, moved, &world.tip).findings;
    assert_eq!(found[0].position, tips[at].position);
    assert!(matches!(found[0].what, What::Missing { later: Some(_), .. }), "{found:?}");
}

#[test]
fn a_file_that_ends_before_the_end_that_it_names_is_truncated() {
    let (world, tips) = world();
    let mut cut = frames(&world);
    cut.pop();
    let found = forged(None, cut, &world.tip).findings;
    assert_eq!(found[0].what, What::Truncated { seen: world.tip.position });
    let other = Tip { hash: Hash([9; 32]), ..world.tip };
    let found = forged(None, frames(&world), &other).findings;
    assert!(matches!(found[0].what, What::Rewritten { .. }));
    assert_eq!(tips.last(), Some(&world.tip));
}

#[test]
fn what_is_called_left_out_must_be_what_the_next_commit_chains_to() {
    let (world, tips) = world();
    let at = world.frames.len() - 4;
    let gap = |from: u64, tip: Tip| Put::Gap(Gap { from: Position(from), tip });
    let with = |put: Put| {
        let mut puts = frames(&world);
        puts[at] = put;
        forged(None, puts, &world.tip)
    };
    let honest = with(gap(tips[at].position.0, tips[at]));
    assert!(honest.is_whole(), "{:?}", honest.findings);
    assert_eq!(honest.left_out, 1, "and it says that it lacks one");
    let other = with(gap(tips[at].position.0, Tip { hash: Hash([9; 32]), ..tips[at] }));
    assert_eq!(other.findings[0].what, What::Edited);
    let later = with(gap(tips[at].position.0 + 1, tips[at + 1]));
    assert!(matches!(later.findings[0].what, What::NotInOrder { .. }), "{:?}", later.findings);
}

#[test]
fn an_image_that_the_first_commit_does_not_chain_to_is_found() {
    let (world, _) = world();
    let half = world.commits.len() - 4;
    let cursor = world.commits[half].0;
    let mut earlier = World::ready(1);
    earlier.ask(flavor("f0")).expect("a flavor");
    earlier.seal();
    let image =
        Image { cell: earlier.cell.clone(), tip: earlier.tip, cursor: windlass_sagas::protocol::Cursor(1) };
    let behind: Vec<Put> = world.frames[cursor.0 as usize - 1..].iter().cloned().map(Put::Frame).collect();
    let verified = forged(Some(&image), behind, &world.tip);
    assert!(!verified.is_whole());
    assert_eq!(verified.base, image.tip.position);
}
