//! Calls over real sockets: what is tried again and what isn't, with which request id, and how lists are read.

use std::net::TcpListener;

use crate::support::{Answer, Cell, client, refusal};
use tonic::{Code, Status};
use windlass_client::ClientError;
use windlass_proto::v1::{
    CreateNetworkRequest, ErrorReason, GetNetworkRequest, ListNetworksRequest, Operation,
};

async fn create(cell: &Cell, answers: impl IntoIterator<Item = Answer>) -> Result<Operation, ClientError> {
    cell.world().answers.extend(answers);
    client(&[cell.serve()]).call(CreateNetworkRequest::default()).await
}

#[tokio::test]
async fn unavailable_is_tried_again_with_the_same_request_id() {
    let cell = Cell::default();
    let lost = [
        Answer::Refuse(refusal(ErrorReason::NotLeader)),
        Answer::MakeThenRefuse(refusal(ErrorReason::JournalUnavailable)),
        Answer::MakeThenLose,
    ];
    let operation = create(&cell, lost).await.expect("the fourth try succeeds");
    assert!(operation.done);
    let world = cell.world();
    assert_eq!(world.calls.len(), 4);
    assert_eq!(world.made.len(), 1, "the change was made once");
    assert!(world.calls.iter().all(|(id, _)| *id == world.calls[0].0), "{:?}", world.calls);
    assert!(world.calls.iter().all(|(_, token)| token.as_deref() == Some("Bearer wlt_test")));
    let id: uuid::Uuid = world.calls[0].0.parse().expect("a UUID");
    assert_eq!(id.get_version_num(), windlass_proto::REQUEST_ID_VERSION);
}

#[tokio::test]
async fn nothing_but_unavailable_is_tried_again() {
    for reason in [
        ErrorReason::ResourceBusy,
        ErrorReason::QuotaExceeded,
        ErrorReason::InvalidField,
        ErrorReason::Internal,
    ] {
        let cell = Cell::default();
        let error = create(&cell, [Answer::Refuse(refusal(reason))]).await.expect_err("it is refused");
        assert_eq!((error.reason, error.code), (Some(reason), reason.code()));
        let world = cell.world();
        assert_eq!(world.calls.len(), 1, "{reason:?} was tried again");
        assert_eq!(error.request_id.as_ref(), Some(&world.calls[0].0));
    }
}

#[tokio::test]
async fn codes_that_a_server_says_are_not_taken_for_a_lost_connection() {
    for code in [Code::Unknown, Code::Cancelled, Code::DeadlineExceeded] {
        let cell = Cell::default();
        let error = create(&cell, [Answer::Refuse(Status::new(code, "said by the server"))]).await;
        assert_eq!(error.expect_err("it is refused").code, code);
        assert_eq!(cell.world().calls.len(), 1, "{code:?} was tried again");
    }
}

#[tokio::test]
async fn tries_are_bounded() {
    let cell = Cell::default();
    let refused = (0..20).map(|_| Answer::Refuse(refusal(ErrorReason::Overloaded)));
    let error = create(&cell, refused).await.expect_err("it stays unavailable");
    assert_eq!(error.reason, Some(ErrorReason::Overloaded));
    assert_eq!(cell.world().calls.len(), 9, "one try and eight more");
}

#[tokio::test]
async fn a_given_request_id_is_kept() {
    let cell = Cell::default();
    let client = client(&[cell.serve()]);
    let request_id = windlass_client::Client::new_request_id();
    let request = CreateNetworkRequest { request_id: request_id.clone(), ..Default::default() };
    let first = client.call(request.clone()).await.expect("made");
    let again = client.call(request).await.expect("the same");
    assert_eq!(first, again);
    assert_eq!(cell.world().made.keys().collect::<Vec<_>>(), [&request_id]);
    client.call(CreateNetworkRequest::default()).await.expect("another");
    assert_eq!(cell.world().made.len(), 2);
}

#[tokio::test]
async fn the_next_orchestrator_is_taken_when_one_is_not_there() {
    let nobody =
        TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port");
    let cell = Cell::default();
    let client = client(&[nobody, cell.serve()]);
    client.call(CreateNetworkRequest::default()).await.expect("the second is there");
    assert_eq!(cell.world().calls.len(), 1);
}

#[tokio::test]
async fn nobody_there_is_unavailable() {
    let nobody =
        TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port");
    let error = client(&[nobody]).call(GetNetworkRequest::default()).await.expect_err("nobody listens");
    assert!(error.is_unavailable());
    assert_eq!(error.request_id, None, "a read has none");
}

#[tokio::test]
async fn a_list_is_read_over_its_pages() {
    for count in [0, 1, 2, 3, 4, 5] {
        let cell = Cell::default();
        cell.world().networks = (0..count).map(|number| number.to_string()).collect();
        let client = client(&[cell.serve()]);
        let mut pages = client.list(ListNetworksRequest::default());
        let mut names = Vec::new();
        while let Some(network) = pages.next().await.expect("a page") {
            names.push(network.display_name);
        }
        assert_eq!(names, cell.world().networks.clone());
        assert_eq!(pages.position(), 9);
        assert!(pages.next().await.expect("still ended").is_none());
        let some = client.list(ListNetworksRequest::default()).take(3).await.expect("pages");
        assert_eq!(some.len(), count.min(3));
    }
}
