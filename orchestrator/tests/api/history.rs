//! The history through the API: of one operation, of one resource and host, and of everything as it happens; it tells
//! the same as the journal itself, each event once.

use std::collections::{BTreeMap, BTreeSet};

use tokio_stream::StreamExt;
use tonic::transport::Channel;
use tonic::{Request, Streaming};
use tonic_types::StatusExt;
use windlass_client::Client;
use windlass_proto::v1::ErrorReason::*;
use windlass_proto::v1::history_service_client::HistoryServiceClient;
use windlass_proto::v1::*;
use windlass_replay::Timeline;
use windlass_sagas::record::RefusalCode;

use crate::support::agent::Rule;
use crate::support::furniture::{network, project, server, volume};
use crate::support::stage::completed;
use crate::support::{TOKEN, World, ask, journal, refused, why};

type Place = (u64, u32);

fn place(event: &Event) -> Place {
    (event.position, event.ordinal)
}

/// All events of a parent, by pages of a size.
async fn events(client: &Client, parent: &str, page_size: u32, filter: &str, order_by: &str) -> Vec<Event> {
    let (parent, filter, order_by) = (parent.into(), filter.into(), order_by.into());
    let request = ListEventsRequest { parent, page_size, filter, order_by, ..Default::default() };
    client.list(request).take(100_000).await.expect("listed")
}

async fn stream(
    world: &World,
    token: &str,
    request: WatchEventsRequest,
) -> Result<Streaming<WatchEventsResponse>, tonic::Status> {
    let channel = Channel::from_shared(format!("http://{}", world.address)).expect("an address");
    // Little fits between the two ends, so that a reader can be slow.
    let channel = channel.initial_stream_window_size(16 * 1024).initial_connection_window_size(64 * 1024);
    let mut client = HistoryServiceClient::new(channel.connect().await.expect("it listens"));
    let mut request = Request::new(request);
    request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().expect("ascii"));
    client.watch_events(request).await.map(tonic::Response::into_inner)
}

/// All events of a parent behind a position, to the journal's end.
async fn told(world: &World, parent: &str, after: u64, filter: &str) -> Vec<Event> {
    let (parent, filter) = (parent.into(), filter.into());
    let request = WatchEventsRequest {
        parent,
        filter,
        after_position: Some(after),
        until_end: true,
        ..Default::default()
    };
    let mut stream = stream(world, TOKEN, request).await.expect("watched");
    let (mut events, mut ended, mut position) = (Vec::new(), false, after);
    while let Some(answer) = stream.next().await {
        let answer = answer.expect("an answer");
        assert!(!ended && answer.position >= position, "nothing comes behind the end, and positions rise");
        (ended, position) = (answer.ended, answer.position);
        events.extend(answer.events);
    }
    assert!(ended, "it ends by saying so");
    events
}

/// The places of every event of the journal.
async fn journal_s(world: &World) -> Vec<Place> {
    let commits = world.history.commits().await;
    let all = commits.iter().flat_map(|commit| {
        (0..).take(commit.events.len()).map(|ordinal| (commit.header.position.0, ordinal))
    });
    all.collect()
}

/// A server's create that is refused once for good at its port, and so rolls back.
async fn rolled_back(world: &World, hosts: &crate::support::furniture::Hosts) -> Operation {
    hosts.hypervisor.script.set("boot_vm", Rule::Refuse(RefusalCode::NoRoom));
    let made = ask(&world.admin(), server("bad")).await;
    let ended = world.admin().wait(&made).await.expect("it ends");
    assert_eq!(ended.metadata.as_ref().map(Saga::state), Some(saga::State::RolledBack), "{ended:?}");
    hosts.hypervisor.script.forget("boot_vm");
    ended
}

#[tokio::test]
async fn an_operation_s_events_tell_what_the_journal_s_timeline_tells() {
    let (world, hosts) = World::with_hosts().await;
    let ended = rolled_back(&world, &hosts).await;
    let told = events(&world.admin(), &ended.name, 0, "", "").await;
    let id = ended.name.rsplit('/').next().and_then(|id| id.parse().ok()).expect("an id");
    let mut timeline = Timeline::new(id);
    world.history.commits().await.iter().for_each(|commit| timeline.take(commit));
    let entries: BTreeMap<Place, _> =
        timeline.entries.iter().map(|entry| ((entry.position.0, u32::from(entry.ordinal)), entry)).collect();
    let metadata = ended.metadata.expect("a saga");
    let mut latencies = 0;
    for event in &told {
        let entry = entries.get(&place(event)).expect("the timeline has it too");
        assert_eq!(event.latency_ms, entry.latency_ms, "{event:?}");
        assert_eq!(event.attempt, entry.attempt.map_or(0, |attempt| attempt.0), "{event:?}");
        latencies += usize::from(event.latency_ms.is_some());
        assert_eq!((event.operation_kind.as_str(), &event.project), ("server.create", &metadata.project));
        if let Some(step) = event.step {
            let step = &metadata.steps[usize::try_from(step).expect("small")];
            assert_eq!(event.step_kind, step.kind);
            assert!(event.host == step.host || !event.kind.starts_with("step."), "{event:?}");
        }
    }
    assert_eq!(told.len(), timeline.entries.len());
    assert!(latencies >= 6, "outcomes there and back, and the end: {told:?}");
    let undone = told.iter().filter(|event| event.kind == "step.undone" && event.latency_ms.is_some());
    assert!(undone.count() >= 2);
}

#[tokio::test]
async fn a_stream_of_events_tells_the_whole_journal_once_however_often_it_is_cut() {
    let (world, hosts) = World::with_hosts().await;
    rolled_back(&world, &hosts).await;
    let made = ask(&world.admin(), server("web")).await;
    completed(&world.admin(), &made).await;
    let all = told(&world, "cell", 0, "").await;
    assert_eq!(all.iter().map(place).collect::<Vec<_>>(), journal_s(&world).await);
    // Told from the middle of an operation on, an event says the same as from the beginning.
    let (mut after, mut pieces) = (0, Vec::new());
    while pieces.len() < all.len() {
        let request =
            WatchEventsRequest { parent: "cell".into(), after_position: Some(after), ..Default::default() };
        let mut stream = stream(&world, TOKEN, request).await.expect("watched");
        let answer = stream.next().await.expect("more").expect("an answer");
        assert!(answer.position > after);
        // As a reader that keeps only what it took: up to the first commit that it did not have.
        let first = answer.events[0].position;
        pieces.extend(answer.events.into_iter().filter(|event| event.position == first));
        after = first;
    }
    assert_eq!(pieces, all);
}

#[tokio::test]
async fn a_stream_goes_on_with_what_happens_and_begins_by_saying_where() {
    let (world, _hosts) = World::with_hosts().await;
    let mut tail =
        world.admin().tail(WatchEventsRequest { parent: "projects/blue".into(), ..Default::default() });
    let first = tail.next().await.expect("an answer").expect("one");
    assert_eq!((first.position, first.events.len()), (world.position().await, 0));
    let made = ask(&world.admin(), server("web")).await;
    completed(&world.admin(), &made).await;
    let mut seen = Vec::new();
    while seen.last().is_none_or(|event: &Event| event.kind != "saga.completed") {
        seen.extend(tail.next().await.expect("an answer").expect("one").events);
    }
    assert_eq!(seen, events(&world.admin(), &made.name, 0, "", "").await);
}

#[tokio::test]
async fn filters_and_projects_narrow_a_stream_to_what_they_say() {
    let (world, _hosts) = World::with_hosts().await;
    let admin = world.admin();
    ask(&admin, project("green")).await;
    let after = world.position().await;
    let parent = "projects/green".to_owned();
    ask(&admin, CreateNetworkRequest { parent, ..network("n1") }).await;
    let made = ask(&admin, server("web")).await;
    completed(&admin, &made).await;
    let all = told(&world, "cell", after, "").await;
    let green = told(&world, "projects/green", after, "").await;
    assert!(!green.is_empty() && green.len() < all.len());
    assert!(green.iter().all(|event| event.operation_kind == "network.create"), "{green:?}");
    assert_eq!(told(&world, "cell", after, "project=green").await, green, "by its display name");
    let h0 = told(&world, "cell", after, "host=h0 AND kind=step.done").await;
    let expected = |event: &&Event| event.kind == "step.done" && h0.iter().any(|it| it.host == event.host);
    assert!(!h0.is_empty() && h0.len() == all.iter().filter(expected).count());
    let id = made.name.rsplit('/').next().expect("an id");
    let own = told(&world, "cell", after, &format!("operation={id}")).await;
    assert_eq!(own, events(&admin, &made.name, 0, "", "").await);
    let subject = made.metadata.expect("a saga").subject;
    let of_server = told(&world, "projects/-", after, &format!("resource={subject}")).await;
    assert!(of_server.iter().any(|event| event.kind == "server.activated"));
    assert!(of_server.iter().all(|event| event.resource == subject));
    let booted = told(&world, "cell", after, "step=boot_vm AND kind=step.dispatched").await;
    assert_eq!(booted.len(), 1);
}

#[tokio::test]
async fn who_reads_one_project_is_told_of_no_other_and_of_no_host() {
    let (world, _hosts) = World::with_hosts().await;
    let admin = world.admin();
    ask(&admin, project("green")).await;
    let ann = world.principal("ann", &[(role_grant::Role::Reader, "projects/green")]).await;
    let made = ask(&admin, server("web")).await;
    completed(&admin, &made).await;
    let request = |parent: &str| WatchEventsRequest {
        parent: parent.into(),
        after_position: Some(0),
        until_end: true,
        ..Default::default()
    };
    let mut every = stream(&world, "wlt_ann", request("projects/-")).await.expect("watched");
    let only = every.next().await.expect("one").expect("an answer");
    assert!(only.ended && only.events.is_empty(), "{only:?}");
    let denied = stream(&world, "wlt_ann", request("cell")).await.expect_err("denied");
    assert_eq!(denied.code(), tonic::Code::PermissionDenied);
    let list = |parent: &str| ListEventsRequest { parent: parent.into(), ..Default::default() };
    assert_eq!(why(&refused(&ann, list("hosts/h0")).await).0, PermissionDenied);
    let subject = made.metadata.expect("a saga").subject;
    assert_eq!(why(&refused(&ann, list(&subject)).await).0, PermissionDenied);
    let id = subject.rsplit('/').next().expect("an id");
    let as_own = format!("projects/green/servers/{id}");
    assert_eq!(why(&refused(&ann, list(&as_own)).await), (NotFound, "parent"));
    let name = "projects/blue/servers/web".to_owned();
    let gone = ask(&admin, DeleteServerRequest { name, ..Default::default() }).await;
    completed(&admin, &gone).await;
    assert_eq!(why(&refused(&ann, list(&as_own)).await), (NotFound, "parent"), "nor when it is no more");
}

#[tokio::test]
async fn everything_that_touched_a_server_is_told_in_order_over_pages_and_when_it_is_no_more() {
    let (world, hosts) = World::with_hosts().await;
    let admin = world.admin();
    rolled_back(&world, &hosts).await;
    let made = ask(&admin, server("web")).await;
    completed(&admin, &made).await;
    let data = ask(&admin, volume("data")).await;
    completed(&admin, &data).await;
    let (name, volume) = ("projects/blue/volumes/data".to_owned(), "projects/blue/volumes/data");
    let server_name = "projects/blue/servers/web";
    let request = AttachVolumeRequest { name, server: server_name.into(), ..Default::default() };
    let attached = ask(&admin, request).await;
    completed(&admin, &attached).await;
    let alive = events(&admin, server_name, 0, "", "").await;
    let operations = |events: &[Event]| {
        events
            .iter()
            .map(|event| event.operation.clone())
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect::<Vec<_>>()
    };
    let mut expected = vec![made.name.clone(), attached.name.clone()];
    expected.sort();
    assert_eq!(operations(&alive), expected, "those that held it, whole, and no other");
    let mut whole = events(&admin, &made.name, 0, "", "").await;
    whole.extend(events(&admin, &attached.name, 0, "", "").await);
    whole.sort_by_key(place);
    assert_eq!(alive, whole);
    assert_eq!(operations(&events(&admin, volume, 0, "", "").await).len(), 2, "its create and its attach");

    let subject = made.metadata.clone().expect("a saga").subject;
    let name = server_name.to_owned();
    let gone = ask(&admin, DeleteServerRequest { name, ..Default::default() }).await;
    completed(&admin, &gone).await;
    assert_eq!(
        why(&refused(&admin, get_events(server_name)).await),
        (NotFound, "parent"),
        "its name is free"
    );
    let all = events(&admin, &subject, 0, "", "").await;
    assert!(all.len() > alive.len() && all.iter().any(|event| event.kind == "server.deleted"));
    for size in [1, 3, 7] {
        assert_eq!(events(&admin, &subject, size, "", "").await, all, "{size}");
    }
    let turned = events(&admin, &subject, 4, "", "position desc").await;
    assert_eq!(turned.into_iter().rev().collect::<Vec<_>>(), all);
    let done = events(&admin, &subject, 2, "kind=step.done", "").await;
    assert_eq!(done, all.iter().filter(|it| it.kind == "step.done").cloned().collect::<Vec<_>>());
}

fn get_events(parent: &str) -> ListEventsRequest {
    ListEventsRequest { parent: parent.into(), ..Default::default() }
}

#[tokio::test]
async fn a_host_s_history_has_every_step_that_it_was_asked_for_and_its_own_ups_and_downs() {
    let (world, hosts) = World::with_hosts().await;
    let admin = world.admin();
    rolled_back(&world, &hosts).await;
    let made = ask(&admin, server("web")).await;
    completed(&admin, &made).await;
    let host = format!("hosts/{}", hosts.hypervisor.host);
    let all = events(&admin, &host, 0, "", "").await;
    let cell: Vec<Event> =
        told(&world, "cell", 0, "").await.into_iter().filter(|it| it.host == host).collect();
    assert_eq!(all, cell);
    let count = |kind: &str| all.iter().filter(|event| event.kind == kind).count();
    assert_eq!((count("host.joined"), count("host.up")), (1, 1));
    let outcomes = count("step.done") + count("step.refused") + count("step.undone");
    assert!(count("step.dispatched") >= 5 && outcomes == count("step.dispatched"), "{all:?}");
    for size in [1, 4] {
        assert_eq!(events(&admin, &host, size, "", "").await, all, "{size}");
    }
    let request = ListEventsRequest { order_by: "position desc".into(), ..get_events(&host) };
    assert_eq!(why(&refused(&admin, request).await), (FilterInvalid, "order_by"));
}

#[tokio::test]
async fn the_past_is_told_up_to_its_moment_and_no_further() {
    let (world, _hosts) = World::with_hosts().await;
    let admin = world.admin();
    let made = ask(&admin, server("web")).await;
    completed(&admin, &made).await;
    let saga = made.metadata.expect("a saga");
    let until = saga.start_position + 1;
    let read_at = Some(ReadAt { point: Some(read_at::Point::Position(until)) });
    let upto = |events: Vec<Event>| events.into_iter().filter(|it| it.position <= until).collect::<Vec<_>>();
    let request =
        WatchEventsRequest { parent: "cell".into(), after_position: Some(0), read_at, ..Default::default() };
    let mut stream = stream(&world, TOKEN, request).await.expect("watched");
    let (mut seen, mut ended) = (Vec::new(), None);
    while let Some(answer) = stream.next().await {
        let answer = answer.expect("an answer");
        ended = answer.ended.then_some(answer.position);
        seen.extend(answer.events);
    }
    assert_eq!((seen, ended), (upto(told(&world, "cell", 0, "").await), Some(until)));
    for parent in [&made.name, &saga.subject, &"hosts/h0".to_owned()] {
        let then = admin.list(ListEventsRequest { read_at, ..get_events(parent) }).take(10_000).await;
        let now = events(&admin, parent, 0, "", "").await;
        assert_eq!(then.expect("listed"), upto(now.clone()), "{parent}");
        assert!(now.len() > upto(now).len());
    }
}

#[tokio::test]
async fn a_reader_of_events_that_is_too_slow_is_cut_off_and_goes_on_where_it_was() {
    let world = World::on(journal(), 1, 16).await;
    let admin = world.admin();
    ask(&admin, project("blue")).await;
    let after = world.position().await;
    let request = |after| WatchEventsRequest {
        parent: "projects/blue".into(),
        after_position: Some(after),
        ..Default::default()
    };
    let mut slow = stream(&world, TOKEN, request(after)).await.expect("watched");
    // More than the connection and the channel hold, while nobody reads.
    for number in 0..600 {
        ask(&admin, network(&format!("n{number}"))).await;
        let name = format!("projects/blue/networks/n{number}");
        ask(&admin, DeleteNetworkRequest { name, ..Default::default() }).await;
    }
    let (mut seen, mut position) = (Vec::new(), after);
    let status = loop {
        match slow.next().await.expect("it does not end in order") {
            Ok(answer) => {
                position = answer.position;
                seen.extend(answer.events.iter().map(place));
            }
            Err(status) => break status,
        }
    };
    let reason = status.get_error_details().error_info().map(|info| info.reason.clone());
    assert_eq!(reason.as_deref(), Some(WatchTooSlow.as_str_name()));
    seen.extend(told(&world, "projects/blue", position, "").await.iter().map(place));
    let expected: Vec<Place> = journal_s(&world).await.into_iter().filter(|it| it.0 > after).collect();
    assert_eq!(seen, expected);
}
