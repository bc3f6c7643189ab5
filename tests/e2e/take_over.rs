//! Three orchestrators on three NATS servers: one leads, the others follow and take over when it dies, or when the
//! broker's leader does. Clients notice no more than a retry; nothing is done twice, nothing is left.
//!
//! `WINDLASS_KILLS` sets how many of each (2 by default); how long each gap was is printed (`--nocapture`).

use std::time::{Duration, Instant};

use rustix::process::Signal;
use windlass_client::v1;

use super::support::*;

fn kills() -> u64 {
    std::env::var("WINDLASS_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(2)
}

/// Something small that is committed: how long until the cell takes it.
async fn commits(cell: &Cell, number: u64) -> Duration {
    let began = Instant::now();
    cell.completes(cell.client.call(flavor_named(&format!("gap-{number}"))).await.unwrap()).await;
    began.elapsed()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn o1_o3_a_killed_leader_is_followed_by_another_and_nothing_is_lost_or_repeated() {
    let mut broker = Broker::start(3);
    let slow = |setup| HostSetup { latency_ms: 15, ..setup };
    let hosts = vec![slow(storage("s1")), slow(hypervisor("h1")), slow(hypervisor("h2"))];
    let mut cell = Cell::over(hosts, vec![broker.arguments(); 3]).await;
    for round in 0..kills() {
        let mut asked = Vec::new();
        for (number, host) in ["h1", "h2", "h1"].into_iter().enumerate() {
            let name = format!("web-{round}-{number}");
            asked.push(cell.client.call(server(&name, host, &[])).await.unwrap());
        }
        let leader = cell.leader().await;
        cell.nodes[leader].kill().await;
        println!("orchestrator killed: {:?} until the next commit", commits(&cell, round).await);
        assert_ne!(cell.leader().await, leader);
        for operation in asked {
            cell.completes(operation).await;
        }
        cell.nodes[leader].start().await;
    }
    for round in 0..kills() {
        for hard in [true, false] {
            broker.end_leader("test", hard).await;
            let how = if hard { "hard" } else { "in order" };
            let number = 1000 + 2 * round + u64::from(hard);
            println!(
                "the stream's leader ended {how}: {:?} until the next commit",
                commits(&cell, number).await
            );
        }
    }
    cell.is_well().await;
    for round in 0..kills() {
        for number in 0..3 {
            let request = delete_server(&format!("web-{round}-{number}"));
            cell.completes(cell.client.call(request).await.unwrap()).await;
        }
    }
    cell.is_well().await;
    for node in &cell.nodes {
        assert_eq!(node.metric("windlass_commits_void").await.unwrap_or_default(), 0.0, "{}", node.said());
    }
    cell.nothing_repeated().await;
    cell.nothing_left().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn o4_a_follower_answers_reads_at_the_position_that_was_asked_for() {
    let broker = Broker::start(1);
    let cell = Cell::over(vec![storage("s1")], vec![broker.arguments(); 2]).await;
    let leader = cell.leader().await;
    let follower = cell.client_of(1 - leader);
    for number in 0..20 {
        let ended =
            cell.completes(cell.client.call(flavor_named(&format!("f-{number}"))).await.unwrap()).await;
        let name = format!("flavors/f-{number}");
        let request =
            v1::GetFlavorRequest { name: name.clone(), min_position: ended.position, ..Default::default() };
        let read = follower.call(request).await.unwrap();
        assert_eq!(read.display_name, format!("f-{number}"), "{read:?}");
    }
    assert!(!cell.nodes[1 - leader].leads().await);
    // A change that is sent to a follower is refused as unavailable, and a client that knows the leader finds it.
    cell.completes(cell.client.call(flavor_named("last")).await.unwrap()).await;
    cell.nodes[1 - leader].signal(Signal::CONT);
}
