//! From the build of the last landing to this one: what it left is taken up, both run side by side, and a cell is
//! restarted part by part under load. `ops/build-before.sh` makes that build; `WINDLASS_BUILD_BEFORE` says where it is.

use std::path::{Path, PathBuf};

use windlass_client::v1;

use super::support::*;

fn before() -> PathBuf {
    let program = std::env::var_os("WINDLASS_BUILD_BEFORE");
    program.expect("WINDLASS_BUILD_BEFORE names the build before; ops/build-before.sh makes it").into()
}

/// Asks for a server on each hypervisor, one of them with a volume, and for the end of an older one.
async fn load(cell: &Cell, round: usize) -> Vec<v1::Operation> {
    let mut asked = Vec::new();
    cell.completes(cell.client.call(volume(&format!("v-{round}"))).await.unwrap()).await;
    let with = [format!("v-{round}")];
    for (number, host) in ["h1", "h2"].into_iter().enumerate() {
        let volumes = if number == 0 { vec![with[0].as_str()] } else { vec![] };
        asked.push(cell.client.call(server(&format!("web-{round}-{number}"), host, &volumes)).await.unwrap());
    }
    if round > 0 {
        let older = delete_server(&format!("web-{}-1", round - 1));
        asked.push(cell.client.call(older).await.unwrap());
    }
    asked
}

/// Everything that was asked for is deleted again: nothing was repeated, nothing is left.
async fn ends_well(mut cell: Cell, rounds: usize) {
    cell.is_well().await;
    for round in 0..rounds {
        cell.completes(cell.client.call(delete_server(&format!("web-{round}-0"))).await.unwrap()).await;
        cell.completes(cell.client.call(delete_volume(&format!("v-{round}"))).await.unwrap()).await;
    }
    cell.ends_well([format!("web-{}-1", rounds - 1)]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs the build before: ops/test.sh makes it and runs this"]
async fn sagas_that_the_build_before_left_half_done_are_finished_by_this_one() {
    let mut cell = Cell::of(&before(), slow_hosts(40), vec![Vec::new()]).await;
    for operation in load(&cell, 0).await {
        cell.completes(operation).await;
    }
    let half = load(&cell, 1).await;
    assert!(half.iter().all(|operation| !operation.done));
    for host in ["s1", "h1", "h2"] {
        cell.kill_agent(host).await;
    }
    cell.kill_orchestrator().await;
    let before = cell.nodes[0].said();
    cell.nodes[0].program = PROGRAM.into();
    cell.agent_program = PROGRAM.into();
    cell.start_orchestrator().await;
    for host in ["s1", "h1", "h2"] {
        cell.start_agent(host);
    }
    for operation in half {
        cell.completes(operation).await;
    }
    assert!(cell.nodes[0].said().len() > before.len());
    for operation in load(&cell, 2).await {
        cell.completes(operation).await;
    }
    ends_well(cell, 3).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs the build before: ops/test.sh makes it and runs this"]
async fn a_cell_is_restarted_part_by_part_under_load_from_the_build_before_to_this_one() {
    let broker = Broker::start(1);
    let mut cell = Cell::of(&before(), slow_hosts(40), vec![broker.arguments(); 2]).await;
    let mut round = 0;
    // The first orchestrator is replaced, the builds side by side; each leads once, over agents of either build.
    for part in ["o0", "h1", "o1", "h2", "s1"] {
        let under_way = load(&cell, round).await;
        round += 1;
        match part {
            "o0" | "o1" => {
                let node = usize::from(part == "o1");
                cell.nodes[node].end().await;
                cell.nodes[node].program = PROGRAM.into();
                cell.nodes[node].start().await;
                let other = 1 - node;
                if !cell.nodes[node].leads().await {
                    // It is to lead too: then the other, of the build before as long as there is one, again.
                    cell.nodes[other].end().await;
                    assert_eq!(cell.leader().await, node);
                    cell.nodes[other].start().await;
                }
                for operation in under_way {
                    cell.completes(operation).await;
                }
                let more = load(&cell, round).await;
                round += 1;
                cell.nodes[node].end().await;
                assert_eq!(cell.leader().await, other, "{}", cell.said());
                cell.nodes[node].start().await;
                for operation in more {
                    cell.completes(operation).await;
                }
            }
            host => {
                cell.agent_program = PROGRAM.into();
                cell.kill_agent(host).await;
                cell.start_agent(host);
                for operation in under_way {
                    cell.completes(operation).await;
                }
            }
        }
        cell.is_well().await;
    }
    ends_well(cell, round).await;
}

#[test]
fn the_build_before_is_named() {
    let landing = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/landing"));
    let landing = landing.unwrap();
    assert!(landing.trim().len() == 40 && landing.trim().chars().all(|digit| digit.is_ascii_hexdigit()));
}
