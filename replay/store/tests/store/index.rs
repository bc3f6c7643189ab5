//! The index: finished sagas leave the fold and stay to be listed and read.

use proptest::prelude::*;
use std::collections::BTreeMap;
use windlass_sagas::ids::*;
use windlass_sagas::protocol::{Cursor, Fold};
use windlass_sagas::record::*;
use windlass_store::{List, Page, SagaStanding, Store, Summary, Tracker, named};

use crate::images::{follow, store};
use crate::support::{World, create_server, flavor, ops, play};

const ALL: List = List { project: None, after: None, rows_max: 1000 };

fn listed(store: &Store, tracker: &Tracker, list: List) -> Page {
    store.list(&list, tracker.recent(&list)).expect("a list")
}

/// Every saga of a list, read page by page.
fn paged(store: &Store, tracker: &Tracker, project: Option<ProjectId>, rows_max: usize) -> Vec<Summary> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = listed(store, tracker, List { project, after, rows_max });
        assert!(page.sagas.len() <= rows_max);
        all.extend(page.sagas);
        after = page.next;
        if after.is_none() {
            return all;
        }
    }
}

type Stands = (SagaStanding, Option<Time>, ProjectId);

/// How each saga that ended must stand, and which began, from the events alone.
fn expected(world: &World) -> BTreeMap<(Position, SagaId), Stands> {
    let (mut all, mut began) = (BTreeMap::new(), BTreeMap::new());
    for (_, commit) in &world.commits {
        let Header { position, time, .. } = commit.header;
        for event in &commit.events {
            let (saga, standing) = match event {
                Event::SagaStarted(e) => {
                    began.insert(e.saga, position);
                    all.insert((position, e.saga), (SagaStanding::Running, None, e.project));
                    continue;
                }
                Event::SagaCompleted(e) => (e.saga, SagaStanding::Completed),
                Event::SagaRolledBack(e) => (e.saga, SagaStanding::RolledBack),
                Event::SagaAbandoned(e) => (e.saga, SagaStanding::Abandoned),
                _ => continue,
            };
            let stands = all.get_mut(&(began[&saga], saga)).expect("it began");
            (stands.0, stands.1) = (standing, Some(time));
        }
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_saga_is_listed_as_it_stands_wherever_the_last_image_is(
        list in ops(120),
        written in any::<prop::sample::Index>(),
        captured in any::<prop::sample::Index>(),
        rows_max in 1..20_usize,
    ) {
        let mut world = World::ready(2);
        list.iter().for_each(|op| play(&mut world, *op));
        world.seal();
        let frames = world.frames.len();
        let (_directory, store) = store();
        let (mut fold, mut tracker) = (Fold::new(None), Tracker::new());
        // Written up to one frame, captured but not written up to another, only noted from there on.
        let written = written.index(frames) + 1;
        follow(&mut fold, &mut tracker, &world.frames, written);
        let delta = tracker.capture(fold.cell(), fold.tip()).expect("a delta");
        store.write(&delta).expect("written");
        tracker.written(delta.position());
        follow(&mut fold, &mut tracker, &world.frames, written + captured.index(frames));
        drop(tracker.capture(fold.cell(), fold.tip()));
        follow(&mut fold, &mut tracker, &world.frames, frames);

        let expected = expected(&world);
        let all = paged(&store, &tracker, None, rows_max);
        let keys: Vec<(Position, SagaId)> = all.iter().map(|it| (it.first, it.saga)).collect();
        prop_assert_eq!(keys, expected.keys().rev().copied().collect::<Vec<_>>(), "newest first, each once");
        for summary in &all {
            let (standing, ended, project) = expected[&(summary.first, summary.saga)];
            prop_assert_eq!((summary.ended, summary.project), (ended, project));
            match fold.cell().sagas.get(&summary.saga) {
                None => prop_assert_eq!(summary.standing, standing, "it left the fold"),
                Some(saga) => {
                    prop_assert!(!summary.standing.is_ended());
                    let stuck = saga.stuck.as_ref().map(|(_, reason)| reason.clone());
                    prop_assert_eq!(&summary.reason, &stuck.unwrap_or_else(|| saga.reason()));
                    prop_assert_eq!((summary.late, summary.started, summary.kind), (saga.late, saga.started, saga.kind));
                }
            }
            let one = tracker.summary(summary.saga).cloned();
            let one = one.or_else(|| store.summary(summary.saga).expect("readable"));
            prop_assert_eq!(one.as_ref(), Some(summary));
        }
        let blue = paged(&store, &tracker, Some(world.project), rows_max);
        let of_blue: Vec<Summary> = all.into_iter().filter(|it| it.project == world.project).collect();
        prop_assert_eq!(blue, of_blue);
    }

    #[test]
    fn the_commits_of_sagas_and_resources_are_found_in_their_frames(list in ops(120), written in any::<prop::sample::Index>()) {
        let mut world = World::ready(2);
        list.iter().for_each(|op| play(&mut world, *op));
        world.seal();
        let (_directory, store) = store();
        let (mut fold, mut tracker) = (Fold::new(None), Tracker::new());
        follow(&mut fold, &mut tracker, &world.frames, written.index(world.frames.len()) + 1);
        store.write(&tracker.capture(fold.cell(), fold.tip()).expect("a delta")).expect("written");
        tracker.written(fold.tip().position);
        follow(&mut fold, &mut tracker, &world.frames, world.frames.len());

        let mut of_saga: BTreeMap<SagaId, Vec<(Position, Cursor)>> = BTreeMap::new();
        for (cursor, commit) in &world.commits {
            let mut sagas: Vec<SagaId> = commit.events.iter().filter_map(saga_of).collect();
            sagas.sort_unstable();
            sagas.dedup();
            for saga in sagas {
                of_saga.entry(saga).or_default().push((commit.header.position, *cursor));
            }
        }
        for (saga, expected) in of_saga {
            let mut found = store.saga_commits(saga, Position(0)).expect("readable");
            found.extend(tracker.saga_commits(saga));
            let found: Vec<_> = found.iter().map(|place| (place.position, place.cursor)).collect();
            prop_assert_eq!(found, expected);
        }
        let mut of_resource: BTreeMap<ResourceRef, Vec<(Position, Cursor)>> = BTreeMap::new();
        for (cursor, commit) in &world.commits {
            let mut resources: Vec<ResourceRef> = commit.events.iter().flat_map(named).collect();
            resources.sort_unstable();
            resources.dedup();
            for resource in resources.into_iter().filter(|it| !matches!(it, ResourceRef::Saga(_))) {
                of_resource.entry(resource).or_default().push((commit.header.position, *cursor));
            }
        }
        for (resource, expected) in of_resource {
            let mut found = store.resource_commits_after(resource, Position(0)).expect("readable");
            found.extend(tracker.resource_commits(resource));
            let found: Vec<_> = found.iter().map(|place| (place.position, place.cursor)).collect();
            // And the ends of sagas that held it, which nothing in those commits names.
            prop_assert!(expected.iter().all(|place| found.contains(place)), "{:?}", resource);
            prop_assert!(found.is_sorted(), "{:?}", resource);
        }
        let stored = store.position().expect("readable");
        for (id, server) in &fold.cell().servers {
            let found = store.resource_commits(ResourceRef::Server(*id), None).expect("readable");
            let made = world.commits.iter().find(|(_, commit)| {
                commit.events.iter().any(|event| matches!(event, Event::ServerClaimed(e) if e.id == *id))
            });
            let (cursor, commit) = made.expect("a server is made by a commit");
            prop_assert_eq!(commit.header.time, server.created);
            if commit.header.position <= stored {
                let last = found.last().expect("its first commit is found");
                prop_assert_eq!((last.position, last.cursor), (commit.header.position, *cursor));
            }
        }
    }
}

/// The saga that an event is of.
fn saga_of(event: &Event) -> Option<SagaId> {
    match event {
        Event::SagaStarted(e) => Some(e.saga),
        Event::StepDispatched(e) => Some(e.saga),
        Event::StepDone(e) => Some(e.saga),
        Event::StepRefused(e) => Some(e.saga),
        Event::StepUndone(e) => Some(e.saga),
        Event::StepSkipped(e) => Some(e.saga),
        Event::StepOverdue(e) => Some(e.saga),
        Event::SagaUnwinding(e) => Some(e.saga),
        Event::SagaStuck(e) => Some(e.saga),
        Event::SagaResumed(e) => Some(e.saga),
        Event::SagaLate(e) => Some(e.saga),
        Event::SagaCompleted(e) => Some(e.saga),
        Event::SagaRolledBack(e) => Some(e.saga),
        Event::SagaAbandoned(e) => Some(e.saga),
        _ => None,
    }
}

#[test]
fn a_rolled_back_saga_is_not_in_the_fold_but_in_the_index_with_its_reason() {
    let mut world = World::ready(1);
    let saga = world.ask(create_server("web", &[])).expect("admitted");
    world.answer_first();
    world.refuse("prepare_port");
    world.run();
    world.seal();
    let (_directory, store) = store();
    let (mut fold, mut tracker) = (Fold::new(None), Tracker::new());
    follow(&mut fold, &mut tracker, &world.frames, world.frames.len());
    assert!(!fold.cell().sagas.contains_key(&saga), "finished sagas leave memory");
    let before = tracker.summary(saga).cloned().expect("known before it is written");
    store.write(&tracker.capture(fold.cell(), fold.tip()).expect("a delta")).expect("written");
    tracker.written(fold.tip().position);
    assert_eq!(tracker.summary(saga), None, "the store answers for it now");
    let summary = store.summary(saga).expect("readable").expect("found");
    assert_eq!(summary, before);
    assert_eq!((summary.standing, summary.kind), (SagaStanding::RolledBack, SagaKind::ServerCreate));
    assert_eq!(summary.reason, "prepare_port: no room");
    assert!(summary.ended.is_some_and(|ended| ended > summary.started));
}

#[test]
fn a_hundred_thousand_finished_sagas_leave_nothing_in_the_fold_or_the_tracker() {
    let mut world = World::ready(0);
    let (_directory, store) = store();
    let (mut fold, mut tracker) = (Fold::new(None), Tracker::new());
    let (mut requests_max, mut asked) = (0, 0_u64);
    while asked < 100_000 {
        // A day between two batches, so that the memory of requests has to let go of old ones.
        world.now = world.now.plus_ms(24 * 3600 * 1000);
        for _ in 0..1000 {
            let made = if asked % 2 == 0 {
                world.ask(flavor("f"))
            } else {
                world.ask(DeleteFlavor { flavor: "f".into() })
            };
            made.expect("admitted");
            asked += 1;
        }
        world.seal();
        follow(&mut fold, &mut tracker, &world.frames, world.frames.len());
        world.commits.clear();
        store.write(&tracker.capture(fold.cell(), fold.tip()).expect("a delta")).expect("written");
        tracker.written(fold.tip().position);
        requests_max = requests_max.max(fold.cell().requests.len());
        assert_eq!(fold.cell().sagas.len(), 0);
        assert!(fold.cell().flavors.len() <= 2);
        assert_eq!(tracker.recent(&ALL), vec![], "what is written is the store's to tell");
    }
    assert!(requests_max <= 9_000, "eight days of requests at most: {requests_max}");
    assert_eq!(store.load().expect("sound").expect("an image").cell, *fold.cell());
    let mut count = 0;
    let mut after = None;
    loop {
        let page = listed(&store, &tracker, List { after, ..ALL });
        count += page.sagas.len();
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert!(count >= 100_000, "all of them are listed: {count}");
}

#[test]
fn a_time_leads_to_a_place_at_or_before_it() {
    let mut world = World::ready(0);
    for n in 0..200_u32 {
        world.now = world.now.plus_ms(700);
        world.ask(flavor(&format!("f{n}"))).expect("a flavor");
        world.seal();
    }
    let (_directory, store) = store();
    let (mut fold, mut tracker) = (Fold::new(None), Tracker::new());
    follow(&mut fold, &mut tracker, &world.frames, world.frames.len());
    store.write(&tracker.capture(fold.cell(), fold.tip()).expect("a delta")).expect("written");
    assert_eq!(store.place_at(Time(0)).expect("readable"), None);
    for (cursor, commit) in &world.commits {
        let Header { position, time, .. } = commit.header;
        let by_time = store.place_at(time).expect("readable").expect("a place");
        let by_position = store.place_before(position).expect("readable").expect("a place");
        assert_eq!(by_time, by_position);
        assert!(by_time.position <= position && by_time.cursor <= *cursor);
        assert!(position.0 - by_time.position.0 < 256, "places are never far apart");
    }
}
