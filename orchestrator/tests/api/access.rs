//! Who may do what: each method needs its permission of the descriptor; what the caller may not see is not there.

use tonic::Code;
use tonic_types::StatusExt;
use windlass_client::NewSecret;
use windlass_orchestrator::api::methods::{Needs, needs};
use windlass_proto::v1::ErrorReason::*;
use windlass_proto::v1::*;
use windlass_sagas::cell::Permission;

use crate::support::furniture::{network, project};
use crate::support::rows::{self, Row};
use crate::support::stage::Stage;
use crate::support::{World, ask, raw, refused, why};

fn needed(path: &str) -> (&'static str, Needs) {
    let permission = windlass_proto::permission(path).unwrap_or_else(|| panic!("{path} has no permission"));
    (permission, needs(permission))
}

/// The reason of a refusal, and the permission that it names.
fn said(status: &tonic::Status) -> (String, Option<String>) {
    let details = status.get_error_details();
    let info = details.error_info().expect("a reason");
    (info.reason.clone(), info.metadata.get("permission").cloned())
}

/// Whether the row is about something of project `blue`, and not of the cell as a whole.
fn in_blue(row: &Row) -> bool {
    String::from_utf8_lossy(&row.valid).contains("projects/blue")
}

#[tokio::test]
async fn without_a_good_token_nothing_is_answered() {
    let stage = Stage::set().await;
    let last = stage.world.last();
    let unknown = format!("wlt_{}", "00".repeat(32));
    for Row { path, valid, .. } in rows::all(&stage) {
        for token in [None, Some(unknown.as_str()), Some("wlj_h9"), Some("")] {
            let answer = raw::call(&stage.world.routes, token, &path, valid.clone()).await;
            let status = answer.err().unwrap_or_else(|| panic!("{path} answers {token:?}"));
            assert_eq!((status.code(), said(&status).0.as_str()), (Code::Unauthenticated, "UNAUTHENTICATED"));
        }
    }
    assert_eq!(stage.world.last(), last);
}

#[tokio::test]
async fn who_has_no_role_may_only_what_any_credential_may() {
    let stage = Stage::set().await;
    drop(stage.world.principal("ann", &[]).await);
    let last = stage.world.last();
    for row in rows::all(&stage) {
        let (permission, needs) = needed(&row.path);
        let answer = raw::call(&stage.world.routes, Some("wlt_ann"), &row.path, row.valid).await;
        match (needs, answer) {
            (Needs::Credential, answer) => drop(answer.unwrap_or_else(|it| panic!("{}: {it:?}", row.path))),
            (Needs::Permission(_), Ok(answer)) => {
                // A list over all projects holds nothing; a public image is everybody's.
                let open = ["/windlass.v1.VolumeService/ListVolumes", "/windlass.v1.ImageService/GetImage"];
                assert!(open.contains(&row.path.as_str()), "{} was answered", row.path);
                if row.path == open[0] {
                    let page: ListVolumesResponse =
                        prost::Message::decode(answer.as_slice()).expect("a page");
                    assert!(page.volumes.is_empty());
                }
            }
            (Needs::Permission(_), Err(status)) => match said(&status) {
                // Whether the operation exists is not told.
                (reason, None) if reason == "NOT_FOUND" => {
                    assert!(
                        permission.starts_with("operations.") || permission == "history.list",
                        "{}",
                        row.path
                    );
                }
                (reason, named) => {
                    assert_eq!((reason.as_str(), named.as_deref()), ("PERMISSION_DENIED", Some(permission)));
                }
            },
        }
    }
    assert_eq!(stage.world.last(), last);
}

#[tokio::test]
async fn a_reader_of_a_project_reads_it_and_changes_nothing() {
    let stage = Stage::set().await;
    let last = stage.world.last();
    for row in rows::all(&stage) {
        let (permission, needs) = needed(&row.path);
        let about_blue = in_blue(&row) || row.path.contains("Operation") || row.path.contains("History");
        let reads =
            needs == Needs::Credential || (needs == Needs::Permission(Permission::Read) && about_blue);
        let answer = raw::call(&stage.world.routes, Some("wlt_ben"), &row.path, row.valid).await;
        match answer {
            Ok(_) => assert!(reads || permission == "volumes.list", "{} was answered", row.path),
            Err(status) => {
                assert!(!reads, "{}: {status:?}", row.path);
                assert_eq!(
                    said(&status),
                    ("PERMISSION_DENIED".into(), Some(permission.into())),
                    "{}",
                    row.path
                );
            }
        }
    }
    assert_eq!(stage.world.last(), last);
}

#[tokio::test]
async fn another_project_s_resources_are_not_found() {
    let world = World::furnished().await;
    let admin = world.admin();
    ask(&admin, project("green")).await;
    let ann = world.principal("ann", &[(role_grant::Role::Member, "projects/green")]).await;
    let blue = ask(&admin, network("secret")).await;
    let operation = GetOperationRequest { name: blue.name.clone(), ..Default::default() };
    assert_eq!(why(&refused(&ann, operation).await).0, NotFound);
    let history = ListEventsRequest { parent: blue.name.clone(), ..Default::default() };
    assert_eq!(why(&refused(&ann, history).await).0, NotFound);
    let cancel = CancelOperationRequest { name: blue.name.clone(), ..Default::default() };
    assert_eq!(why(&refused(&ann, cancel).await).0, NotFound);
    let id = blue.metadata.expect("a saga").subject;
    let id = id.rsplit('/').next().expect("an id");
    // By its id, in a project of his own.
    let name = format!("projects/green/networks/{id}");
    let get = GetNetworkRequest { name: name.clone(), ..Default::default() };
    assert_eq!(why(&refused(&ann, get).await), (NotFound, "name"));
    let delete = DeleteNetworkRequest { name, ..Default::default() };
    assert_eq!(why(&refused(&ann, delete).await), (NotFound, "name"));
    let name = "projects/blue/networks/secret".to_owned();
    let direct = GetNetworkRequest { name, ..Default::default() };
    assert_eq!(why(&refused(&ann, direct).await).0, PermissionDenied);
    let none = GetNetworkRequest { name: "projects/none/networks/secret".into(), ..Default::default() };
    assert_eq!(why(&refused(&ann, none).await).0, PermissionDenied, "nor whether the project exists");
    let all = ListNetworksRequest { parent: "projects/-".into(), ..Default::default() };
    assert!(ann.call(all).await.expect("listed").networks.is_empty());
    let projects = ann.call(ListProjectsRequest::default()).await.expect("listed").projects;
    assert_eq!(projects.iter().map(|it| it.display_name.as_str()).collect::<Vec<_>>(), ["green"]);
    let parent = "projects/green".to_owned();
    ask(&ann, CreateNetworkRequest { parent, ..network("own") }).await;
}

#[tokio::test]
async fn tokens_end_by_time_by_revoking_and_with_their_principal() {
    let world = World::furnished().await;
    let admin = world.admin();
    let reader = [(role_grant::Role::Reader, "")];
    let ann = world.principal("ann", &reader).await;
    let cell = GetCellRequest::default;
    ann.call(cell()).await.expect("good");
    let secret = NewSecret::of("wlt_short");
    let seconds = windlass_orchestrator::clock::now().0 / 1_000_000 + 4;
    let api_token = ApiToken {
        display_name: "short".into(),
        secret_sha256: secret.sha256,
        expire_time: Some(prost_types::Timestamp { seconds, nanos: 0 }),
        ..Default::default()
    };
    let parent = "principals/ann".to_owned();
    ask(&admin, CreateApiTokenRequest { parent, api_token: Some(api_token), ..Default::default() }).await;
    let short = world.client(Some("wlt_short"));
    let answer = short.call(cell()).await;
    // A slow machine may have let its time pass.
    let in_force = windlass_orchestrator::clock::now().0 / 1_000_000 < seconds;
    assert!(answer.is_ok() || !in_force, "{answer:?}");
    let name = "principals/ann/apiTokens/test".to_owned();
    ask(&admin, RevokeApiTokenRequest { name, ..Default::default() }).await;
    assert_eq!(why(&refused(&ann, cell()).await).0, Unauthenticated);
    while windlass_orchestrator::clock::now().0 / 1_000_000 < seconds {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(why(&refused(&short, cell()).await).0, Unauthenticated);
    let ben = world.principal("ben", &reader).await;
    ben.call(cell()).await.expect("good");
    ask(&admin, DeletePrincipalRequest { name: "principals/ben".into(), ..Default::default() }).await;
    assert_eq!(why(&refused(&ben, cell()).await).0, Unauthenticated);
}

#[tokio::test]
async fn who_asked_with_what_and_from_where_is_in_the_record_and_shown_to_auditors_alone() {
    let world = World::furnished().await;
    let ann = world.principal("ann", &[(role_grant::Role::Member, "projects/blue")]).await;
    let made = ask(&ann, network("n1")).await;
    let cause = |client: windlass_client::Client| {
        let parent = made.name.clone();
        async move {
            let events = client.call(ListEventsRequest { parent, ..Default::default() }).await;
            events.expect("listed").events[0].cause.clone().expect("set")
        }
    };
    let (full, part) = (cause(world.admin()).await, cause(ann.clone()).await);
    assert!(full.credential.starts_with(&full.principal) && full.source_address == "127.0.0.1", "{full:?}");
    assert_eq!((part.credential.as_str(), part.source_address.as_str()), ("", ""));
    assert_eq!(part.principal, full.principal);
    let commit = world.history.commits().await.pop().expect("some");
    assert!(commit.cause.credential.is_some() && commit.cause.source.is_some());
}
