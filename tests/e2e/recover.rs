//! A broker that comes back with an old copy of its data: the journal's tail is lost, or another one has grown since.
//! Nobody leads on it; `windlass recover` shows what is lost, and by its order the cell goes on with what is left.

use std::path::Path;

use windlass_client::v1;
use windlass_client::v1::recovery::State;
use windlass_client::v1::witness::Against;

use super::support::*;

/// A request that is sent again and again does no harm: so many make any tail longer than what was seen of the old one.
const FLAVORS: u64 = 200;

/// What `windlass recover` shows, and the code it ends with.
async fn shown(cell: &Cell) -> (v1::Recovery, Option<i32>) {
    let output = cell.windlass(&["recover", "-o", "json"]).await;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let json = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {said}"));
    (windlass_proto::from_json(json).unwrap(), output.status.code())
}

/// Gives the order for a commit; the code, and what was said.
async fn order(cell: &Cell, tip: &v1::SeenCommit) -> (Option<i32>, String) {
    let commit = format!("{}:{}", tip.position, tip.hash);
    let output = cell.windlass(&["recover", "--order", &commit, "--reason", "an old copy"]).await;
    (output.status.code(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

/// What went on behind the copy.
struct Lost {
    /// Was under way when it was made.
    half: v1::Operation,
    /// Was asked for only then.
    whole: v1::CreateServerRequest,
    /// The id of the server that it made.
    made: String,
}

/// A cell whose journal went on after `copy` was made of it, and what went on only then.
async fn led_on(broker: &mut Broker, copy: &Path) -> (Cell, Lost) {
    let hosts = vec![storage("s1"), HostSetup { latency_ms: 100, ..hypervisor("h1") }];
    let cell = Cell::over(hosts, vec![broker.arguments(), broker.arguments()]).await;
    // Under way when the copy is made: some of its commits are in it.
    let half = cell.client.call(server("half", "h1", &[])).await.unwrap();
    broker.copy_data(copy);
    cell.completes(half.clone()).await;
    let request_id = windlass_client::Client::new_request_id();
    let whole = v1::CreateServerRequest { request_id, ..server("whole", "h1", &[]) };
    cell.completes(cell.client.call(whole.clone()).await.unwrap()).await;
    let made = cell.client.call(get_server("whole")).await.unwrap();
    (cell, Lost { half, whole, made: made.uid })
}

/// Everything of the old tail is there: nothing was lost yet.
async fn nothing_is_lost(cell: &Cell) {
    let (recovery, code) = shown(cell).await;
    assert_eq!((recovery.state(), code), (State::NothingLost, Some(0)), "{recovery:#?}");
    let tip = v1::SeenCommit { position: recovery.position, hash: "5e".repeat(32), ..Default::default() };
    let (code, said) = order(cell, &tip).await;
    assert_eq!(code, Some(4), "{said}");
    assert!(said.contains("nothing is lost"), "{said}");
}

async fn anybody_leads(cell: &Cell) -> bool {
    for node in &cell.nodes {
        if node.leads().await {
            return true;
        }
    }
    false
}

/// What is lost is shown, an order for another commit is refused, and the one for the commit that was shown leads on.
async fn orders(cell: &Cell, state: State, against: Against) {
    let (recovery, code) = shown(cell).await;
    assert_eq!((recovery.state(), code), (state, Some(1)), "{recovery:#?}");
    assert!(!anybody_leads(cell).await);
    let own = recovery.witnesses.iter().find(|it| it.host.is_empty()).expect("it remembers itself");
    assert_eq!(own.against(), against, "{recovery:#?}");
    assert!(own.seen.as_ref().unwrap().position <= recovery.operations_known_to);
    let lost: Vec<(&str, bool)> = recovery.operations.iter().map(|it| (it.kind.as_str(), it.known)).collect();
    assert!(lost.contains(&("server.create", false)), "the one that never was: {recovery:#?}");
    let text = String::from_utf8(cell.windlass(&["recover"]).await.stdout).unwrap();
    let tip = recovery.tip.clone().unwrap();
    assert!(text.contains(&format!("--order {}:{}", tip.position, tip.hash)), "{text}");

    let other = v1::SeenCommit { hash: "5e".repeat(32), ..tip.clone() };
    let (code, said) = order(cell, &other).await;
    assert_eq!(code, Some(4), "{said}");
    assert!(said.contains("another commit") && !anybody_leads(cell).await, "{said}");
    let (code, said) = order(cell, &tip).await;
    assert_eq!(code, Some(0), "{said}: {}", cell.nodes[0].said());
    assert!(anybody_leads(cell).await);
    let (recovery, _) = shown(cell).await;
    assert_eq!(recovery.state(), State::NothingLost, "{recovery:#?}");
    let leader = cell.client.call(v1::GetCellRequest::default()).await.unwrap().leader.unwrap();
    assert_eq!(leader.generation, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn o6_a_lost_tail_is_led_on_by_neither_of_two_until_an_operator_orders_it() {
    let mut broker = Broker::start(1);
    let copies = tempfile::tempdir().unwrap();
    let (mut cell, lost) = led_on(&mut broker, copies.path()).await;
    nothing_is_lost(&cell).await;
    for node in &mut cell.nodes {
        node.end().await;
    }
    broker.restore_data(copies.path());
    for node in &mut cell.nodes {
        node.start().await;
    }
    orders(&cell, State::TailLost, Against::Ahead).await;
    goes_on(&cell, lost.half, &lost.made).await;
    both_have_one_history(&cell).await;
    is_not_repeated(&mut cell, lost.whole).await;
}

/// Who leads and who follows tell the same commit at the same position.
async fn both_have_one_history(cell: &Cell) {
    let position = cell.client.call(v1::GetCellRequest::default()).await.unwrap().position;
    let mut told = Vec::new();
    for node in 0..cell.nodes.len() {
        let request = v1::GetCellRequest { min_position: position, ..Default::default() };
        let found = cell.client_of(node).call(request).await.unwrap();
        told.push((found.position, found.hash, found.leader.map(|leader| leader.generation)));
    }
    assert!(told.iter().all(|it| *it == told[0] && it.2 == Some(1)), "{told:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn o6_a_rewritten_tail_is_not_led_on_until_an_operator_orders_it() {
    let mut broker = Broker::start(1);
    let copies = tempfile::tempdir().unwrap();
    let (mut cell, lost) = led_on(&mut broker, copies.path()).await;
    cell.nodes[1].end().await;
    assert_eq!(cell.leader().await, 0);
    let seen = cell.client.call(v1::GetCellRequest::default()).await.unwrap().position;
    cell.end_orchestrator().await;
    for name in ["s1", "h1"] {
        cell.kill_agent(name).await;
    }
    broker.restore_data(copies.path());
    // Somebody who knows nothing of the old tail leads on the old copy, and nobody is there to tell.
    cell.nodes[1].forget();
    cell.nodes[1].start().await;
    let other = cell.client_of(1);
    for number in 0..FLAVORS {
        let made = cell.completes(other.call(flavor_named(&format!("other-{number}"))).await.unwrap()).await;
        if made.position > seen {
            break;
        }
        assert!(number + 1 < FLAVORS);
    }
    cell.nodes[1].end().await;
    cell.start_orchestrator().await;
    for name in ["s1", "h1"] {
        cell.start_agent(name);
    }
    orders(&cell, State::TailRewritten, Against::Other).await;
    goes_on(&cell, lost.half, &lost.made).await;
    is_not_repeated(&mut cell, lost.whole).await;
}

/// What the lost operation has made stands on the hosts and in no state, and the doctor names just that. The one that was
/// under way needs an operator, as its agents know steps of it that the journal does not; everything else goes on.
async fn goes_on(cell: &Cell, half: v1::Operation, lost: &str) {
    cell.until_up().await;
    let half = stuck(cell, half).await;
    left_over(cell, lost).await;
    let reason = "its steps went on in the lost tail".to_owned();
    let abandon = v1::AbandonOperationRequest { name: half.name, reason, ..Default::default() };
    cell.completes(cell.client.call(abandon).await.unwrap()).await;
    let quarantine = v1::ListQuarantineRequest { parent: PROJECT.into(), ..Default::default() };
    let held = cell.client.list(quarantine).take(100).await.unwrap();
    assert_eq!(held.len(), 3, "{held:#?}");
    left_over(cell, lost).await;
    cell.completes(cell.client.call(server("whole", "h1", &[])).await.unwrap()).await;
    left_over(cell, lost).await;
    cell.completes(cell.client.call(delete_server("whole")).await.unwrap()).await;
    left_over(cell, lost).await;
}

/// The doctor finds the lost server, with its root volume and its port, and nothing else.
async fn left_over(cell: &Cell, lost: &str) {
    let request = v1::DoctorRequest { invariants: vec![2, 3, 4, 5, 6], ..Default::default() };
    let answer = cell.client.call(request).await.unwrap();
    assert_eq!(answer.hosts_missing, [""; 0]);
    let (owned, others) = answer.checks.split_first().unwrap();
    for check in others {
        assert_eq!(check.result(), v1::invariant_check::Result::Passed, "{check:#?}");
    }
    let kind = |name: &str| name.rsplit('/').nth(1).map(ToOwned::to_owned).unwrap_or_default();
    let mut kinds: Vec<String> = owned.findings.iter().map(|it| kind(&it.resource)).collect();
    kinds.sort_unstable();
    assert_eq!(kinds, ["ports", "servers", "volumes"], "{owned:#?}");
    assert!(owned.findings.iter().any(|it| it.resource.ends_with(lost)), "{lost}: {owned:#?}");
}

/// The lost request sent again under its own id meets steps that the agents know from the lost tail: it stands stuck where
/// everybody sees it, and repeats nothing.
async fn is_not_repeated(cell: &mut Cell, request: v1::CreateServerRequest) {
    let again = cell.client.call(request).await.unwrap();
    stuck(cell, again).await;
    cell.nothing_repeated().await;
}

async fn stuck(cell: &Cell, operation: v1::Operation) -> v1::Operation {
    let ended = cell.ends(operation).await;
    assert_eq!(state(&ended), v1::saga::State::Stuck, "{ended:#?}");
    ended
}
