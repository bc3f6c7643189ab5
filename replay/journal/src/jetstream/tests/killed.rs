//! Servers are killed and stopped under a writer that resolves every doubt by the bytes: nothing is lost, doubled or out
//! of place. The writer is as small as the leader's machine allows: one frame in flight, the same bytes until settled.
//! What it saw is printed (`--nocapture`), for people.

use std::time::{Duration, Instant};

use super::{Broker, program};
use crate::contract::frame;
use crate::jetstream::local::{Plan, Server};
use crate::jetstream::{Connection, Reader};
use crate::{Append, AppendError, Cursor, Frame, Read};

/// How long one frame may stay unsettled: an election of the broker takes up to nine seconds.
const SETTLE_TIME_MAX: Duration = Duration::from_secs(60);

/// What the writer saw.
#[derive(Debug, Default)]
struct Account {
    unknown: u64,
    fenced_by_ourselves: u64,
    longest_gap: Duration,
}

/// Appends frames `from + 1` to `to`, each until it is settled.
async fn write(connection: &Connection, from: u64, to: u64, account: &mut Account) {
    let (mut append, reader) = (connection.appender(), connection.reader());
    for number in from + 1..=to {
        let (frame, began) = (frame(number), Instant::now());
        let after = Cursor(number - 1);
        loop {
            assert!(began.elapsed() < SETTLE_TIME_MAX, "frame {number} is not settled: {account:?}");
            match append.append(after, frame.clone()).await {
                Ok(cursor) => {
                    assert_eq!(cursor, after.next());
                    break;
                }
                Err(AppendError::Unavailable) => {}
                Err(error) => {
                    let landed = at(&reader, after, &frame).await;
                    account.unknown += u64::from(error == AppendError::Unknown);
                    account.fenced_by_ourselves += u64::from(error == AppendError::Fenced && landed);
                    if landed {
                        break;
                    }
                }
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        account.longest_gap = account.longest_gap.max(began.elapsed());
    }
}

/// Whether `frame` stands behind `after`; another one there would be a second writer's.
async fn at(reader: &Reader, after: Cursor, frame: &Frame) -> bool {
    match reader.read(after, 1).await {
        Ok(found) => found.first().is_some_and(|(_, found)| {
            assert_eq!(found, frame, "another frame stands behind {after:?}");
            true
        }),
        Err(_) => false,
    }
}

/// Reads everything, however long the broker takes to come back.
async fn all(reader: &Reader, to: u64) {
    let until = Instant::now() + SETTLE_TIME_MAX;
    let mut after = Cursor::START;
    while after < Cursor(to) {
        match reader.read(after, 1000).await {
            Ok(frames) => {
                for (cursor, found) in frames {
                    assert_eq!((cursor, found), (after.next(), frame(cursor.0)));
                    after = cursor;
                }
            }
            Err(error) => assert!(Instant::now() < until, "{error}"),
        }
    }
    assert_eq!(reader.read(after, 1).await, Ok(vec![]), "nothing stands behind the last");
}

/// A follower that must see every frame once, in order, whatever happens to the broker.
async fn follow(reader: Reader, to: u64) {
    let mut after = Cursor::START;
    while after < Cursor(to) {
        if reader.wait(after).await.is_err() {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        }
        for (cursor, found) in reader.read(after, 100).await.unwrap_or_default() {
            assert_eq!((cursor, found), (after.next(), frame(cursor.0)));
            after = cursor;
        }
    }
}

fn again(plan: Plan) -> Server {
    Server::start(&program(), plan).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_node_killed_fifty_times_loses_and_doubles_nothing() {
    const KILLS: u64 = 50;
    const FRAMES: u64 = KILLS * 30;
    let broker = Broker::start(1);
    let connection = broker.connect("killed").await;
    let follower = tokio::spawn(follow(connection.reader(), FRAMES));
    let writer = tokio::spawn({
        let connection = connection.clone();
        async move {
            let mut account = Account::default();
            write(&connection, 0, FRAMES, &mut account).await;
            account
        }
    });
    let mut kills = 0;
    while kills < KILLS && !writer.is_finished() {
        tokio::time::sleep(Duration::from_millis(20 + 13 * (kills % 7))).await;
        let server = broker.servers.lock().unwrap()[0].take().unwrap();
        let plan = if kills % 5 == 4 { server.stop() } else { server.kill() };
        broker.servers.lock().unwrap()[0] = Some(again(plan));
        kills += 1;
        // Until the writer is back, so that every kill meets appends.
        tokio::time::sleep(Duration::from_millis(150)).await;
    }
    let account = writer.await.unwrap();
    follower.await.unwrap();
    all(&connection.reader(), FRAMES).await;
    assert_eq!(kills, KILLS, "the writer was done early: {account:?}");
    println!("one node: {kills} ends, {account:?}, files in {}", broker.directory.path().display());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_nodes_whose_leader_ends_hard_and_in_order_lose_and_double_nothing() {
    const ENDS: u64 = 4;
    let broker = Broker::start(3);
    let connection = broker.connect("killed").await;
    let (mut account, mut written) = (Account::default(), 0);
    for round in 0..ENDS {
        write(&connection, written, written + 50, &mut account).await;
        written += 50;
        let leader = connection.stream.get_info().await.unwrap().cluster.unwrap().leader.unwrap();
        let place = |server: &Option<Server>| {
            let plan = server.as_ref().map(|server| &server.plan);
            plan.and_then(|plan| plan.cluster.as_ref()).is_some_and(|place| place.name == leader)
        };
        let index = broker.servers.lock().unwrap().iter().position(place).unwrap();
        let server = broker.servers.lock().unwrap()[index].take().unwrap();
        let plan = if round % 2 == 0 { server.kill() } else { server.stop() };
        let began = Instant::now();
        write(&connection, written, written + 1, &mut account).await;
        let how = if round % 2 == 0 { "hard" } else { "in order" };
        println!("the stream's leader ended {how}: {:?} until the next append", began.elapsed());
        broker.servers.lock().unwrap()[index] = Some(again(plan));
        write(&connection, written + 1, written + 50, &mut account).await;
        written += 50;
    }
    all(&connection.reader(), written).await;
    println!("three nodes: {account:?}");
}
