//! The configurations in `ops/nats`, run as they are: only the orchestrators' user can write to the journal or take
//! anything from it, one may read, and nobody gets in without TLS, a certificate and a password.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read as _;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use async_nats::Client;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::{READY_TIME_MAX, program};
use crate::contract::{all_frames, fill, frame};
use crate::jetstream::local::{Place, Plan, Server};
use crate::jetstream::{
    Access, Connection, Feed, FeedMessage, FeedPlan, Lease, LeaseTold, OpenError, Settings, connect, safety,
    stream_name, subject,
};
use crate::{Cursor, Read as _};

const CELL: &str = "north";
const USERS: [&str; 5] = ["orchestrator", "reader", "operator", "publisher", "events"];
/// What the subjects of JetStream's API begin with, for who has it from another account.
fn api(user: &str) -> Option<&'static str> {
    match user {
        "reader" => Some("JOURNAL.API"),
        "events" => Some("EVENTS.API"),
        _ => None,
    }
}

/// How long an answer that must not come is waited for.
const SILENCE: Duration = Duration::from_millis(300);

/// Servers on the files of one folder of `ops/nats`, with certificates and passwords of their own.
struct Shipped {
    servers: Vec<Server>,
    directory: tempfile::TempDir,
}

impl Shipped {
    fn start(folder: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        certificates(directory.path());
        for user in USERS {
            fs::write(directory.path().join(user), format!("the password of {user}\n")).unwrap();
        }
        let plans = match folder {
            "one" => vec![Plan::alone(directory.path().join("alone")).unwrap()],
            _ => Plan::three(directory.path()).unwrap(),
        };
        let of = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../ops/nats").join(folder);
        let sample = fs::read_to_string(of.join("here.conf")).unwrap();
        let start = |plan: Plan| {
            let here = here(&plan, directory.path());
            assert_eq!(variables(&here), variables(&sample), "the sample says what there is to be filled in");
            fs::create_dir_all(&plan.directory).unwrap();
            fs::copy(of.join("nats.conf"), plan.directory.join("nats.conf")).unwrap();
            fs::write(plan.directory.join("here.conf"), here).unwrap();
            Server::start_configured(&program(), plan).unwrap()
        };
        Self { servers: plans.into_iter().map(start).collect(), directory }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn settings(&self, user: &str) -> Settings {
        let servers = self.servers.iter().map(|server| format!("tls://127.0.0.1:{}", server.plan.port));
        let access = Access {
            ca: Some(self.path("servers-ca.pem")),
            certificate: Some((self.path("client.pem"), self.path("client.key"))),
            user: Some((user.to_owned(), self.path(user))),
            api: api(user).map(str::to_owned),
            ..Access::default()
        };
        let (servers, replicas) = (servers.collect(), self.servers.len());
        Settings { servers, cell: CELL.to_owned(), replicas, access }
    }

    async fn client(&self, user: &str) -> Client {
        connect::connect(&self.settings(user)).await.unwrap().0
    }

    /// The orchestrators' connection, once the cluster can make a stream.
    async fn open(&self) -> Connection {
        let until = Instant::now() + READY_TIME_MAX;
        loop {
            match Connection::open(&self.settings("orchestrator")).await {
                Ok(connection) => return connection,
                Err(error) => assert!(Instant::now() < until, "{error}"),
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

/// Two authorities: one signs for the servers, the other for who connects; and a client of nobody.
fn certificates(directory: &Path) {
    let authority = |name: &str| {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        fs::write(directory.join(format!("{name}.pem")), params.self_signed(&key).unwrap().pem()).unwrap();
        Issuer::new(params, key)
    };
    let issue = |name: &str, names: &[&str], by: &Issuer<'_, KeyPair>| {
        let key = KeyPair::generate().unwrap();
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        let certificate = params.signed_by(&key, by).unwrap();
        fs::write(directory.join(format!("{name}.pem")), certificate.pem()).unwrap();
        fs::write(directory.join(format!("{name}.key")), key.serialize_pem()).unwrap();
    };
    let (servers, clients, others) =
        (authority("servers-ca"), authority("clients-ca"), authority("others-ca"));
    issue("server", &["127.0.0.1", "localhost"], &servers);
    issue("client", &["client"], &clients);
    issue("stranger", &["client"], &others);
}

/// What an operator would fill in.
fn here(plan: &Plan, directory: &Path) -> String {
    let path = |name: &str| directory.join(name).display().to_string();
    let address = |port: u16| format!("127.0.0.1:{port}");
    let mut rows = vec![
        ("HERE_NAME", json!(plan.cluster.as_ref().map_or("n1", |place| &place.name))),
        ("HERE_LISTEN", json!(address(plan.port))),
        ("HERE_MONITOR", json!(address(plan.monitor_port))),
        ("HERE_STORE", json!(plan.directory.join("store"))),
        ("CERTIFICATE", json!(path("server.pem"))),
        ("KEY", json!(path("server.key"))),
        ("CLIENTS_AUTHORITY", json!(path("clients-ca.pem"))),
        ("ORCHESTRATOR_PASSWORD", json!("the password of orchestrator")),
        ("READER_PASSWORD", json!("the password of reader")),
        ("OPERATOR_PASSWORD", json!("the password of operator")),
        ("PUBLISHER_PASSWORD", json!("the password of publisher")),
        ("EVENTS_PASSWORD", json!("the password of events")),
    ];
    if let Some(Place { port, ports, .. }) = &plan.cluster {
        let routes: Vec<String> = ports.iter().map(|port| format!("tls://{}", address(*port))).collect();
        rows.extend([
            ("CLUSTER_NAME", json!("north")),
            ("HERE_CLUSTER", json!(address(*port))),
            ("CLUSTER_ROUTES", json!(routes)),
            ("SERVERS_AUTHORITY", json!(path("servers-ca.pem"))),
        ]);
    }
    rows.iter().map(|(name, value)| format!("{name}: {value}\n")).collect()
}

fn variables(here: &str) -> BTreeSet<String> {
    let lines = here.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.split_once(": ")).map(|(name, _)| name.to_owned()).collect()
}

/// What changes a journal or takes something from it, in an order in which each can succeed.
fn changes() -> Vec<(String, Value)> {
    let (stream, subject) = (stream_name(CELL), subject(CELL));
    let config = json!({ "name": stream, "subjects": [subject], "max_msgs": 1 });
    let other = json!({ "name": "OTHER", "subjects": ["other"], "sources": [{ "name": stream }] });
    let consumer =
        json!({ "stream_name": stream, "config": { "ack_policy": "none", "deliver_policy": "all" } });
    vec![
        (subject, json!("not a frame")),
        (format!("$JS.API.STREAM.MSG.DELETE.{stream}"), json!({ "seq": 1 })),
        (format!("$JS.API.CONSUMER.CREATE.{stream}"), consumer),
        (format!("$JS.API.STREAM.UPDATE.{stream}"), config),
        (format!("$JS.API.STREAM.PURGE.{stream}"), json!({})),
        (format!("$JS.API.STREAM.CREATE.{}", "OTHER"), other),
        (format!("$JS.API.STREAM.DELETE.{stream}"), json!({})),
    ]
}

/// The answer to a request, if one comes.
async fn asked(client: &Client, subject: &str, payload: &Value, wait: Duration) -> Option<Value> {
    let asked = client.request(subject.to_owned(), payload.to_string().into());
    let answer = tokio::time::timeout(wait, asked).await.ok()?.ok()?;
    serde_json::from_slice(&answer.payload).ok()
}

async fn only_orchestrators_write(folder: &str) {
    let shipped = Shipped::start(folder);
    let connection = shipped.open().await;
    fill(&mut connection.appender(), 0, 5).await;
    let monitors: Vec<String> = shipped.servers.iter().map(|server| server.plan.monitor()).collect();
    assert_eq!(safety::look(&connection, &monitors).await, [], "nothing is unsafe");
    takes_the_lease(&connection).await;

    let system = "$JS.API.ACCOUNT.PURGE.ORCHESTRATORS".to_owned();
    for user in ["reader", "operator"] {
        let client = shipped.client(user).await;
        for (subject, payload) in changes().into_iter().chain([(system.clone(), json!({}))]) {
            let here = subject.replace("$JS.API", api(user).unwrap_or("$JS.API"));
            for subject in [subject, here] {
                let answer = asked(&client, &subject, &payload, SILENCE).await;
                assert_eq!(answer, None, "{user} may not {subject}");
            }
        }
    }
    let stream = stream_name(CELL);
    let questions = [
        (format!("STREAM.INFO.{stream}"), json!({})),
        (format!("STREAM.MSG.GET.{stream}"), json!({ "seq": 1 })),
        (format!("DIRECT.GET.{stream}"), json!({ "seq": 1 })),
    ];
    answered_elsewhere(&shipped.client("reader").await, "JOURNAL.API", &questions, &subject(CELL)).await;
    let reader = Connection::existing(&shipped.settings("reader")).await.unwrap().reader();
    assert_eq!(
        all_frames(&reader).await,
        ((1..=5).map(frame).collect(), None),
        "it is whole, and may be read"
    );
    operator_only_looks(&shipped).await;
    the_feed_is_a_world_of_its_own(&shipped).await;
    nobody_else_gets_in(&shipped).await;

    assert_eq!(connection.reader().last().await, Ok(Cursor(5)), "nothing came of all that");
    let orchestrator = shipped.client("orchestrator").await;
    for (subject, payload) in changes() {
        let answer = asked(&orchestrator, &subject, &payload, READY_TIME_MAX).await.unwrap();
        assert!(answer.get("error").is_none(), "whoever may gets an answer: {subject}: {answer}");
    }
}

/// Asks what this user may ask, and wants the answers on a subject that a stream keeps.
async fn answered_elsewhere(client: &Client, api: &str, questions: &[(String, Value)], subject: &str) {
    for (question, payload) in questions {
        let question = format!("{api}.{question}");
        client
            .publish_with_reply(question.clone(), subject.to_owned(), payload.to_string().into())
            .await
            .unwrap();
        let answer = asked(client, &question, payload, READY_TIME_MAX).await;
        assert!(answer.is_some() || question.contains("DIRECT"), "{question} may be asked");
    }
}

async fn takes_the_lease(connection: &Connection) {
    let lease = Lease::open(connection, "one".to_owned()).await.unwrap();
    let ((tell, mut told), (_asked, wanted)) = (mpsc::channel(8), watch::channel(0));
    let stop = CancellationToken::new();
    let task = tokio::spawn(lease.keep(wanted, tell, stop.clone()));
    assert_eq!(told.recv().await, Some(LeaseTold::Granted));
    stop.cancel();
    task.await.unwrap();
}

/// The system account tells how servers and streams are, and takes no order.
async fn operator_only_looks(shipped: &Shipped) {
    let operator = shipped.client("operator").await;
    let found = asked(&operator, "$SYS.REQ.SERVER.PING.JSZ", &json!({}), READY_TIME_MAX).await.unwrap();
    assert!(found["data"]["streams"].as_u64().is_some_and(|streams| streams > 0), "{found}");
    let id = found["server"]["id"].as_str().unwrap();
    for order in ["RELOAD", "LDM", "KICK"] {
        let subject = format!("$SYS.REQ.SERVER.{id}.{order}");
        assert_eq!(asked(&operator, &subject, &json!({ "cid": 1 }), SILENCE).await, None, "{order}");
    }
}

/// Who follows the feed reads it, changes nothing of it, and sees nothing of the journal.
async fn the_feed_is_a_world_of_its_own(shipped: &Shipped) {
    let plan = FeedPlan::of_cell(CELL, shipped.servers.len(), Duration::from_secs(3600));
    let publisher = Feed::connect(&shipped.settings("publisher"), plan.clone()).await.unwrap();
    let until = Instant::now() + READY_TIME_MAX;
    while let Err(error) = publisher.end().await {
        assert!(Instant::now() < until, "{error}");
    }
    let message = |number: u64| FeedMessage {
        subject: format!("server.{number}.server-activated"),
        id: format!("{number}.0"),
        payload: b"{}".to_vec(),
    };
    let messages: Vec<FeedMessage> = (1..=3).map(message).collect();
    publisher.publish(0, &messages).await.unwrap();

    let reader = Feed::connect(&shipped.settings("events"), plan.clone()).await.unwrap();
    assert_eq!(reader.read(1, 10).await, Ok(messages));
    let client = shipped.client("events").await;
    let (feed, journal) = (plan.stream, stream_name(CELL));
    let config = json!({ "name": feed, "subjects": ["other"] });
    let changes = [
        (format!("{}.server.4.server-activated", plan.prefix), json!({})),
        (subject(CELL), json!("not a frame")),
        (format!("$JS.API.STREAM.MSG.DELETE.{feed}"), json!({ "seq": 1 })),
        (format!("$JS.API.STREAM.UPDATE.{feed}"), config),
        (format!("$JS.API.STREAM.PURGE.{feed}"), json!({})),
        (format!("$JS.API.STREAM.CREATE.{}", "OTHER"), json!({ "name": "OTHER", "subjects": ["other"] })),
        (format!("$JS.API.STREAM.DELETE.{feed}"), json!({})),
    ];
    for (subject, payload) in changes {
        for subject in [subject.replace("$JS.API", "EVENTS.API"), subject] {
            assert_eq!(asked(&client, &subject, &payload, SILENCE).await, None, "events may not {subject}");
        }
    }
    // A consumer keeps a reader's place.
    let consumer = json!({ "durable_name": "mine", "ack_policy": "explicit", "deliver_policy": "all" });
    let consumer = json!({ "stream_name": feed, "config": consumer });
    let made = format!("EVENTS.API.CONSUMER.DURABLE.CREATE.{feed}.mine");
    let made = asked(&client, &made, &consumer, READY_TIME_MAX).await.unwrap();
    assert_eq!(made["num_pending"], json!(3), "{made}");
    let questions = [
        ("STREAM.NAMES".to_owned(), json!({})),
        (format!("STREAM.INFO.{feed}"), json!({})),
        (format!("CONSUMER.INFO.{feed}.mine"), json!({})),
        (format!("STREAM.MSG.GET.{feed}"), json!({ "seq": 1 })),
        (format!("DIRECT.GET.{feed}"), json!({ "seq": 1 })),
    ];
    let elsewhere = format!("{}.server.4.server-activated", plan.prefix);
    answered_elsewhere(&client, "EVENTS.API", &questions, &elsewhere).await;
    let next = format!("EVENTS.API.CONSUMER.MSG.NEXT.{feed}.mine");
    client.publish_with_reply(next, elsewhere, "1".into()).await.unwrap();
    // Of the journal it is told that there is no such thing.
    let question = format!("EVENTS.API.STREAM.INFO.{journal}");
    let stream = asked(&client, &question, &json!({}), READY_TIME_MAX).await.unwrap();
    assert_eq!(stream["error"]["err_code"], json!(10059), "{stream}");
    let names = asked(&client, "EVENTS.API.STREAM.NAMES", &json!({}), READY_TIME_MAX).await.unwrap();
    assert_eq!(names["streams"], json!([feed]));
    assert_eq!(publisher.end().await.unwrap().sequence, 3, "nothing came of all that");
}

async fn nobody_else_gets_in(shipped: &Shipped) {
    let good = shipped.settings("orchestrator");
    let with = |change: fn(&mut Access, &Shipped)| {
        let mut settings = good.clone();
        change(&mut settings.access, shipped);
        settings
    };
    let refused = [
        with(|access, _| access.user = None),
        with(|access, it| access.user = Some(("orchestrator".into(), it.path("reader")))),
        with(|access, it| access.user = Some(("nobody".into(), it.path("reader")))),
        with(|access, _| access.certificate = None),
        with(|access, it| access.certificate = Some((it.path("stranger.pem"), it.path("stranger.key")))),
        with(|access, it| access.ca = Some(it.path("clients-ca.pem"))),
    ];
    for settings in refused {
        let error = Connection::existing(&settings).await.err();
        assert!(matches!(error, Some(OpenError::Connect { .. })), "{settings:?}: {error:?}");
    }
    for server in &shipped.servers {
        let greeting = greeting(server.plan.port);
        assert_eq!((&greeting["tls_required"], &greeting["tls_verify"]), (&json!(true), &json!(true)));
    }
}

/// What a server says before anything else.
fn greeting(port: u16) -> Value {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let mut said = Vec::new();
    while !said.ends_with(b"\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        said.extend(byte);
    }
    serde_json::from_slice(said.strip_prefix(b"INFO ").unwrap()).unwrap()
}

#[tokio::test]
async fn with_one_server_only_orchestrators_write() {
    only_orchestrators_write("one").await;
}

#[tokio::test]
async fn with_three_servers_only_orchestrators_write() {
    only_orchestrators_write("three").await;
}
