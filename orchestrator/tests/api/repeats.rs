//! R1: a change is made once, however often, where and when its request comes.

use windlass_client::Code;
use windlass_journal::{Append, Frame as JournalFrame};
use windlass_orchestrator::clock;
use windlass_proto::v1::ErrorReason::*;
use windlass_proto::v1::*;
use windlass_sagas::cell::{Cell, decide};
use windlass_sagas::ids::*;
use windlass_sagas::protocol::Cursor;
use windlass_sagas::record::{
    Body, Campaign, Cause, Commit, CreateProject, Fact, Frame, Header, Principal, Report, Request,
    StoredCommit, Tip,
};

use crate::support::furniture::{network, project, volume};
use crate::support::{ADMIN, CELL, World, ask, genesis, journal, refused, request_id, why};

fn named(name: &str, id: &str) -> CreateProjectRequest {
    CreateProjectRequest { request_id: id.into(), ..project(name) }
}

#[tokio::test]
async fn r1_a_repeat_names_the_same_operation_and_makes_nothing() {
    let world = World::start().await;
    let (admin, id) = (world.admin(), request_id(0, 1));
    let first = ask(&admin, named("blue", &id)).await;
    let last = world.last();
    let again = ask(&admin, named("blue", &id)).await;
    assert_eq!((again.name, again.metadata), (first.name.clone(), first.metadata.clone()));
    assert_eq!(world.last(), last, "a repeat is not in the journal");
    let asked = CreateProjectRequest { validate_only: true, ..named("blue", &id) };
    assert_eq!(ask(&admin, asked).await.name, first.name, "what it did is what it would do");
}

#[tokio::test]
async fn r1_a_repeat_after_a_crash_on_another_orchestrator_names_the_same_operation() {
    let world = World::start().await;
    let id = request_id(0, 1);
    let first = ask(&world.admin(), named("blue", &id)).await;
    let world = World::on(world.end().await, 2, 4096).await;
    let again = ask(&world.admin(), named("blue", &id)).await;
    assert_eq!((again.name, again.metadata), (first.name, first.metadata));
    let projects = world.admin().call(ListProjectsRequest::default()).await.expect("listed").projects;
    assert_eq!(projects.len(), 1);
}

#[tokio::test]
async fn r1_a_hundred_repeats_at_a_time_make_one() {
    let world = World::start().await;
    let id = request_id(0, 1);
    let calls = (0..100).map(|_| {
        let (client, request) = (world.admin(), named("blue", &id));
        tokio::spawn(async move { ask(&client, request).await.name })
    });
    let mut names = Vec::new();
    for call in calls.collect::<Vec<_>>() {
        names.push(call.await.expect("no panic"));
    }
    names.dedup();
    assert_eq!(names.len(), 1);
    let projects = world.admin().call(ListProjectsRequest::default()).await.expect("listed").projects;
    assert_eq!(projects.len(), 1);
}

#[tokio::test]
async fn r1_the_same_id_with_another_body_is_refused() {
    let world = World::furnished().await;
    let (admin, id) = (world.admin(), request_id(0, 1));
    ask(&admin, CreateNetworkRequest { request_id: id.clone(), ..network("n1") }).await;
    let last = world.last();
    let other = CreateNetworkRequest { request_id: id.clone(), ..network("n2") };
    let validated = CreateNetworkRequest { validate_only: true, ..other.clone() };
    let kind = CreateVolumeRequest { request_id: id, ..volume("n1") };
    for error in [refused(&admin, other).await, refused(&admin, validated).await, refused(&admin, kind).await]
    {
        assert_eq!(why(&error), (RequestIdMismatch, "request_id"), "{error:?}");
        assert_eq!(error.code, Code::AlreadyExists);
    }
    assert_eq!(world.last(), last);
}

#[tokio::test]
async fn r1_the_same_id_in_another_project_is_another_request() {
    let world = World::furnished().await;
    let (admin, id) = (world.admin(), request_id(0, 1));
    ask(&admin, project("green")).await;
    let blue = ask(&admin, CreateNetworkRequest { request_id: id.clone(), ..network("n1") }).await;
    let parent = "projects/green".into();
    let green = ask(&admin, CreateNetworkRequest { request_id: id, parent, ..network("n1") }).await;
    assert_ne!(blue.name, green.name);
}

#[tokio::test]
async fn r1_a_repeated_delete_is_answered_although_what_it_names_is_gone() {
    let world = World::furnished().await;
    let admin = world.admin();
    ask(&admin, network("n1")).await;
    let name = "projects/blue/networks/n1".to_owned();
    let request = DeleteNetworkRequest { name, request_id: request_id(0, 7), ..Default::default() };
    let first = ask(&admin, request.clone()).await;
    assert!(first.done);
    assert_eq!(ask(&admin, request).await.name, first.name);
}

#[tokio::test]
async fn r1_ids_that_can_not_be_judged_are_refused_and_never_run() {
    let world = World::start().await;
    let admin = world.admin();
    let last = world.last();
    let (hour_ms, day_ms) = (3_600_000, 24 * 3_600_000);
    let cases = [
        ("01234567-89ab-4def-8123-456789abcdef".to_owned(), RequestIdInvalid),
        ("blue".to_owned(), RequestIdInvalid),
        (request_id(hour_ms, 1), RequestIdInFuture),
        (request_id(-8 * day_ms, 1), RequestIdExpired),
    ];
    for (id, reason) in cases {
        let error = refused(&admin, named("blue", &id)).await;
        assert_eq!(why(&error), (reason, "request_id"), "{id}: {error:?}");
    }
    assert_eq!(world.last(), last);
    ask(&admin, named("blue", &request_id(60_000, 1))).await;
    ask(&admin, named("green", &request_id(-6 * day_ms, 1))).await;
}

/// A journal whose cell made a project `days` days ago, by this request.
async fn old_journal(days: i64, request: &Request) -> windlass_journal::Memory {
    let journal = journal();
    let mut time = Time(clock::now().0 - days * 24 * 3_600_000_000);
    let (mut cell, mut tip, mut frame) = (Cell::new(), Tip::default(), Frame::default());
    let term = Term { generation: 0, elected: Position(2) };
    let campaign = Campaign { term, build: "old".into(), recover: None };
    let facts = [
        (Fact::Report(Report::Genesis(genesis())), Term::default()),
        (Fact::Report(Report::Campaign(campaign)), term),
        (Fact::Request(request.clone()), term),
    ];
    for (fact, term) in facts {
        let position = tip.position.next();
        time.0 += 1;
        let events = decide(&cell, &fact, time).expect("it was good then");
        let writer = WriterId([5; 16]);
        let header = Header { position, time, term, writer, previous: tip.hash };
        let commit = Commit { header, cause: Cause::default(), fact, events };
        let stored = StoredCommit::of(&commit).expect("small");
        tip = Tip { position, hash: stored.hash(), time, term };
        cell.fold(&commit);
        frame.commits.push(stored);
    }
    let frame = JournalFrame::new(frame.encode().expect("small")).expect("small");
    journal.connect().append(Cursor::START, frame).await.expect("appended");
    journal
}

#[tokio::test]
async fn r1_a_repeat_older_than_the_memory_is_answered_from_the_history() {
    let id = request_id(-9 * 24 * 3_600_000, 1);
    let request = Request {
        id: id.parse().expect("an id"),
        project: ProjectId::default(),
        principal: Principal::User(ADMIN),
        body: Body::from(CreateProject { name: "blue".into(), quota: None }),
    };
    let world = World::on(old_journal(9, &request).await, 1, 4096).await;
    let admin = world.admin();
    // A commit of now makes the fold forget what is older than its memory.
    ask(&admin, project("green")).await;
    let last = world.last();
    let saga = SagaId::of_request(CELL, ProjectId::default(), request.id);
    assert_eq!(ask(&admin, named("blue", &id)).await.name, format!("operations/{saga}"));
    let error = refused(&admin, named("red", &id)).await;
    assert_eq!(why(&error), (RequestIdExpired, "request_id"));
    assert_eq!(world.last(), last, "neither is run");
}
