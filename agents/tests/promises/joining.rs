//! Joining and the certificate: whom a machine believes, what a repeat sends, and how a certificate is kept fresh.

use windlass_agents::AgentError;
use windlass_agents::join::Token;

use crate::authority::Authority;
use crate::host::{Host, join_with, joined};
use crate::orchestrator::{Cell, SECRET};
use crate::steps::*;

#[tokio::test]
async fn a_machine_joins_once_and_keeps_its_key_to_itself() {
    use std::os::unix::fs::PermissionsExt as _;
    let (cell, state) = (Cell::new(), tempfile::tempdir().unwrap());
    let orchestrator = cell.orchestrator().await;
    joined(&cell, &orchestrator, state.path()).await.unwrap();
    let again = joined(&cell, &orchestrator, state.path()).await.unwrap_err();
    assert!(matches!(again, AgentError::Joined(_)), "{again}");
    let joins = &cell.asked.lock().unwrap().joins;
    assert_eq!((joins.len(), joins[0].host_name.as_str()), (1, "host-1"));
    for file in std::fs::read_dir(state.path().join("identity")).unwrap() {
        let file = file.unwrap();
        assert_ne!(file.file_name(), "join.pem", "the request is not left behind");
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o077, 0, "{:?}", file.file_name());
    }
}

#[tokio::test]
async fn an_orchestrator_of_another_cell_is_not_believed_and_hears_no_token() {
    let (cell, state) = (Cell::new(), tempfile::tempdir().unwrap());
    let orchestrator = cell.orchestrator().await;
    let other = Token::new(SECRET, &Authority::new().certificate_pem).unwrap();
    let refused = join_with(other, &orchestrator, state.path()).await.unwrap_err().to_string();
    assert!(refused.contains("another cell") && !refused.contains(SECRET), "{refused}");
    assert!(cell.asked.lock().unwrap().joins.is_empty(), "nobody was shown the secret");
    assert!(!state.path().join("identity").join("host.toml").exists());
}

#[tokio::test]
async fn a_join_whose_answer_was_lost_is_repeated_with_the_same_request() {
    let (cell, state) = (Cell::new(), tempfile::tempdir().unwrap());
    let orchestrator = cell.orchestrator().await;
    cell.asked.lock().unwrap().lose_joins = 1;
    let lost = joined(&cell, &orchestrator, state.path()).await.unwrap_err().to_string();
    assert!(lost.contains("Unavailable"), "{lost}");
    joined(&cell, &orchestrator, state.path()).await.unwrap();
    let joins = &cell.asked.lock().unwrap().joins;
    assert_eq!(joins.len(), 2);
    assert_eq!(joins[0].csr_der, joins[1].csr_der);
}

#[tokio::test]
async fn another_token_has_another_request() {
    let (cell, state) = (Cell::new(), tempfile::tempdir().unwrap());
    let orchestrator = cell.orchestrator().await;
    let key = || {
        let text = std::fs::read_to_string(state.path().join("identity").join("join.pem")).unwrap();
        text.split_once("-----BEGIN").unwrap().1.to_owned()
    };
    let other = Token::new("wlj_wrong", &cell.authority.certificate_pem).unwrap();
    join_with(other.clone(), &orchestrator, state.path()).await.unwrap_err();
    let first = key();
    join_with(other, &orchestrator, state.path()).await.unwrap_err();
    assert_eq!(key(), first, "the same command, the same request");
    cell.asked.lock().unwrap().lose_joins = 1;
    joined(&cell, &orchestrator, state.path()).await.unwrap_err();
    assert_ne!(key(), first);
}

#[tokio::test]
async fn a_refused_token_is_named_by_the_orchestrators_words() {
    let (cell, state) = (Cell::new(), tempfile::tempdir().unwrap());
    let orchestrator = cell.orchestrator().await;
    let token = Token::new("wlj_wrong", &cell.authority.certificate_pem).unwrap();
    let refused = join_with(token, &orchestrator, state.path()).await.unwrap_err().to_string();
    assert!(refused.contains("used or revoked") && !refused.contains("wlj_wrong"), "{refused}");
}

#[tokio::test]
async fn a_certificate_past_two_thirds_of_its_life_is_renewed_and_then_shown() {
    let cell = Cell::new();
    cell.asked.lock().unwrap().life = Some((20, 1));
    let mut orchestrator = cell.orchestrator().await;
    let mut host = Host::start(&cell, &[&orchestrator]).await;
    let mut session = orchestrator.led(5).await;
    let first = session.certificate.clone();
    let path = host.state.join("identity").join("host.pem");
    let renewed = || std::fs::read_to_string(&path).is_ok_and(|text| !text.contains(&body_of(&first)));
    while !renewed() {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    assert!(is_done(&session.execute(&volume(1), 1).await), "the stream that stands goes on");
    host.stop().await;
    host.run();
    let session = orchestrator.session().await;
    assert_ne!(session.certificate, first);
    assert_eq!(cell.asked.lock().unwrap().renewals, 1);
}

#[tokio::test]
async fn an_expired_certificate_stops_the_start_and_says_what_helps() {
    let cell = Cell::new();
    cell.asked.lock().unwrap().life = Some((20, -2));
    let orchestrator = cell.orchestrator().await;
    let mut host = Host::start(&cell, &[&orchestrator]).await;
    let refused = host.ended().await.unwrap_err().to_string();
    assert!(refused.contains("2 days") && refused.contains("join again"), "{refused}");
}

/// A line of the base64 that stands in a PEM of this DER.
fn body_of(der: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(&der[48 * 3..48 * 4])
}
