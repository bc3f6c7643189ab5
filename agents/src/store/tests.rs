//! What is synced is there again, what the gate shuts out is not, and strange files are refused by name.

use windlass_sagas::ids::{HostId, Position, Term, Time};
use windlass_sagas::protocol::ledger::{BatchId, Input, LinkId, Output};
use windlass_sagas::record::Role;

use super::*;

const ID: LedgerId = LedgerId { host: HostId([3; 16]), role: Role::Storage };

struct Open {
    ledger: Ledger,
    writer: Writer,
    gate: Arc<Gate>,
    synced: mpsc::UnboundedReceiver<Synced>,
}

fn try_open(directory: &Path, id: LedgerId) -> Result<Open, AgentError> {
    let gate = Arc::new(Gate::default());
    let (sender, synced) = mpsc::unbounded_channel();
    let (ledger, writer) = super::open(directory, id, Durability::Synced, Arc::clone(&gate), sender)?;
    Ok(Open { ledger, writer, gate, synced })
}

fn open(directory: &Path) -> Open {
    try_open(directory, ID).unwrap()
}

/// Takes a Lead of this term and writes what the machine wants written; the batch.
fn lead(open: &mut Open, elected: u64) -> BatchId {
    let term = Term { generation: 0, elected: Position(elected) };
    let lead = Input::Lead { link: LinkId(1), term, position: Position(elected), hash: Default::default() };
    let mut out = Vec::new();
    open.ledger.step(lead, Time(0), &mut out);
    let written = out.into_iter().find_map(|output| match output {
        Output::Persist { batch, rows } => Some((batch, rows)),
        Output::Begin(_) | Output::Apply(_) | Output::Send { .. } => None,
    });
    let (batch, rows) = written.unwrap();
    open.writer.write(batch, rows).unwrap();
    batch
}

#[tokio::test]
async fn what_is_synced_is_there_again_with_the_same_incarnation() {
    let directory = tempfile::tempdir().unwrap();
    let mut first = open(directory.path());
    let incarnation = first.ledger.incarnation();
    for elected in 1..=50 {
        let batch = lead(&mut first, elected);
        if elected == 50 {
            while first.synced.recv().await.unwrap() != (Role::Storage, batch) {}
        }
    }
    let held = try_open(directory.path(), ID).err().unwrap();
    assert!(matches!(held, AgentError::Held { pid: Some(_), .. }), "{held}");
    first.writer.close().await;

    let second = open(directory.path());
    assert_eq!(second.ledger.incarnation(), incarnation);
    assert_eq!(second.ledger.highest().elected, Position(50));
    second.writer.close().await;
}

#[tokio::test]
async fn nothing_is_written_once_the_gate_is_shut() {
    let directory = tempfile::tempdir().unwrap();
    let mut first = open(directory.path());
    let batch = lead(&mut first, 1);
    assert_eq!(first.synced.recv().await, Some((Role::Storage, batch)));
    first.gate.shut();
    lead(&mut first, 2);
    assert_eq!(first.synced.recv().await, None, "the thread ends without a word");
    first.writer.close().await;
    let second = open(directory.path());
    assert_eq!(second.ledger.highest().elected, Position(1));
    second.writer.close().await;
}

#[tokio::test]
async fn a_lost_ledger_comes_back_as_another_incarnation() {
    let directory = tempfile::tempdir().unwrap();
    let first = open(directory.path());
    let incarnation = first.ledger.incarnation();
    first.writer.close().await;
    lose(directory.path()).unwrap();
    let second = open(directory.path());
    assert_ne!(second.ledger.incarnation(), incarnation);
    second.writer.close().await;
    assert!(!directory.path().join("rows.lost").exists());
}

#[tokio::test]
async fn a_ledger_that_was_half_made_is_made_again() {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir_all(directory.path().join("rows.new")).unwrap();
    fs::write(directory.path().join("rows.new").join("0.jnl"), [0; 64]).unwrap();
    let first = open(directory.path());
    first.writer.close().await;
    assert!(!directory.path().join("rows.new").exists());
}

#[tokio::test]
async fn strange_files_and_anothers_ledger_are_refused_by_name() {
    let directory = tempfile::tempdir().unwrap();
    open(directory.path()).writer.close().await;
    let other = LedgerId { host: HostId([4; 16]), role: Role::Storage };
    let refused = try_open(directory.path(), other).err().unwrap().to_string();
    assert!(refused.contains("Storage") && refused.contains(&ID.host.to_string()), "{refused}");
    fs::remove_file(directory.path().join("rows").join("version")).unwrap();
    let refused = try_open(directory.path(), ID).err().unwrap().to_string();
    assert!(refused.contains("version") && refused.contains("move the directory away"), "{refused}");
}

/// Writes a Lead of this term through a lane of a shared store, and waits until it is synced.
async fn lead_shared(shared: &SharedLedgers, id: LedgerId, elected: u64) -> Incarnation {
    let (sender, mut synced) = mpsc::unbounded_channel();
    let (mut ledger, lane) = shared.ledger(Path::new("shared"), id, sender).unwrap();
    let term = Term { generation: 0, elected: Position(elected) };
    let lead = Input::Lead { link: LinkId(1), term, position: Position(elected), hash: Default::default() };
    let mut out = Vec::new();
    ledger.step(lead, Time(0), &mut out);
    for output in out {
        if let Output::Persist { batch, rows } = output {
            lane.write(batch, rows).unwrap();
            while synced.recv().await.unwrap() != (id.role, batch) {}
        }
    }
    ledger.incarnation()
}

#[tokio::test]
async fn ledgers_in_one_store_are_there_again_each_with_its_own() {
    let directory = tempfile::tempdir().unwrap();
    let other = LedgerId { host: HostId([4; 16]), role: Role::Storage };
    let network = LedgerId { role: Role::Network, ..ID };
    let ids = [(ID, 5), (other, 6), (network, 7)];
    let shared = SharedLedgers::open(directory.path(), Durability::Synced).unwrap();
    let mut made = Vec::new();
    for (id, elected) in ids {
        made.push(lead_shared(&shared, id, elected).await);
    }
    drop(shared);
    // The thread ends with the last handle, and only then is the store free.
    let again = (0..500).find_map(|_| {
        std::thread::sleep(std::time::Duration::from_millis(10));
        SharedLedgers::open(directory.path(), Durability::Synced).ok()
    });
    let again = again.unwrap();
    for ((id, elected), incarnation) in ids.into_iter().zip(made) {
        let (sender, _synced) = mpsc::unbounded_channel();
        let (ledger, _lane) = again.ledger(directory.path(), id, sender).unwrap();
        assert_eq!((ledger.id(), ledger.incarnation()), (id, incarnation));
        assert_eq!(ledger.highest().elected, Position(elected));
    }
}
