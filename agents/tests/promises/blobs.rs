//! Blobs over real TLS: what comes of each thing that orchestrators may send, and that it is fetched once.

use std::path::PathBuf;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use tempfile::TempDir;
use tokio::sync::watch;
use tonic::Status;
use windlass_agents::blobs::{Blobs, FetchError};
use windlass_agents::identity::Identity;
use windlass_proto::agent::v1::BlobChunk;
use windlass_sagas::ids::Hash;

use crate::host::joined;
use crate::orchestrator::{Cell, Orchestrator, Sends};

const MAX: u64 = 1024 * 1024;

/// A host that has joined, without an agent.
struct Joined {
    state: TempDir,
    identity: Arc<Identity>,
}

impl Joined {
    async fn by(cell: &Cell, orchestrator: &Orchestrator) -> Self {
        let state = tempfile::tempdir().expect("a directory");
        joined(cell, orchestrator, state.path()).await.expect("joined");
        let identity = Arc::new(Identity::load(&state.path().join("identity")).expect("an identity"));
        Self { state, identity }
    }

    fn blobs(&self, orchestrators: &[&Orchestrator]) -> Arc<Blobs> {
        let (_, identities) = watch::channel(Arc::clone(&self.identity));
        let pinned = orchestrators.iter().map(|it| it.address.to_string()).collect();
        Arc::new(Blobs::new(self.state.path(), 1 << 30, identities, pinned))
    }

    /// Everything below the blobs' directory that is a file and no lock.
    fn files(&self) -> Vec<PathBuf> {
        let folders = std::fs::read_dir(self.state.path().join("blobs")).expect("readable");
        let folders = folders.map(|it| it.expect("readable").path()).filter(|it| it.is_dir());
        folders
            .flat_map(|it| std::fs::read_dir(it).expect("readable"))
            .map(|it| it.expect("readable").path())
            .collect()
    }
}

fn sha256(bytes: &[u8]) -> Hash {
    Hash(Sha256::digest(bytes).into())
}

/// The chunks of a blob, of so many bytes each.
fn chunks(bytes: &[u8], size: usize) -> Vec<Result<BlobChunk, Status>> {
    let size_bytes = bytes.len() as u64;
    bytes.chunks(size).map(|part| Ok(BlobChunk { data: part.to_vec().into(), size_bytes })).collect()
}

fn sends(orchestrator: &Orchestrator, chunks: Vec<Result<BlobChunk, Status>>) {
    *orchestrator.sends.lock().expect("no test panics while it holds this") =
        Sends { chunks, ..Sends::default() };
}

fn asked(orchestrator: &Orchestrator) -> usize {
    orchestrator.sends.lock().expect("no test panics while it holds this").asked
}

#[tokio::test]
async fn a_blob_comes_from_whoever_has_it_once_for_all_who_want_it() {
    let cell = Cell::new();
    let (first, second) = (cell.orchestrator().await, cell.orchestrator().await);
    let host = Joined::by(&cell, &first).await;
    let body: Vec<u8> = (0..300_000_u32).flat_map(u32::to_le_bytes).collect();
    sends(&second, chunks(&body, 256 * 1024));
    let blobs = host.blobs(&[&first, &second]);
    let fetches: Vec<_> = (0..4)
        .map(|_| {
            let (blobs, hash) = (Arc::clone(&blobs), sha256(&body));
            tokio::spawn(async move { blobs.fetch(hash, 2 * MAX).await })
        })
        .collect();
    for fetch in fetches {
        assert_eq!(std::fs::read(fetch.await.unwrap().unwrap()).unwrap(), body);
    }
    assert_eq!((asked(&first), asked(&second)), (1, 1));
    // The next process asks nobody.
    drop(blobs);
    let path = host.blobs(&[&first]).fetch(sha256(&body), 2 * MAX).await.unwrap();
    assert_eq!(std::fs::read(path).unwrap(), body);
    assert_eq!(asked(&first), 1);
}

#[tokio::test]
async fn an_empty_blob_is_one_too() {
    let cell = Cell::new();
    let orchestrator = cell.orchestrator().await;
    let host = Joined::by(&cell, &orchestrator).await;
    sends(&orchestrator, vec![Ok(BlobChunk::default())]);
    let path = host.blobs(&[&orchestrator]).fetch(sha256(b""), MAX).await.unwrap();
    assert_eq!(std::fs::read(path).unwrap(), b"");
}

#[tokio::test]
async fn what_nobody_has_is_told_from_what_could_not_be_asked_for() {
    let cell = Cell::new();
    let (here, gone) = (cell.orchestrator().await, cell.orchestrator().await);
    let host = Joined::by(&cell, &here).await;
    let missing = host.blobs(&[&here]).fetch(sha256(b"x"), MAX).await.unwrap_err();
    assert_eq!(missing, FetchError::Missing(sha256(b"x")));
    let both = host.blobs(&[&gone, &here]);
    gone.die().await;
    let unreachable = both.fetch(sha256(b"x"), MAX).await.unwrap_err();
    assert!(matches!(unreachable, FetchError::Unreachable(_)), "{unreachable}");
    sends(&here, chunks(b"x", 1));
    assert!(
        both.fetch(sha256(b"x"), MAX).await.is_ok(),
        "one that is down does not matter where another has it"
    );
}

#[tokio::test]
async fn wrong_bytes_leave_nothing_and_another_orchestrator_mends_them() {
    let cell = Cell::new();
    let (first, second) = (cell.orchestrator().await, cell.orchestrator().await);
    let host = Joined::by(&cell, &first).await;
    let good = sha256(b"good bytes");
    let announced = |data: &'static [u8], size_bytes| Ok(BlobChunk { data: data.into(), size_bytes });
    let blobs = host.blobs(&[&first, &second]);
    for wrong in [
        chunks(b"evil bytes", 4),
        vec![announced(b"good ", 10)],
        vec![announced(b"good ", 5), announced(b"bytes", 5)],
        vec![announced(b"good ", 10), Err(Status::data_loss("it can't be read"))],
        vec![Err(Status::data_loss("it can't be read"))],
    ] {
        sends(&first, wrong);
        let refused = blobs.fetch(good, MAX).await.unwrap_err();
        assert!(matches!(refused, FetchError::Wrong(_)), "{refused}");
        assert_eq!(host.files(), Vec::<PathBuf>::new());
    }
    sends(&second, chunks(b"good bytes", 4));
    assert!(blobs.fetch(good, MAX).await.is_ok());
    assert_eq!(host.files().len(), 1);
}

#[tokio::test]
async fn what_is_larger_than_was_said_is_not_fetched() {
    let cell = Cell::new();
    let orchestrator = cell.orchestrator().await;
    let host = Joined::by(&cell, &orchestrator).await;
    sends(&orchestrator, chunks(b"12345", 2));
    let blobs = host.blobs(&[&orchestrator]);
    let large = FetchError::TooLarge { size_bytes: 5, size_max: 4 };
    assert_eq!(blobs.fetch(sha256(b"12345"), 4).await, Err(large.clone()));
    assert_eq!(host.files(), Vec::<PathBuf>::new());
    assert!(blobs.fetch(sha256(b"12345"), 5).await.is_ok());
    assert_eq!(blobs.fetch(sha256(b"12345"), 4).await, Err(large), "also where it is here");
}

#[tokio::test]
async fn a_fetch_that_is_given_up_leaves_nothing_and_the_next_one_goes_on_without_it() {
    let cell = Cell::new();
    let orchestrator = cell.orchestrator().await;
    let host = Joined::by(&cell, &orchestrator).await;
    let body = b"a body in parts";
    *orchestrator.sends.lock().unwrap() = Sends { stays: true, chunks: chunks(body, 4), asked: 0 };
    let blobs = host.blobs(&[&orchestrator]);
    let (other, hash) = (Arc::clone(&blobs), sha256(body));
    let hangs = tokio::spawn(async move { other.fetch(hash, MAX).await });
    while asked(&orchestrator) == 0 || host.files().is_empty() {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    let other = Arc::clone(&blobs);
    let waits = tokio::spawn(async move { other.fetch(hash, MAX).await });
    sends(&orchestrator, chunks(body, 4));
    hangs.abort();
    let path = waits.await.unwrap().unwrap();
    // A chunk that was being written when its fetch was given up goes a moment later.
    while host.files() != [path.clone()] {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}
