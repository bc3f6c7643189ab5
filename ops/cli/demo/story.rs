//! What the demonstration does, in its order. Every claim is checked where it is made; what does not hold is counted.

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use windlass_client::v1::operation::Result as Outcome;
use windlass_client::v1::{self, step};
use windlass_sagas::ids::{HostId, SagaId};
use windlass_sagas::protocol::Fold;

use super::Teller;
use super::account::{Account, count, decide_again};
use super::cell::{BROKEN, Cell, HOSTS};
use crate::journal::Journal;
use crate::names::Names;
use crate::output;
use crate::output::short;
use crate::{progress, seed, wait};

/// How often an operation is looked at while the story waits for a step, and how often at most.
const LOOK: (Duration, u32) = (Duration::from_millis(5), 4_000);

/// Does all of it, and gives the account.
pub(super) async fn tell(home: &Path, journal: &Journal) -> anyhow::Result<Account> {
    let teller = Teller::begin();
    teller.chapter("an orchestrator and 4 agents with simulated hosts, each a process of its own");
    let cell = Cell::start(home, journal).await?;
    let hosts: Vec<&str> = HOSTS.iter().map(|(name, _)| *name).collect();
    teller.line(&format!("up, and joined over mutual TLS: {}", hosts.join(", ")));
    let mut story = Story { teller, cell, account: Account::default(), shown: Vec::new() };
    let told = story.all(home, journal).await;
    if told.is_err() {
        // The failure is what counts; its processes end with us.
        story.show_logs(home);
    }
    told?;
    Ok(story.account)
}

struct Story {
    teller: Teller,
    cell: Cell,
    account: Account,
    /// Operations whose history is shown at the end.
    shown: Vec<String>,
}

impl Story {
    async fn all(&mut self, home: &Path, journal: &Journal) -> anyhow::Result<()> {
        self.provision().await?;
        self.roll_back().await?;
        self.kill_an_agent().await?;
        self.kill_the_orchestrator().await?;
        self.compare().await?;
        self.delete_all().await?;
        self.cell.end().await?;
        self.count().await?;
        self.replay(home, journal).await
    }

    async fn provision(&mut self) -> anyhow::Result<()> {
        self.teller.chapter("two servers at once, one with a data volume");
        let parent = format!("projects/{}", seed::PROJECT);
        let volume = v1::Volume { display_name: "data".into(), size_gib: 10, ..Default::default() };
        let request = v1::CreateVolumeRequest { parent, volume: Some(volume), ..Default::default() };
        let volume = self.cell.client.call(request).await?;
        self.follow(volume, true).await?;
        let one = self.cell.client.call(seed::server("web-1", "h1", &["data"])).await?;
        let other = self.cell.client.call(seed::server("web-2", "h2", &[])).await?;
        self.follow(one, true).await?;
        self.follow(other, false).await?;
        Ok(())
    }

    async fn roll_back(&mut self) -> anyhow::Result<()> {
        self.teller.chapter(&format!(
            "a server that can't be: {BROKEN} refuses to boot it; what was done is undone"
        ));
        let asked = self.cell.client.call(seed::server("web-3", BROKEN, &[])).await?;
        self.shown.push(asked.name.clone());
        let ended = self.follow(asked, true).await?;
        self.expect(
            ended.metadata.as_ref().is_some_and(|saga| saga.state() == v1::saga::State::RolledBack),
            "the server is rolled back",
        );
        let name = format!("projects/{}/servers/web-3", seed::PROJECT);
        let server = self.cell.client.call(v1::GetServerRequest { name, ..Default::default() }).await?;
        let why = server.fault.as_ref().map(|fault| fault.message.clone()).unwrap_or_default();
        self.teller.line(&format!("web-3 is {} and holds nothing: {why}", server.state().as_str_name()));
        Ok(())
    }

    async fn kill_an_agent(&mut self) -> anyhow::Result<()> {
        self.teller.chapter("SIGKILL of an agent in the middle of a boot");
        let asked = self.cell.client.call(seed::server("web-4", "h1", &[])).await?;
        self.shown.push(asked.name.clone());
        self.until_boots(&asked).await?;
        self.cell.kill_agent("h1").await?;
        self.account.killed += 1;
        self.teller.line("the agent of h1 is killed while boot_vm runs; it starts again");
        self.cell.start_agent("h1")?;
        let ended = self.follow(asked, true).await?;
        self.expect_completed(&ended, "web-4 completes");
        Ok(())
    }

    async fn kill_the_orchestrator(&mut self) -> anyhow::Result<()> {
        self.teller.chapter("SIGKILL of the orchestrator in the middle of three sagas");
        let mut asked = Vec::new();
        for (name, host) in [("web-5", "h1"), ("web-6", "h2"), ("web-7", "h2")] {
            asked.push(self.cell.client.call(seed::server(name, host, &[])).await?);
        }
        let first = asked.first().context("three were asked for")?.clone();
        self.until_boots(&first).await?;
        self.cell.kill_orchestrator().await?;
        self.account.killed += 1;
        self.teller.line("the orchestrator is killed; it starts again and looks up what was under way");
        self.cell.start_orchestrator().await?;
        for operation in asked {
            let ended = self.follow(operation, false).await?;
            self.expect_completed(&ended, "a server that was acknowledged before the kill completes");
        }
        Ok(())
    }

    async fn compare(&mut self) -> anyhow::Result<()> {
        self.teller.chapter("doctor: what the hosts hold, against what the cell says");
        let request = v1::DoctorRequest { invariants: vec![2, 3, 5, 6], ..Default::default() };
        let answer = self.cell.client.call(request).await?;
        for check in &answer.checks {
            let result = check.result();
            let found = check.findings.len() as u64 + check.findings_omitted;
            self.account.left_over += found;
            self.expect(result == v1::invariant_check::Result::Passed, "an invariant passes");
            let word = result.as_str_name();
            self.teller.line(&format!("invariant {}: {word} ({})", check.invariant, check.statement));
        }
        self.expect(answer.hosts_missing.is_empty(), "every host is compared");
        Ok(())
    }

    async fn delete_all(&mut self) -> anyhow::Result<()> {
        self.teller.chapter("everything is deleted again");
        let parent = format!("projects/{}", seed::PROJECT);
        for number in 1..=7 {
            let name = format!("{parent}/servers/web-{number}");
            let asked = self.cell.client.call(v1::DeleteServerRequest { name, ..Default::default() }).await?;
            let ended = self.follow(asked, false).await?;
            self.expect_completed(&ended, "a server is deleted");
        }
        let name = format!("{parent}/volumes/data");
        let asked = self.cell.client.call(v1::DeleteVolumeRequest { name, ..Default::default() }).await?;
        let ended = self.follow(asked, false).await?;
        self.expect_completed(&ended, "the volume is deleted");
        Ok(())
    }

    async fn count(&mut self) -> anyhow::Result<()> {
        self.teller.chapter("counted at the simulated hosts themselves, outside every ledger");
        let counted = count(&self.cell)?;
        self.account.repeated += counted.repeated;
        self.account.left_over += counted.full;
        self.expect(counted.changes > 0, "the hosts were changed at all");
        self.teller.line(&format!(
            "{} changes, {} of them made twice; {} of {} hosts hold anything",
            counted.changes,
            counted.repeated,
            counted.full,
            HOSTS.len()
        ));
        Ok(())
    }

    async fn replay(&mut self, home: &Path, journal: &Journal) -> anyhow::Result<()> {
        self.teller.chapter("replay check: every fact in the journal is decided again by this build");
        let journal = journal.open(home).await?;
        let (commits, differences) = decide_again(&journal).await;
        self.account.differences = differences;
        self.expect(commits > 0, "something was decided again");
        self.teller.line(&format!("{commits} commits, {differences} differences"));
        self.teller.chapter("the history of the two sagas above, from the journal alone");
        let folded = windlass_replay::fold(&journal, Fold::new(None), windlass_replay::Until::End).await?;
        let host = |id: HostId| folded.fold.cell().hosts.get(&id).map(|host| host.name.clone());
        for name in &self.shown {
            let saga: SagaId = short(name).parse().ok().context("an operation's name is no UUID")?;
            let timeline = windlass_replay::timeline(&journal, saga).await?;
            output::tell("");
            output::tell(timeline.text(&host));
        }
        journal.close().await;
        Ok(())
    }

    /// Waits for an operation's end, showing its steps; counts how it ended.
    async fn follow(&mut self, operation: v1::Operation, shown: bool) -> anyhow::Result<v1::Operation> {
        let teller = &self.teller;
        let steps = operation.metadata.iter().flat_map(|saga| &saga.steps);
        let subjects = operation.metadata.iter().map(|saga| saga.subject.as_str());
        let named = steps.map(|step| step.host.as_str()).chain(subjects);
        let names = Names::of(&self.cell.client, named).await;
        let mut lines: Vec<String> = Vec::new();
        let show = |change: &v1::OperationChange| {
            let saga = change.operation.as_ref().and_then(|operation| operation.metadata.as_ref());
            for line in saga.iter().flat_map(|saga| &saga.steps).map(|step| progress::line(step, &names)) {
                if shown && !line.is_empty() && !lines.contains(&line) {
                    teller.line(&line);
                    lines.push(line);
                }
            }
        };
        let ended =
            if operation.done { operation } else { self.cell.client.wait_with(&operation, show).await? };
        let saga = ended.metadata.clone().unwrap_or_default();
        match (&ended.result, saga.state()) {
            (Some(Outcome::Response(_)), v1::saga::State::Completed) => self.account.completed += 1,
            (Some(Outcome::Error(_)), v1::saga::State::RolledBack) => self.account.rolled_back += 1,
            (Some(Outcome::Response(_) | Outcome::Error(_) | Outcome::Preview(_)) | None, _) => {
                self.account.missing += 1;
            }
        }
        self.teller.line(&wait::summary(&ended, &names));
        Ok(ended)
    }

    /// Waits, bounded, until the guest's boot has begun and is not over.
    async fn until_boots(&self, operation: &v1::Operation) -> anyhow::Result<()> {
        for _ in 0..LOOK.1 {
            let request = v1::GetOperationRequest { name: operation.name.clone(), ..Default::default() };
            let saga = self.cell.client.call(request).await?.metadata.unwrap_or_default();
            let boots = |step: &&v1::Step| step.kind == "boot_vm" && step.state() == step::State::Running;
            if saga.steps.iter().any(|step| boots(&step)) {
                return Ok(());
            }
            tokio::time::sleep(LOOK.0).await;
        }
        anyhow::bail!("{}: its guest was never seen booting", operation.name)
    }

    fn expect_completed(&mut self, operation: &v1::Operation, what: &str) {
        let saga = operation.metadata.as_ref();
        self.expect(saga.is_some_and(|saga| saga.state() == v1::saga::State::Completed), what);
    }

    /// Counts what had to hold and does not.
    fn expect(&mut self, holds: bool, what: &str) {
        if !holds {
            self.account.missing += 1;
            self.teller.line(&format!("DOES NOT HOLD: {what}"));
        }
    }

    /// The last words of every process, where the story broke off.
    fn show_logs(&self, home: &Path) {
        for (name, log) in std::iter::once("orchestrator")
            .chain(HOSTS.iter().map(|(name, _)| *name))
            .map(|name| (name, std::fs::read_to_string(home.join(format!("{name}.log"))).unwrap_or_default()))
        {
            for line in log.lines().rev().take(5).collect::<Vec<_>>().into_iter().rev() {
                eprintln!("{name}: {line}");
            }
        }
    }
}
