//! Restarting from an image and a tail: the log names both, and what has ended is no longer in memory.

use windlass_client::v1;

use super::support::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_folds_an_image_and_the_tail_behind_it() {
    let mut cell = Cell::plain().await;
    cell.completes(cell.client.call(server("web", "h1", &[])).await.unwrap()).await;
    // An orderly end writes an image; what comes after it, and a kill, leaves a tail.
    cell.end_orchestrator().await;
    cell.start_orchestrator().await;
    let tail = cell.completes(cell.client.call(volume("data")).await.unwrap()).await;
    let before = cell.client.call(get_server("web")).await.unwrap();
    cell.kill_orchestrator().await;
    cell.start_orchestrator().await;
    let after = cell.client.call(get_server("web")).await.unwrap();
    assert_eq!((after.uid, after.state, after.interfaces), (before.uid, before.state, before.interfaces));
    let request = v1::GetOperationRequest { name: tail.name.clone(), ..Default::default() };
    assert!(cell.client.call(request).await.unwrap().done, "what was acknowledged before the kill is there");

    // The fold holds nothing of what has ended, and a metric says so; the index does.
    let request = v1::GetCellRequest::default();
    assert_eq!(cell.client.call(request).await.unwrap().operations_open, 0);
    assert_eq!(cell.metric("windlass_sagas_resident").await, Some(0.0));
    let request = v1::ListOperationsRequest { parent: PROJECT.into(), ..Default::default() };
    let operations = cell.client.list(request).take(100).await.unwrap();
    assert!(operations.iter().any(|it| it.name == tail.name) && operations.iter().all(|it| it.done));
    cell.completes(cell.client.call(delete_server("web")).await.unwrap()).await;
    cell.completes(cell.client.call(delete_volume("data")).await.unwrap()).await;

    // A change was made, so the last one leads too.
    let log = cell.log("orchestrator");
    let begins: Vec<u64> =
        log.lines().filter_map(|line| number(line, "begins with an image", "position=")).collect();
    let leads: Vec<u64> = log.lines().filter_map(|line| number(line, "leading", "folded=")).collect();
    assert_eq!((begins.len(), leads.len()), (2, 3), "{log}");
    assert!(
        begins[1] > 10 && leads[2] > 0 && leads[2] < begins[1],
        "an image and a short tail: {begins:?} {leads:?}"
    );
    cell.nothing_left().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_saga_is_in_memory_while_it_is_open_and_no_longer() {
    let slow = HostSetup { latency_ms: 100, ..hypervisor("h1") };
    let mut cell = Cell::with(vec![storage("s1"), slow]).await;
    let asked = cell.client.call(server("web", "h1", &[])).await.unwrap();
    assert_eq!(cell.metric("windlass_sagas_resident").await, Some(1.0));
    cell.completes(asked).await;
    assert_eq!(cell.metric("windlass_sagas_resident").await, Some(0.0));
    cell.completes(cell.client.call(delete_server("web")).await.unwrap()).await;
    cell.nothing_left().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_is_deleted_is_built_anew() {
    let mut cell = Cell::plain().await;
    let made = cell.completes(cell.client.call(volume("data")).await.unwrap()).await;
    cell.end_orchestrator().await;
    std::fs::remove_dir_all(cell.home.path().join("store")).unwrap();
    cell.start_orchestrator().await;
    let request = v1::GetOperationRequest { name: made.name, ..Default::default() };
    assert!(cell.client.call(request).await.unwrap().done);
    cell.completes(cell.client.call(delete_volume("data")).await.unwrap()).await;
    cell.nothing_left().await;
}

/// The number behind `key` on a line that says `what`, without the colours of a terminal.
fn number(line: &str, what: &str, key: &str) -> Option<u64> {
    let plain: String = strip(line);
    let (_, rest) = plain.split_once(what)?;
    let (_, number) = rest.split_once(key)?;
    number.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

fn strip(line: &str) -> String {
    let mut out = String::new();
    let mut escaped = false;
    for c in line.chars() {
        match (escaped, c) {
            (false, '\u{1b}') => escaped = true,
            (true, 'm') => escaped = false,
            (true, _) => {}
            (false, c) => out.push(c),
        }
    }
    out
}
