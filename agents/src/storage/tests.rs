//! The storage driver on the real tools: qemu-img and qemu-storage-daemon, over TLS on loopback.

use std::time::Duration;

use windlass_sagas::protocol::ledger::{Op, WorkResult};
use windlass_sagas::record::{ImageFormat, Role};

use super::*;
use crate::linux::Tool;
use crate::linux::process::Process;
use crate::linux::tests::{Authority, broken_off, can_run, done, keep_blob, work};
use crate::linux::tls;

const TOOLS: [&str; 3] = ["qemu-img", "qemu-storage-daemon", "prlimit"];
const VOLUME: VolumeId = VolumeId([0x11; 16]);
const GUESTS: HostId = HostId([0x22; 16]);
const OTHER: HostId = HostId([0x33; 16]);

struct Bench {
    directory: tempfile::TempDir,
    authority: Authority,
    host: Host,
    blobs: Arc<Blobs>,
    ports: (u16, u16),
}

impl Bench {
    /// A storage host with ports of its own, so that tests can run side by side.
    fn new(first: u16) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let authority = Authority::new();
        let (host, blobs) = authority.host(directory.path(), HostId([0x44; 16]));
        Self { directory, authority, host, blobs, ports: (first, first + 9) }
    }

    async fn open(&self) -> Storage {
        let config = StorageConfig { ports: self.ports, ..StorageConfig::default() };
        Storage::open(self.host.clone(), &config, Arc::clone(&self.blobs)).await.unwrap()
    }

    /// Every process that serves a volume of this host.
    fn serving(&self) -> Vec<Process> {
        Process::all("qemu-storage-daemon", &self.host.run.join("exports").display().to_string())
    }

    /// What is left of volumes, exports and processes.
    fn left(&self) -> Vec<String> {
        let pool = self.host.state.join("pool");
        let directories = [pool.join("volumes"), pool.join("exports"), self.host.run.join("exports")];
        let entries = directories.iter().flat_map(|path| std::fs::read_dir(path).into_iter().flatten());
        let files = entries.map(|entry| entry.unwrap().path().display().to_string());
        files.chain(self.serving().iter().map(|process| format!("process {}", process.pid()))).collect()
    }

    /// Whether this host may read the export, and what it is told.
    async fn reads(&self, who: HostId, storage: &Storage) -> Result<(), String> {
        let (client, _) = self.authority.host(self.directory.path(), who);
        let credentials = tls::client(&client).unwrap();
        let WorkResult::Executed(Ok(StepOutput::Export(endpoint))) =
            done(storage, Role::Storage, &reserve(Op::Execute, None)).await
        else {
            panic!("no export");
        };
        let tls =
            format!("tls-creds-x509,id=tls,endpoint=client,verify-peer=on,dir={}", credentials.display());
        let image = format!(
            "driver=nbd,server.type=inet,server.host={},server.port={},export={VOLUME},tls-creds=tls",
            endpoint.host, endpoint.port
        );
        let tool = Tool::new("qemu-io").args(["--object", &tls, "--image-opts", &image, "-c", "read 0 4k"]);
        let ended = tool.run().await.unwrap();
        let out = String::from_utf8_lossy(&ended.out).into_owned();
        if out.contains("read 4096/4096") { Ok(()) } else { Err(format!("{out}{}", ended.complaint)) }
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        for process in self.serving() {
            std::process::Command::new("kill").arg(process.pid().to_string()).status().unwrap();
        }
    }
}

fn reserve(op: Op, image: Option<ImageSource>) -> Work {
    let (volume, size_gib, made_here, export_to) = (VOLUME, 1, true, Some(GUESTS));
    work(op, StepInput::ReserveVolume { volume, size_gib, image, made_here, export_to }, Vec::new())
}

fn release(delete: bool) -> Work {
    let input = StepInput::ReleaseVolume { volume: VOLUME, export_to: Some(GUESTS), delete };
    work(Op::Execute, input, Vec::new())
}

#[tokio::test]
async fn only_the_host_of_the_attachment_is_served_and_only_once() {
    if !can_run("only_the_host_of_the_attachment_is_served_and_only_once", &TOOLS) {
        return;
    }
    let bench = Bench::new(21_000);
    let storage = bench.open().await;
    assert_eq!(bench.reads(GUESTS, &storage).await, Ok(()));
    let refused = bench.reads(OTHER, &storage).await.unwrap_err();
    assert!(!refused.contains("read 4096/4096"), "{refused}");
    assert_eq!(bench.serving().len(), 1);
    // A second attachment's export is refused while the first one stands.
    let (volume, size_gib, image, made_here, export_to) = (VOLUME, 1, None, true, Some(OTHER));
    let input = StepInput::ReserveVolume { volume, size_gib, image, made_here, export_to };
    let second = done(&storage, Role::Storage, &work(Op::Execute, input, Vec::new())).await;
    assert!(
        matches!(second, WorkResult::Executed(Err(Refusal { code: RefusalCode::Foreign, .. }))),
        "{second:?}"
    );
    let items = storage.inventory().await.unwrap();
    assert_eq!(items.len(), 2, "{items:?}");
    assert_eq!(
        done(&storage, Role::Storage, &release(true)).await,
        WorkResult::Executed(Ok(StepOutput::None))
    );
    assert_eq!(bench.left(), Vec::<String>::new());
}

#[tokio::test]
async fn broken_off_anywhere_it_is_finished_or_removed() {
    if !can_run("broken_off_anywhere_it_is_finished_or_removed", &TOOLS) {
        return;
    }
    let bench = Bench::new(21_010);
    let forward = reserve(Op::Execute, None);
    let all = {
        let storage = bench.open().await;
        let all = broken_off(&storage, &forward, 64).await;
        done(&storage, Role::Storage, &reserve(Op::Undo, None)).await;
        all
    };
    assert_eq!(all, 3, "bytes, record, process");
    for changes in 0..=all {
        for undo in [false, true] {
            let storage = bench.open().await;
            broken_off(&storage, &forward, changes).await;
            drop(storage);
            let storage = bench.open().await;
            if undo {
                let undone = done(&storage, Role::Storage, &reserve(Op::Undo, None)).await;
                assert_eq!(undone, WorkResult::Undone(Ok(())), "after {changes} changes");
            } else {
                let ended = done(&storage, Role::Storage, &forward).await;
                assert!(matches!(ended, WorkResult::Executed(Ok(StepOutput::Export(_)))), "{ended:?}");
                for removed in 0..4 {
                    broken_off(&storage, &release(true), removed).await;
                }
                done(&storage, Role::Storage, &release(true)).await;
            }
            assert_eq!(bench.left(), Vec::<String>::new(), "after {changes} changes, undo {undo}");
        }
    }
}

#[tokio::test]
async fn an_export_is_served_again_at_its_port_after_its_process_died() {
    if !can_run("an_export_is_served_again_at_its_port_after_its_process_died", &TOOLS) {
        return;
    }
    let bench = Bench::new(21_020);
    let storage = bench.open().await;
    let made = done(&storage, Role::Storage, &reserve(Op::Execute, None)).await;
    let before = bench.serving();
    before[0].end(Duration::ZERO).await.unwrap();
    for _ in 0..400 {
        if bench.serving().first().is_some_and(|process| *process != before[0]) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    assert_eq!(done(&storage, Role::Storage, &reserve(Op::Execute, None)).await, made, "the same port");
    assert_eq!(bench.reads(GUESTS, &storage).await, Ok(()));
    // An agent that starts again touches nothing.
    let serving = bench.serving();
    drop(storage);
    let storage = bench.open().await;
    tokio::time::sleep(SUPERVISE_EVERY + Duration::from_millis(200)).await;
    assert_eq!(bench.serving(), serving);
    done(&storage, Role::Storage, &release(true)).await;
    assert_eq!(bench.left(), Vec::<String>::new());
}

#[tokio::test]
async fn bytes_come_from_an_image_and_a_hostile_one_is_refused() {
    if !can_run("bytes_come_from_an_image_and_a_hostile_one_is_refused", &TOOLS) {
        return;
    }
    let bench = Bench::new(21_030);
    let storage = bench.open().await;
    let source = |bytes: &[u8], format| {
        let (image, sha256) = (windlass_sagas::ids::ImageId([6; 16]), keep_blob(&bench.host, bytes));
        Some(ImageSource { image, sha256, format })
    };
    let make = async |arguments: &[&str]| {
        let path = bench.directory.path().join("image");
        Tool::new("qemu-img").args(arguments).arg(&path).arg("64M").succeed().await.unwrap();
        std::fs::read(path).unwrap()
    };
    // Whoever serves it would hand out this machine's own file.
    let hostile = make(&["create", "-q", "-f", "qcow2", "-u", "-b", "/etc/passwd", "-F", "raw"]).await;
    let image = source(&hostile, ImageFormat::Qcow2);
    let refused = done(&storage, Role::Storage, &reserve(Op::Execute, image.clone())).await;
    let WorkResult::Executed(Err(refusal)) = refused else { panic!("taken: {refused:?}") };
    assert_eq!((refusal.code, refusal.retryable), (RefusalCode::BadImage, false), "{}", refusal.message);
    assert!(refusal.message.contains("another file"), "{}", refusal.message);
    done(&storage, Role::Storage, &reserve(Op::Undo, image)).await;
    assert_eq!(bench.left(), Vec::<String>::new());
    // One that is not what it is declared to be.
    let image = source(b"plain text", ImageFormat::Qcow2);
    let refused = done(&storage, Role::Storage, &reserve(Op::Execute, image)).await;
    assert!(matches!(&refused, WorkResult::Executed(Err(refusal)) if refusal.code == RefusalCode::BadImage));
    // A good one is there, grown to the volume's size.
    let mut bytes = vec![0; 1 << 20];
    bytes[..5].copy_from_slice(b"hello");
    let image = source(&bytes, ImageFormat::Raw);
    let made = done(&storage, Role::Storage, &reserve(Op::Execute, image.clone())).await;
    assert!(matches!(made, WorkResult::Executed(Ok(StepOutput::Export(_)))), "{made:?}");
    let file = bench.host.state.join("pool").join("volumes").join(format!("{VOLUME}.qcow2"));
    let copy = bench.directory.path().join("copy");
    Tool::new("qemu-img").args(["convert", "-U", "-O", "raw"]).arg(file).arg(&copy).succeed().await.unwrap();
    let copied = std::fs::read(copy).unwrap();
    assert_eq!((&copied[..5], copied.len()), (&b"hello"[..], 1 << 30));
    done(&storage, Role::Storage, &reserve(Op::Undo, image)).await;
    assert_eq!(bench.left(), Vec::<String>::new());
}
