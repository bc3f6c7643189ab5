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
    let asked = cell.client.call(flavor_named(&format!("gap-{number}"))).await;
    cell.completes(asked.unwrap_or_else(|error| panic!("{error:?}\n{}", cell.said()))).await;
    began.elapsed()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn o1_o3_a_killed_leader_is_followed_by_another_and_nothing_is_lost_or_repeated() {
    let mut broker = Broker::start(3);
    let mut cell = Cell::over(slow_hosts(15), vec![broker.arguments(); 3]).await;
    for round in 0..kills() {
        let asked = under_way(&cell, &format!("web-{round}")).await;
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
    all_is_well(&mut cell, &(0..kills()).map(|round| format!("web-{round}")).collect::<Vec<_>>()).await;
    for node in &cell.nodes {
        assert_eq!(node.metric("windlass_commits_void").await.unwrap_or_default(), 0.0, "{}", node.said());
    }
}

/// Asks for three servers that take a while, and hands back what is under way.
async fn under_way(cell: &Cell, round: &str) -> Vec<v1::Operation> {
    let mut asked = Vec::new();
    for (number, host) in ["h1", "h2", "h1"].into_iter().enumerate() {
        asked.push(cell.client.call(server(&format!("{round}-{number}"), host, &[])).await.unwrap());
    }
    asked
}

/// Everything that was asked for is there, once, and is deleted: nothing is left.
async fn all_is_well(cell: &mut Cell, rounds: &[String]) {
    let names = rounds.iter().flat_map(|round| (0..3).map(move |number| format!("{round}-{number}")));
    cell.ends_well(names).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn o1_o2_a_leader_that_stands_still_longer_than_its_lease_finds_its_successor_when_it_goes_on() {
    let broker = Broker::start(3);
    let mut cell = Cell::over(slow_hosts(15), vec![broker.arguments(); 3]).await;
    let mut rounds = Vec::new();
    for round in 0..kills() {
        let name = format!("stop-{round}");
        let asked = under_way(&cell, &name).await;
        let leader = cell.leader().await;
        cell.nodes[leader].signal(Signal::STOP);
        println!("orchestrator stopped: {:?} until the next commit", commits(&cell, 2000 + round).await);
        let read = cell.client.call(get_server(&format!("{name}-0"))).await.unwrap();
        assert_eq!(read.display_name, format!("{name}-0"));
        cell.nodes[leader].signal(Signal::CONT);
        for operation in asked {
            cell.completes(operation).await;
        }
        // It finds its successor: two never lead for long.
        until("the old leader follows", async || !cell.nodes[leader].leads().await).await;
        assert!(!cell.nodes[leader].leads().await, "{}", cell.nodes[leader].said());
        assert_ne!(cell.leader().await, leader);
        rounds.push(name);
    }
    all_is_well(&mut cell, &rounds).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn o1_o4_a_machine_that_is_cut_off_is_gone_on_without_and_comes_back_as_a_follower() {
    let mut site = Site::with(slow_hosts(15)).await;
    let mut rounds = Vec::new();
    // Cut off are, in turn: the machine of the leader, that of the stream's leader.
    for which in ["leader", "stream-leader"] {
        let asked = under_way(&site.cell, which).await;
        let leader = site.cell.leader().await;
        let machine = if which == "leader" { leader } else { site.stream_leader().await };
        site.set(machine, Weather::Silent);
        println!("{which} cut off: {:?} until the next commit", commits(&site.cell, machine as u64).await);
        let others: Vec<usize> = (0..3).filter(|other| *other != machine).collect();
        for other in &others {
            // Who is not cut off answers, also for what was acknowledged just before: once it has found another server
            // of the journal, where its own was on that machine.
            let (client, min_position) = (site.cell.client_of(*other), asked[0].position);
            let request = v1::GetServerRequest { min_position, ..get_server(&format!("{which}-0")) };
            until("the others answer", async || client.call(request.clone()).await.is_ok()).await;
        }
        for operation in asked {
            site.cell.completes(operation).await;
        }
        site.set(machine, Weather::Clear);
        let name = format!("flavors/gap-{machine}");
        let seen = v1::GetFlavorRequest { name, ..Default::default() };
        let mut back = site.cell.client_of(machine).call(seen.clone()).await;
        for _ in 0..300 {
            if back.is_ok() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
            back = site.cell.client_of(machine).call(seen.clone()).await;
        }
        assert!(back.is_ok(), "{back:?}: {}", site.cell.nodes[machine].said());
        rounds.push(which.to_owned());
    }
    all_is_well(&mut site.cell, &rounds).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn o2_everything_restarted_in_turn_under_load_loses_and_repeats_nothing() {
    let mut broker = Broker::start(3);
    let mut cell = Cell::over(slow_hosts(15), vec![broker.arguments(); 3]).await;
    let mut rounds = Vec::new();
    for part in 0..9 {
        let name = format!("turn-{part}");
        let asked = under_way(&cell, &name).await;
        match part {
            0..3 => {
                cell.nodes[part].end().await;
                cell.nodes[part].start().await;
            }
            3..6 => {
                let host = ["s1", "h1", "h2"][part - 3];
                cell.kill_agent(host).await;
                cell.start_agent(host);
            }
            _ => broker.restart(part - 6),
        }
        for operation in asked {
            cell.completes(operation).await;
        }
        rounds.push(name);
    }
    all_is_well(&mut cell, &rounds).await;
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
        let request = v1::GetFlavorRequest { name, min_position: ended.position, ..Default::default() };
        let read = follower.call(request).await.unwrap();
        assert_eq!(read.display_name, format!("f-{number}"), "{read:?}");
    }
    assert!(!cell.nodes[1 - leader].leads().await);
    // A change that is sent to a follower is refused as unavailable, and a client that knows the leader finds it.
    cell.completes(cell.client.call(flavor_named("last")).await.unwrap()).await;
}
