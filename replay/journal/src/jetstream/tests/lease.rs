//! The lease on a real broker: one holder, handed over when it ends, gone by itself when it dies.

use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::{Connection, cell, shared};
use crate::jetstream::lease::LEASE;
use crate::jetstream::{Lease, LeaseTold};

struct Holder {
    told: mpsc::Receiver<LeaseTold>,
    asked: watch::Sender<u64>,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

async fn holder(connection: &Connection, name: &str) -> Holder {
    let lease = Lease::open(connection, name.to_owned()).await.unwrap();
    let ((tell, told), (asked, wanted)) = (mpsc::channel(64), watch::channel(0));
    let stop = CancellationToken::new();
    let task = tokio::spawn(lease.keep(wanted, tell, stop.clone()));
    Holder { told, asked, stop, task }
}

impl Holder {
    async fn next(&mut self) -> LeaseTold {
        timeout(LEASE * 4, self.told.recv()).await.expect("something is told").expect("it lives")
    }

    /// Nothing but renewals is told for as long.
    async fn is_quiet(&mut self, time: Duration) -> bool {
        let end = tokio::time::Instant::now() + time;
        while let Ok(told) = tokio::time::timeout_at(end, self.told.recv()).await {
            if !matches!(told, Some(LeaseTold::Renewed(_))) {
                return false;
            }
        }
        true
    }
}

#[tokio::test]
async fn one_holds_it_and_hands_it_over_at_its_end() {
    let broker = shared(1);
    let connection = broker.connect(&cell()).await;
    let mut first = holder(&connection, "first").await;
    assert_eq!(first.next().await, LeaseTold::Granted);
    let mut second = holder(&connection, "second").await;
    assert!(second.is_quiet(Duration::from_millis(1200)).await, "two hold it");
    first.asked.send(7).unwrap();
    while first.next().await != LeaseTold::Renewed(7) {}
    first.stop.cancel();
    first.task.await.unwrap();
    assert_eq!(second.next().await, LeaseTold::Granted);
    drop(second);
}

#[tokio::test]
async fn it_goes_by_itself_when_its_holder_dies() {
    let broker = shared(1);
    let connection = broker.connect(&cell()).await;
    let mut first = holder(&connection, "first").await;
    assert_eq!(first.next().await, LeaseTold::Granted);
    first.task.abort();
    let mut second = holder(&connection, "second").await;
    assert_eq!(second.next().await, LeaseTold::Granted);
}

#[tokio::test]
async fn who_can_not_renew_knows_it_as_lost_before_another_can_have_it() {
    let broker = super::Broker::start(1);
    let connection = broker.connect("cut").await;
    let mut first = holder(&connection, "first").await;
    assert_eq!(first.next().await, LeaseTold::Granted);
    let server = broker.servers.lock().unwrap()[0].take().unwrap();
    drop(server.kill());
    loop {
        match first.next().await {
            LeaseTold::Renewed(_) => {}
            told => break assert_eq!(told, LeaseTold::Lost),
        }
    }
}

#[tokio::test]
async fn a_broker_that_starts_anew_has_lost_the_lease_and_gives_one_again() {
    let broker = super::Broker::start(1);
    let connection = broker.connect("anew").await;
    let mut first = holder(&connection, "first").await;
    assert_eq!(first.next().await, LeaseTold::Granted);
    let server = broker.servers.lock().unwrap()[0].take().unwrap();
    let again = crate::jetstream::local::Server::start(&super::program(), server.stop()).unwrap();
    broker.servers.lock().unwrap()[0] = Some(again);
    loop {
        match first.next().await {
            // The last renewals before the end may still be told.
            LeaseTold::Renewed(_) => {}
            told => break assert_eq!(told, LeaseTold::Lost),
        }
    }
    assert_eq!(first.next().await, LeaseTold::Granted);
}
