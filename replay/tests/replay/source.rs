//! A journal found by its path: what is there is read as it is, what is not there is not made, who holds it is named.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use windlass_journal::embedded::{Embedded, Settings};
use windlass_journal::{Append, Frame, Read};
use windlass_sagas::protocol::Cursor;
use windlass_sagas::record::Frame as StoredFrame;

use windlass_replay::{Ask, Metered, Seen, Source, SourceError, Verdict, What, check, export, verify};

use crate::support::{World, create_server, flavor};
use crate::{journal, wait};

/// A server made, one rolled back, one on its way.
fn world() -> World {
    let mut world = World::ready(1);
    world.ask(create_server("web-1", &[])).expect("admitted");
    world.run();
    world.ask(create_server("web-2", &[])).expect("admitted");
    world.answer_first();
    world.refuse("prepare_port");
    world.run();
    world.ask(create_server("web-3", &[])).expect("admitted");
    world.seal();
    world
}

fn embedded(directory: &Path, world: &World) -> Embedded {
    let mut journal = wait(Embedded::open(Settings::new(directory))).expect("a new journal");
    for (index, frame) in world.frames.iter().enumerate() {
        let frame = Frame::new(frame.clone()).expect("a frame within its bounds");
        wait(journal.append(Cursor(index as u64), frame)).expect("appended");
    }
    journal
}

#[test]
fn a_stopped_embedded_journal_and_its_export_say_the_same() {
    let (world, directory) = (world(), tempfile::tempdir().expect("a directory"));
    let place = directory.path().join("journal");
    wait(embedded(&place, &world).close());

    let source = wait(Source::open(&place)).expect("nobody holds it");
    assert!(matches!(source, Source::Embedded(_)));
    let checked = wait(check(&source, &[]));
    assert_eq!((checked.verdict(), checked.commits), (Verdict::Same, world.commits.len() as u64));
    let mut out = Vec::new();
    wait(export(&source, Ask::cell(), &mut out)).expect("exported");
    wait(source.close());

    let file = directory.path().join("kept.wlj");
    fs::write(&file, out).expect("written");
    let exported = wait(Source::open(&file)).expect("an export");
    assert!(matches!(exported, Source::File(_)));
    assert_eq!(wait(check(&exported, &[])), checked);
    let again = wait(Source::open(&place)).expect("closing gave it free");
    assert_eq!(wait(verify(&again, &[])), wait(verify(&exported, &[])));
}

#[test]
fn an_edited_a_dropped_a_moved_and_a_cut_off_commit_are_found_in_an_embedded_journal() {
    let mut world = world();
    for n in 0..4 {
        world.ask(flavor(&format!("f{n}"))).expect("a flavor");
        world.seal();
    }
    let at = world.frames.len() - 3;
    let first = StoredFrame::decode(&world.frames[at]).expect("a frame").commits[0].header.position;
    let looked = |change: &dyn Fn(&mut Vec<Vec<u8>>)| {
        let (mut forged, directory) = (world.clone(), tempfile::tempdir().expect("a directory"));
        change(&mut forged.frames);
        wait(embedded(directory.path(), &forged).close());
        let source = wait(Source::open(directory.path())).expect("nobody holds it");
        let seen = Seen { position: world.tip.position, hash: world.tip.hash };
        let found = wait(verify(&source, &[seen])).expect("readable").findings;
        wait(source.close());
        found
    };
    assert_eq!(looked(&|_| {}), []);
    let edited = looked(&|frames| {
        let mut frame = StoredFrame::decode(&frames[at]).expect("a frame");
        *frame.commits[0].bytes.last_mut().expect("a byte") ^= 1;
        frames[at] = frame.encode().expect("a frame");
    });
    assert_eq!(edited[0].position, first, "{edited:?}");
    let dropped = looked(&|frames| drop(frames.remove(at)));
    assert!(dropped[0].position == first && matches!(dropped[0].what, What::Missing { later: None, .. }));
    let moved = looked(&|frames| frames.swap(at, at + 1));
    assert!(moved[0].position == first && matches!(moved[0].what, What::Missing { later: Some(_), .. }));
    let cut = looked(&|frames| frames.truncate(at));
    assert!(cut[0].position == first && matches!(cut[0].what, What::Truncated { .. }), "{cut:?}");
}

#[test]
fn a_journal_in_use_is_not_read_and_its_holder_is_named() {
    let (world, directory) = (world(), tempfile::tempdir().expect("a directory"));
    let held = embedded(directory.path(), &world);
    match wait(Source::open(directory.path())) {
        Err(SourceError::Held { pid, .. }) => assert_eq!(pid, Some(std::process::id())),
        other => panic!("{other:?}"),
    }
    wait(held.close());
    wait(Source::open(directory.path())).expect("it is free now");
}

#[test]
fn nothing_is_made_where_nothing_is() {
    let directory = tempfile::tempdir().expect("a directory");
    let empty = directory.path().join("empty");
    fs::create_dir(&empty).expect("made");
    let open = |path: &Path| wait(Source::open(path));
    assert!(matches!(open(&empty), Err(SourceError::NoJournal(path)) if path == empty));
    assert_eq!(fs::read_dir(&empty).expect("readable").count(), 0, "it was only looked at");
    let missing = directory.path().join("missing");
    assert!(matches!(open(&missing), Err(SourceError::Missing(path)) if path == missing));
    assert!(!missing.exists());
    let other = directory.path().join("notes.txt");
    fs::write(&other, "no journal").expect("written");
    assert!(matches!(open(&other), Err(SourceError::File(_))));
}

#[test]
fn a_reading_tells_how_far_it_is() {
    let world = world();
    let (journal, reached) = (journal(&world.frames), AtomicU64::new(0));
    let metered = Metered::new(&journal, |cursor: Cursor| reached.store(cursor.0, Ordering::Relaxed));
    assert_eq!(wait(check(&metered, &[])).verdict(), Verdict::Same);
    assert_eq!(reached.load(Ordering::Relaxed), wait(journal.last()).expect("readable").0);
}
