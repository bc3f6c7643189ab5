//! A guest's console, read for whoever has a stream.

use windlass_agent_wire::ConsoleAsked;
use windlass_sagas::ids::ServerId;
use windlass_sagas::record::RefusalCode;

use crate::host::Host;
use crate::orchestrator::Cell;
use crate::steps::*;

#[tokio::test]
async fn a_console_is_read_without_a_lead_and_told_from_one_that_is_not_there() {
    let cell = Cell::new();
    let mut orchestrator = cell.orchestrator().await;
    let host = Host::start(&cell, &[&orchestrator]).await;
    let mut session = orchestrator.session().await;
    let asked = ConsoleAsked { id: 7, server: SERVER, bytes_max: 4096 };
    let refusal = session.console(asked).await.expect_err("no guest yet");
    assert_eq!((refusal.code, refusal.retryable), (RefusalCode::Missing, false));

    session.lead(5);
    let made = session.execute(&volume(1), 1).await;
    assert!(is_done(&session.execute(&port(), 1).await));
    assert!(is_done(&session.execute(&guest(1, &made), 1).await));
    let text = session.console(ConsoleAsked { id: 8, ..asked }).await.expect("a guest");
    assert!(text.contains("is simulated and runs: 1 vCPUs, 512 MiB"), "{text}");
    let end = session.console(ConsoleAsked { id: 9, bytes_max: 5, ..asked }).await.expect("a guest");
    assert_eq!(end, text[text.len() - 5..]);
    let other = ConsoleAsked { id: 10, server: ServerId([99; 16]), ..asked };
    assert_eq!(session.console(other).await.expect_err("another").code, RefusalCode::Missing);
    drop(host);
}
