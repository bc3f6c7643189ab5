//! Folding: from zero, from images, to any position; all of them agree.

use proptest::prelude::*;
use windlass_sagas::cell::Cell;
use windlass_sagas::ids::*;
use windlass_sagas::protocol::{Cursor, Fold};
use windlass_store::{Store, Tracker};

use windlass_replay::{ReplayError, Until, fold, fold_by, fold_of_image};

use crate::support::{World, ops, play};
use crate::{journal, wait};

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn image_and_tail_are_the_fold_at_every_frame_boundary(list in ops(80)) {
        let mut world = World::ready(2);
        list.iter().for_each(|op| play(&mut world, *op));
        world.seal();
        let journal = journal(&world.frames);
        let whole = wait(fold(&journal, Fold::new(None), Until::End)).expect("readable");
        prop_assert_eq!(whole.fold.cell(), &world.cell);
        prop_assert_eq!(whole.fold.tip(), &world.tip);
        prop_assert_eq!(whole.frames, world.frames.len() as u64);
        prop_assert_eq!(whole.commits, world.commits.len() as u64);
        prop_assert_eq!(whole.voids.values().sum::<u64>(), world.void);

        let directory = tempfile::tempdir().expect("a directory");
        let (store, _) = Store::open(directory.path()).expect("a store");
        let (mut at, mut tracker) = (Fold::new(None), Tracker::new());
        for (index, frame) in world.frames.iter().enumerate() {
            let cursor = Cursor(index as u64 + 1);
            let absorbed = at.absorb(cursor, frame).expect("readable");
            tracker.note(cursor, &absorbed.commits, at.tip().hash);
            if let Some(delta) = tracker.capture(at.cell(), at.tip()) {
                store.write(&delta).expect("written");
                tracker.written(delta.position());
            }
            let image = store.load().expect("sound").expect("an image");
            let (position, commits) = (image.tip.position, whole.fold.tip().position.0 - image.tip.position.0);
            let start = wait(fold_of_image(&journal, image, Some(world.cell.id))).expect("readable");
            let tail = wait(fold(&journal, start.expect("of this journal"), Until::End)).expect("readable");
            prop_assert_eq!(&tail.fold.cell(), &whole.fold.cell(), "from the image at {}", position);
            prop_assert_eq!(tail.fold.cursor(), whole.fold.cursor());
            prop_assert_eq!(tail.commits, commits, "only the tail was folded");
        }
    }

    #[test]
    fn a_fold_to_a_position_is_the_fold_of_the_commits_up_to_there(list in ops(60)) {
        let mut world = World::ready(2);
        list.iter().for_each(|op| play(&mut world, *op));
        world.seal();
        let journal = journal(&world.frames);
        let mut cell = Cell::new();
        for (_, commit) in &world.commits {
            cell.fold(commit);
            let until = Until::Position(commit.header.position);
            let folded = wait(fold(&journal, Fold::new(None), until)).expect("readable");
            prop_assert_eq!(folded.fold.cell(), &cell);
            prop_assert_eq!(folded.commits, commit.header.position.0);
        }
    }
}

#[test]
fn what_can_not_be_folded_to_is_said() {
    let world = World::ready(1);
    let journal = journal(&world.frames);
    let end = world.tip.position;
    let wanted = end.next();
    let ends = wait(fold(&journal, Fold::new(None), Until::Position(wanted)));
    assert_eq!(ends, Err(ReplayError::Ends { wanted, end }));
    let whole = wait(fold(&journal, Fold::new(None), Until::End)).expect("readable").fold;
    let wanted = Position(1);
    assert_eq!(
        wait(fold(&journal, whole, Until::Position(wanted))),
        Err(ReplayError::Behind { wanted, at: end })
    );
    let foreign = wait(fold(&journal, Fold::new(Some(CellId([99; 16]))), Until::End));
    assert!(matches!(foreign, Err(ReplayError::Poisoned { cursor: Cursor(1), .. })), "{foreign:?}");
}

#[test]
fn each_frame_is_shown_once_in_order() {
    let mut world = World::ready(1);
    world.void_frame(2);
    let mut shown = Vec::new();
    let each = |cursor: Cursor, absorbed: &windlass_sagas::protocol::Absorbed| {
        shown.push((cursor.0, absorbed.commits.len(), absorbed.void.map_or(0, |(count, _)| count)));
    };
    wait(fold_by(&journal(&world.frames), Fold::new(None), Until::End, each)).expect("readable");
    assert_eq!(
        shown.iter().map(|it| it.0).collect::<Vec<_>>(),
        (1..=world.frames.len() as u64).collect::<Vec<_>>()
    );
    assert_eq!(shown.iter().map(|it| it.1).sum::<usize>(), world.commits.len());
    assert_eq!(shown.last().map(|it| (it.1, it.2)), Some((0, 2)));
}

#[test]
fn an_image_of_another_journal_or_of_a_lost_tail_is_not_taken() {
    let mut world = World::ready(1);
    let directory = tempfile::tempdir().expect("a directory");
    let (store, _) = Store::open(directory.path()).expect("a store");
    let (mut at, mut tracker) = (Fold::new(None), Tracker::new());
    for (index, frame) in world.frames.iter().enumerate() {
        let cursor = Cursor(index as u64 + 1);
        let absorbed = at.absorb(cursor, frame).expect("readable");
        tracker.note(cursor, &absorbed.commits, at.tip().hash);
    }
    store.write(&tracker.capture(at.cell(), at.tip()).expect("a delta")).expect("written");
    let image = store.load().expect("sound").expect("an image");
    let short = journal(&world.frames[..world.frames.len() - 1]);
    assert_eq!(wait(fold_of_image(&short, image.clone(), None)), Ok(None), "its tail is gone");
    let last = world.frames.len() - 1;
    let mut other = World::begun("0.1.0");
    (0..last).for_each(|n| {
        drop(other.ask(crate::support::flavor(&format!("f{n}"))));
        other.seal();
    });
    assert_eq!(
        wait(fold_of_image(&journal(&other.frames), image.clone(), None)),
        Ok(None),
        "another history"
    );
    assert_eq!(wait(fold_of_image(&journal(&world.frames), image.clone(), Some(CellId([99; 16])))), Ok(None));
    world.seal();
    assert!(wait(fold_of_image(&journal(&world.frames), image, None)).expect("readable").is_some());
}
