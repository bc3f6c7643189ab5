//! Kept images: the fold as it was, or none. They are bounded, and nothing that a disk does to them is taken for one.

use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use tempfile::TempDir;
use windlass_sagas::ids::*;
use windlass_sagas::protocol::Fold;
use windlass_store::{Image, Keeping, Store, Tracker, Writer};

use crate::images::{follow, restored};
use crate::support::{World, ops, play};

const DENSE: Keeping = Keeping { every: 4, files_max: 1_000, bytes_max: 1 << 30 };

fn keeping(keeping: Keeping) -> (TempDir, Store) {
    let directory = tempfile::tempdir().expect("a directory");
    let (store, _) = Store::open_keeping(directory.path(), keeping).expect("a store");
    (directory, store)
}

fn world(list: &[(u8, u8, u8)]) -> World {
    let mut world = World::ready(3);
    list.iter().for_each(|op| play(&mut world, *op));
    world.seal();
    world
}

/// Follows a world frame by frame into a store that keeps what it wants to.
fn keep_all(world: &World, store: &Store) {
    let (mut fold, mut tracker) = (Fold::new(None), Tracker::new());
    for last in 1..=world.frames.len() {
        follow(&mut fold, &mut tracker, &world.frames, last);
        let Some(delta) = tracker.capture(fold.cell(), fold.tip()) else { continue };
        store.write(&delta).expect("written");
        tracker.written(delta.position());
        store.keep_stored().expect("kept");
    }
}

/// What `image_before` must give where it gives something at a position: the fold of the frames up to there.
fn folded(world: &World, position: Position) -> Image {
    let (mut fold, mut tracker) = (Fold::new(None), Tracker::new());
    let mut image = None;
    for last in 1..=world.frames.len() {
        follow(&mut fold, &mut tracker, &world.frames, last);
        if fold.tip().position == position && image.is_none() {
            image = Some(Image { cell: fold.cell().clone(), tip: *fold.tip(), cursor: fold.cursor() });
        }
    }
    image.expect("an image stands at the end of a frame")
}

fn files(directory: &TempDir) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory.path().join("images")).expect("the directory of images");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.sort_by_key(|path| position_of(path));
    files
}

fn position_of(path: &Path) -> Option<u64> {
    path.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.parse().ok())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_kept_image_is_the_fold_as_it_was(list in ops(120), at in prop::collection::vec(any::<prop::sample::Index>(), 6)) {
        let world = world(&list);
        let (_directory, store) = keeping(DENSE);
        keep_all(&world, &store);
        let end = world.tip.position;
        for at in at {
            let position = Position(at.index(end.0 as usize) as u64 + 1);
            let Some(image) = store.image_before(position).expect("a sound disk") else {
                prop_assert!(position.0 < 2 * DENSE.every + 20, "none at {position}");
                continue;
            };
            prop_assert!(image.tip.position <= position);
            prop_assert_eq!(&image, &folded(&world, image.tip.position));
            prop_assert!(image.stands_on(&world.frames[image.cursor.0 as usize - 1]));
            let mut fold = restored(image);
            follow(&mut fold, &mut Tracker::new(), &world.frames, world.frames.len());
            prop_assert_eq!(fold.cell(), &world.cell);
        }
        prop_assert_eq!(store.image_before(Position(0)).expect("a sound disk"), None);
    }

    #[test]
    fn files_and_bytes_stay_bounded_and_the_newest_stays(list in ops(120), files_max in 2..6_u64, kib in 8..64_u64) {
        let bounds = Keeping { every: 4, files_max, bytes_max: kib * 1024 };
        let world = world(&list);
        let (directory, store) = keeping(bounds);
        keep_all(&world, &store);
        let kept = store.kept();
        prop_assert!(kept.len() as u64 <= bounds.files_max, "{kept:?}");
        prop_assert!(kept.iter().map(|(_, bytes)| bytes).sum::<u64>() <= bounds.bytes_max, "{kept:?}");
        let on_disk: Vec<(Position, u64)> = files(&directory).iter().map(|path| {
            (Position(position_of(path).expect("a name")), fs::metadata(path).expect("a file").len())
        }).collect();
        prop_assert_eq!(&on_disk, &kept);
        drop(store);
        let (again, _) = Store::open_keeping(directory.path(), bounds).expect("a store");
        prop_assert_eq!(again.kept(), kept, "a restart finds the same");
    }

    /// Cut anywhere, as by a crash on a disk that tells lies, or altered anywhere: an older image or none, never another.
    #[test]
    fn a_damaged_file_is_dropped_and_the_one_before_is_used(
        list in ops(60),
        place in any::<prop::sample::Index>(),
        change in 0..=255_u8,
    ) {
        let world = world(&list);
        let (directory, store) = keeping(DENSE);
        keep_all(&world, &store);
        let all = files(&directory);
        let damaged = &all[all.len() - 1];
        let mut bytes = fs::read(damaged).expect("the file");
        let place = place.index(bytes.len());
        if change == 0 { bytes.truncate(place) } else { bytes[place] ^= change }
        fs::write(damaged, bytes).expect("altered");
        let position = Position(position_of(damaged).expect("a name"));
        // The stored image is later, or of the same position, and then it is whole.
        let found = store.image_before(position).expect("an answer");
        if store.position().expect("a store") == position {
            prop_assert_eq!(found.map(|it| it.tip.position), Some(position));
        } else {
            let before = all.len().checked_sub(2).and_then(|at| position_of(&all[at])).map(Position);
            prop_assert_eq!(found.as_ref().map(|it| it.tip.position), before);
            prop_assert!(found.is_none_or(|it| it == folded(&world, it.tip.position)));
            prop_assert!(!damaged.exists(), "it is not read twice");
        }
    }
}

/// A world of some length, the same in every run, in a store that keeps all it can.
fn kept_world() -> (World, TempDir, Store) {
    let mut world = World::ready(2);
    for n in 0..12 {
        world.ask(crate::support::create_server(&format!("s{n}"), &[])).expect("admitted");
        world.run();
        world.seal();
    }
    let (directory, store) = keeping(DENSE);
    keep_all(&world, &store);
    assert!(store.kept().len() > 4, "{:?}", store.kept());
    (world, directory, store)
}

#[test]
fn what_a_crash_left_unfinished_is_removed_and_the_others_are_there() {
    let (world, directory, store) = kept_world();
    let kept = store.kept();
    drop(store);
    let whole = fs::read(&files(&directory)[0]).expect("a file");
    let unfinished = directory.path().join("images/999999.img.new");
    fs::write(&unfinished, &whole[..whole.len() / 2]).expect("written");
    fs::write(directory.path().join("images/notes.txt"), "somebody's").expect("written");
    let (store, _) = Store::open_keeping(directory.path(), DENSE).expect("a store");
    assert_eq!((store.kept(), unfinished.exists()), (kept.clone(), false));
    let at = kept[kept.len() / 2].0;
    assert_eq!(store.image_before(at).expect("a disk").expect("an image"), folded(&world, at));
}

#[test]
fn an_image_under_another_ones_name_is_dropped() {
    let (_world, directory, store) = kept_world();
    let kept = store.kept();
    drop(store);
    let all = files(&directory);
    fs::copy(&all[0], &all[2]).expect("copied");
    let (store, _) = Store::open_keeping(directory.path(), DENSE).expect("a store");
    let found = store.image_before(kept[2].0).expect("a disk").expect("an image");
    assert_eq!((found.tip.position, all[2].exists()), (kept[1].0, false));
}

#[test]
fn a_reader_of_the_past_keeps_where_it_arrived_if_none_is_near() {
    let (world, _all, store) = kept_world();
    let images: Vec<Image> = store.kept().iter().map(|(position, _)| folded(&world, *position)).collect();
    let (directory, store) = keeping(DENSE);
    let [first, second, ..] = images.as_slice() else { panic!("two images") };
    assert_eq!(store.image_before(world.tip.position).expect("a disk"), None);
    assert!(store.wants_kept(second.tip.position));
    assert!(store.keep(second).expect("kept"));
    assert!(!store.keep(second).expect("asked twice"), "it is there");
    assert!(store.keep(first).expect("kept"), "an older one, too");
    assert_eq!(store.image_before(world.tip.position).expect("a disk").as_ref(), Some(second));
    assert_eq!(
        store.image_before(Position(second.tip.position.0 - 1)).expect("a disk").as_ref(),
        Some(first)
    );
    drop(store);
    let (store, image) = Store::open_keeping(directory.path(), DENSE).expect("a store");
    assert_eq!((image, store.kept().len()), (None, 2), "they are not the stored image");
}

#[test]
fn an_image_that_is_larger_than_what_may_be_kept_leaves_nothing_behind() {
    let (world, ..) = kept_world();
    let (directory, store) = keeping(Keeping { bytes_max: 200, ..DENSE });
    let refused = store.keep(&folded(&world, world.tip.position)).expect_err("too large");
    assert!(matches!(refused, windlass_store::StoreError::Storage(_)), "{refused:?}");
    assert_eq!((store.kept(), files(&directory)), (vec![], vec![]));
}

#[test]
fn a_reset_removes_all_and_one_that_is_of_another_journal_is_dropped_by_who_finds_out() {
    let (world, directory, store) = kept_world();
    let kept = store.kept();
    let (last, before) = (kept[kept.len() - 1].0, kept[kept.len() - 2].0);
    store.drop_kept(last, "its hash is not in the journal");
    if store.position().expect("a store") > last {
        assert_eq!(store.image_before(last).expect("a disk").map(|it| it.tip.position), Some(before));
    }
    assert_eq!(store.kept().len(), kept.len() - 1);
    store.reset("it is of another journal").expect("reset");
    assert_eq!((store.kept(), files(&directory)), (vec![], vec![]));
    assert_eq!(store.image_before(world.tip.position).expect("a disk"), None);
    keep_all(&world, &store);
    assert_eq!(store.kept(), kept, "begun anew");
}

#[test]
fn the_writers_thread_keeps_images_and_goes_on_where_it_can_not() {
    let (world, ..) = kept_world();
    for can in [true, false] {
        let (directory, store) = keeping(DENSE);
        if !can {
            fs::write(directory.path().join("images"), "no directory").expect("written");
        }
        let writer = Writer::start(store.clone()).expect("a thread");
        let (mut fold, mut tracker) = (Fold::new(None), Tracker::new());
        for last in 1..=world.frames.len() {
            follow(&mut fold, &mut tracker, &world.frames, last);
            let Some(mut delta) = tracker.capture(fold.cell(), fold.tip()) else { continue };
            while let Err(busy) = writer.write(delta) {
                delta = *busy.0;
                std::thread::yield_now();
            }
        }
        while writer.written() < world.tip.position {
            std::thread::yield_now();
        }
        assert_eq!(writer.fault(), None);
        drop(writer);
        assert_eq!(store.position().expect("a store"), world.tip.position);
        assert_eq!(store.kept().len() > 2, can, "{:?}", store.kept());
    }
}
