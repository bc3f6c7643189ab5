//! Laws of fold images: written from what was touched, they equal the fold; restarted from, they go on as it does.

use proptest::prelude::*;
use tempfile::TempDir;
use windlass_sagas::cell::Cell;
use windlass_sagas::ids::*;
use windlass_sagas::protocol::{Cursor, Fold};
use windlass_sagas::record::{Commit, Frame, StoredCommit};
use windlass_store::{Image, ImageBytesError, Store, Tracker};

use crate::support::{World, ops, play};

pub(crate) fn store() -> (TempDir, Store) {
    let directory = tempfile::tempdir().expect("a directory");
    let (store, image) = Store::open(directory.path()).expect("a store");
    assert_eq!(image, None);
    (directory, store)
}

/// Folds the frames behind `fold`'s cursor, up to `last`, with a tracker at its side.
pub(crate) fn follow(fold: &mut Fold, tracker: &mut Tracker, frames: &[Vec<u8>], last: usize) {
    for (index, frame) in frames.iter().enumerate().take(last) {
        let cursor = Cursor(index as u64 + 1);
        if cursor > fold.cursor() {
            let absorbed = fold.absorb(cursor, frame).expect("a readable frame");
            tracker.note(cursor, &absorbed.commits, fold.tip().hash);
        }
    }
}

pub(crate) fn restored(image: Image) -> Fold {
    Fold::restored(image.cell, image.tip, image.cursor, None).expect("an image of one fold")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_image_by_what_was_touched_is_the_whole_fold(list in ops(160), every in 1..9_usize) {
        let mut world = World::ready(3);
        list.iter().for_each(|op| play(&mut world, *op));
        world.seal();
        let (_directory, store) = store();
        let (mut fold, mut tracker) = (Fold::new(None), Tracker::new());
        for last in (0..=world.frames.len()).step_by(every).chain([world.frames.len()]) {
            follow(&mut fold, &mut tracker, &world.frames, last);
            let Some(delta) = tracker.capture(fold.cell(), fold.tip()) else { continue };
            store.write(&delta).expect("written");
            tracker.written(delta.position());
            let image = store.load().expect("a sound store").expect("an image");
            prop_assert_eq!(&image.cell, fold.cell(), "at position {}", fold.tip().position);
            prop_assert_eq!(&image.tip, fold.tip());
            prop_assert!(image.cursor <= fold.cursor(), "void frames behind it move only the fold's cursor");
            prop_assert!(image.stands_on(&world.frames[image.cursor.0 as usize - 1]));
        }
        prop_assert_eq!(fold.cell(), &world.cell);
    }

    #[test]
    fn an_image_comes_back_from_its_bytes_as_it_was(list in ops(120)) {
        let mut world = World::ready(2);
        list.iter().for_each(|op| play(&mut world, *op));
        world.seal();
        let image = Image { cell: world.cell.clone(), tip: world.tip, cursor: Cursor(3) };
        let mut bytes = Vec::new();
        image.write_to(&mut bytes).expect("into memory");
        prop_assert_eq!(Image::from_bytes(&bytes), Ok(image));
        for length in (0..bytes.len()).step_by(97) {
            prop_assert!(Image::from_bytes(&bytes[..length]).is_err(), "cut to {} bytes", length);
        }
        bytes[5] ^= 1;
        prop_assert!(matches!(Image::from_bytes(&bytes), Err(ImageBytesError::Format(_))));
    }

    #[test]
    fn a_restart_from_any_image_goes_on_to_the_same_fold_and_the_same_images(list in ops(120), at in any::<prop::sample::Index>()) {
        let mut world = World::ready(2);
        list.iter().for_each(|op| play(&mut world, *op));
        world.seal();
        let (_directory, store) = store();
        let (mut fold, mut tracker) = (Fold::new(None), Tracker::new());
        follow(&mut fold, &mut tracker, &world.frames, at.index(world.frames.len()) + 1);
        let delta = tracker.capture(fold.cell(), fold.tip()).expect("something was folded");
        store.write(&delta).expect("written");

        let image = store.load().expect("a sound store").expect("an image");
        let mut tracker = Tracker::resume(&image);
        let mut fold = restored(image);
        follow(&mut fold, &mut tracker, &world.frames, world.frames.len());
        prop_assert_eq!(fold.cell(), &world.cell);
        if let Some(delta) = tracker.capture(fold.cell(), fold.tip()) {
            store.write(&delta).expect("written");
        }
        let image = store.load().expect("a sound store").expect("an image");
        prop_assert_eq!(&image.cell, &world.cell);
        prop_assert_eq!(image.tip, world.tip);
    }
}

#[test]
fn nothing_is_captured_in_the_middle_of_a_frame_nor_twice() {
    let world = World::ready(1);
    let (mut fold, mut tracker) = (Fold::new(None), Tracker::new());
    assert!(tracker.capture(fold.cell(), fold.tip()).is_none(), "an empty fold has no image");
    follow(&mut fold, &mut tracker, &world.frames, world.frames.len());
    let mut ahead: Cell = fold.cell().clone();
    ahead.position = ahead.position.next();
    assert!(tracker.capture(&ahead, fold.tip()).is_none(), "the fold speculates beyond the frame");
    assert!(tracker.capture(fold.cell(), fold.tip()).is_some());
    assert!(tracker.capture(fold.cell(), fold.tip()).is_none(), "nothing was touched since");
}

/// Notes a frame whose commits are all valid.
fn note(tracker: &mut Tracker, index: usize, frame: &[u8]) {
    let frame = Frame::decode(frame).expect("a frame");
    let commits: Vec<Commit> = frame.commits.iter().map(|it| it.decode().expect("a commit")).collect();
    let hash = frame.commits.last().map_or_else(Hash::default, StoredCommit::hash);
    tracker.note(Cursor(index as u64 + 1), &commits, hash);
}

#[test]
fn a_tracker_that_noted_what_the_fold_does_not_hold_gives_up() {
    let world = World::ready(1);
    let mut other = World::ready(2);
    other.frames.truncate(world.frames.len());
    let (mut fold, mut tracker) = (Fold::new(None), Tracker::new());
    for (index, frame) in other.frames.iter().enumerate() {
        note(&mut tracker, index, frame);
    }
    follow(&mut fold, &mut tracker, &world.frames, world.frames.len());
    assert!(
        tracker.capture(fold.cell(), fold.tip()).is_none(),
        "another journal's commits at these positions"
    );
    assert!(!tracker.is_due());
}

#[test]
fn a_frame_that_is_noted_twice_counts_once() {
    let world = World::ready(1);
    let (mut fold, mut once, mut twice) = (Fold::new(None), Tracker::new(), Tracker::new());
    follow(&mut fold, &mut once, &world.frames, world.frames.len());
    for (index, frame) in world.frames.iter().enumerate() {
        note(&mut twice, index, frame);
        note(&mut twice, index, frame);
    }
    let one = once.capture(fold.cell(), fold.tip()).expect("a delta");
    let two = twice.capture(fold.cell(), fold.tip()).expect("a delta");
    assert_eq!(
        (one.position(), one.cursor(), one.rows(), one.bytes()),
        (two.position(), two.cursor(), two.rows(), two.bytes())
    );
}

#[test]
fn a_quiet_cell_costs_only_the_rows_of_what_happens() {
    let mut world = World::ready(3);
    for n in 0..20 {
        world.ask(crate::support::create_server(&format!("quiet{n}"), &[])).expect("admitted");
        world.run();
    }
    world.seal();
    let (mut fold, mut tracker) = (Fold::new(None), Tracker::new());
    follow(&mut fold, &mut tracker, &world.frames, world.frames.len());
    let first = tracker.capture(fold.cell(), fold.tip()).expect("a delta").rows();
    world.ask(crate::support::flavor("tiny")).expect("a flavor");
    world.seal();
    follow(&mut fold, &mut tracker, &world.frames, world.frames.len());
    let second = tracker.capture(fold.cell(), fold.tip()).expect("a delta");
    assert!(first > 60, "servers, ports and volumes have rows: {first}");
    assert_eq!(second.rows(), 2, "the flavor and the saga that made it");
    assert_eq!(second.position(), Position(world.tip.position.0));
}
