//! The history exported and verified through the API: what each scope holds, who may, that a live cell goes on meanwhile,
//! and that no secret is ever in a file.

use std::path::Path;

use windlass_client::{Client, ClientError, NewSecret};
use windlass_journal::{Part, Read};
use windlass_proto::v1::ErrorReason::*;
use windlass_proto::v1::*;
use windlass_replay::{File, Scope, Verdict, check};
use windlass_sagas::protocol::Cursor;

use crate::support::furniture::{network, project, server, volume};
use crate::support::stage::{Stage, completed, join_token, key_pair};
use crate::support::{TOKEN, World, ask, why};

const PASSWORD: &str = "correct-horse-battery-staple-4711";

async fn export(client: &Client, request: ExportHistoryRequest, to: &Path) -> Result<File, ClientError> {
    let mut out = tokio::fs::File::create(to).await.expect("a file");
    let (mut told, mut end) = (0, 0);
    let bytes = client.export_history(request, &mut out, |at, of| (told, end) = (told.max(at), of)).await?;
    assert_eq!(std::fs::metadata(to).expect("written").len(), bytes);
    assert!(told > 0 && told <= end, "{told} of {end}");
    Ok(File::open(to).expect("a whole file"))
}

fn of(parent: &str) -> ExportHistoryRequest {
    ExportHistoryRequest { parent: parent.into(), ..Default::default() }
}

fn at(position: u64) -> Option<ReadAt> {
    Some(ReadAt { point: Some(read_at::Point::Position(position)) })
}

async fn verified(client: &Client, seen: Vec<verify_history_request::Seen>) -> Verification {
    let request = VerifyHistoryRequest { seen, ..Default::default() };
    client.verify_history(request, |_, _| {}).await.expect("it can be looked at")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_scope_is_exported_from_a_live_cell_and_is_whole() {
    let stage = Stage::set().await;
    let (admin, directory) = (stage.world.admin(), tempfile::tempdir().expect("a directory"));
    let path = |name: &str| directory.path().join(name);
    let end = stage.world.position().await;
    let whole = export(&admin, of("cell"), &path("cell")).await.expect("exported");
    assert_eq!((whole.scope(), whole.about().map(|it| it.last.0)), (&Scope::Cell, Some(end)));
    assert_eq!(check(&whole, &[]).await.verdict(), Verdict::Same);
    let span = ExportHistoryRequest { from: at(20), read_at: at(30), ..of("") };
    let span = export(&admin, span, &path("span")).await.expect("exported");
    assert_eq!(span.about().map(|it| (it.base.0, it.first.0, it.last.0)), Some((19, 20, 30)));
    let one = export(&admin, of(&stage.stuck), &path("one")).await.expect("exported");
    let saga = stage.stuck.trim_start_matches("operations/").parse().expect("a UUID");
    assert_eq!(one.scope(), &Scope::Operation { saga });
    let blue = export(&admin, of("projects/blue"), &path("blue")).await.expect("exported");
    let about = blue.about().expect("it says").clone();
    assert!(about.left_out > 0 && about.last.0 == end, "{about:?}");
    for file in [&whole, &span, &one, &blue] {
        let verified = windlass_replay::verify(file, &[]).await.expect("readable");
        assert!(verified.is_whole(), "{:?}", verified.findings);
    }
    ask(&admin, network("later")).await;
    assert!(stage.world.position().await > end, "the cell went on");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_reads_a_project_exports_its_part_and_auditors_everything() {
    let world = World::furnished().await;
    ask(&world.admin(), project("red")).await;
    let reader = world.principal("ann", &[(role_grant::Role::Reader, "projects/blue")]).await;
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("x");
    let blue = export(&reader, of("projects/blue"), &path).await.expect("exported");
    assert!(matches!(blue.scope(), Scope::Project { name, .. } if name == "blue"));
    for parent in ["cell", "", "projects/red"] {
        let refused = export(&reader, of(parent), &path).await.expect_err("not a reader's");
        assert!([PermissionDenied, NotFound].contains(&why(&refused).0), "{parent}: {refused:?}");
    }
    let refused = reader.verify_history(VerifyHistoryRequest::default(), |_, _| {}).await;
    assert_eq!(why(&refused.expect_err("not a reader's")).0, PermissionDenied);
    let auditor = world.principal("ben", &[(role_grant::Role::Auditor, "")]).await;
    export(&auditor, of("cell"), &path).await.expect("an auditor's");
    assert!(verified(&auditor, Vec::new()).await.whole);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_live_chain_is_whole_and_what_was_seen_otherwise_is_found() {
    let world = World::furnished().await;
    let admin = world.admin();
    let end = world.position().await;
    let found = verified(&admin, Vec::new()).await;
    assert!(found.whole && found.commits == end, "{found:?}");
    let seen = |position, hash| verify_history_request::Seen { position, hash };
    let right = verified(&admin, vec![seen(end, found.hash.clone())]).await;
    assert!(right.whole, "{right:?}");
    let wrong = verified(&admin, vec![seen(3, "5e".repeat(32))]).await;
    assert!(!wrong.whole && wrong.findings[0].position == 3, "{wrong:?}");
    let beyond = verified(&admin, vec![seen(end + 9, "5e".repeat(32))]).await;
    assert!(!beyond.whole && beyond.findings[0].position == end + 1, "{beyond:?}");
}

/// All that a reader could ever find in a file: its bytes, those of its image, and those of its frames.
async fn everything(path: &Path) -> Vec<u8> {
    let file = File::open(path).expect("a whole file");
    let mut all = std::fs::read(path).expect("readable");
    all.extend(file.base().expect("sound").unwrap_or_default());
    let (mut at, last) = (Cursor::START, file.last().await.expect("whole"));
    while at < last {
        let frames = file.read(at, 256).await.expect("readable");
        let Some((next, _)) = frames.last() else { break };
        at = *next;
        all.extend(frames.iter().flat_map(|(_, frame)| frame.bytes().to_vec()));
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_is_in_any_file() {
    let (world, _hosts) = World::with_hosts().await;
    let (admin, directory) = (world.admin(), tempfile::tempdir().expect("a directory"));
    let joining = NewSecret::join_token().expect("randomness");
    let mut token = join_token("s9");
    if let Some(token) = &mut token.join_token {
        token.secret_sha256.clone_from(&joining.sha256);
    }
    ask(&admin, token).await;
    let _ann = world.principal("ann", &[(role_grant::Role::Reader, "projects/blue")]).await;
    ask(&admin, key_pair("ann")).await;
    let mut web = server("web");
    if let Some(server) = &mut web.server {
        server.user_data = format!("#cloud-config\npassword: {PASSWORD}\n").into_bytes();
    }
    let made = ask(&admin, web).await;
    let made = completed(&admin, &made).await;
    ask(&admin, volume("data")).await;
    let end = world.position().await;
    let span = ExportHistoryRequest { from: at(end / 2), ..of("") };
    let parts = [of("cell"), of("projects/blue"), of(&made.name), span];
    let secrets = [TOKEN.to_owned(), "wlt_ann".to_owned(), joining.text.clone(), PASSWORD.to_owned()];
    for (number, part) in parts.into_iter().enumerate() {
        let path = directory.path().join(number.to_string());
        export(&admin, part, &path).await.expect("exported");
        let all = everything(&path).await;
        assert!(all.len() > 3000, "there is something to search");
        for secret in &secrets {
            let whole = secret.rsplit('_').next().unwrap_or(secret).as_bytes();
            let found = all.windows(secret.len()).any(|bytes| bytes == secret.as_bytes());
            let half = whole.len() > 8 && all.windows(whole.len()).any(|bytes| bytes == whole);
            assert!(!found && !half, "a secret is in file {number}");
        }
    }
    // The search finds what is there.
    let all = everything(&directory.path().join("0")).await;
    assert!(all.windows(3).any(|bytes| bytes == b"web"));
}
