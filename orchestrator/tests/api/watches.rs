//! R2: the answer to a change names an operation that is durable; a watch tells every commit of it, none left out, none
//! twice, over any number of disconnects.

use std::collections::BTreeMap;

use tokio_stream::StreamExt;
use tonic::transport::Channel;
use tonic::{Request, Streaming};
use tonic_types::StatusExt;
use windlass_proto::v1::ErrorReason::*;
use windlass_proto::v1::operation_service_client::OperationServiceClient;
use windlass_proto::v1::*;
use windlass_sagas::ids::{ProjectId, SagaId};

use crate::support::agent::Rule;
use crate::support::furniture::{network, server, volume};
use crate::support::history::speaks_of;
use crate::support::{TOKEN, World, ask, journal};

fn saga(operation: &Operation) -> SagaId {
    operation.name.rsplit('/').next().and_then(|id| id.parse().ok()).expect("an operation's name")
}

async fn watch(
    world: &World,
    parent: &str,
    after_position: Option<u64>,
) -> Result<Streaming<WatchOperationsResponse>, tonic::Status> {
    let parent = parent.into();
    watch_as(world, WatchOperationsRequest { parent, after_position, ..Default::default() }).await
}

async fn watch_as(
    world: &World,
    request: WatchOperationsRequest,
) -> Result<Streaming<WatchOperationsResponse>, tonic::Status> {
    let channel = Channel::from_shared(format!("http://{}", world.address)).expect("an address");
    // Little fits between the two ends, so that a reader can be slow.
    let channel = channel.initial_stream_window_size(16 * 1024).initial_connection_window_size(64 * 1024);
    let mut client = OperationServiceClient::new(channel.connect().await.expect("it listens"));
    let mut request = Request::new(request);
    let bearer = format!("Bearer {TOKEN}").parse().expect("ascii");
    request.metadata_mut().insert("authorization", bearer);
    client.watch_operations(request).await.map(tonic::Response::into_inner)
}

fn reason(status: &tonic::Status) -> String {
    status.get_error_details().error_info().map(|info| info.reason.clone()).unwrap_or_default()
}

/// The position of the commit that a change tells of.
fn position(change: &OperationChange) -> u64 {
    change.operation.as_ref().expect("set").position
}

/// What a stream tells until it ends: positions with the kinds of their events.
async fn told(mut stream: Streaming<WatchOperationsResponse>) -> Vec<(u64, Vec<String>)> {
    let mut all = Vec::new();
    while let Some(answer) = stream.next().await {
        let answer = answer.expect("an answer");
        for change in &answer.changes {
            let kinds = change.events.iter().map(|event| event.kind.clone()).collect();
            all.push((position(change), kinds));
        }
    }
    all
}

#[tokio::test]
async fn r2_the_answer_comes_when_the_first_commit_is_durable_and_names_the_operation() {
    let (world, hosts) = World::with_hosts().await;
    hosts.storage.script.set("reserve_volume", Rule::Hold);
    let made = ask(&world.admin(), volume("v")).await;
    let positions = world.history.positions_of(saga(&made)).await;
    assert_eq!(positions.first(), Some(&made.metadata.expect("a saga").start_position));
}

#[tokio::test]
async fn r2_a_watch_from_the_beginning_tells_every_commit_once_and_ends_with_the_operation() {
    let (world, _hosts) = World::with_hosts().await;
    let made = ask(&world.admin(), server("web")).await;
    let told = told(watch(&world, &made.name, Some(0)).await.expect("watched")).await;
    let positions: Vec<u64> = told.iter().map(|(position, _)| *position).collect();
    assert_eq!(positions, world.history.positions_of(saga(&made)).await);
    let kinds = |place: usize| told[place].1.join(" ");
    assert!(kinds(0).contains("saga.started") && kinds(0).contains("step.dispatched"), "{told:?}");
    assert!(kinds(told.len() - 1).ends_with("saga.completed"), "{told:?}");
    assert!(kinds(told.len() - 1).contains("server.activated"), "{told:?}");
    let ended = watch(&world, &made.name, positions.last().copied()).await.expect("watched");
    assert!(self::told(ended).await.is_empty(), "it has ended: the stream ends at once");
}

#[tokio::test]
async fn r2_a_watch_that_is_opened_again_after_each_answer_misses_and_repeats_nothing() {
    let (world, hosts) = World::with_hosts().await;
    hosts.hypervisor.script.set("boot_vm", Rule::Hold);
    let made = ask(&world.admin(), server("web")).await;
    let (mut after, mut positions) = (0, Vec::new());
    loop {
        let mut stream = watch(&world, &made.name, Some(after)).await.expect("watched");
        let Some(answer) = stream.next().await else { break };
        let answer = answer.expect("an answer");
        positions.extend(answer.changes.iter().map(position));
        assert!(answer.position > after);
        after = answer.position;
        if positions.len() >= 2 {
            hosts.hypervisor.script.lift("boot_vm");
        }
    }
    assert_eq!(positions, world.history.positions_of(saga(&made)).await);
}

#[tokio::test]
async fn r2_a_basic_watch_tells_how_an_operation_begins_and_ends_and_nothing_between() {
    let (world, _hosts) = World::with_hosts().await;
    let made = ask(&world.admin(), server("web")).await;
    let (parent, after_position, view) = (made.name.clone(), Some(0), OperationView::Basic.into());
    let request = WatchOperationsRequest { parent, after_position, view, min_position: 0 };
    let mut stream = watch_as(&world, request).await.expect("watched");
    let mut told = Vec::new();
    while let Some(answer) = stream.next().await {
        for change in answer.expect("an answer").changes {
            let operation = change.operation.expect("set");
            let saga = operation.metadata.expect("set");
            assert_eq!((saga.steps.len(), saga.waits.len(), change.events.len()), (0, 0, 0));
            told.push((operation.position, operation.done, saga.kind));
        }
    }
    let all = world.history.positions_of(saga(&made)).await;
    let ends = [(all[0], false, "server.create".into()), (all[all.len() - 1], true, "server.create".into())];
    assert!(all.len() > 2);
    assert_eq!(told, ends);
}

#[tokio::test]
async fn r2_a_project_s_watch_tells_all_of_its_operations_and_nothing_else_s() {
    let (world, _hosts) = World::with_hosts().await;
    let admin = world.admin();
    ask(&admin, crate::support::furniture::project("green")).await;
    let after = world.position().await;
    let client = world.admin();
    let changing = tokio::spawn(async move {
        for number in 0..40 {
            ask(&client, network(&format!("n{number}"))).await;
            let parent = "projects/green".to_owned();
            ask(&client, CreateNetworkRequest { parent, ..network(&format!("n{number}")) }).await;
            let name = format!("projects/green/networks/n{number}");
            ask(&client, DeleteNetworkRequest { name, ..Default::default() }).await;
            ask(
                &client,
                DeleteNetworkRequest {
                    name: format!("projects/blue/networks/n{number}"),
                    ..Default::default()
                },
            )
            .await;
        }
        ask(&client, volume("last")).await
    });
    let (mut position, mut seen, mut last) = (after, BTreeMap::new(), String::new());
    'all: loop {
        let mut stream = watch(&world, "projects/blue", Some(position)).await.expect("watched");
        // Cut after a few answers, wherever that falls.
        for _ in 0..7 {
            let answer = stream.next().await.expect("it does not end").expect("an answer");
            assert!(answer.position >= position);
            position = answer.position;
            for change in &answer.changes {
                let operation = change.operation.as_ref().expect("set");
                let twice = seen.insert((operation.position, saga(operation)), change.events.len());
                assert_eq!(twice, None, "told twice");
                if operation.metadata.as_ref().is_some_and(|saga| saga.kind == "volume.create")
                    && operation.done
                {
                    last.clone_from(&operation.name);
                    break 'all;
                }
            }
        }
    }
    assert_eq!(changing.await.expect("no panic").name, last);
    let blue = project_id(&world).await;
    let mut expected = Vec::new();
    let mut own = std::collections::BTreeSet::new();
    for commit in world.history.commits().await {
        for event in &commit.events {
            if let windlass_sagas::record::Event::SagaStarted(e) = event
                && e.project == blue
            {
                own.insert(e.saga);
            }
        }
        let at = commit.header.position.0;
        expected.extend(
            speaks_of(&commit).into_iter().filter(|it| at > after && own.contains(it)).map(|it| (at, it)),
        );
    }
    assert_eq!(seen.keys().copied().collect::<Vec<_>>(), expected);
    assert!(expected.len() > 80 && seen.values().all(|events| *events > 0));
}

async fn project_id(world: &World) -> ProjectId {
    let project = GetProjectRequest { name: "projects/blue".into(), ..Default::default() };
    world.admin().call(project).await.expect("there").uid.parse().expect("an id")
}

#[tokio::test]
async fn r2_without_a_position_a_watch_begins_with_the_state_now() {
    let (world, hosts) = World::with_hosts().await;
    let admin = world.admin();
    hosts.storage.script.set("reserve_volume", Rule::Hold);
    let slow = ask(&admin, volume("slow")).await;
    let mut stream = watch(&world, "projects/blue", None).await.expect("watched");
    let first = stream.next().await.expect("one").expect("an answer");
    assert!(first.snapshot && first.changes.len() == 1, "{first:?}");
    let shown = first.changes[0].operation.as_ref().expect("set");
    assert_eq!((&shown.name, first.changes[0].events.len()), (&slow.name, 0));
    assert!(first.position >= slow.position);
    hosts.storage.script.lift("reserve_volume");
    let next = stream.next().await.expect("one").expect("an answer");
    assert!(!next.snapshot && next.position > first.position && !next.changes.is_empty());
    let ended = ask(&admin, network("n1")).await;
    let mut stream = watch(&world, &ended.name, None).await.expect("watched");
    let only = stream.next().await.expect("one").expect("an answer");
    assert!(only.snapshot && only.changes[0].operation.as_ref().is_some_and(|it| it.done));
    assert!(stream.next().await.is_none(), "it has ended");
}

#[tokio::test]
async fn r2_a_position_beyond_the_end_and_an_unknown_operation_are_refused() {
    let world = World::furnished().await;
    let position = world.position().await;
    let status = watch(&world, "projects/blue", Some(position + 1)).await.expect_err("beyond");
    assert_eq!(reason(&status), PositionOutOfRange.as_str_name());
    assert_eq!(status.code(), tonic::Code::OutOfRange);
    let unknown = "operations/01234567-89ab-4def-8123-456789abcdef";
    let status = watch(&world, unknown, Some(0)).await.expect_err("unknown");
    assert_eq!(reason(&status), NotFound.as_str_name());
}

#[tokio::test]
async fn r2_a_reader_that_is_too_slow_is_cut_off_and_goes_on_where_it_was() {
    let world = World::on(journal(), 1, 16).await;
    let admin = world.admin();
    ask(&admin, crate::support::furniture::project("blue")).await;
    let after = world.position().await;
    let mut stream = watch(&world, "projects/blue", Some(after)).await.expect("watched");
    let (mut count, mut positions) = (0, Vec::new());
    // More than the connection and the channel hold, while nobody reads.
    for number in 0..600 {
        count += 2;
        ask(&admin, network(&format!("n{number}"))).await;
        ask(
            &admin,
            DeleteNetworkRequest { name: format!("projects/blue/networks/n{number}"), ..Default::default() },
        )
        .await;
    }
    let status = loop {
        match stream.next().await.expect("it does not end in order") {
            Ok(answer) => positions.extend(answer.changes.iter().map(position)),
            Err(status) => break status,
        }
    };
    assert_eq!(reason(&status), WatchTooSlow.as_str_name());
    assert_eq!(status.code(), tonic::Code::Aborted);
    while positions.len() < count {
        let from = positions.last().copied().unwrap_or(after);
        let mut stream = watch(&world, "projects/blue", Some(from)).await.expect("watched");
        while positions.len() < count {
            match stream.next().await.expect("it does not end in order") {
                Ok(answer) => positions.extend(answer.changes.iter().map(position)),
                Err(status) => {
                    assert_eq!(reason(&status), WatchTooSlow.as_str_name());
                    break;
                }
            }
        }
    }
    let expected: Vec<u64> = (after + 1..=after + count as u64).collect();
    assert_eq!(positions, expected);
}

#[tokio::test]
async fn r2_a_watch_ends_for_who_may_no_longer_read() {
    let world = World::furnished().await;
    let admin = world.admin();
    let ann = world.principal("ann", &[(role_grant::Role::Reader, "projects/blue")]).await;
    let mut watch = ann.watch("projects/blue", None);
    assert!(watch.next().await.expect("an answer").expect("one").snapshot);
    let name = "principals/ann/apiTokens/test".into();
    ask(&admin, RevokeApiTokenRequest { name, ..Default::default() }).await;
    // It is looked at again with each bookmark, at least every 10 s.
    let error = loop {
        match watch.next().await {
            Ok(answer) => assert!(answer.is_some_and(|answer| answer.changes.is_empty())),
            Err(error) => break error,
        }
    };
    assert_eq!(error.reason, Some(Unauthenticated));
}
