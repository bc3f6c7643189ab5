//! The history on a live cell: a create that fails for real shows its retry and its undo, as text, as JSON and as a
//! drawing; and events are followed over a leader's death, none left out, none twice.

use windlass_client::v1;
use windlass_client::v1::planned_fault::Kind;

use super::support::*;

fn text(output: &std::process::Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

async fn arm(cell: &mut Cell, nth_call: u64, permanent: bool) {
    let fault = v1::PlannedFault {
        kind: Kind::ErrorBefore.into(),
        step: "boot_vm".into(),
        direction: v1::event::Direction::Forward.into(),
        nth_call,
        permanent,
        lease_ms: 600_000,
        reason: "a drill".into(),
        ..Default::default()
    };
    let armed =
        cell.client.call(v1::ArmFaultRequest { fault: Some(fault), ..Default::default() }).await.unwrap();
    cell.completes(armed).await;
}

async fn until_held(cell: &Cell, count: usize) {
    for _ in 0..3_000 {
        let faults = cell.client.list(v1::ListFaultsRequest::default()).take(100).await.unwrap();
        if faults.iter().filter(|fault| fault.holders.len() == 1).count() == count {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("the agent never holds them:\n{}", cell.log("orchestrator"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_create_shows_its_retry_and_its_undo() {
    let host = HostSetup { allow_faults: true, ..hypervisor("h1") };
    let mut cell = Cell::with(vec![storage("s1"), host]).await;
    arm(&mut cell, 1, false).await;
    arm(&mut cell, 2, true).await;
    until_held(&cell, 2).await;
    let ended = cell.rolls_back(cell.client.call(server("web", "h1", &[])).await.unwrap()).await;
    let id = ended.name.trim_start_matches("operations/");
    let saga = ended.metadata.clone().unwrap();
    let boot = saga.steps.iter().find(|step| step.kind == "boot_vm").unwrap();
    assert_eq!((boot.attempt, boot.undo_attempt), (2, 1), "{boot:#?}");

    let request = v1::ListEventsRequest { parent: ended.name.clone(), page_size: 1000, ..Default::default() };
    let events = cell.client.call(request).await.unwrap().events;
    let story: Vec<(&str, u32, bool)> = events
        .iter()
        .filter(|event| event.step == Some(boot.index) && event.kind.starts_with("step."))
        .map(|event| (event.kind.as_str(), event.attempt, event.latency_ms.is_some()))
        .collect();
    let expected = [
        ("step.dispatched", 1, false),
        ("step.refused", 1, true),
        ("step.dispatched", 2, false),
        ("step.refused", 2, true),
        ("step.dispatched", 1, false),
        ("step.undone", 1, true),
    ];
    assert_eq!(story, expected);

    // The text has the undo under its own step, behind both attempts.
    let told = text(&cell.windlass(&["operation", "history", id]).await);
    let step = told.split("\n\n").find(|part| part.contains(" boot_vm on h1")).expect("the step");
    let place = |words: &str| step.find(words).unwrap_or_else(|| panic!("{words:?} in:\n{told}"));
    assert!(
        place("refused for now") < place("after a pause of")
            && place("after a pause of") < place("refused for good")
    );
    assert!(place("refused for good") < place(" - undone after"), "{told}");
    assert!(told.contains("rolled back after") && told.contains("\nrequest "), "{told}");
    let json = text(&cell.windlass(&["operation", "history", id, "-o", "json"]).await);
    let json: v1::ListEventsResponse =
        windlass_proto::from_json(serde_json::from_str(&json).unwrap()).unwrap();
    assert_eq!(json.events, events, "the file for programs is the API's own answer");
    let drawing = text(&cell.windlass(&["operation", "history", id, "--svg", "-"]).await);
    assert!(drawing.starts_with("<svg") && drawing.contains("f-refused") && drawing.contains("f-undo"));

    // The same is in the server's history and in the host's.
    let server = saga.subject.clone();
    let touched = text(&cell.windlass(&["server", "history", &server]).await);
    assert!(touched.contains("server.create") && touched.contains("boot_vm"), "{touched}");
    let of_host = text(&cell.windlass(&["host", "history", "h1", "--filter", "step=boot_vm"]).await);
    assert_eq!(of_host.lines().count(), 1 + expected.len(), "{of_host}");
    cell.completes(cell.client.call(delete_server("web")).await.unwrap()).await;
    cell.is_well().await;
    cell.nothing_left().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_are_followed_over_a_leaders_death_none_left_out_none_twice() {
    let mut cell = Cell::plain().await;
    let request =
        v1::WatchEventsRequest { parent: "cell".into(), after_position: Some(0), ..Default::default() };
    let mut tail = cell.client.tail(request.clone());
    let mut seen: Vec<v1::Event> = Vec::new();
    for name in ["web-1", "web-2"] {
        let made = cell.completes(cell.client.call(server(name, "h1", &[])).await.unwrap()).await;
        let last = made.metadata.unwrap().last_position;
        while seen.last().is_none_or(|event| event.position < last) {
            seen.extend(tail.next().await.unwrap().unwrap().events);
        }
        cell.kill_orchestrator().await;
        cell.start_orchestrator().await;
        cell.until_up().await;
    }
    for name in ["web-1", "web-2"] {
        cell.completes(cell.client.call(delete_server(name)).await.unwrap()).await;
    }
    // A reader that begins anew is told the same, up to the end.
    let mut whole = cell.client.tail(v1::WatchEventsRequest { until_end: true, ..request });
    let mut all: Vec<v1::Event> = Vec::new();
    while let Some(answer) = whole.next().await.unwrap() {
        all.extend(answer.events);
    }
    while seen.len() < all.len() {
        seen.extend(tail.next().await.unwrap().unwrap().events);
    }
    assert!(seen.starts_with(&all), "{} and {} events", seen.len(), all.len());
    let mut positions: Vec<u64> = all.iter().map(|event| event.position).collect();
    positions.dedup();
    let dense: Vec<u64> = (1..=positions.len() as u64).collect();
    assert_eq!(positions, dense, "every commit has its events, in order");
    assert_eq!(all.iter().filter(|event| event.kind == "leader.elected").count(), 3);

    let printed = text(
        &cell.windlass(&["events", "tail", "--cell", "--after", "0", "--no-follow", "-o", "json"]).await,
    );
    let lines =
        printed.lines().map(|line| windlass_proto::from_json(serde_json::from_str(line).unwrap()).unwrap());
    let lines: Vec<v1::Event> = lines.collect();
    assert!(lines.starts_with(&all), "one event a line");
    cell.nothing_left().await;
}
