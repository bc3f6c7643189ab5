//! One saga's life, told whole: by a reading of everything and by the index alike.

use proptest::prelude::*;
use windlass_sagas::ids::*;
use windlass_sagas::protocol::Cursor;
use windlass_sagas::record::*;
use windlass_store::Tracker;

use windlass_replay::{ReplayError, Timeline, timeline, timeline_at};

use crate::support::{World, create_server, flavor, ops, play};
use crate::{journal, wait};

#[test]
fn a_rolled_back_create_shows_each_undo_under_its_step() {
    let mut world = World::ready(1);
    let before = world.commits.len();
    let saga = world.ask(create_server("web", &[])).expect("admitted");
    world.now = world.now.plus_ms(120);
    world.answer_first();
    world.now = world.now.plus_ms(35);
    world.refuse("prepare_port");
    world.now = world.now.plus_ms(50);
    world.run();
    world.seal();
    let told = wait(timeline(&journal(&world.frames), saga)).expect("readable");
    let begun = told.begun().cloned().expect("it began");
    assert_eq!((begun.kind, begun.project), (SagaKind::ServerCreate, world.project));
    assert_eq!(begun.time, world.commits[before].1.header.time);
    assert!(begun.request.is_some());

    let prepare =
        begun.steps.iter().position(|step| step.name == "prepare_port").expect("a step of the plan");
    let prepare = StepIndex(u16::try_from(prepare).expect("a small plan"));
    let of_step = told.entries.iter().filter(|entry| entry.step == Some(prepare));
    let story: Vec<(&str, Option<Direction>, Option<Attempt>)> =
        of_step.clone().map(|it| (it.event.name(), it.direction, it.attempt)).collect();
    let (there, back, first) = (Some(Direction::Forward), Some(Direction::Undo), Some(Attempt(1)));
    let dispatched_there = ("StepDispatched", there, first);
    let expected = vec![
        dispatched_there,
        ("StepRefused", there, first),
        ("StepDispatched", back, first),
        ("StepUndone", back, first),
    ];
    assert_eq!(story, expected);
    let host = world.host_named("h0");
    assert!(of_step.clone().all(|entry| entry.host == host), "the host that does the step");
    let refused =
        of_step.clone().find(|entry| matches!(entry.event, Event::StepRefused(_))).expect("refused");
    let since = of_step.clone().next().expect("dispatched").time;
    assert_eq!(refused.latency_ms, Some(refused.time.ms_since(since)));
    assert!(refused.latency_ms >= Some(35));
    let last = told.entries.last().expect("an end");
    assert!(matches!(last.event, Event::SagaRolledBack(_)));
    assert_eq!(last.latency_ms, Some(last.time.ms_since(begun.time)));
    assert!(last.term > Term::default() && last.cause.credential.is_some());
    assert!(
        told.entries.iter().any(|entry| matches!(entry.event, Event::ServerClaimed(_))),
        "what it changes too"
    );
}

#[test]
fn the_text_is_as_it_was() {
    let mut world = World::ready(1);
    let saga = world.ask(create_server("web", &[])).expect("admitted");
    world.now = world.now.plus_ms(120);
    world.answer_first();
    world.now = world.now.plus_ms(35);
    world.refuse("prepare_port");
    world.now = world.now.plus_ms(50);
    world.run();
    world.seal();
    let told = wait(timeline(&journal(&world.frames), saga)).expect("readable");
    let text = told.text(&|host| world.cell.hosts.get(&host).map(|host| host.name.clone()));
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/timeline.txt");
    if std::env::var_os("WINDLASS_BLESS").is_some() {
        std::fs::write(&file, &text).expect("the golden file can be written");
    }
    let golden = std::fs::read_to_string(file).expect("the golden file; WINDLASS_BLESS=1 writes it");
    assert_eq!(text, golden, "see that people still read it well, then WINDLASS_BLESS=1");
}

#[test]
fn a_saga_that_never_was_has_no_timeline() {
    let world = World::begun("0.1.0");
    let told = wait(timeline(&journal(&world.frames), SagaId([7; 16]))).expect("readable");
    assert_eq!(told, Timeline::new(SagaId([7; 16])));
    assert!(told.text(&|_| None).contains("nothing in this journal"));
}

#[test]
fn an_index_of_another_journal_is_found_out() {
    let mut world = World::ready(1);
    let saga = world.ask(flavor("big")).expect("a flavor");
    world.seal();
    let (cursor, commit) = world.commits.last().cloned().expect("a commit");
    let position = commit.header.position;
    let place = |position, cursor| windlass_store::Place { position, cursor };
    let journal = journal(&world.frames);
    let told = wait(timeline_at(&journal, saga, &[place(position, cursor)])).expect("readable");
    assert_eq!(told.entries.len(), 3);
    let wrong = wait(timeline_at(&journal, saga, &[place(position.next(), cursor)]));
    assert_eq!(wrong, Err(ReplayError::NotThere { cursor, position: position.next() }));
    let beyond = wait(timeline_at(&journal, saga, &[place(position, cursor.next())]));
    assert!(beyond.is_err());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn by_the_index_and_by_a_whole_reading_it_is_the_same_life(list in ops(100), which in any::<prop::sample::Index>()) {
        let mut world = World::ready(2);
        list.iter().for_each(|op| play(&mut world, *op));
        world.seal();
        let journal = journal(&world.frames);
        let mut tracker = Tracker::new();
        let mut sagas = Vec::new();
        for index in 0..world.frames.len() {
            let cursor = Cursor(index as u64 + 1);
            let of_frame = world.commits.iter().filter(|(at, _)| *at == cursor).map(|(_, commit)| commit.clone());
            tracker.note(cursor, &of_frame.collect::<Vec<_>>(), Hash([index as u8; 32]));
        }
        for (_, commit) in &world.commits {
            sagas.extend(commit.events.iter().filter_map(|event| match event {
                Event::SagaStarted(e) => Some(e.saga),
                _ => None,
            }));
        }
        let saga = sagas[which.index(sagas.len())];
        let whole = wait(timeline(&journal, saga)).expect("readable");
        let indexed = wait(timeline_at(&journal, saga, &tracker.saga_commits(saga))).expect("readable");
        prop_assert_eq!(&whole, &indexed);
        prop_assert!(whole.begun().is_some());
        let order: Vec<(Position, u16)> = whole.entries.iter().map(|it| (it.position, it.ordinal)).collect();
        prop_assert!(order.is_sorted_by(|a, b| a < b), "each event once, in order");
        let steps: usize = whole.entries.iter().filter(|it| it.step.is_some()).count();
        let told = world.commits.iter().flat_map(|(_, commit)| &commit.events).filter(|event| is_step_of(event, saga));
        prop_assert_eq!(steps, told.count(), "no step's event is left out");
        let text = whole.text(&|_| None);
        prop_assert!(whole.entries.len() < text.lines().count() + 2, "each event has its line");
    }
}

fn is_step_of(event: &Event, saga: SagaId) -> bool {
    match event {
        Event::StepDispatched(e) => e.saga == saga,
        Event::StepDone(e) => e.saga == saga,
        Event::StepRefused(e) => e.saga == saga,
        Event::StepUndone(e) => e.saga == saga,
        Event::StepSkipped(e) => e.saga == saga,
        Event::StepOverdue(e) => e.saga == saga,
        Event::SagaStuck(e) => e.saga == saga && e.step.is_some(),
        _ => false,
    }
}
