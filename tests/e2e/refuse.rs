//! A step that is refused for good: whatever came before it is undone, at each step of the plan, and nothing is left.

use windlass_client::v1;

use super::support::*;

/// The host that does a step of `server.create` with a data volume.
fn plan(step: &str) -> String {
    format!(
        "[[fault]]\nkind = \"error_before\"\nstep = \"{step}\"\ndirection = \"forward\"\nat = 1\nretryable = false\n"
    )
}

async fn rolls_back_at(step: &'static str, on_storage: bool) {
    let (faulty_storage, faulty_guest) =
        if on_storage { (Some(plan(step)), None) } else { (None, Some(plan(step))) };
    let hosts = vec![
        HostSetup { faults: faulty_storage, ..storage("s1") },
        HostSetup { faults: faulty_guest, ..hypervisor("h1") },
    ];
    let mut cell = Cell::with(hosts).await;
    if !on_storage {
        // On storage the fault strikes the first reservation, which would be this volume's own.
        cell.completes(cell.client.call(volume("data")).await.unwrap()).await;
    }
    let volumes: &[&str] = if on_storage { &[] } else { &["data"] };
    let ended = cell.rolls_back(cell.client.call(server("web", "h1", volumes)).await.unwrap()).await;
    let saga = ended.metadata.unwrap();
    let refused = saga.steps.iter().find(|it| it.refusal.is_some()).unwrap();
    assert_eq!(refused.kind, step, "the fault fired where it was meant to: {saga:#?}");
    // ERROR comes with the terminal commit, and by then the server holds nothing.
    let web = cell.client.call(get_server("web")).await.unwrap();
    assert_eq!(web.state(), windlass_client::v1::server::State::Error);
    assert!(!web.fault.unwrap().message.is_empty());
    cell.is_well().await;
    // What it took is free again: the same server can be made.
    cell.completes(cell.client.call(delete_server("web")).await.unwrap()).await;
    cell.completes(cell.client.call(server("web", "h1", volumes)).await.unwrap()).await;
    cell.completes(cell.client.call(delete_server("web")).await.unwrap()).await;
    if !on_storage {
        cell.completes(cell.client.call(delete_volume("data")).await.unwrap()).await;
    }
    cell.nothing_repeated().await;
    cell.nothing_left().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s4_refused_at_reserve_volume() {
    rolls_back_at("reserve_volume", true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s4_refused_at_prepare_port() {
    rolls_back_at("prepare_port", false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s4_refused_at_boot_vm() {
    rolls_back_at("boot_vm", false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s4_refused_at_attach() {
    rolls_back_at("attach", false).await;
}

/// `confirm` can't be refused on a simulated host, whose guests show that they run; before it, a cancel turns back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s7_a_cancel_before_the_pivot_turns_back_and_after_the_end_is_refused() {
    let slow = HostSetup { latency_ms: 200, ..hypervisor("h1") };
    let mut cell = Cell::with(vec![storage("s1"), slow]).await;
    let asked = cell.client.call(server("web", "h1", &[])).await.unwrap();
    let cancel = v1::CancelOperationRequest { name: asked.name.clone(), ..Default::default() };
    cell.completes(cell.client.call(cancel.clone()).await.unwrap()).await;
    cell.rolls_back(asked).await;
    let refused = cell.client.call(cancel).await.unwrap_err();
    assert_eq!(refused.reason_name, "ALREADY_ENDED", "{refused:?}");
    cell.is_well().await;
    cell.completes(cell.client.call(delete_server("web")).await.unwrap()).await;
    cell.nothing_repeated().await;
    cell.nothing_left().await;
}
