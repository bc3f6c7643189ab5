//! A leader's task and an agent over real TLS on loopback, in one process: a machine joins by a token that pins the
//! cell's authority, its ledgers are admitted, a server is made on it and deleted, and its view follows.

mod again;
mod blobs;
mod cell;
#[path = "../ended/mod.rs"]
mod ended;

use std::time::Duration;

use cell::Running;
use windlass_agents::config::{OnFall, Options};
use windlass_agents::join::{Join, Token, join};
use windlass_agents::{AgentError, CancellationToken, Config, Ended};
use windlass_proto::agent::v1::{IpAddress, JoinRequest};
use windlass_sagas::cell::state::HostLife;
use windlass_sagas::ids::*;
use windlass_sagas::record::*;
use windlass_world::World;

const ROLES: [Role; 3] = [Role::Hypervisor, Role::Storage, Role::Network];

async fn join_with(cell: &Running, token: Token, state: &std::path::Path) -> Result<(), AgentError> {
    join_as(cell, token, "h1", state).await
}

async fn join_as(
    cell: &Running,
    token: Token,
    name: &str,
    state: &std::path::Path,
) -> Result<(), AgentError> {
    let authority = token.authority(None)?;
    let wanted = Join {
        token,
        orchestrator: cell.address.to_string(),
        authority,
        state: state.to_path_buf(),
        name: Some(name.into()),
        roles: ROLES.into(),
        address: None,
    };
    join(wanted).await.map(|_| ())
}

fn world(state: &std::path::Path) -> World {
    windlass_agents::sim::read_world(state).expect("a world")
}

/// Waits until this holds; bounded.
async fn until<T>(what: &str, mut holds: impl AsyncFnMut() -> Option<T>) -> T {
    let waited = tokio::time::timeout(Duration::from_secs(60), async {
        loop {
            if let Some(it) = holds().await {
                return it;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    waited.await.unwrap_or_else(|_| unreachable!("it does not come: {what}"))
}

/// An agent with every role, joined and admitted.
struct Agent {
    state: tempfile::TempDir,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<Result<Ended, AgentError>>,
}

impl Agent {
    async fn of(cell: &Running) -> Self {
        let state = tempfile::tempdir().expect("a directory");
        let secret = cell.token("h1", &ROLES).await;
        let token = Token::new(&secret, cell.authority_pem()).expect("a token");
        join_with(cell, token, state.path()).await.expect("joined");
        Self::run(cell, state).await
    }

    /// The same of a machine that has joined.
    async fn run(cell: &Running, state: tempfile::TempDir) -> Self {
        let options = Options {
            state: Some(state.path().into()),
            driver: Some("sim".into()),
            orchestrators: vec![cell.address.to_string()],
            ..Options::default()
        };
        let config =
            Config { on_fall: OnFall::Return, ..Config::load(None, options).expect("a configuration") };
        let stop = CancellationToken::new();
        let task = tokio::spawn(windlass_agents::run(config, stop.clone()));
        let admitted = |cell: &windlass_sagas::cell::Cell| {
            let host = cell.hosts.values().find(|host| host.name == "h1")?;
            (host.life == HostLife::Up && host.incarnations.len() == ROLES.len()).then_some(host.id)
        };
        until("an admitted host", async || cell.read(admitted).await).await;
        Self { state, stop, task }
    }

    fn world(&self) -> World {
        world(self.state.path())
    }

    async fn stop(self) -> tempfile::TempDir {
        self.stop.cancel();
        assert_eq!(self.task.await.expect("no panic").expect("an orderly end"), Ended::Stopped);
        self.state
    }
}

/// With every timer stopped a healthy saga comes to its end all the same: none lies on its path, and what it takes is
/// what its messages and syncs take.
#[tokio::test]
async fn s9_no_timer_lies_on_the_path_of_a_healthy_saga() {
    let cell = cell::start().await;
    let agent = Agent::of(&cell).await;
    cell.cloud().await;
    // The clock of this test's runtime stands still; a blocking task keeps it from being moved on when all wait.
    let (go_on, stands_still) = std::sync::mpsc::channel::<()>();
    let blocks = tokio::task::spawn_blocking(move || stands_still.recv().is_err());
    tokio::time::pause();
    let stopped = tokio::time::Instant::now();
    let timer = tokio::spawn(tokio::time::sleep(Duration::from_millis(1)));

    let ended = |cell: &windlass_sagas::cell::Cell, servers: usize| {
        (cell.servers.len() == servers && cell.sagas.is_empty()).then_some(())
    };
    cell.ask(cell::create_server("web")).await;
    until_without_timers("a server", async || cell.read(move |cell| ended(cell, 1)).await).await;
    cell.ask(DeleteServer { server: "web".into() }).await;
    until_without_timers("the server gone", async || cell.read(move |cell| ended(cell, 0)).await).await;
    assert_eq!(tokio::time::Instant::now(), stopped);
    assert!(!timer.is_finished(), "no timer fired");
    assert_eq!(agent.world().repeated(), 0);

    tokio::time::resume();
    drop(go_on);
    assert!(blocks.await.unwrap());
    agent.stop().await;
    cell.stop().await;
}

/// The same as `until`, on the machine's own clock alone.
async fn until_without_timers(what: &str, mut holds: impl AsyncFnMut() -> Option<()>) {
    let began = std::time::Instant::now();
    while holds().await.is_none() {
        assert!(began.elapsed() < Duration::from_secs(60), "it waits for a timer: {what}");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a9_a_host_that_joined_runs_a_server_and_its_view_follows_the_fold() {
    let cell = cell::start().await;
    let agent = Agent::of(&cell).await;
    let empty = until("a view", async || agent.world().view()).await;
    assert!(empty.1.ports.is_empty());

    cell.cloud().await;
    cell.ask(cell::create_server("web")).await;
    let port = |cell: &windlass_sagas::cell::Cell| {
        let running = cell.servers.values().any(|server| server.spec.name == "web") && cell.sagas.is_empty();
        running.then(|| cell.ports.keys().next().copied())?
    };
    let port = until("a server", async || cell.read(port).await).await;
    let with_port = until("a view with the port", async || {
        agent.world().view().filter(|(_, view)| view.ports.contains_key(&port))
    });
    let (position, _) = with_port.await;
    assert!(position > empty.0);
    assert!(agent.world().port(port).is_some() && agent.world().repeated() == 0);

    cell.ask(DeleteServer { server: "web".into() }).await;
    let gone =
        |cell: &windlass_sagas::cell::Cell| (cell.servers.is_empty() && cell.sagas.is_empty()).then_some(());
    until("the server gone", async || cell.read(gone).await).await;
    until("an empty view", async || agent.world().view().filter(|(_, view)| view.ports.is_empty())).await;
    assert!(agent.world().is_empty());
    agent.stop().await;
    cell.stop().await;
}

#[tokio::test]
async fn a_token_joins_one_host_and_only_the_same_request_is_answered_again() {
    let cell = cell::start().await;
    let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let secret = cell.token("h1", &ROLES).await;
    let token = Token::new(&secret, cell.authority_pem()).unwrap();
    join_with(&cell, token.clone(), first.path()).await.unwrap();
    let refused = join_with(&cell, token, second.path()).await.unwrap_err().to_string();
    assert!(refused.contains("used or revoked"), "{refused}");

    let secret = cell.token("h2", &[Role::Storage]).await;
    let request = cell::csr();
    let one = cell.join_raw(&secret, &request, &[]).await.unwrap();
    let again = cell.join_raw(&secret, &request, &[]).await.unwrap();
    assert_eq!(one.host, again.host);
    let other = cell.join_raw(&secret, &cell::csr(), &[]).await.unwrap_err();
    assert_eq!(other.code(), tonic::Code::Unauthenticated);
    let hosts = cell.read(|cell| Some(cell.hosts.len())).await;
    assert_eq!(hosts, Some(2));

    let secret = cell.token("h3", &[Role::Storage, Role::Network]).await;
    let fewer = cell.join_raw(&secret, &cell::csr(), &[Role::Storage]).await.unwrap_err();
    assert_eq!(fewer.code(), tonic::Code::InvalidArgument);
    let address = Some(IpAddress { bytes: vec![192, 0, 2].into() });
    let asked =
        JoinRequest { token: secret.clone(), csr_der: cell::csr().into(), address, ..Default::default() };
    let nowhere = cell.join_as(asked).await.unwrap_err();
    assert_eq!(nowhere.code(), tonic::Code::InvalidArgument, "{nowhere}");
    assert!(nowhere.message().starts_with("address"), "{nowhere}");
    assert!(cell.join_raw(&secret, &cell::csr(), &[Role::Network, Role::Storage]).await.is_ok());
    cell.stop().await;
}

/// Ids that tests make.
pub(crate) fn uuid(number: u64) -> RequestId {
    let mut id = [0; 16];
    id[..6].copy_from_slice(&(windlass_orchestrator::clock::now().0 / 1000).to_be_bytes()[2..]);
    id[6] = 0x70;
    id[8..].copy_from_slice(&number.to_be_bytes());
    id[8] = 0x80;
    RequestId(id)
}
