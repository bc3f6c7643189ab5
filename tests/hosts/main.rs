//! A leader's task and an agent over real TLS on loopback, in one process: a machine joins by a token that pins the
//! cell's authority, its ledgers are admitted, a server is made on it and deleted, and its view follows.

mod cell;

use std::time::Duration;

use cell::Running;
use windlass_agents::config::{OnFall, Options};
use windlass_agents::join::{Join, Token, join};
use windlass_agents::{AgentError, CancellationToken, Config, Ended};
use windlass_sagas::cell::state::HostLife;
use windlass_sagas::ids::*;
use windlass_sagas::record::*;
use windlass_world::World;

const ROLES: [Role; 3] = [Role::Hypervisor, Role::Storage, Role::Network];

async fn join_with(cell: &Running, token: Token, state: &std::path::Path) -> Result<(), AgentError> {
    let authority = token.authority(None)?;
    let wanted = Join {
        token,
        orchestrator: cell.address.to_string(),
        authority,
        state: state.to_path_buf(),
        name: Some("h1".into()),
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

#[tokio::test]
async fn a9_a_host_that_joined_runs_a_server_and_its_view_follows_the_fold() {
    let cell = cell::start().await;
    let state = tempfile::tempdir().unwrap();
    let secret = cell.token("h1", &ROLES).await;
    let token = Token::new(&secret, cell.authority_pem()).unwrap();
    join_with(&cell, token, state.path()).await.unwrap();
    let options = Options {
        state: Some(state.path().into()),
        driver: Some("sim".into()),
        orchestrators: vec![cell.address.to_string()],
        ..Options::default()
    };
    let config = Config { on_fall: OnFall::Return, ..Config::load(None, options).unwrap() };
    let stop = CancellationToken::new();
    let agent = tokio::spawn(windlass_agents::run(config, stop.clone()));
    let admitted = |cell: &windlass_sagas::cell::Cell| {
        let host = cell.hosts.values().find(|host| host.name == "h1")?;
        (host.life == HostLife::Up && host.incarnations.len() == ROLES.len()).then_some(host.id)
    };
    until("an admitted host", async || cell.read(admitted).await).await;
    let empty = until("a view", async || world(state.path()).view()).await;
    assert!(empty.1.ports.is_empty());

    cell.cloud().await;
    cell.ask(cell::create_server("web")).await;
    let port = |cell: &windlass_sagas::cell::Cell| {
        let running = cell.servers.values().any(|server| server.spec.name == "web") && cell.sagas.is_empty();
        running.then(|| cell.ports.keys().next().copied())?
    };
    let port = until("a server", async || cell.read(port).await).await;
    let with_port = until("a view with the port", async || {
        world(state.path()).view().filter(|(_, view)| view.ports.contains_key(&port))
    });
    let (position, _) = with_port.await;
    assert!(position > empty.0);
    assert!(world(state.path()).port(port).is_some() && world(state.path()).repeated() == 0);

    cell.ask(DeleteServer { server: "web".into() }).await;
    let gone =
        |cell: &windlass_sagas::cell::Cell| (cell.servers.is_empty() && cell.sagas.is_empty()).then_some(());
    until("the server gone", async || cell.read(gone).await).await;
    until("an empty view", async || world(state.path()).view().filter(|(_, view)| view.ports.is_empty()))
        .await;
    assert!(world(state.path()).is_empty());
    stop.cancel();
    assert_eq!(agent.await.unwrap().unwrap(), Ended::Stopped);
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
