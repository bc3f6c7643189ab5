//! Time travel: every read answers for a moment of the past what it answered then, on a live cell and on its journal alone.

use std::collections::BTreeMap;

use prost_reflect::{DynamicMessage, MethodDescriptor, Value};
use windlass_client::Code;
use windlass_journal::Memory;
use windlass_orchestrator::api::{Roles, routes};
use windlass_orchestrator::held;
use windlass_proto::v1::ErrorReason::*;
use windlass_proto::v1::read_at::Point;
use windlass_proto::v1::*;
use windlass_sagas::record::{AccessRole, Scope};

use crate::support::furniture::{network, project};
use crate::support::rows;
use crate::support::stage::Stage;
use crate::support::{TOKEN, World, ask, raw, refused, why};

/// What hosts alone know, or the process that answers, or the clock: left out of the past.
const OF_NOW: [&str; 15] = [
    "remaining_ms",
    "holders",
    "last_seen_time",
    "connected",
    "used",
    "calls_in_flight",
    "agent_build",
    "strikes",
    "leader_strikes",
    "data_present",
    "build",
    "journal",
    "warnings",
    "ca_certificate_der",
    "address",
];

fn at(position: u64) -> Option<ReadAt> {
    Some(ReadAt { point: Some(Point::Position(position)) })
}

/// The read methods that take a moment, with their good requests; but for what is in no history.
fn reads(stage: &Stage) -> Vec<(MethodDescriptor, DynamicMessage)> {
    let in_no_history = ["GetServerConsole", "GetRecovery", "Doctor"];
    let methods: BTreeMap<String, MethodDescriptor> = windlass_proto::pool()
        .services()
        .flat_map(|service| service.methods().collect::<Vec<_>>())
        .map(|it| (format!("/{}/{}", it.parent_service().full_name(), it.name()), it))
        .collect();
    let rows = rows::all(stage).into_iter().filter_map(|row| {
        let method = methods.get(&row.path)?.clone();
        let reads = method.input().get_field_by_name("read_at").is_some() && !method.is_server_streaming();
        let wanted = reads && !in_no_history.contains(&method.name());
        let request = DynamicMessage::decode(method.input(), row.valid.as_slice()).expect("a request");
        wanted.then_some((method, request))
    });
    rows.collect()
}

async fn asked(
    world: &tonic::service::Routes,
    (method, request): &(MethodDescriptor, DynamicMessage),
) -> Value {
    use prost::Message as _;
    let path = format!("/{}/{}", method.parent_service().full_name(), method.name());
    let answer = raw::call(world, Some(TOKEN), &path, request.encode_to_vec()).await;
    let answer = answer.unwrap_or_else(|status| panic!("{path}: {status:?}"));
    let mut answer = DynamicMessage::decode(method.output(), answer.as_slice()).expect("an answer");
    without(&mut answer);
    Value::Message(answer)
}

/// Clears what is of now alone, all the way down.
fn without(message: &mut DynamicMessage) {
    for name in OF_NOW {
        message.clear_field_by_name(name);
    }
    let fields: Vec<_> = message.fields().map(|(field, _)| field).collect();
    for field in fields {
        match message.get_field_mut(&field) {
            Value::Message(inner) => without(inner),
            Value::List(items) => {
                for item in items {
                    if let Value::Message(inner) = item {
                        without(inner);
                    }
                }
            }
            _ => {}
        }
    }
}

fn at_position(request: &DynamicMessage, position: u64) -> DynamicMessage {
    let mut request = request.clone();
    let read_at = DynamicMessage::decode(
        windlass_proto::pool().get_message_by_name("windlass.v1.ReadAt").expect("described"),
        prost::Message::encode_to_vec(&at(position).expect("set")).as_slice(),
    );
    request.set_field_by_name("read_at", Value::Message(read_at.expect("encoded")));
    request
}

/// Makes the world another one: things that the stage's reads name go, others come.
async fn move_on(stage: &Stage) {
    let admin = stage.world.admin();
    for name in ["more", "still more"] {
        ask(&admin, network(name)).await;
        ask(&admin, project(&format!("p {name}"))).await;
    }
    let gone = |name: &str| format!("projects/blue/{name}");
    ask(&admin, DeletePortRequest { name: gone("ports/spare"), ..Default::default() }).await;
    ask(&admin, DeleteKeyPairRequest { name: gone("keyPairs/spare"), ..Default::default() }).await;
    ask(&admin, DeletePrincipalRequest { name: "principals/ben".into(), ..Default::default() }).await;
    ask(&admin, DrainHostRequest { name: "hosts/h0".into(), ..Default::default() }).await;
    ask(&admin, CancelOperationRequest { name: stage.running.clone(), ..Default::default() }).await;
}

#[tokio::test]
async fn every_read_tells_the_past_as_it_told_it_then() {
    let stage = Stage::set().await;
    let reads = reads(&stage);
    assert!(reads.len() > 30, "only {} reads: the search is broken", reads.len());
    // Nothing may be committed while the answers are taken.
    let (position, then) = loop {
        let before = stage.world.position().await;
        let mut then = Vec::new();
        for read in &reads {
            then.push(asked(&stage.world.routes, read).await);
        }
        if stage.world.position().await == before {
            break (before, then);
        }
    };
    move_on(&stage).await;
    assert!(stage.world.position().await > position + 8);
    let mut differ_now = 0;
    for ((method, request), then) in reads.iter().zip(&then) {
        let read = (method.clone(), at_position(request, position));
        let told = asked(&stage.world.routes, &read).await;
        assert_eq!(&told, then, "{}", method.full_name());
        let path = format!("/{}/{}", method.parent_service().full_name(), method.name());
        let request = prost::Message::encode_to_vec(request);
        let now = raw::call(&stage.world.routes, Some(TOKEN), &path, request);
        differ_now += usize::from(now.await.is_err());
    }
    assert!(differ_now >= 3, "the world did not move on");
    // The same from its journal alone, and of its end.
    let alone = alone(&stage.world.journal).await;
    for ((method, request), then) in reads.iter().zip(&then) {
        let told = asked(&alone, &(method.clone(), at_position(request, position))).await;
        assert_eq!(&told, then, "{} of the journal alone", method.full_name());
    }
}

/// The API over a journal, led by nobody.
async fn alone(journal: &Memory) -> tonic::service::Routes {
    let roles: Roles = [(Scope::Cell, AccessRole::Admin)].into();
    let journal = std::sync::Arc::new(journal.connect());
    let parts = held::open(journal, ("memory", None), roles, |_| ()).await.expect("it folds");
    routes(parts).await.expect("described").0
}

#[tokio::test]
async fn a_journal_alone_is_never_changed() {
    let stage = Stage::set().await;
    let (last, alone) = (stage.world.last(), alone(&stage.world.journal).await);
    let mut refused = 0;
    for row in rows::all(&stage) {
        let changes =
            windlass_proto::pool().services().flat_map(|it| it.methods().collect::<Vec<_>>()).any(|it| {
                format!("/{}/{}", it.parent_service().full_name(), it.name()) == row.path
                    && it.input().get_field_by_name("request_id").is_some()
            });
        if changes {
            let status = raw::call(&alone, Some(TOKEN), &row.path, row.valid).await.expect_err(&row.path);
            assert_eq!(status.code(), Code::FailedPrecondition, "{}: {status:?}", row.path);
            refused += 1;
        }
    }
    assert!(refused > 40, "only {refused} changes: the search is broken");
    assert_eq!(stage.world.last(), last);
}

#[tokio::test]
async fn a_moment_that_is_not_there_is_refused_with_its_field() {
    let world = World::furnished().await;
    let admin = world.admin();
    let position = world.position().await;
    let list = |point: Option<Point>| ListNetworksRequest {
        parent: "projects/blue".into(),
        read_at: Some(ReadAt { point }),
        ..Default::default()
    };
    let time = |seconds: i64| Some(Point::Time(prost_types::Timestamp { seconds, nanos: 0 }));
    for (point, reason) in [
        (Some(Point::Position(0)), PositionOutOfRange),
        (Some(Point::Position(position + 1)), PositionOutOfRange),
        (time(0), PositionOutOfRange),
        (time(4_000_000_000), PositionOutOfRange),
        (time(i64::MAX), InvalidField),
        (None, InvalidField),
    ] {
        let error = refused(&admin, list(point)).await;
        let (said, field) = why(&error);
        assert_eq!((said, field.starts_with("read_at")), (reason, true), "{point:?}: {error}");
    }
    let before = refused(&admin, list(time(1))).await;
    assert!(before.message.contains("begins with position 1"), "{}", before.message);
    assert!(admin.call(list(Some(Point::Position(position)))).await.is_ok());
}

#[tokio::test]
async fn a_time_reads_the_last_commit_that_is_not_later() {
    let world = World::furnished().await;
    let admin = world.admin();
    for number in 0..5 {
        ask(&admin, network(&format!("n{number}"))).await;
    }
    let commits = world.history.commits().await;
    for commit in &commits {
        let micros = commit.header.time.0;
        let same = commits.iter().filter(|it| it.header.time.0 <= micros).count() as u64;
        let time = prost_types::Timestamp {
            seconds: micros.div_euclid(1_000_000),
            nanos: i32::try_from(micros.rem_euclid(1_000_000) * 1_000).expect("less than a second"),
        };
        let read_at = Some(ReadAt { point: Some(Point::Time(time)) });
        let cell = admin.call(GetCellRequest { read_at, ..Default::default() }).await.expect("told");
        assert_eq!(cell.position, same);
    }
}

#[tokio::test]
async fn the_roles_of_now_say_who_reads_the_past() {
    let world = World::furnished().await;
    let admin = world.admin();
    let ann = world.principal("ann", &[(role_grant::Role::Reader, "projects/blue")]).await;
    let could = world.position().await;
    let list = |position| ListNetworksRequest {
        parent: "projects/blue".into(),
        read_at: at(position),
        ..Default::default()
    };
    assert!(ann.call(list(could)).await.is_ok());
    // Before she was there at all: her right of now counts.
    assert!(ann.call(list(8)).await.is_ok());
    let grant = RoleGrant { role: role_grant::Role::Reader.into(), scope: "projects/blue".into() };
    let name = "principals/ann".into();
    ask(&admin, RevokeRoleRequest { name, grant: Some(grant), ..Default::default() }).await;
    assert_eq!(why(&refused(&ann, list(could)).await).0, PermissionDenied);
}

#[tokio::test]
async fn the_doctor_tells_of_the_past_what_its_state_shows() {
    let stage = Stage::set().await;
    let (admin, read_at) = (stage.world.admin(), at(stage.world.position().await));
    let answer = admin.call(DoctorRequest { read_at, ..Default::default() }).await.expect("looked");
    let result = |number: u32| {
        answer.checks.iter().find(|it| it.invariant == number).map(|it| (it.result(), it.looked_at))
    };
    use invariant_check::Result as Found;
    for number in [3, 4, 5, 6] {
        let (result, looked_at) = result(number).expect("one each");
        assert!(result == Found::Passed && looked_at > 3, "{number}: {answer:?}");
    }
    for number in [1, 2, 7, 8, 9, 10, 11] {
        assert_eq!(result(number).map(|it| it.0), Some(Found::NotChecked), "{number}");
    }
    assert!(answer.hosts_compared.is_empty());
}

fn diff(parent: &str, from: u64, to: u64) -> DiffRequest {
    DiffRequest { parent: parent.into(), from: at(from), read_at: at(to), ..Default::default() }
}

#[tokio::test]
async fn a_diff_names_the_commit_that_caused_each_difference() {
    let stage = Stage::set().await;
    move_on(&stage).await;
    let (admin, end) = (stage.world.admin(), stage.world.position().await);
    let mut seen = 0;
    let half = end / 2;
    for (from, to) in [(1, end), (half, end), (half, half + 9), (half + 9, half + 10), (end - 5, end)] {
        let answer = admin.call(diff("", from, to)).await.expect("compared");
        let commits: Vec<u64> = answer.commits.iter().map(|it| it.position).collect();
        assert!(commits.is_sorted() && commits.iter().all(|it| (from + 1..=to).contains(it)), "{from}..{to}");
        for resource in &answer.resources {
            let whole = resource.change() != resource_diff::Change::Changed;
            let causes: Vec<u64> = match whole {
                true => vec![resource.position],
                false => resource.fields.iter().map(|it| it.position).collect(),
            };
            assert!(!causes.is_empty(), "{resource:?}");
            for cause in causes {
                assert!(commits.contains(&cause), "{from}..{to}: {cause} of {resource:?}");
            }
            for field in &resource.fields {
                assert_ne!(field.before, field.after, "{resource:?}");
                seen += 1;
            }
        }
        assert_eq!((answer.from_position, answer.to_position), (from, to));
    }
    assert!(seen > 100, "only {seen} fields were told");
}

#[tokio::test]
async fn a_diff_tells_what_reads_of_both_moments_show() {
    let world = World::furnished().await;
    let (admin, before) = (world.admin(), world.position().await);
    let made = ask(&admin, network("fresh")).await.position;
    let name = "projects/blue/networks/fresh";
    let gone = ask(&admin, DeleteNetworkRequest { name: name.into(), ..Default::default() }).await.position;
    let change = |answer: &DiffResponse| {
        answer.resources.iter().map(|it| (it.change(), it.position)).collect::<Vec<_>>()
    };
    use resource_diff::Change::{Added, Removed};
    let added = admin.call(diff(name, before, made)).await.expect("compared");
    assert_eq!(change(&added), [(Added, made)]);
    assert_eq!(added.resources[0].display_name, "fresh");
    let cause = added.commits[0].cause.clone().expect("asked for");
    assert!(cause.principal.starts_with("principals/") && !cause.request_id.is_empty(), "{cause:?}");
    assert_eq!(added.commits[0].fact, "request.create_network");
    assert_eq!(change(&admin.call(diff(name, made, gone)).await.expect("compared")), [(Removed, gone)]);
    // What came and went differs in nothing, and is counted.
    let both = admin.call(diff("projects/blue", before, gone)).await.expect("compared");
    assert_eq!((both.resources.len(), both.passing), (0, 1), "{both:?}");
    let error = refused(&admin, diff(name, before, gone)).await;
    assert_eq!(why(&error), (NotFound, "parent"));
    for (request, field) in [
        (diff("", made, before), "from"),
        (diff("", 0, made), "from"),
        (DiffRequest { from: None, ..diff("", 1, made) }, "from"),
        (diff("nonsense", 1, made), "parent"),
    ] {
        assert_eq!(why(&refused(&admin, request.clone()).await).1, field, "{request:?}");
    }
}

#[tokio::test]
async fn a_diff_shows_a_project_its_own() {
    let stage = Stage::set().await;
    let ben = stage.world.client(Some("wlt_ben"));
    let end = stage.world.position().await;
    let error = refused(&ben, diff("", 2, end)).await;
    assert_eq!(why(&error).0, PermissionDenied);
    let project = GetProjectRequest { name: "projects/blue".into(), ..Default::default() };
    let own = stage.world.admin().call(project).await.expect("there").name;
    let answer = ben.call(diff("projects/blue", 3, end)).await.expect("his own");
    assert!(answer.resources.len() > 5);
    assert!(answer.resources.iter().all(|it| it.resource.starts_with(&own)), "{answer:?}");
    assert!(answer.commits.iter().all(|it| it.cause.as_ref().is_some_and(|it| it.source_address.is_empty())));
}
