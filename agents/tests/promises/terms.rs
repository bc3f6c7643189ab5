//! A4 and the streams: who is obeyed, over restarts, dead orchestrators and two that both say that they lead.

use windlass_proto::agent::v1::{OrchestratorMessage, TakeInventory, orchestrator_message};
use windlass_sagas::ids::*;
use windlass_sagas::protocol::{Answer, CallError, Down, Up, Verb};

use crate::host::{Host, Setup};
use crate::orchestrator::Cell;
use crate::session::term;
use crate::steps::*;

#[tokio::test]
async fn a4_a_lower_term_is_fenced_and_the_highest_is_durable() {
    let cell = Cell::new();
    let mut orchestrator = cell.orchestrator().await;
    let mut host = Host::start(&cell, &[&orchestrator]).await;
    let mut session = orchestrator.session().await;
    assert_eq!(session.hello.highest, Term::default());
    session.lead(7);
    assert!(is_done(&session.execute(&volume(1), 1).await));
    for elected in [1, 6] {
        let mut call = session.call(&volume(1), Verb::Execute, 2);
        call.term = term(elected);
        assert_eq!(session.ask(call).await, Answer::Error(CallError::Fenced(term(7))));
    }
    host.kill().await;
    host.run();
    let mut session = orchestrator.session().await;
    assert_eq!(session.hello.highest, term(7));
    session.lead(6);
    assert_eq!(session.next().await, Some(Up::FencedLead { highest: term(7) }));
    assert_eq!(session.execute(&volume(2), 1).await, Answer::Error(CallError::Fenced(term(7))));
    assert!(host.world().volume(volume_id(2)).is_none());
    session.lead(7);
    assert!(is_done(&session.execute(&volume(2), 1).await));
}

#[tokio::test]
async fn a4_the_last_durable_commit_that_was_seen_is_told_after_a_kill() {
    let cell = Cell::new();
    let mut orchestrator = cell.orchestrator().await;
    let mut host = Host::start(&cell, &[&orchestrator]).await;
    let mut session = orchestrator.led(7).await;
    let seen = |position, byte| (Position(position), Hash([byte; 32]));
    for (position, byte) in [(20, 1), (30, 2), (25, 3)] {
        let (position, hash) = seen(position, byte);
        session.send(&Down::Seen { term: session.term, position, hash });
    }
    // Answered behind them, and synced with them.
    assert!(is_done(&session.execute(&volume(1), 1).await));
    host.kill().await;
    host.run();
    assert_eq!(orchestrator.session().await.hello.seen, seen(30, 2));
}

#[tokio::test]
async fn a4_of_two_orchestrators_only_the_leading_one_is_obeyed() {
    let cell = Cell::new();
    let (mut one, mut two) = (cell.orchestrator().await, cell.orchestrator().await);
    let host = Host::start(&cell, &[&one, &two]).await;
    let (mut first, mut second) = (one.session().await, two.session().await);
    first.lead(5);
    assert!(is_done(&first.execute(&volume(1), 1).await));
    // The other one never said that it leads: its calls are void, whatever term they name.
    second.term = term(5);
    assert_eq!(second.execute(&volume(2), 1).await, Answer::Error(CallError::Fenced(term(5))));
    second.lead(6);
    assert!(is_done(&second.execute(&volume(2), 1).await));
    assert_eq!(first.execute(&volume(3), 1).await, Answer::Error(CallError::Fenced(term(6))));
    first.lead(5);
    assert_eq!(first.next().await, Some(Up::FencedLead { highest: term(6) }));
    // What the deposed one has made is known to the new one.
    assert!(is_done(&second.lookup(&volume(1), 1).await));
    let there = [1, 2, 3].map(|n| host.world().volume(volume_id(n)).is_some());
    assert_eq!(there, [true, true, false]);
}

/// Work that a leader ordered goes on after its death, and its successor is told of it.
#[tokio::test]
async fn a4_an_agent_dials_again_after_its_orchestrator_died_and_knows_what_it_did() {
    let cell = Cell::new();
    let mut orchestrator = cell.orchestrator().await;
    let latencies = &["reserve_volume=50"][..];
    let host = Host::start_with(&cell, &[&orchestrator], Setup { latencies, ..Setup::default() }).await;
    let session = orchestrator.led(5).await;
    session.send(&Down::Call(Box::new(session.call(&volume(1), Verb::Execute, 1))));
    // The call has begun when this one, which came behind it, is answered.
    let mut session = session;
    assert!(is_done(&session.execute(&port(), 1).await));
    drop(session);
    let address = orchestrator.die().await;
    let mut orchestrator = cell.orchestrator_at(address).await;
    let mut session = orchestrator.session().await;
    assert_eq!(session.hello.highest, term(5));
    session.lead(6);
    while session.lookup(&volume(1), 1).await == Answer::Running {
        tokio::task::yield_now().await;
    }
    assert!(is_done(&session.lookup(&volume(1), 1).await));
    assert!(is_done(&session.execute(&volume(1), 2).await));
    assert_eq!(host.world().repeated(), 0);
    assert!(host.world().volume(volume_id(1)).is_some());
}

/// A message that can't be used ends that stream alone; the agent lives and dials again.
#[tokio::test]
async fn a4_a_message_that_can_not_be_used_ends_its_stream_and_no_other() {
    let cell = Cell::new();
    let (mut one, mut two) = (cell.orchestrator().await, cell.orchestrator().await);
    let _host = Host::start(&cell, &[&one, &two]).await;
    let (first, mut second) = (one.session().await, two.session().await);
    let no_role = orchestrator_message::Kind::TakeInventory(TakeInventory { role: 0 });
    first.send_raw(OrchestratorMessage { kind: Some(no_role) });
    first.end().await;
    second.lead(5);
    assert!(is_done(&second.execute(&volume(1), 1).await));
    let mut again = one.led(6).await;
    // Of a kind that only a newer orchestrator has: passed over.
    again.send_raw(OrchestratorMessage::default());
    assert!(is_done(&again.execute(&volume(1), 2).await));
}
