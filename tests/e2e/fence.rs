//! The fence, on the real thing: a leader that is stopped with a frame on its way, and goes on after its successor has
//! committed; and a frame that gets past the fence, which every reader calls void.

use std::time::Duration;

use rustix::process::Signal;
use windlass_client::v1;
use windlass_journal::{Append as _, Read as _};
use windlass_sagas::protocol::Cursor;
use windlass_sagas::record::Frame;

use super::support::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn o1_a_stopped_leaders_frame_that_arrives_after_its_successors_is_refused() {
    let broker = Broker::start(1);
    let wire = Wire::to(broker.address()).await;
    let mut through = broker.arguments();
    through[1] = format!("nats://{}", wire.address);
    let mut cell = Cell::over(vec![storage("s1")], vec![through, broker.arguments()]).await;
    // The one behind the wire is to lead.
    cell.let_the_first_lead().await;
    let connection = broker.connect("test").await;
    let before = connection.reader().last().await.unwrap();

    // A request of which the frame gets no further than the wire. Heartbeats and renewals are a few hundred bytes.
    wire.set(Weather::HoldsUp);
    let old = cell.client_of(0);
    let asked = tokio::spawn(async move { old.call(flavor_named("stale")).await });
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(wire.held_bytes() > 0);
    cell.nodes[0].signal(Signal::STOP);
    assert_eq!(connection.reader().last().await.unwrap(), before, "the frame was to be held");

    until("the successor leads", async || cell.nodes[1].leads().await).await;
    let new = cell.client_of(1);
    cell.completes(new.call(flavor_named("fresh")).await.unwrap()).await;
    let written = connection.reader().last().await.unwrap();
    wire.set(Weather::Clear);
    cell.nodes[0].signal(Signal::CONT);
    until("the old leader follows", async || !cell.nodes[0].leads().await).await;

    // The request was never acknowledged. Sent again it is done once; of the stale frame nothing is left.
    asked.abort();
    let reader = connection.reader();
    let mut writers = Vec::new();
    for (_, frame) in reader.read(before, 100).await.unwrap() {
        let commits = Frame::decode(frame.bytes()).unwrap().commits;
        writers.extend(commits.iter().map(|commit| commit.header.writer));
    }
    writers.dedup();
    assert_eq!(writers.len(), 1, "only the successor has written since");
    assert!(reader.last().await.unwrap() >= written);
    let flavors = new.list(v1::ListFlavorsRequest::default()).take(100).await.unwrap();
    assert!(flavors.iter().all(|flavor| flavor.display_name != "stale"), "{flavors:?}");
    cell.completes(cell.client.call(flavor_named("stale")).await.unwrap()).await;
    until("the old leader has followed", async || {
        let name = "flavors/stale".to_owned();
        cell.client_of(0).call(v1::GetFlavorRequest { name, ..Default::default() }).await.is_ok()
    })
    .await;
    assert!(cell.nodes[0].said().contains("no longer leading"), "{}", cell.nodes[0].said());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn o2_a_frame_that_gets_past_the_fence_is_void_for_every_reader_and_counted() {
    let broker = Broker::start(1);
    let cell = Cell::over(vec![storage("s1")], vec![broker.arguments(); 2]).await;
    cell.completes(cell.client.call(flavor_named("one")).await.unwrap()).await;
    let connection = broker.connect("test").await;
    let (reader, mut append) = (connection.reader(), connection.appender());
    // Two old commits in a frame that nobody ever sent.
    let mut stale = Frame::default();
    for (_, frame) in reader.read(Cursor::START, 3).await.unwrap().into_iter().skip(1) {
        stale.commits.push(Frame::decode(frame.bytes()).unwrap().commits.remove(0));
    }
    let stale = windlass_journal::Frame::new(stale.encode().unwrap()).unwrap();
    let mut landed = false;
    for _ in 0..100 {
        let last = reader.last().await.unwrap();
        landed = append.append(last, stale.clone()).await.is_ok();
        if landed {
            break;
        }
    }
    assert!(landed);
    // The leader is fenced by it once, reads it, and goes on behind it.
    cell.completes(cell.client.call(flavor_named("two")).await.unwrap()).await;
    for node in &cell.nodes {
        until("the void commits are counted", async || {
            node.metric("windlass_commits_void").await == Some(2.0)
        })
        .await;
    }
}
