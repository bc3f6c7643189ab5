//! What is stored may be old, gone, damaged or another journal's; it is never wrong.

use proptest::prelude::*;
use std::fs;
use std::process::Command;
use windlass_sagas::ids::*;
use windlass_sagas::protocol::Fold;
use windlass_store::{Delta, OpenError, Store, StoreError, Tracker, Writer};

use crate::images::{follow, restored, store};
use crate::support::{World, create_server, ops, play};

/// A world that went on, and its deltas, one every few frames.
fn deltas(servers: u8) -> (World, Vec<Delta>) {
    let mut world = World::ready(2);
    let (mut fold, mut tracker) = (Fold::new(None), Tracker::new());
    let mut deltas = Vec::new();
    for n in 0..servers {
        follow(&mut fold, &mut tracker, &world.frames, world.frames.len());
        deltas.extend(tracker.capture(fold.cell(), fold.tip()));
        world.ask(create_server(&format!("s{n}"), &[])).expect("admitted");
        world.run();
        world.seal();
    }
    (world, deltas)
}

#[test]
fn a_delta_is_written_only_onto_the_image_that_it_begins_at() {
    let (_world, deltas) = deltas(4);
    let (_directory, store) = store();
    let refused = store.write(&deltas[1]).expect_err("nothing is stored yet");
    assert!(
        matches!(refused, StoreError::OutOfOrder { base, stored } if base > stored && stored == Position(0))
    );
    store.write(&deltas[0]).expect("the first");
    let first = store.load().expect("sound");
    assert!(matches!(store.write(&deltas[2]), Err(StoreError::OutOfOrder { .. })));
    assert!(matches!(store.write(&deltas[0]), Err(StoreError::OutOfOrder { .. })));
    assert_eq!(store.load().expect("sound"), first, "a refused delta changes nothing");
    store.write(&deltas[1]).expect("the second");
}

#[test]
fn a_store_is_there_after_it_was_closed_and_belongs_to_one_process() {
    let (world, deltas) = deltas(3);
    let (directory, store) = store();
    store.write(&deltas[0]).expect("written");
    assert!(matches!(Store::open(directory.path()), Err(OpenError::Locked { .. })));
    drop(store);
    let (store, image) = Store::open(directory.path()).expect("free again");
    assert_eq!(store.load().expect("sound"), image);
    let image = image.expect("an image");
    assert_eq!(image.tip.position, deltas[0].position());
    let mut tracker = Tracker::resume(&image);
    let mut fold = restored(image);
    follow(&mut fold, &mut tracker, &world.frames, world.frames.len());
    assert_eq!(fold.cell(), &world.cell);
}

#[test]
fn an_image_of_another_journal_does_not_stand_on_this_one_and_is_reset() {
    let (world, deltas) = deltas(2);
    let (_directory, store) = store();
    store.write(&deltas[0]).expect("written");
    let image = store.load().expect("sound").expect("an image");
    let at = image.cursor.0 as usize - 1;
    assert!(image.stands_on(&world.frames[at]));
    assert!(!image.stands_on(&world.frames[at + 1]), "the next frame chains to it, but does not hold it");
    assert!(!image.stands_on(&World::begun("0.1.0").frames[0]));
    assert!(!image.stands_on(b"no frame"));
    store.reset("it is of another journal").expect("reset");
    assert_eq!(store.load().expect("sound"), None);
    assert_eq!(store.position().expect("sound"), Position(0));
    assert_eq!(
        store
            .list(&windlass_store::List { project: None, after: None, rows_max: 10 }, vec![])
            .expect("a list")
            .sagas,
        vec![]
    );
    deltas.iter().for_each(|delta| store.write(delta).expect("begun anew"));
}

#[test]
fn the_writers_thread_writes_what_it_is_given_before_it_ends() {
    let (world, deltas) = deltas(6);
    let (_directory, store) = store();
    let writer = Writer::start(store.clone()).expect("a thread");
    for delta in deltas {
        let mut delta = delta;
        // Full queues give the delta back; nobody waits inside the writer.
        while let Err(busy) = writer.write(delta) {
            delta = *busy.0;
            std::thread::yield_now();
        }
    }
    assert_eq!(writer.fault(), None);
    drop(writer);
    let image = store.load().expect("sound").expect("an image");
    let mut fold = restored(image);
    follow(&mut fold, &mut Tracker::new(), &world.frames, world.frames.len());
    assert_eq!(fold.cell(), &world.cell);
}

#[test]
fn a_writer_that_can_not_go_on_says_so_and_gives_deltas_back() {
    let (_world, deltas) = deltas(3);
    let (_directory, store) = store();
    let writer = Writer::start(store).expect("a thread");
    writer.write(deltas[1].clone()).expect("taken");
    while writer.fault().is_none() {
        std::thread::yield_now();
    }
    assert_eq!(writer.written(), Position(0));
    while writer.write(deltas[0].clone()).is_ok() {
        std::thread::yield_now();
    }
}

#[test]
fn a_file_that_is_no_store_is_begun_anew() {
    let directory = tempfile::tempdir().expect("a directory");
    fs::write(directory.path().join("store.redb"), b"something else entirely").expect("written");
    let (store, image) = Store::open(directory.path()).expect("begun anew");
    assert_eq!((image, store.load().expect("sound")), (None, None));
}

/// Names the directory whose store `opens_the_store_that_it_is_told` opens.
const DIRECTORY: &str = "WINDLASS_STORE_TO_OPEN";

#[test]
#[ignore = "run by the property below in a process of its own: the storage library may end it"]
fn opens_the_store_that_it_is_told() {
    let directory = std::env::var_os(DIRECTORY).expect("a directory");
    let (store, image) =
        Store::open(directory.as_ref()).expect("a store that is derived never stops anybody");
    drop(store);
    fs::write(std::path::Path::new(&directory).join("opened"), format!("{image:?}")).expect("said");
}

/// Opens and closes the store as the next process would: what it found, or `None` where the process fell.
fn open_elsewhere(directory: &std::path::Path) -> Option<String> {
    let ended = Command::new(std::env::current_exe().expect("this binary"))
        .args(["--exact", "robust::opens_the_store_that_it_is_told", "--ignored"])
        .env(DIRECTORY, directory)
        .output()
        .expect("a process");
    let said = fs::read_to_string(directory.join("opened"));
    assert_eq!(ended.status.success(), said.is_ok(), "{}", String::from_utf8_lossy(&ended.stderr));
    assert!(ended.status.success() || ended.status.code().is_none(), "gave up: {ended:?}");
    said.ok()
}

#[test]
fn a_store_that_was_found_damaged_is_begun_anew_but_not_under_who_has_it() {
    let (_world, deltas) = deltas(2);
    let (directory, store) = store();
    store.write(&deltas[0]).expect("written");
    let mark = directory.path().join("store.redb.damaged");
    fs::write(&mark, "a page").expect("marked");
    assert!(matches!(Store::open(directory.path()), Err(OpenError::Locked { .. })));
    store.write(&deltas[1]).expect("still there");
    drop(store);
    let (_store, image) = Store::open(directory.path()).expect("begun anew");
    assert_eq!((image, mark.exists()), (None, false));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    /// A byte that changes on the disk may cost the image, and once the process; it never gives another image.
    #[test]
    fn a_damaged_store_gives_the_image_that_was_written_or_none(
        list in ops(60),
        places in prop::collection::vec((any::<prop::sample::Index>(), 1..=255_u8), 1..6),
    ) {
        let mut world = World::ready(2);
        list.iter().for_each(|op| play(&mut world, *op));
        world.seal();
        let (mut fold, mut tracker) = (Fold::new(None), Tracker::new());
        let (directory, store) = store();
        follow(&mut fold, &mut tracker, &world.frames, world.frames.len());
        store.write(&tracker.capture(fold.cell(), fold.tip()).expect("a delta")).expect("written");
        let written = format!("{:?}", store.load().expect("sound"));
        drop(store);
        let path = directory.path().join("store.redb");
        let mut bytes = fs::read(&path).expect("the file");
        for (place, change) in places {
            let place = place.index(bytes.len());
            bytes[place] ^= change;
        }
        fs::write(&path, bytes).expect("altered");
                let found = open_elsewhere(directory.path()).or_else(|| open_elsewhere(directory.path()));
        let found = found.expect("a process that fell over a page leaves a mark, and the next one does not");
        prop_assert!(found == "None" || found == written);
    }
}
