//! A journal recorded by the first build that could, kept for good: every later build reads the file, folds it, finds
//! its chain whole, and decides it again as it was decided, or says by a reviewed list why not.
//!
//! `WINDLASS_BLESS=1` writes it only where it is missing.

use std::path::{Path, PathBuf};

use windlass_sagas::ids::SagaId;
use windlass_sagas::protocol::{Absorbed, Fold};
use windlass_sagas::record::*;

use windlass_replay::{Ask, File, Intended, Until, check, export, fold, fold_by, timeline, verify};

use crate::support::{World, create_server};
use crate::{journal, wait};

const ADVICE: &str = "Review each difference and list it in intended.toml with its reason. (Only before the first \
                      release: delete journal-1.wlj and run this test with WINDLASS_BLESS=1.)";

fn kept(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/journals").join(name)
}

fn intended() -> Vec<Intended> {
    let list = std::fs::read_to_string(kept("intended.toml")).expect("the list of intended differences");
    Intended::parse(&list).expect("a list")
}

/// Servers made, rolled back, cancelled and deleted, a volume attached and detached, a host that started anew, under
/// two leaders, with what a deposed one left behind.
fn recorded() -> World {
    let mut world = World::ready(2);
    world.ask(create_server("web-1", &[])).expect("admitted");
    world.run();
    world.ask(create_server("web-2", &[])).expect("admitted");
    world.answer_first();
    world.refuse("prepare_port");
    world.void_frame(2);
    world.lead("0.1.0");
    world.run();
    let saga = world.ask(create_server("web-3", &[])).expect("admitted");
    world.answer_first();
    world.ask(CancelSaga { saga }).expect("before its pivot");
    world.run();
    let (volume, server) = (String::from("data"), String::from("web-1"));
    let made = CreateVolume { name: volume.clone(), size_gib: 10, image: None, zone: None };
    world.ask(made).expect("admitted");
    world.run();
    world.ask(AttachVolume { volume: volume.clone(), server: server.clone() }).expect("admitted");
    world.run();
    world.ask(DetachVolume { volume }).expect("admitted");
    world.run();
    let host = world.cell.servers.values().find(|it| it.spec.name == "web-1").map(|it| it.spec.host);
    world.seen(host.expect("it was placed"), 2);
    world.run();
    world.ask(DeleteServer { server }).expect("admitted");
    world.run();
    world.seal();
    world
}

#[test]
fn the_first_recorded_journal_reads_folds_verifies_and_decides() {
    let path = kept("journal-1.wlj");
    if !path.exists() && std::env::var_os("WINDLASS_BLESS").is_some() {
        let mut out = std::fs::File::create(&path).expect("the golden file can be written");
        wait(export(&journal(&recorded().frames), Ask::cell(), &mut out)).expect("exported");
    }
    let file = File::open(&path).expect("the golden journal");
    let verified = wait(verify(&file, &[])).expect("readable");
    assert!(verified.is_whole(), "{:?}", verified.findings);
    assert!(verified.commits > 50, "a stale or empty corpus proves nothing: {} commits", verified.commits);
    assert_eq!(verified.voids.values().sum::<u64>(), 2);
    let folded = wait(fold(&file, Fold::new(None), Until::End)).expect("readable").fold;
    let mut names: Vec<&str> = folded.cell().servers.values().map(|it| it.spec.name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["web-2", "web-3"], "one was deleted; two rolled back and keep their names");
    let checked = wait(check(&file, &intended()));
    assert!(checked.verdict().passes(), "{checked}{ADVICE}");
    let rolled_back = timeline(&file, sagas(&file)[1]);
    let text = wait(rolled_back).expect("readable").text(&|_| None);
    assert!(text.contains("rolled back after"), "{text}");
}

/// Every journal of the corpus: one a landing that could record more than the one before.
#[test]
fn every_recorded_journal_verifies_folds_and_is_decided_as_it_was() {
    let directory = kept("");
    let entries =
        std::fs::read_dir(&directory).expect("the corpus").map(|entry| entry.expect("readable").path());
    let mut paths: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|it| it == "wlj")).collect();
    paths.sort();
    assert!(paths.len() >= 2, "the corpus is what it was, or more: {paths:?}");
    for path in paths {
        let file = File::open(&path).expect("a golden journal");
        let verified = wait(verify(&file, &[])).expect("readable");
        assert!(verified.is_whole() && verified.commits > 50, "{}: {verified:?}", path.display());
        let checked = wait(check(&file, &intended()));
        assert!(checked.verdict().passes(), "{}: {checked}{ADVICE}", path.display());
        assert_eq!(checked.commits, verified.commits, "{}: all of it was decided again", path.display());
    }
}

/// The demonstration's journals, recorded over real agents: servers made, one rolled back, two processes killed.
#[test]
fn the_demonstrations_journals_show_what_the_demonstration_claims() {
    let names = ["demo-1", "demo-nats-1", "demo-2", "demo-nats-2", "demo-nats-3", "demo-nats-4"];
    for name in names.map(|name| format!("{name}.wlj")) {
        shows_the_demonstration(&File::open(&kept(&name)).expect("the golden journal"));
    }
}

fn shows_the_demonstration(file: &File) {
    let folded = wait(fold(file, Fold::new(None), Until::End)).expect("readable").fold;
    assert!(folded.cell().servers.is_empty() && folded.cell().volumes.is_empty(), "all of it was deleted");
    assert!(folded.cell().sagas.is_empty(), "nothing is open");
    assert_eq!(folded.cell().hosts.len(), 4);
    let texts: Vec<String> = sagas(file)
        .into_iter()
        .map(|saga| wait(timeline(file, saga)).expect("readable").text(&|_| None))
        .collect();
    assert_eq!(texts.len(), 7);
    assert_eq!(texts.iter().filter(|text| text.contains("rolled back after")).count(), 1);
    assert_eq!(texts.iter().filter(|text| text.contains("completed after")).count(), 6);
}

/// The servers' create sagas, in order.
fn sagas(file: &File) -> Vec<SagaId> {
    let mut found = Vec::new();
    let each = |_, absorbed: &Absorbed| {
        for event in absorbed.commits.iter().flat_map(|commit| &commit.events) {
            if let Event::SagaStarted(e) = event
                && e.kind == SagaKind::ServerCreate
            {
                found.push(e.saga);
            }
        }
    };
    wait(fold_by(file, Fold::new(None), Until::End, each)).expect("readable");
    found
}
