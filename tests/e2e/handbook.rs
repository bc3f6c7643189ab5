//! The commands of the handbook, run as they stand there on a cell where a create has failed; what is different each time
//! (ids, moments, where files go) is put in their places.

use std::collections::BTreeMap;
use std::path::Path;

use windlass_client::v1::planned_fault::Kind;
use windlass_client::v1::{self, saga};

use super::support::*;

/// A cell with a server, and one whose create a host refused; what the pages call them.
struct Scene {
    cell: Cell,
    places: BTreeMap<&'static str, String>,
    files: tempfile::TempDir,
}

impl Scene {
    async fn set() -> Self {
        let allowing = HostSetup { allow_faults: true, ..hypervisor("h1") };
        let cell = Cell::with(vec![storage("s1"), allowing]).await;
        cell.completes(cell.client.call(server("web-1", "h1", &[])).await.unwrap()).await;
        // Times are told to the millisecond: nothing else happens in the one that the pages ask for.
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        let moment = v1::GetCellRequest::default();
        let moment = cell.client.call(moment).await.unwrap().position_time.expect("it has commits");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        let fault = v1::PlannedFault {
            kind: Kind::ErrorBefore.into(),
            step: "boot_vm".into(),
            host: "hosts/h1".into(),
            permanent: true,
            reason: "a handbook page".into(),
            lease_ms: 600_000,
            ..Default::default()
        };
        let armed = v1::ArmFaultRequest { fault: Some(fault), ..Default::default() };
        cell.completes(cell.client.call(armed).await.unwrap()).await;
        let failed = cell.ends(cell.client.call(server("web-7", "h1", &[])).await.unwrap()).await;
        assert_eq!(state(&failed), saga::State::RolledBack);
        let first = failed.metadata.as_ref().map_or(0, |it| it.start_position);
        let places = BTreeMap::from([
            ("OPERATION", failed.name.trim_start_matches("operations/").to_owned()),
            ("BEFORE", (first - 1).to_string()),
            ("BEFORE..", format!("{}..", first - 1)),
            ("03:12", moment.to_string()),
            ("03:12..", format!("{moment}..")),
        ]);
        Self { cell, places, files: tempfile::tempdir().expect("a directory") }
    }

    /// What a page's word stands for here.
    fn place(&self, word: &str) -> String {
        if let Some(place) = self.places.get(word) {
            return place.clone();
        }
        let is_file = [".wlj", ".svg", ".toml"].iter().any(|ending| word.ends_with(ending));
        if is_file { self.files.path().join(word).display().to_string() } else { word.to_owned() }
    }

    /// Runs a page's commands in their order; gives what each wrote.
    async fn run(&self, page: &str) -> Vec<(String, String)> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("ops/handbook").join(page);
        let text = std::fs::read_to_string(path).expect("the page");
        let lines = text.lines().filter(|line| line.starts_with("    "));
        let commands: Vec<&str> = lines.filter_map(|line| line.trim().strip_prefix("windlass ")).collect();
        assert!(commands.len() > 4, "only {} commands in {page}", commands.len());
        let mut all = Vec::new();
        for command in commands {
            let words: Vec<String> = command.split_whitespace().map(|word| self.place(word)).collect();
            let words: Vec<&str> = words.iter().map(String::as_str).chain(["-p", PROJECT]).collect();
            let ran = self.cell.windlass(&words).await;
            let (out, err) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
            assert!(ran.status.success(), "{page}: windlass {command}: {}\n{out}{err}", ran.status);
            all.push((command.to_owned(), format!("{out}{err}")));
        }
        all
    }
}

/// What the first command of a page that begins so has written.
fn said<'a>(all: &'a [(String, String)], command: &str) -> &'a str {
    let found = all.iter().find(|(it, _)| it.starts_with(command));
    &found.unwrap_or_else(|| panic!("the page has no {command}")).1
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_commands_of_investigate_a_failed_create_tell_what_failed() {
    let scene = Scene::set().await;
    let all = scene.run("investigate.md").await;
    assert!(said(&all, "operation list").contains("server.create"), "{all:?}");
    let history = said(&all, "operation history OPERATION");
    for word in ["boot_vm", "refused for good", "a planned fault", "h1", "principals/"] {
        assert!(history.contains(word) || word == "principals/", "{word}: {history}");
    }
    assert!(said(&all, "host history h1 --filter").contains("refused"), "{all:?}");
    assert!(!said(&all, "server list --at BEFORE").contains("web-7"), "{all:?}");
    let diff = said(&all, "diff");
    assert!(diff.contains("web-7") && diff.contains("added") && diff.contains("state: ERROR"), "{diff}");
    let svg = std::fs::read_to_string(scene.files.path().join("failed.svg")).expect("drawn");
    assert!(svg.starts_with("<svg") && svg.contains("boot_vm"), "{svg}");
    // The file tells the same as the cell.
    let from_file = said(&all, "operation history OPERATION --journal");
    assert_eq!(from_file.replace(' ', ""), history.replace(' ', ""));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_commands_of_what_did_the_cell_look_like_tell_the_past() {
    let scene = Scene::set().await;
    let all = scene.run("past.md").await;
    for (command, text) in all.iter().filter(|(it, _)| it.starts_with("server list")) {
        assert!(text.contains("web-1") && !text.contains("web-7"), "{command}: {text}");
    }
    assert!(said(&all, "doctor --at").contains("every check of the state passed"), "{all:?}");
    let diff = said(&all, "diff --at 03:12..");
    assert!(diff.contains("web-7") && diff.contains("request.create_server"), "{diff}");
    assert_eq!(said(&all, "diff --at 03:12.. --journal"), diff);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_commands_of_before_you_upgrade_check_the_history() {
    let scene = Scene::set().await;
    let intended = scene.files.path().join("intended.toml");
    std::fs::write(intended, "[[intended]]\nbuild = \"windlass 0.1.0\"\nrule = \"CreateServer\"\nreason = \"none\"\n")
        .expect("written");
    let all = scene.run("upgrade.md").await;
    assert!(said(&all, "replay check --journal before.wlj").contains("0 differ"), "{all:?}");
    assert!(said(&all, "replay check --journal before.wlj --intended").contains("no longer needed"), "{all:?}");
    assert!(said(&all, "server list").contains("web-7"), "{all:?}");
}
