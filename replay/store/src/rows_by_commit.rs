//! The law of the tracker, commit by commit and without a disk: rows kept up by what was touched are all rows there are.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use windlass_sagas::cell::Cell;
use windlass_sagas::ids::*;
use windlass_sagas::record::{Commit, ResourceRef};

use crate::requests::chunk_bytes;
use crate::row::{RowKey, encode, key, resources};
use crate::support::{World, ops, play};
use crate::{Image, Tracker};

fn all_rows(cell: &Cell) -> BTreeMap<RowKey, Vec<u8>> {
    resources(cell).map(|it| (key(it), encode(cell, it).expect("it exists"))).collect()
}

fn all_requests(cell: &Cell) -> BTreeMap<u64, Vec<u8>> {
    cell.requests.chunks_from(0).map(|(number, chunk)| (number, chunk_bytes(chunk))).collect()
}

/// Folds and notes one commit as a frame of its own, and keeps `rows` and `requests` up with what the capture says.
fn step(
    cell: &mut Cell,
    tracker: &mut Tracker,
    commit: &Commit,
    rows: &mut BTreeMap<RowKey, Vec<u8>>,
    requests: &mut BTreeMap<u64, Vec<u8>>,
) -> BTreeSet<RowKey> {
    cell.fold(commit);
    let tip = windlass_sagas::record::Tip { position: commit.header.position, ..Default::default() };
    let cursor = windlass_sagas::protocol::Cursor(commit.header.position.0);
    tracker.note(cursor, std::slice::from_ref(commit), Hash::default());
    let delta = tracker.capture(cell, &tip).expect("a commit was noted");
    tracker.written(delta.position());
    requests.extend(delta.requests.iter().cloned());
    requests.retain(|number, _| *number >= delta.requests_from);
    let touched = delta.rows.iter().map(|(key, _)| *key).collect();
    for (key, row) in delta.rows {
        match row {
            Some(row) => drop(rows.insert(key, row)),
            None => drop(rows.remove(&key)),
        }
    }
    touched
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_row_that_a_commit_changes_is_touched(list in ops(150), restart in any::<prop::sample::Index>()) {
        let mut world = World::ready(3);
        list.iter().for_each(|op| play(&mut world, *op));
        let (mut cell, mut tracker) = (Cell::new(), Tracker::new());
        let (mut rows, mut requests) = (BTreeMap::new(), BTreeMap::new());
        let restart = restart.index(world.commits.len());
        for (index, (cursor, commit)) in world.commits.iter().enumerate() {
            if index == restart {
                let image = Image { cell: cell.clone(), tip: Default::default(), cursor: *cursor };
                tracker = Tracker::resume(&image);
            }
            step(&mut cell, &mut tracker, commit, &mut rows, &mut requests);
            prop_assert_eq!(&rows, &all_rows(&cell), "after {}", commit.fact.name());
            prop_assert_eq!(&requests, &all_requests(&cell), "after {}", commit.fact.name());
        }
    }
}

#[test]
fn a_step_touches_its_saga_and_little_else() {
    let mut world = World::ready(3);
    world.ask(crate::support::create_server("web", &[])).expect("admitted");
    let first = world.commits.len();
    world.run();
    let (mut cell, mut tracker) = (Cell::new(), Tracker::new());
    let (mut rows, mut requests) = (BTreeMap::new(), BTreeMap::new());
    for (index, (_, commit)) in world.commits.iter().enumerate() {
        let touched = step(&mut cell, &mut tracker, commit, &mut rows, &mut requests);
        let saga = cell.sagas.keys().next().map(|saga| key(ResourceRef::Saga(*saga)));
        if index >= first && index + 1 < world.commits.len() {
            assert_eq!(touched, saga.into_iter().collect(), "{}", commit.fact.name());
        }
    }
}
