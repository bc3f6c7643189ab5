//! A host whose certificate has ended joins again, with all that is on it; nobody else does in its place.

use windlass_agents::AgentError;
use windlass_agents::join::Token;
use windlass_proto::agent::v1::{IpAddress, JoinRequest};
use windlass_sagas::cell::Cell;
use windlass_sagas::record::{DeclareHostGone, DeleteServer, RejoinHost, Role};

use crate::cell;
use crate::ended::let_certificate_end;
use crate::{Agent, ROLES, join_as, join_with, until};

#[tokio::test]
async fn a_host_whose_certificate_has_ended_joins_again_with_all_that_is_on_it() {
    let cell = cell::start().await;
    let agent = Agent::of(&cell).await;
    cell.cloud().await;
    cell.ask(cell::create_server("web")).await;
    let made = |cell: &Cell| (cell.servers.len() == 1 && cell.sagas.is_empty()).then_some(());
    until("a server", async || cell.read(made).await).await;
    let host = cell.read(|cell| cell.hosts.keys().next().copied()).await.unwrap();
    let state = agent.stop().await;
    let ledgers = cell.read(move |cell| Some(cell.hosts[&host].incarnations.clone())).await;
    let_certificate_end(state.path());

    cell.silent(host).await;
    let secret = cell.token("h1", &ROLES).await;
    let token = Token::new(&secret, cell.authority_pem()).unwrap();
    // Another machine, one without its state directory, and one that was another host don't take its place.
    let other = tempfile::tempdir().unwrap();
    let refused = join_with(&cell, token.clone(), other.path()).await.unwrap_err().to_string();
    assert!(refused.contains("only with its own state directory"), "{refused}");
    for id in [vec![7; 16], vec![7; 3]] {
        let (token, csr_der) = (secret.clone(), cell::csr().into());
        let asked = JoinRequest { token, csr_der, host: id.into(), ..Default::default() };
        let refused = cell.join_as(asked).await.unwrap_err();
        assert!(refused.message().starts_with("host: "), "{refused}");
    }

    join_with(&cell, token, state.path()).await.unwrap();
    let agent = Agent::run(&cell, state).await;
    assert_eq!(cell.read(move |cell| Some(cell.hosts[&host].incarnations.clone())).await, ledgers);
    cell.ask(DeleteServer { server: "web".into() }).await;
    let gone = |cell: &Cell| (cell.servers.is_empty() && cell.sagas.is_empty()).then_some(());
    until("the server gone", async || cell.read(gone).await).await;
    assert!(agent.world().is_empty() && agent.world().repeated() == 0);
    agent.stop().await;
    cell.stop().await;
}

#[tokio::test]
async fn a_machine_that_was_a_host_joins_as_no_other_one_before_it_is_wiped() {
    let cell = cell::start().await;
    let agent = Agent::of(&cell).await;
    let state = agent.stop().await;
    let secret = cell.token("h2", &ROLES).await;
    let token = Token::new(&secret, cell.authority_pem()).unwrap();
    let again = async || {
        let token = token.clone();
        join_as(&cell, token, "h2", state.path()).await.unwrap_err()
    };
    let refused = again().await;
    assert!(matches!(refused, AgentError::Joined(_)), "its certificate is good: {refused}");
    let_certificate_end(state.path());
    let refused = again().await.to_string();
    assert!(refused.contains("wipe the machine"), "{refused}");
    std::fs::remove_dir_all(state.path().join("identity")).unwrap();
    let refused = again().await;
    assert!(matches!(refused, AgentError::NotWiped(_)), "its ledgers are there: {refused}");
    let hosts = cell.read(|cell| Some(cell.hosts.len())).await;
    assert_eq!(hosts, Some(1), "none joined");
    cell.stop().await;
}

#[tokio::test]
async fn a_gone_host_that_joins_anew_has_the_address_that_it_joins_from() {
    let cell = cell::start().await;
    let join = async |address: Option<IpAddress>| {
        let (token, csr_der) = (cell.token("h1", &[Role::Storage]).await, cell::csr().into());
        cell.join_as(JoinRequest { token, csr_der, address, ..Default::default() }).await.unwrap();
        cell.read(|cell| cell.hosts.values().next()?.address).await.unwrap().to_string()
    };
    assert_eq!(join(Some(IpAddress { bytes: vec![192, 0, 2, 7].into() })).await, "192.0.2.7");
    cell.ask(DeclareHostGone { host: "h1".into(), reason: "burnt".into() }).await;
    cell.ask(RejoinHost { host: "h1".into() }).await;
    assert_eq!(join(None).await, "127.0.0.1");
    cell.stop().await;
}
