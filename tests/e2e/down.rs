//! Planned faults that take a host down: a crash between two changes, a power cut that takes the ledger's tail, a lost
//! ledger. The agent starts again, and the saga goes on by what is found.

use super::support::*;

async fn falls(role_of_storage: bool, plan: &str) {
    let (on_storage, on_guest) =
        if role_of_storage { (Some(plan.to_owned()), None) } else { (None, Some(plan.to_owned())) };
    let mut cell = Cell::with(vec![
        HostSetup { faults: on_storage, ..storage("s1") },
        HostSetup { faults: on_guest, ..hypervisor("h1") },
    ])
    .await;
    let name = if role_of_storage { "s1" } else { "h1" };
    let asked = cell.client.call(server("web", "h1", &[])).await.unwrap();
    cell.agent_falls(name).await;
    cell.stop_faults(name);
    cell.start_agent(name);
    cell.completes(asked).await;
    cell.is_well().await;
    cell.completes(cell.client.call(delete_server("web")).await.unwrap()).await;
    cell.is_well().await;
    cell.nothing_repeated().await;
    cell.nothing_left().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f1_a_crash_between_two_changes_of_a_boot() {
    falls(false, "[[fault]]\nkind = \"crash_between\"\nstep = \"boot_vm\"\nafter_changes = 1\n").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f1_a_crash_after_the_change_before_its_record() {
    falls(true, "[[fault]]\nkind = \"crash_after\"\nstep = \"reserve_volume\"\n").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f1_a_power_cut_in_the_middle_of_a_reservation() {
    falls(true, "[[fault]]\nkind = \"power_cut\"\nstep = \"reserve_volume\"\nafter_changes = 1\n").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a8_a_ledger_that_is_lost_with_a_step_under_way() {
    falls(true, "[[fault]]\nkind = \"ledger_lost\"\nstep = \"reserve_volume\"\nwhen = \"after\"\n").await;
}
