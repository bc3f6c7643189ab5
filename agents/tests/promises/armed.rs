//! F1: faults armed from outside: taken only where they are allowed and from who leads, told of, and over by themselves.

use windlass_agents::{Ended, Fall};
use windlass_sagas::fault::{FAULTS_TRAIT, FaultKind, allowed_by};
use windlass_sagas::ids::FaultId;
use windlass_sagas::protocol::{Answer, CallError, Down, FaultHeld, FaultsHeld, LeasedFault, Up, Verb};
use windlass_sagas::record::{FaultAsked, FaultRule, RefusalCode};

use crate::host::{Host, Setup};
use crate::orchestrator::{Cell, Orchestrator};
use crate::session::{Session, term};
use crate::steps::*;

/// Far longer than any test.
const LONG_MS: u32 = 3_600_000;

async fn start(cell: &Cell, orchestrators: &[&Orchestrator], allow: bool) -> Host {
    Host::start_with(cell, orchestrators, Setup { allow, ..Setup::default() }).await
}

fn leased(number: u8, asked: &FaultAsked, remaining_ms: u32) -> LeasedFault {
    LeasedFault { id: FaultId([number; 16]), rule: FaultRule::of(asked).expect("a rule"), remaining_ms }
}

fn errors(times: u64) -> FaultAsked {
    FaultAsked { times: Some(times), ..FaultAsked::of(FaultKind::ErrorBefore) }
}

/// What the agent says next of the faults that it holds.
async fn held(session: &mut Session) -> FaultsHeld {
    match session.next().await {
        Some(Up::FaultsHeld(held)) => held,
        other => unreachable!("expected what is held, not {other:?}"),
    }
}

/// Tells the agent of these, and takes its answer.
async fn arm(session: &mut Session, faults: Vec<LeasedFault>) -> FaultsHeld {
    session.send(&Down::Faults { term: session.term, faults });
    held(session).await
}

/// Executes a step that a fault strikes: its answer, and how often the agent says that it has struck, told in any order.
async fn struck(session: &mut Session, number: u8) -> (Answer, u64) {
    let call = session.call(&volume(number), Verb::Execute, 1);
    session.send(&Down::Call(Box::new(call)));
    let (mut answer, mut strikes) = (None, None);
    while answer.is_none() || strikes.is_none() {
        match session.next().await {
            Some(Up::Reply(reply)) => answer = Some(reply.answer),
            Some(Up::FaultsHeld(held)) => strikes = held.faults.first().map(|it| it.strikes),
            other => unreachable!("{other:?}"),
        }
    }
    (answer.expect("an answer"), strikes.expect("a strike"))
}

#[tokio::test]
async fn f1_an_agent_that_allows_none_says_so_and_nothing_strikes() {
    let cell = Cell::new();
    let mut orchestrator = cell.orchestrator().await;
    let host = start(&cell, &[&orchestrator], false).await;
    let mut session = orchestrator.led(5).await;
    assert!(!allowed_by(&session.hello.traits));
    let told = arm(&mut session, vec![leased(1, &errors(9), LONG_MS)]).await;
    assert!(told.faults.is_empty() && told.refusal.is_some_and(|why| why.contains("--faults allow")));
    assert!(is_done(&session.execute(&volume(1), 1).await));
    assert_eq!(host.strikes(), [""; 0]);
}

#[tokio::test]
async fn f1_an_armed_fault_strikes_as_its_rule_says_and_every_strike_is_told() {
    let cell = Cell::new();
    let mut orchestrator = cell.orchestrator().await;
    let host = start(&cell, &[&orchestrator], true).await;
    let mut session = orchestrator.led(5).await;
    assert_eq!(session.hello.traits.last().map(String::as_str), Some(FAULTS_TRAIT));
    let told = arm(&mut session, vec![leased(1, &errors(2), LONG_MS)]).await;
    let FaultHeld { id, kind, strikes } = told.faults[0];
    assert_eq!((id, kind, strikes), (FaultId([1; 16]), FaultKind::ErrorBefore, 0));
    let (answer, strikes) = struck(&mut session, 1).await;
    assert_eq!((refused(&answer), strikes), (RefusalCode::Injected, 1));
    // The same list again counts nothing anew.
    assert_eq!(arm(&mut session, vec![leased(1, &errors(2), LONG_MS)]).await.faults[0].strikes, 1);
    assert_eq!(struck(&mut session, 2).await.1, 2);
    assert!(is_done(&session.execute(&volume(3), 1).await), "twice was armed");
    assert_eq!(host.strikes().len(), 2);
    assert!(arm(&mut session, Vec::new()).await.faults.is_empty(), "disarmed");
}

#[tokio::test]
async fn f1_a_lease_ends_although_whoever_armed_it_is_gone() {
    let cell = Cell::new();
    let (mut gone, mut witness) = (cell.orchestrator().await, cell.orchestrator().await);
    let _host = start(&cell, &[&gone, &witness], true).await;
    let mut session = gone.led(5).await;
    let mut other = witness.session().await;
    arm(&mut session, vec![leased(1, &errors(99), 400)]).await;
    assert_eq!(held(&mut other).await.faults.len(), 1);
    drop((session, gone));
    assert!(held(&mut other).await.faults.is_empty(), "the agent itself says that it is over");
    other.lead(6);
    assert!(is_done(&other.execute(&volume(1), 1).await));
    // A leader whose clock thinks that something is left of it does not bring it back.
    let told = arm(&mut other, vec![leased(1, &errors(99), LONG_MS)]).await;
    assert!(told.faults.is_empty());
    assert!(is_done(&other.execute(&volume(2), 1).await));
}

#[tokio::test]
async fn f1_a_list_of_a_lead_that_is_over_is_nobodys_word() {
    let cell = Cell::new();
    let mut orchestrator = cell.orchestrator().await;
    let _host = start(&cell, &[&orchestrator], true).await;
    let mut session = orchestrator.led(5).await;
    session.send(&Down::Faults { term: term(4), faults: vec![leased(1, &errors(9), LONG_MS)] });
    assert!(is_done(&session.execute(&volume(1), 1).await), "nothing was armed, and nothing said");
}

#[tokio::test]
async fn f1_a_crash_is_noted_before_it_happens_and_the_next_process_goes_on_counting() {
    let cell = Cell::new();
    let mut orchestrator = cell.orchestrator().await;
    let mut host = start(&cell, &[&orchestrator], true).await;
    let mut session = orchestrator.led(5).await;
    let crash = FaultAsked::of(FaultKind::CrashBetween);
    arm(&mut session, vec![leased(1, &crash, LONG_MS)]).await;
    session.send(&Down::Call(Box::new(session.call(&volume(1), Verb::Execute, 1))));
    assert_eq!(host.ended().await.unwrap(), Ended::Fell(Fall::Crash));
    session.end().await;
    host.run();
    let mut session = orchestrator.led(5).await;
    let told = arm(&mut session, vec![leased(1, &crash, LONG_MS)]).await;
    assert_eq!(told.faults[0].strikes, 1, "it is still armed, and has struck");
    assert!(is_done(&session.execute(&volume(1), 2).await), "once was armed");
    assert_eq!(host.world().repeated(), 0);
}

#[tokio::test]
async fn f1_a_call_with_a_term_that_is_over_is_fenced_and_changes_nothing() {
    let cell = Cell::new();
    let mut orchestrator = cell.orchestrator().await;
    let host = start(&cell, &[&orchestrator], true).await;
    let mut session = orchestrator.led(5).await;
    arm(&mut session, vec![leased(1, &FaultAsked::of(FaultKind::WrongTerm), LONG_MS)]).await;
    let (answer, strikes) = struck(&mut session, 1).await;
    assert_eq!((answer, strikes), (Answer::Error(CallError::Fenced(session.term)), 1));
    assert!(host.world().is_empty());
    assert!(is_done(&session.execute(&volume(1), 1).await), "the same call in the right term");
}
