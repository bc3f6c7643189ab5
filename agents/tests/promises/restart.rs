//! A6, A8 and power cuts: what an agent finds again, what a lost or cut ledger means, and that nothing is made twice.

use std::fs;
use std::path::{Path, PathBuf};

use windlass_agents::AgentError;
use windlass_sagas::protocol::{Answer, CallError, Down, InventoryItem, Verb};
use windlass_sagas::record::*;

use crate::host::{Host, Setup};
use crate::orchestrator::Cell;
use crate::session::{Session, Step};
use crate::steps::*;

/// A volume, a port, and a guest with both.
async fn server(session: &mut Session) -> [Step; 3] {
    let made = session.execute(&volume(1), 1).await;
    let steps = [volume(1), port(), guest(1, &made)];
    for step in &steps {
        let answer = session.execute(step, 1).await;
        assert!(is_done(&answer), "{answer:?}");
    }
    steps
}

#[tokio::test]
async fn a6_a_restart_finds_volumes_ports_and_guests_again_and_changes_nothing() {
    let cell = Cell::new();
    let mut orchestrator = cell.orchestrator().await;
    let mut host = Host::start(&cell, &[&orchestrator]).await;
    let mut session = orchestrator.led(5).await;
    let steps = server(&mut session).await;
    let (boot, incarnations) = (session.hello.boot, session.hello.ledgers.clone());
    let changes = host.world().changes();
    for killed in [true, false, true] {
        if killed {
            host.kill().await;
        } else {
            host.stop().await;
        }
        host.run();
        session = orchestrator.led(5).await;
        assert_eq!((session.hello.boot, &session.hello.ledgers), (boot, &incarnations));
        let world = host.world();
        assert_eq!((world.changes(), world.repeated()), (changes, 0));
        assert!(world.guest(SERVER).is_some_and(|guest| guest.running), "the guest runs on");
        for step in &steps {
            assert!(is_done(&session.lookup(step, 1).await));
            assert!(is_done(&session.execute(step, 2).await));
        }
        let volumes = session.inventory(Role::Storage).await.items;
        assert!(volumes.contains(&InventoryItem::Volume { volume: volume_id(1), size_gib: 1 }));
        assert!(matches!(
            session.inventory(Role::Network).await.items[..],
            [InventoryItem::Port { port: PORT, .. }]
        ));
        let guests = session.inventory(Role::Hypervisor).await.items;
        assert!(guests.iter().any(|item| matches!(item, InventoryItem::Guest { server: SERVER, .. })));
    }
    assert_eq!(host.world().changes(), changes);
}

/// Killed between two sub-changes of work that goes on slowly: nothing of it goes on, and it is finished, not repeated.
#[tokio::test]
async fn a6_work_in_progress_dies_with_its_agent_and_is_finished_by_the_next() {
    let cell = Cell::new();
    let mut orchestrator = cell.orchestrator().await;
    let latencies = &["prepare_port=30"][..];
    let mut host = Host::start_with(&cell, &[&orchestrator], Setup { latencies, ..Setup::default() }).await;
    let session = orchestrator.led(5).await;
    session.send(&Down::Call(Box::new(session.call(&port(), Verb::Execute, 1))));
    while host.world().port(PORT).is_none() {
        tokio::task::yield_now().await;
    }
    host.kill().await;
    host.run();
    let mut session = orchestrator.led(5).await;
    let after_kill = host.world().changes();
    assert!(after_kill < 4, "the port was finished before the kill");
    assert_eq!(session.lookup(&port(), 1).await, Answer::Absent, "half a port is none");
    assert!(is_done(&session.execute(&port(), 1).await));
    let world = host.world();
    assert_eq!(
        (world.changes(), world.repeated()),
        (4, 0),
        "a link, rules, tunnel and reservation, once each"
    );
}

#[tokio::test]
async fn a6_a_second_agent_on_a_state_directory_is_refused() {
    let cell = Cell::new();
    let mut orchestrator = cell.orchestrator().await;
    let host = Host::start(&cell, &[&orchestrator]).await;
    let _session = orchestrator.led(5).await;
    let options = windlass_agents::config::Options {
        state: Some(host.state.clone()),
        driver: Some("sim".into()),
        ..Default::default()
    };
    let config = windlass_agents::Config::load(None, options).unwrap();
    let refused = windlass_agents::run(config, Default::default()).await.unwrap_err();
    assert!(
        matches!(refused, AgentError::Held { pid: Some(pid), .. } if pid == std::process::id()),
        "{refused}"
    );
}

#[tokio::test]
async fn a8_a_call_that_names_another_incarnation_is_refused_and_the_own_one_named() {
    let cell = Cell::new();
    let mut orchestrator = cell.orchestrator().await;
    let host = Host::start(&cell, &[&orchestrator]).await;
    let mut session = orchestrator.led(5).await;
    let own = session.incarnation(Role::Storage);
    for verb in [Verb::Execute, Verb::Undo, Verb::Lookup] {
        let mut call = session.call(&volume(1), verb, 1);
        call.incarnation = session.incarnation(Role::Network);
        assert_eq!(session.ask(call).await, Answer::Error(CallError::WrongIncarnation(own)), "{verb:?}");
    }
    assert_eq!(host.world().changes(), 0);
}

#[tokio::test]
async fn a8_a_lost_ledger_is_a_new_incarnation_and_old_calls_find_nobody() {
    let cell = Cell::new();
    let mut orchestrator = cell.orchestrator().await;
    let mut host = Host::start(&cell, &[&orchestrator]).await;
    let mut session = orchestrator.led(5).await;
    assert!(is_done(&session.execute(&volume(1), 1).await));
    let before = session.hello.ledgers.clone();
    let old = session.call(&volume(2), Verb::Execute, 1);
    host.kill().await;
    host.run();
    let session = orchestrator.led(5).await;
    assert_eq!(session.hello.ledgers, before, "a kill loses no ledger");
    host.stop().await;
    fs::remove_dir_all(host.ledger("storage")).unwrap();
    host.run();
    let mut session = orchestrator.led(5).await;
    let after =
        |role| session.hello.ledgers.iter().find(|(ledger, _)| ledger.role == role).map(|(_, id)| *id);
    for (ledger, incarnation) in &before {
        let same = after(ledger.role) == Some(*incarnation);
        assert_eq!(same, ledger.role != Role::Storage, "{ledger:?}");
    }
    let own = session.incarnation(Role::Storage);
    assert_eq!(session.ask(old).await, Answer::Error(CallError::WrongIncarnation(own)));
    // What the lost ledger had made is told by the world alone.
    let items = session.inventory(Role::Storage).await.items;
    assert!(items.contains(&InventoryItem::Volume { volume: volume_id(1), size_gib: 1 }));
    assert_eq!(host.world().volume(volume_id(2)), None);
}

/// The ledger goes back to what it was before the last records, as a disk may that lost power without having synced.
#[tokio::test]
async fn a2_a_ledger_without_its_tail_neither_hides_a_change_nor_repeats_it() {
    let cell = Cell::new();
    let mut orchestrator = cell.orchestrator().await;
    let mut host = Host::start(&cell, &[&orchestrator]).await;
    let mut session = orchestrator.led(5).await;
    assert!(is_done(&session.execute(&volume(1), 1).await));
    host.stop().await;
    let (rows, kept) = (host.ledger("storage").join("rows"), host.state.join("kept"));
    copy(&rows, &kept);
    host.run();
    let mut session = orchestrator.led(5).await;
    let second = session.execute(&volume(2), 1).await;
    assert!(is_done(&second));
    assert_eq!(session.undo(&volume(1), 1).await, Answer::Undone);
    host.stop().await;
    fs::remove_dir_all(&rows).unwrap();
    copy(&kept, &rows);
    host.run();
    let mut session = orchestrator.led(5).await;
    let changes = host.world().changes();
    assert_eq!(session.lookup(&volume(2), 1).await, second);
    assert_eq!(session.execute(&volume(2), 2).await, second);
    assert_eq!(session.undo(&volume(1), 2).await, Answer::Undone);
    assert_eq!(host.world().changes(), changes, "all of it was there already");
    assert_eq!(session.execute(&volume(1), 2).await, Answer::Error(CallError::Tombstoned));
}

/// The log of the ledger is cut at many places, as a power cut may leave it. The agent starts with a whole prefix of
/// what was written, or says that the ledger can't be read; it never panics, and never makes a change twice.
#[tokio::test]
async fn a2_a_torn_ledger_is_read_up_to_the_tear_or_refused_by_name() {
    let cell = Cell::new();
    let mut orchestrator = cell.orchestrator().await;
    let mut host = Host::start(&cell, &[&orchestrator]).await;
    let mut session = orchestrator.led(5).await;
    for n in 1..=4 {
        assert!(is_done(&session.execute(&volume(n), 1).await));
    }
    host.kill().await;
    let (rows, kept) = (host.ledger("storage").join("rows"), host.state.join("kept"));
    wait_until_free(&host.ledger("storage"));
    copy(&rows, &kept);
    let (log, used) = log_of(&kept);
    for tenths in (1..=10_u64).rev() {
        fs::remove_dir_all(&rows).unwrap();
        copy(&kept, &rows);
        let file = fs::OpenOptions::new().write(true).open(rows.join(&log)).unwrap();
        file.set_len(used * tenths / 10).unwrap();
        drop(file);
        host.run();
        let mut session = tokio::select! {
            session = orchestrator.led(5) => session,
            // The first row says whose ledger it is, and was synced before any other: this is no power cut.
            ended = host.ended() => {
                let refused = ended.unwrap_err().to_string();
                assert!(tenths == 1 && refused.contains("move the directory away"), "{tenths}/10: {refused}");
                return;
            }
        };
        assert!(tenths > 1, "the first row can't have been read");
        for n in 1..=4 {
            assert!(is_done(&session.execute(&volume(n), 2).await), "cut at {tenths}/10");
        }
        assert_eq!(host.world().repeated(), 0, "cut at {tenths}/10");
        host.kill().await;
        wait_until_free(&host.ledger("storage"));
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("the files of a store");
    for entry in fs::read_dir(from).expect("the files of a store") {
        let entry = entry.expect("the files of a store");
        let place = to.join(entry.file_name());
        if entry.file_type().expect("the files of a store").is_dir() {
            copy(&entry.path(), &place);
        } else {
            fs::copy(entry.path(), place).expect("the files of a store");
        }
    }
}

/// The store's log, and how much of it is written: it may have been made longer than it is.
fn log_of(rows: &Path) -> (PathBuf, u64) {
    let names = fs::read_dir(rows)
        .expect("the files of a store")
        .map(|entry| entry.expect("the files of a store").file_name());
    let log = names
        .map(PathBuf::from)
        .find(|name| name.extension().is_some_and(|it| it == "jnl"))
        .expect("the files of a store");
    let bytes = fs::read(rows.join(&log)).expect("the files of a store");
    let used = bytes.iter().rposition(|byte| *byte != 0).expect("the files of a store") + 1;
    (log, used as u64)
}

/// Waits until the threads of a killed agent have let go of a directory.
fn wait_until_free(directory: &Path) {
    let file = fs::File::open(directory.join("lock")).expect("the files of a store");
    rustix::fs::flock(&file, rustix::fs::FlockOperation::LockExclusive).expect("the files of a store");
}
