//! SIGKILL of the orchestrator or of an agent at moments that a seed chooses: what was acknowledged ends, nothing is done
//! twice, nothing is left.

use std::time::Duration;

use super::support::*;

async fn killed_at_random(seed: u64, rounds: u64) {
    let mut cell = Cell::with(slow_hosts(15)).await;
    let mut dice = Dice(seed);
    for round in 0..rounds {
        let mut asked = Vec::new();
        for number in 0..3 {
            let host = ["h1", "h2"][dice.below(2) as usize];
            asked.push(cell.client.call(server(&format!("web-{round}-{number}"), host, &[])).await.unwrap());
        }
        tokio::time::sleep(Duration::from_millis(dice.below(250))).await;
        match dice.below(4) {
            0 => {
                cell.kill_orchestrator().await;
                cell.start_orchestrator().await;
            }
            which => {
                let name = ["s1", "h1", "h2"][which as usize - 1];
                cell.kill_agent(name).await;
                cell.start_agent(name);
            }
        }
        for operation in asked {
            cell.completes(operation).await;
        }
    }
    let names = (0..rounds).flat_map(|round| (0..3).map(move |number| format!("web-{round}-{number}")));
    cell.ends_well(names).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn o3_a6_processes_killed_at_random_moments_repeat_nothing_and_leave_nothing() {
    killed_at_random(0x5eed, 6).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn o3_a6_the_same_with_another_seed() {
    killed_at_random(0xfeed, 6).await;
}
