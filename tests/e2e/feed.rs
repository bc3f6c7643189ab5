//! The public feed, read by a consumer that trusts nobody: every event of the journal, each once, in order, with the bytes
//! that the journal gives, while leaders are killed, stopped and cut off, the broker falls, and the stream is deleted.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::process::Signal;
use windlass_journal::jetstream::{Feed, FeedError};

use super::support::*;

/// What a consumer has read: a message a sequence, from 1 on.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<Message>>>);

/// A message's subject and bytes.
type Message = (String, Vec<u8>);

impl Seen {
    /// Reads on and on, over whatever happens to the broker. A hole in the stream is the end of the test.
    async fn follow(self, feed: Feed) {
        loop {
            let next = self.0.lock().unwrap().len() as u64 + 1;
            match feed.read(next, 500).await {
                Ok(messages) => {
                    let read = messages.into_iter().map(|message| (message.id, message.payload));
                    self.0.lock().unwrap().extend(read);
                }
                Err(FeedError::Unavailable(_)) => {}
                Err(error) => {
                    // So that whoever waits for more sees why there is none.
                    self.0.lock().unwrap().push((error.to_string(), Vec::new()));
                    return;
                }
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    fn count(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    /// Dense and in order: in a commit, ordinals follow each other from 0; positions never go back.
    fn is_dense(&self) {
        let mut last = (0_u64, 0_u64);
        for (id, _) in self.0.lock().unwrap().iter() {
            let (position, ordinal) = id.split_once('.').unwrap_or_else(|| panic!("{id}"));
            let at: (u64, u64) = (position.parse().unwrap(), ordinal.parse().unwrap());
            let follows = at == (last.0, last.1 + 1) || (at.0 > last.0 && at.1 == 0);
            assert!(follows, "{at:?} follows {last:?}");
            last = at;
        }
    }
}

/// The feed's events as the journal says them.
async fn of_journal(broker: &Broker) -> Vec<Vec<u8>> {
    let url = &broker.arguments()[1];
    let output = windlass(&["events", "rebuild", "--nats", url, "--cell", "test"]).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).map(<[u8]>::to_vec).collect()
}

/// The handbook's consumer in Python, once it has printed so many events: `number id type subject` each. `None`: it can't be
/// run here, and why.
fn in_python(broker: &Broker, place: &Path, most: usize) -> Result<Vec<String>, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let libraries = root.join("target/tools/python");
    if !libraries.join("nats").is_dir() {
        return Err(format!("no nats-py in {} (ops/test.sh installs it)", libraries.display()));
    }
    let output = std::process::Command::new("python3")
        .arg(root.join("ops/handbook/consume_events.py"))
        .args([&broker.arguments()[1], "test", place.to_str().unwrap(), &most.to_string()])
        .env("PYTHONPATH", &libraries)
        .output()
        .map_err(|error| format!("no python3: {error}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    Ok(String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_handbooks_consumer_in_python_reads_all_of_it_and_resumes_where_it_stopped() {
    let broker = Broker::start(1);
    let cell = Cell::over(slow_hosts(0), vec![broker.arguments()]).await;
    let seen = Seen::default();
    let reading = tokio::spawn(seen.clone().follow(broker.feed("test").await));
    a_server(&cell, "one").await;
    is_exact(&cell, &broker, &seen).await;
    reading.abort();
    let place = cell.home.path().join("place.txt");
    let mut read = Vec::new();
    for most in [20, 1, 30] {
        match in_python(&broker, &place, most) {
            Ok(lines) => read.extend(lines),
            Err(why) => return println!("skipped: {why}"),
        }
    }
    let ids: Vec<String> = seen.0.lock().unwrap().iter().map(|(id, _)| id.clone()).take(51).collect();
    let told: Vec<String> =
        read.iter().map(|line| line.split(' ').take(2).collect::<Vec<_>>().join(" ")).collect();
    let wanted: Vec<String> = ids.iter().enumerate().map(|(at, id)| format!("{} {id}", at + 1)).collect();
    assert_eq!(told, wanted);
    assert_eq!(std::fs::read_to_string(place).unwrap(), "51");
}

/// Waits until a consumer has as many events as the journal; they are the same ones.
async fn is_exact(cell: &Cell, broker: &Broker, seen: &Seen) {
    let mut wanted = Vec::new();
    for _ in 0..600 {
        wanted = of_journal(broker).await;
        if seen.count() >= wanted.len() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    seen.is_dense();
    let read: Vec<Vec<u8>> = seen.0.lock().unwrap().iter().map(|(_, payload)| payload.clone()).collect();
    assert!(read.len() >= wanted.len(), "{} of {} events:\n{}", read.len(), wanted.len(), cell.said());
    for (number, (read, wanted)) in read.iter().zip(&wanted).enumerate() {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert_eq!(text(read), text(wanted), "event {number}");
    }
    assert!(wanted.len() > 50, "{}", wanted.len());
}

async fn a_server(cell: &Cell, name: &str) {
    let asked = cell.client.call(server(name, "h1", &[])).await;
    cell.completes(asked.unwrap_or_else(|error| panic!("{error:?}\n{}", cell.said()))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_feed_is_exact_while_leaders_are_killed_and_stopped_and_the_broker_falls() {
    let mut broker = Broker::start(1);
    let cell = &mut Cell::over(slow_hosts(5), vec![broker.arguments(); 3]).await;
    let seen = Seen::default();
    let reading = tokio::spawn(seen.clone().follow(broker.feed("test").await));
    for round in 0..3 {
        let asked = cell.client.call(server(&format!("killed-{round}"), "h2", &[])).await.unwrap();
        let leader = cell.leader().await;
        cell.nodes[leader].kill().await;
        cell.completes(asked).await;
        cell.nodes[leader].start().await;

        let asked = cell.client.call(server(&format!("fallen-{round}"), "h1", &[])).await.unwrap();
        // What the feed's stream had not written is lost with it; it comes again.
        broker.crash(0);
        cell.completes(asked).await;

        let leader = cell.leader().await;
        let asked = cell.client.call(server(&format!("stopped-{round}"), "h2", &[])).await.unwrap();
        cell.nodes[leader].signal(Signal::STOP);
        cell.completes(asked).await;
        cell.nodes[leader].signal(Signal::CONT);
        until("the old leader follows", async || !cell.nodes[leader].leads().await).await;
    }
    is_exact(cell, &broker, &seen).await;

    // From the beginning again, for who was not there.
    let late = Seen::default();
    let reading_late = tokio::spawn(late.clone().follow(broker.feed("test").await));
    is_exact(cell, &broker, &late).await;
    reading.abort();
    reading_late.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_feed_is_exact_on_three_servers_whose_leader_falls() {
    let mut broker = Broker::start(3);
    let cell = &mut Cell::over(slow_hosts(5), vec![broker.arguments(); 2]).await;
    let seen = Seen::default();
    let reading = tokio::spawn(seen.clone().follow(broker.feed("test").await));
    for hard in [true, false] {
        let asked = cell.client.call(server(&format!("fallen-{hard}"), "h2", &[])).await.unwrap();
        broker.end_leader("test", hard).await;
        cell.completes(asked).await;
    }
    a_server(cell, "last").await;
    is_exact(cell, &broker, &seen).await;
    reading.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_window_that_arrives_after_its_publisher_was_deposed_changes_nothing() {
    let broker = Broker::start(1);
    let wire = Wire::to(broker.address()).await;
    let mut through = broker.arguments();
    through[1] = format!("nats://{}", wire.address);
    let cell = &mut Cell::over(slow_hosts(5), vec![through, broker.arguments()]).await;
    cell.let_the_first_lead().await;
    let seen = Seen::default();
    let reading = tokio::spawn(seen.clone().follow(broker.feed("test").await));
    for round in 0..2 {
        let asked = cell.client.call(server(&format!("held-{round}"), "h1", &[])).await.unwrap();
        // Whatever it sends from now on, frames and messages, comes when its successor has gone on for long.
        wire.set(Weather::HoldsUp);
        until("the successor leads", async || cell.nodes[1].leads().await).await;
        cell.completes(asked).await;
        a_server(cell, &format!("after-{round}")).await;
        wire.set(Weather::Clear);
        until("the old leader follows", async || !cell.nodes[0].leads().await).await;
        a_server(cell, &format!("clear-{round}")).await;
        is_exact(cell, &broker, &seen).await;
        cell.let_the_first_lead().await;
    }
    is_exact(cell, &broker, &seen).await;
    reading.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_feed_that_somebody_deletes_is_made_again_as_it_was_and_off_means_off() {
    let broker = Broker::start(1);
    let mut cell = Cell::over(slow_hosts(0), vec![broker.arguments()]).await;
    let feed = broker.feed("test").await;
    a_server(&cell, "one").await;
    feed.delete().await.unwrap();
    a_server(&cell, "two").await;
    until("there is a stream again", async || feed.is_there().await == Ok(true)).await;
    let seen = Seen::default();
    let reading = tokio::spawn(seen.clone().follow(feed.clone()));
    is_exact(&cell, &broker, &seen).await;
    until("nothing is behind", async || cell.metric("windlass_feed_lag").await == Some(0.0)).await;
    reading.abort();

    let url = broker.arguments()[1].clone();
    let rebuild = ["events", "rebuild", "--nats", &url, "--cell", "test", "--publish"];
    let again = windlass(&[&rebuild[..], &["AGAIN"]].concat()).await;
    assert!(again.status.success(), "{}", String::from_utf8_lossy(&again.stderr));
    for (stream, code) in [("AGAIN", 4), ("WINDLASS_test_EVENTS", 2)] {
        let refused = windlass(&[&rebuild[..], &[stream]].concat()).await;
        assert_eq!(refused.status.code(), Some(code), "{stream}");
    }

    cell.nodes[0].end().await;
    feed.delete().await.unwrap();
    cell.nodes[0].arguments.extend(["--events".to_owned(), "off".to_owned()]);
    cell.nodes[0].start().await;
    a_server(&cell, "three").await;
    assert_eq!(feed.is_there().await, Ok(false));
}
