//! A host that is drained takes nothing new, lets what leaves it go, names what keeps it from being quiet, and says when
//! nothing does.

use windlass_client::v1;

use super::support::*;

async fn host(cell: &Cell, name: &str) -> v1::Host {
    let request = v1::GetHostRequest { name: format!("hosts/{name}"), ..Default::default() };
    cell.client.call(request).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn o7_a_drained_host_takes_nothing_new_names_its_blockers_and_says_when_it_is_quiet() {
    let mut cell = Cell::plain().await;
    cell.completes(cell.client.call(server("old", "h1", &[])).await.unwrap()).await;
    let drain = v1::DrainHostRequest { name: "hosts/h1".into(), ..Default::default() };
    cell.completes(cell.client.call(drain).await.unwrap()).await;

    let drained = host(&cell, "h1").await.drain.unwrap();
    assert!(!drained.quiet);
    let old = cell.client.call(get_server("old")).await.unwrap();
    assert!(drained.blockers.iter().any(|blocker| blocker.resource == old.name), "{:?}", drained.blockers);

    let refused = cell.client.call(server("new", "h1", &[])).await.unwrap_err();
    assert_eq!(refused.reason_name, "NO_HOST_FITS", "{refused:?}");
    cell.completes(cell.client.call(server("new", "", &[])).await.unwrap()).await;
    let new = cell.client.call(get_server("new")).await.unwrap();
    assert_eq!(new.host, host(&cell, "h2").await.name);

    // What cleans up still runs.
    cell.completes(cell.client.call(delete_server("old")).await.unwrap()).await;
    let drained = host(&cell, "h1").await.drain.unwrap();
    assert!(drained.quiet && drained.blockers.is_empty(), "{drained:?}");

    let undrain = v1::UndrainHostRequest { name: "hosts/h1".into(), ..Default::default() };
    cell.completes(cell.client.call(undrain).await.unwrap()).await;
    assert!(host(&cell, "h1").await.drain.is_none());
    cell.completes(cell.client.call(server("old", "h1", &[])).await.unwrap()).await;
    for name in ["old", "new"] {
        cell.completes(cell.client.call(delete_server(name)).await.unwrap()).await;
    }
    cell.nothing_left().await;
}
