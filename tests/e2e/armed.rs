//! F1 on real processes: faults are armed by the API where that is allowed, strike where they were told, are told of, end
//! with their lease although the orchestrator is dead, and are in the history.

use std::time::Duration;

use windlass_client::v1::planned_fault::{Kind, Point, State};
use windlass_client::v1::{self, ErrorReason};

use super::support::*;

fn allowing(setup: HostSetup) -> HostSetup {
    HostSetup { allow_faults: true, ..setup }
}

fn arm(kind: Kind) -> v1::PlannedFault {
    let (reason, lease_ms) = ("a drill".into(), 600_000);
    v1::PlannedFault { kind: kind.into(), reason, lease_ms, ..Default::default() }
}

fn asked(fault: v1::PlannedFault) -> v1::ArmFaultRequest {
    v1::ArmFaultRequest { fault: Some(fault), ..Default::default() }
}

async fn refused(cell: &Cell, fault: v1::PlannedFault) -> Option<ErrorReason> {
    cell.client.call(asked(fault)).await.err().and_then(|error| error.reason)
}

async fn listed(cell: &Cell) -> Vec<v1::PlannedFault> {
    cell.client.list(v1::ListFaultsRequest::default()).take(100).await.unwrap()
}

/// Waits, bounded, until the one fault of the list is as wanted.
async fn until(cell: &Cell, wanted: impl Fn(&v1::PlannedFault) -> bool) -> v1::PlannedFault {
    for _ in 0..3_000 {
        match listed(cell).await.as_slice() {
            [one] if wanted(one) => return one.clone(),
            _ => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
    panic!("{:?}:\n{}", listed(cell).await, cell.log("orchestrator"));
}

/// Waits, bounded, until a process has said this.
async fn until_said(cell: &Cell, name: &str, words: &str) {
    for _ in 0..3_000 {
        if cell.log(name).contains(words) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{name} never says {words:?}:\n{}", cell.log(name));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f1_armed_by_the_api_it_strikes_there_alone_and_is_listed_and_in_the_history() {
    let mut cell = Cell::with(vec![storage("s1"), allowing(hypervisor("h1")), hypervisor("h2")]).await;
    let on = |host: &str, kind| v1::PlannedFault { host: format!("hosts/{host}"), ..arm(kind) };
    let not_allowed = Some(ErrorReason::FaultsNotAllowed);
    assert_eq!(refused(&cell, on("h2", Kind::Hang)).await, not_allowed);
    assert_eq!(refused(&cell, on("s1", Kind::Hang)).await, not_allowed);
    assert_eq!(refused(&cell, arm(Kind::JournalUnknown)).await, not_allowed, "nor the orchestrator");

    let crash = v1::PlannedFault { step: "boot_vm".into(), ..on("h1", Kind::CrashBetween) };
    let armed = cell.completes(cell.client.call(asked(crash)).await.unwrap()).await;
    let held = until(&cell, |fault| fault.holders.len() == 1).await;
    assert_eq!((held.state(), held.strikes, held.times), (State::Armed, 0, 1));
    let elsewhere = cell.client.call(server("other", "h2", &[])).await.unwrap();
    cell.completes(elsewhere).await;
    let struck = cell.client.call(server("web", "h1", &[])).await.unwrap();
    cell.agent_falls("h1").await;
    cell.start_agent("h1");
    cell.completes(struck).await;
    let told = until(&cell, |fault| fault.strikes == 1).await;
    assert_eq!(told.name, held.name, "the strike that took the agent down is told by the next one");
    assert_eq!(cell.metric("windlass_faults_struck{kind=\"crash_between\"}").await, Some(1.0));
    cell.is_well().await;

    let events = v1::ListEventsRequest { parent: armed.name, ..Default::default() };
    let events = cell.client.call(events).await.unwrap().events;
    let event = events.iter().find(|event| event.kind == "fault.armed").expect("it is in the history");
    assert_eq!((&event.resource, event.details["reason"].as_str()), (&told.name, "a drill"));
    assert_eq!(event.cause.as_ref().map(|cause| cause.principal.as_str()), Some(told.armed_by.as_str()));

    let id = told.name.trim_start_matches("faults/");
    let output = cell.windlass(&["fault", "get", id]).await;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && text.contains("1 of 1") && text.contains("boot_vm"), "{text}");
    let output = cell.windlass(&["fault", "disarm", id]).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(listed(&cell).await.is_empty());
    until_said(&cell, "h1", "a fault is disarmed").await;
    for name in ["other", "web"] {
        cell.completes(cell.client.call(delete_server(name)).await.unwrap()).await;
    }
    cell.nothing_repeated().await;
    cell.nothing_left().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f1_a_lease_ends_at_the_agent_although_the_orchestrator_was_killed() {
    let mut cell = Cell::with(vec![allowing(storage("s1")), hypervisor("h1")]).await;
    let always = v1::PlannedFault { times: 1_000_000, lease_ms: 5_000, ..arm(Kind::ErrorBefore) };
    cell.completes(cell.client.call(asked(always)).await.unwrap()).await;
    until_said(&cell, "s1", "a fault is armed").await;
    cell.kill_orchestrator().await;
    until_said(&cell, "s1", "a fault's lease has ended").await;
    cell.start_orchestrator().await;
    cell.until_up().await;
    let [over] = listed(&cell).await.try_into().expect("it is listed until another is armed");
    assert_eq!((over.state(), over.remaining_ms), (State::Expired, 0));
    cell.completes(cell.client.call(server("web", "h1", &[])).await.unwrap()).await;
    cell.completes(cell.client.call(delete_server("web")).await.unwrap()).await;
    assert!(!cell.log("s1").contains("a planned fault strikes"), "{}", cell.log("s1"));
    cell.is_well().await;
    cell.nothing_left().await;
}

/// A lease outlives the leader that armed it: the next one tells agents what is left of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f1_a_new_lead_tells_agents_of_what_is_armed_and_counts_no_strike_anew() {
    let mut cell = Cell::with(vec![allowing(storage("s1")), hypervisor("h1")]).await;
    cell.completes(cell.client.call(asked(arm(Kind::ErrorBefore))).await.unwrap()).await;
    until(&cell, |fault| fault.holders.len() == 1).await;
    cell.completes(cell.client.call(server("web", "h1", &[])).await.unwrap()).await;
    until(&cell, |fault| fault.strikes == 1).await;
    cell.kill_orchestrator().await;
    cell.start_orchestrator().await;
    cell.until_up().await;
    until(&cell, |fault| fault.holders.len() == 1 && fault.strikes == 1).await;
    cell.completes(cell.client.call(delete_server("web")).await.unwrap()).await;
    let strikes = cell.log("s1").matches("a planned fault strikes").count();
    assert_eq!(strikes, 1, "once was armed: {}", cell.log("s1"));
    cell.is_well().await;
    cell.nothing_repeated().await;
    cell.nothing_left().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f1_the_leaders_own_faults_lose_no_acknowledged_request_and_repeat_none() {
    let allow = vec![vec!["--faults".to_owned(), "allow".to_owned()]];
    let mut cell = Cell::over(vec![storage("s1"), hypervisor("h1")], allow).await;
    let strikes = [
        (Kind::JournalUnavailable, Point::Unspecified, "journal_unavailable"),
        (Kind::JournalUnknown, Point::After, "journal_unknown"),
        (Kind::JournalUnknown, Point::Before, "journal_unknown"),
        (Kind::OrchestratorPause, Point::Before, "orchestrator_pause"),
        (Kind::OrchestratorPause, Point::After, "orchestrator_pause"),
    ];
    for (number, (kind, point, name)) in strikes.into_iter().enumerate() {
        let delay_ms = (kind == Kind::OrchestratorPause).then_some(300);
        let fault = v1::PlannedFault { point: point.into(), delay_ms, ..arm(kind) };
        cell.completes(cell.client.call(asked(fault)).await.unwrap()).await;
        let web = format!("web-{number}");
        cell.completes(cell.client.call(server(&web, "h1", &[])).await.unwrap()).await;
        let metric = format!("windlass_faults_struck{{kind=\"{name}\"}}");
        assert!(cell.metric(&metric).await > Some(0.0), "{name}:\n{}", cell.log("orchestrator"));
        cell.completes(cell.client.call(delete_server(&web)).await.unwrap()).await;
    }
    let struck: u64 = listed(&cell).await.iter().map(|fault| fault.strikes).sum();
    assert_eq!(struck, 5, "each once");
    cell.is_well().await;
    cell.nothing_repeated().await;
    cell.nothing_left().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f1_an_orchestrator_that_crashes_behind_an_append_comes_back_and_does_not_crash_again() {
    let allow = vec![vec!["--faults".to_owned(), "allow".to_owned()]];
    let mut cell = Cell::over(vec![storage("s1"), hypervisor("h1")], allow).await;
    let crash = v1::PlannedFault { times: 1_000, ..arm(Kind::OrchestratorCrash) };
    cell.completes(cell.client.call(asked(crash)).await.unwrap()).await;
    let request = server("web", "h1", &[]);
    let client = cell.client.clone();
    // Nobody hears of the frame that it dies behind; the client goes on asking, with the same request id.
    let asking = tokio::spawn(async move { client.call(request).await });
    let status = cell.nodes[0].falls().await;
    assert!(!status.success(), "{}", cell.log("orchestrator"));
    cell.start_orchestrator().await;
    let operation = asking.await.unwrap().unwrap();
    cell.completes(operation).await;
    let mut servers =
        cell.client.list(v1::ListServersRequest { parent: "projects/-".into(), ..Default::default() });
    assert_eq!(servers.take(100).await.unwrap().len(), 1, "asked twice, done once");
    assert_eq!(listed(&cell).await[0].state(), State::Expired, "it ended with that lead");
    cell.completes(cell.client.call(delete_server("web")).await.unwrap()).await;
    cell.is_well().await;
    cell.nothing_repeated().await;
    cell.nothing_left().await;
}
