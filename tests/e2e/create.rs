//! The main job: a server with its volumes and ports, made, seen and deleted, leaving nothing.

use windlass_client::v1;

use super::support::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_is_made_seen_and_deleted_and_nothing_is_left() {
    let mut cell = Cell::plain().await;
    cell.completes(cell.client.call(volume("data")).await.unwrap()).await;
    let made = cell.completes(cell.client.call(server("web", "", &["data"])).await.unwrap()).await;
    let saga = made.metadata.clone().unwrap();
    // S9: n + 1 commits for n steps.
    let request = v1::ListEventsRequest { parent: made.name.clone(), page_size: 1000, ..Default::default() };
    let events = cell.client.call(request).await.unwrap().events;
    let mut positions: Vec<u64> = events.iter().map(|event| event.position).collect();
    positions.dedup();
    assert_eq!(positions.len(), saga.steps.len() + 1, "{events:#?}");

    // Everything that a client reads with ACTIVE is there with it.
    let web = cell.client.call(get_server("web")).await.unwrap();
    assert_eq!(web.state(), v1::server::State::Active);
    assert_eq!(web.interfaces.len(), 1);
    assert!(!web.interfaces[0].fixed_ips.is_empty() && !web.interfaces[0].mac_address.is_empty());
    assert_eq!(web.volumes.len(), 1);
    let name = format!("{PROJECT}/volumes/data");
    let data = cell.client.call(v1::GetVolumeRequest { name, ..Default::default() }).await.unwrap();
    assert_eq!(data.state(), v1::volume::State::InUse);
    cell.is_well().await;

    cell.completes(cell.client.call(delete_server("web")).await.unwrap()).await;
    cell.completes(cell.client.call(delete_volume("data")).await.unwrap()).await;
    cell.is_well().await;
    cell.nothing_repeated().await;
    cell.nothing_left().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r1_a_repeat_over_a_restart_names_the_same_operation_and_another_body_is_refused() {
    let mut cell = Cell::plain().await;
    let mut request = server("web", "h1", &[]);
    request.request_id = windlass_client::Client::new_request_id();
    let first = cell.client.call(request.clone()).await.unwrap();
    cell.completes(first.clone()).await;
    cell.kill_orchestrator().await;
    cell.start_orchestrator().await;
    let again = cell.client.call(request.clone()).await.unwrap();
    assert_eq!(again.name, first.name);
    let mut other = request;
    other.server.as_mut().unwrap().display_name = "other".into();
    let refused = cell.client.call(other).await.unwrap_err();
    assert_eq!(refused.reason_name, "REQUEST_ID_MISMATCH");
    // A UUIDv7 of long ago.
    let mut old = server("old", "h1", &[]);
    old.request_id = "01800000-0000-7000-8000-000000000001".into();
    assert_eq!(cell.client.call(old).await.unwrap_err().reason_name, "REQUEST_ID_EXPIRED");
    cell.completes(cell.client.call(delete_server("web")).await.unwrap()).await;
    cell.nothing_left().await;
}
