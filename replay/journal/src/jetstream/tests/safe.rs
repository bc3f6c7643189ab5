//! Safety read back from real servers, and streams that can't hold a journal.

use async_nats::jetstream::stream::{Config, StorageType};

use super::{Broker, cell, program, shared};
use crate::contract::fill;
use crate::jetstream::local::{Plan, Server};
use crate::jetstream::{Connection, Lease, OpenError, Settings, lease, safety, stream_name, subject};
use crate::{Cursor, Damage, Read, ReadError};

#[tokio::test]
async fn a_server_that_syncs_always_has_no_warning_and_one_that_nobody_looked_at_has() {
    let broker = shared(1);
    let connection = broker.connect(&cell()).await;
    let monitor = broker.plans()[0].monitor();
    assert_eq!(safety::look(&connection, &[monitor]).await, []);
    let warnings = safety::look(&connection, &[]).await;
    assert!(warnings.len() == 1 && warnings[0].to_string().contains("nobody has looked"), "{warnings:?}");
    let closed = "http://127.0.0.1:1".to_owned();
    let warnings = safety::look(&connection, &[closed]).await;
    assert!(warnings.iter().any(|warning| warning.what.contains("can't be read")), "{warnings:?}");
}

#[tokio::test]
async fn every_server_of_a_cluster_must_be_looked_at() {
    let broker = shared(3);
    let connection = broker.connect(&cell()).await;
    let monitors: Vec<String> = broker.plans().iter().map(Plan::monitor).collect();
    assert_eq!(safety::look(&connection, &monitors).await, []);
    let warnings = safety::look(&connection, &monitors[..2]).await;
    assert_eq!(warnings.len(), 1, "{warnings:?}");
}

#[tokio::test]
async fn a_server_that_acknowledges_before_it_syncs_is_named_with_the_fix() {
    let directory = tempfile::tempdir().unwrap();
    let plan = Plan { sync_always: false, ..Plan::alone(directory.path().to_path_buf()).unwrap() };
    let monitor = plan.monitor();
    let settings = Settings { servers: vec![plan.url()], cell: cell(), replicas: 1, ..Settings::default() };
    let _server = Server::start(&program(), plan).unwrap();
    let connection = Connection::open(&settings).await.unwrap();
    let warnings = safety::look(&connection, &[monitor]).await;
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].fix.contains("sync_interval: always"), "{warnings:?}");
}

#[tokio::test]
async fn a_journal_is_deleted_with_its_lease_and_where_there_is_none_nothing_is_wrong() {
    let (broker, name) = (shared(1), cell());
    let (connection, settings) = (broker.connect(&name).await, broker.settings(&name));
    // Without a lease, then with one, then without either.
    for leased in [false, true] {
        if leased {
            let connection = broker.connect(&name).await;
            Lease::open(&connection, "w".to_owned()).await.unwrap();
        }
        Connection::delete_journal(&settings).await.unwrap();
        let gone = Connection::existing(&settings).await;
        assert!(matches!(gone, Err(OpenError::Stream { .. })), "{gone:?}");
    }
    Connection::delete_journal(&settings).await.unwrap();
    assert!(connection.context.get_stream(lease::stream_name(&name)).await.is_err());
}

#[tokio::test]
async fn a_stream_that_would_let_frames_go_is_refused_and_one_in_memory_is_unsafe() {
    let broker = shared(1);
    let (connection, name) = (broker.connect(&cell()).await, cell());
    let config = Config { name: stream_name(&name), subjects: vec![subject(&name)], ..Config::default() };
    let limited = Config { max_messages: 5, ..config.clone() };
    connection.context.create_stream(limited).await.unwrap();
    let refused = Connection::open(&broker.settings(&name)).await.unwrap_err();
    assert!(matches!(&refused, OpenError::Unfit { what, .. } if what.contains("max_msgs")), "{refused}");

    let name = cell();
    let memory = Config {
        name: stream_name(&name),
        subjects: vec![subject(&name)],
        storage: StorageType::Memory,
        ..Config::default()
    };
    connection.context.create_stream(memory).await.unwrap();
    let connection = broker.connect(&name).await;
    let warnings = safety::look(&connection, &[broker.plans()[0].monitor()]).await;
    assert!(warnings.iter().any(|warning| warning.what.contains("in memory")), "{warnings:?}");
}

#[tokio::test]
async fn a_purged_or_deleted_frame_is_damage_with_its_place() {
    let broker = shared(1);
    let connection = broker.connect(&cell()).await;
    fill(&mut connection.appender(), 0, 6).await;
    connection.stream.delete_message(3).await.unwrap();
    let reader = connection.reader();
    let (frames, error) = crate::contract::all_frames(&reader).await;
    assert_eq!(frames.len(), 2);
    assert_eq!(error, Some(ReadError::Damaged { cursor: Cursor(3), what: Damage::Missing }));
    connection.stream.purge().await.unwrap();
    let read = reader.read(Cursor::START, 1).await;
    assert_eq!(read, Err(ReadError::Damaged { cursor: Cursor(1), what: Damage::Missing }));
}

#[tokio::test]
async fn nobody_there_and_nonsense_are_told_apart() {
    let nobody =
        Settings { servers: vec!["nats://127.0.0.1:1".into()], cell: "x".into(), ..Settings::default() };
    assert!(matches!(Connection::open(&nobody).await, Err(OpenError::Connect { .. })));
    let nonsense = Settings { servers: vec!["not an address".into()], ..nobody.clone() };
    assert!(matches!(Connection::open(&nonsense).await, Err(OpenError::Settings(_))));
    let none = Settings { servers: vec![], ..nobody };
    assert!(matches!(Connection::open(&none).await, Err(OpenError::Settings(_))));
    let broker: std::sync::Arc<Broker> = shared(1);
    let refused = Connection::open(&Settings { cell: "a.b".into(), ..broker.settings("x") }).await;
    assert!(matches!(refused, Err(OpenError::Settings(_))));
}
