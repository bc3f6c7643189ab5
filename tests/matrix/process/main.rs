//! The failure matrix on real processes (F2): the reference sagas × step × direction × the faults that an agent can be
//! told to strike with, against a real orchestrator, agents and NATS. The squares come from the registry; hosts in pairs,
//! each pair in a zone of its own, take them from one list. What hosts hold is counted at their worlds on disk.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that can't go on says where")]

#[path = "../core/base.rs"]
mod base;
mod lane;
mod page;
mod proof;
#[path = "../rules.rs"]
mod rules;
mod square;
#[path = "../../e2e/support/mod.rs"]
#[expect(dead_code, unused_imports, reason = "this test needs less of it")]
mod support;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use lane::Lane;
use square::Square;
use support::*;

/// Pairs of hosts, each with its zone. Squares that wait for a deadline wait beside each other.
const LANES: [(&str, &str, &str); 11] = [
    ("h1", "s1", "z1"),
    ("h2", "s2", "z2"),
    ("h3", "s3", "z3"),
    ("h4", "s4", "z4"),
    ("h5", "s5", "z5"),
    ("h6", "s6", "z6"),
    ("h7", "s7", "z7"),
    ("h8", "s8", "z8"),
    ("h9", "s9", "z9"),
    ("h10", "s10", "z10"),
    ("h11", "s11", "z11"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f2_every_square_on_real_processes_ends_as_the_matrix_says_and_leaves_nothing() {
    let squares = Square::all();
    assert!(squares.len() > 100, "{} squares", squares.len());
    page::keep(&squares);
    let broker = Broker::start(1);
    let hosts = LANES.iter().flat_map(|(guests, volumes, zone)| {
        [HostSetup { zone, ..hypervisor(guests) }, HostSetup { zone, ..storage(volumes) }]
    });
    let mut cell = Cell::over(hosts.collect(), vec![broker.arguments()]).await;
    let count = squares.len();
    let queue = Arc::new(Mutex::new(VecDeque::from(squares)));
    let mut lanes = tokio::task::JoinSet::new();
    for (guests, volumes, zone) in LANES {
        let lane = Lane::new(&mut cell, guests, volumes, zone);
        lanes.spawn(lane.works(Arc::clone(&queue)));
    }
    let mut found = Vec::new();
    let mut struck = 0;
    while let Some(ended) = lanes.join_next().await {
        let lane = ended.unwrap();
        struck += lane.struck;
        found.extend(lane.give_back(&mut cell));
    }
    assert!(found.is_empty(), "{} findings:\n{}", found.len(), found.join("\n"));
    assert_eq!(struck, count, "every square was struck");
    cell.is_well().await;
    cell.nothing_repeated().await;
    cell.nothing_left().await;
}
