//! The leader's task over a journal, without agents: what it acknowledged is there after a new start, a repeat names the
//! same saga, a refusal changes nothing, and a read waits for what it rests on.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{broadcast, mpsc};
use tokio_util::sync::CancellationToken;
use windlass_journal::Memory;
use windlass_journal::memory::{Replicas, Settings, Sync};
use windlass_orchestrator::clock;
use windlass_orchestrator::lead::handle::{Leader, Receipt, Refused};
use windlass_orchestrator::lead::lease::Holding;
use windlass_orchestrator::lead::shell::{Ended, Setup, run};
use windlass_sagas::cell::Reason;
use windlass_sagas::ids::*;
use windlass_sagas::protocol::orchestrator::Config;
use windlass_sagas::record::*;

const CELL: CellId = CellId([1; 16]);
const ADMIN: PrincipalId = PrincipalId([9; 16]);

fn config(writer: u8) -> Config {
    let genesis = Genesis {
        cell: CELL,
        name: "test".into(),
        level: FORMAT_LEVEL,
        admin: ADMIN,
        credential: CredentialId([8; 16]),
        secret_sha256: Hash([7; 32]),
    };
    Config { writer: WriterId([writer; 16]), build: "test".into(), genesis: Some(genesis), recover: None }
}

struct Running {
    leader: Leader,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<Result<(), Ended>>,
}

fn start(journal: &Memory, writer: u8) -> Running {
    let (wakes, woken) = mpsc::channel(64);
    // No agent ever comes; the sender is dropped, which the task bears.
    let (_, agents) = mpsc::channel(1);
    let (commits, _) = broadcast::channel(64);
    let leader = Leader::new(wakes, commits.clone(), Duration::from_secs(20));
    let stop = CancellationToken::new();
    let setup = Setup {
        config: config(writer),
        journal: journal.connect(),
        reader: journal.connect(),
        lease: Holding::Held,
        seen: None,
        cell: CELL,
        store: None,
        wakes: woken,
        agents,
        commits,
        faults: Arc::default(),
        leads: Default::default(),
    };
    let task = tokio::spawn(run(setup, stop.clone()));
    Running { leader, stop, task }
}

fn request(number: u64, name: &str) -> Fact {
    let mut id = [0; 16];
    id[..6].copy_from_slice(&(clock::now().0 / 1000).to_be_bytes()[2..]);
    id[6] = 0x70;
    id[8..].copy_from_slice(&number.to_be_bytes());
    id[8] = 0x80;
    let body = CreateProject { name: name.into(), quota: None }.into();
    Fact::Request(Request {
        id: RequestId(id),
        project: ProjectId::default(),
        principal: Principal::User(ADMIN),
        body,
    })
}

/// Proposes until this orchestrator leads; bounded.
async fn propose(leader: &Leader, fact: &Fact) -> Result<Receipt, Refused> {
    for _ in 0..200 {
        match leader.propose(Cause::default(), fact.clone()).await {
            Err(Refused::NotLeader | Refused::TakingOver) => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            other => return other,
        }
    }
    Err(Refused::NotLeader)
}

#[tokio::test]
async fn r1_what_was_acknowledged_outlives_the_process_and_a_repeat_names_the_same_saga() {
    let journal =
        Memory::new(Settings { replicas: Replicas::One, sync: Sync::Always, duplicate_window_ms: 120_000 });
    let first = start(&journal, 1);
    let fact = request(1, "blue");
    let receipt = propose(&first.leader, &fact).await.expect("committed");
    let (position, projects) =
        first.leader.read(receipt.position, |cell| cell.projects.len()).await.expect("read");
    assert!(position >= receipt.position);
    assert_eq!(projects, 1);
    first.stop.cancel();
    first.task.await.expect("no panic").expect("an orderly end");

    let second = start(&journal, 2);
    let again = propose(&second.leader, &fact).await.expect("known");
    assert_eq!(again.saga, receipt.saga);
    let (_, projects) = second.leader.read(receipt.position, |cell| cell.projects.len()).await.expect("read");
    assert_eq!(projects, 1, "the repeat made nothing");
    second.stop.cancel();
    second.task.await.expect("no panic").expect("an orderly end");
}

#[tokio::test]
async fn r4_a_refusal_names_its_reason_and_is_not_in_the_journal() {
    let journal =
        Memory::new(Settings { replicas: Replicas::One, sync: Sync::Always, duplicate_window_ms: 120_000 });
    let running = start(&journal, 1);
    propose(&running.leader, &request(1, "blue")).await.expect("committed");
    let before = journal.with(|broker| broker.last());
    let refused = propose(&running.leader, &request(2, "blue")).await.expect_err("the name is taken");
    assert!(matches!(refused, Refused::Rejected { rejection, .. } if rejection.reason == Reason::NameTaken));
    assert_eq!(journal.with(|broker| broker.last()), before);
    let preview = running.leader.preview(request(3, "red")).await.expect("it would be made");
    assert!(!preview.events.is_empty());
    assert_eq!(journal.with(|broker| broker.last()), before, "a preview appends nothing");
    running.stop.cancel();
    running.task.await.expect("no panic").expect("an orderly end");
}

#[tokio::test]
async fn commits_are_told_once_they_are_durable_in_order() {
    let journal =
        Memory::new(Settings { replicas: Replicas::One, sync: Sync::Always, duplicate_window_ms: 120_000 });
    let running = start(&journal, 1);
    propose(&running.leader, &request(1, "p0")).await.expect("committed");
    let mut commits = running.leader.commits();
    let mut last = Position(0);
    for number in 2..12 {
        let receipt =
            propose(&running.leader, &request(number, &format!("p{number}"))).await.expect("committed");
        let commit = commits.recv().await.expect("told");
        assert_eq!(commit.header.position, receipt.position);
        assert!(commit.header.position > last);
        last = commit.header.position;
    }
    running.stop.cancel();
    running.task.await.expect("no panic").expect("an orderly end");
}
