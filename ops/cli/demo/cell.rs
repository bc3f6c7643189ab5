//! The demonstration's cell: its identity, its orchestrator's process and its agents' processes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use windlass_client::Client;
use windlass_journal::jetstream::local::free_ports;
use windlass_orchestrator::identity;

use crate::child::Child;
use crate::context::Context;
use crate::host::Role;
use crate::journal::Journal;
use crate::seed;

/// How long a process may take until it says that it is ready.
const READY_TIME_MAX: Duration = Duration::from_secs(30);
/// How the simulated hosts work: slow enough for a kill to hit the middle of a step.
const AGENT: &str = "\
[sim.latency_ms]\n\
default = 10\n\
boot_vm = 120\n";
/// The hosts. The last hypervisor follows a plan of faults: it never boots a guest.
pub(super) const HOSTS: [(&str, &[Role]); 4] = [
    ("s1", &[Role::Storage]),
    ("h1", &[Role::Hypervisor, Role::Network]),
    ("h2", &[Role::Hypervisor, Role::Network]),
    (BROKEN, &[Role::Hypervisor, Role::Network]),
];
/// The hypervisor that boots nothing.
pub(super) const BROKEN: &str = "h3";
const FAULTS: &str = "\
[[fault]]\n\
kind = \"error_before\"\n\
step = \"boot_vm\"\n\
direction = \"forward\"\n\
probability = 1.0\n\
retryable = false\n";

/// The cell.
pub(super) struct Cell {
    home: PathBuf,
    /// What its orchestrator is told of its journal.
    journal: Vec<String>,
    /// Where its orchestrator listens, once it did.
    address: Option<String>,
    orchestrator: Option<Child>,
    agents: BTreeMap<&'static str, Child>,
    /// A client of it.
    pub(super) client: Client,
}

impl Cell {
    /// Makes a cell below `home` and starts all of it.
    pub(super) async fn start(home: &Path, journal: &Journal) -> anyhow::Result<Self> {
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let made = identity::init(&home.join("identity"), &journal.cell, &names)?;
        let journal = journal.arguments();
        // Below the ports of outgoing connections, so that nobody takes it while the orchestrator is down.
        let listen = format!("127.0.0.1:{}", free_ports(1)?[0]);
        let (orchestrator, address) = start_orchestrator(home, &listen, &journal).await?;
        let context = Context {
            endpoints: vec![format!("https://{address}")],
            ca: Some(home.join("identity").join("ca.pem")),
            token: Some(made.admin_token),
            project: Some(seed::PROJECT.to_owned()),
        };
        let client = context.client()?;
        seed::seed(&client).await?;
        let (address, orchestrator) = (Some(address), Some(orchestrator));
        let home = home.to_path_buf();
        let mut cell = Self { home, journal, address, orchestrator, agents: BTreeMap::new(), client };
        for (name, roles) in HOSTS {
            cell.join(name, roles).await?;
            cell.start_agent(name)?;
        }
        seed::until_up(&cell.client, HOSTS.len()).await?;
        Ok(cell)
    }

    /// Where a host keeps its state.
    pub(super) fn host(&self, name: &str) -> PathBuf {
        self.home.join("hosts").join(name)
    }

    async fn join(&self, name: &str, roles: &[Role]) -> anyhow::Result<()> {
        let token = seed::join_token(&self.client, name, roles).await?;
        let (state, ca) = (self.host(name), self.home.join("identity").join("ca.pem"));
        std::fs::create_dir_all(&state)?;
        std::fs::write(state.join("agent.toml"), AGENT)?;
        std::fs::write(state.join("faults.toml"), FAULTS)?;
        let address = self.address.as_deref().context("no orchestrator was started")?;
        let (state, ca) = (text(&state)?, text(&ca)?);
        let arguments = [
            "agent",
            "join",
            &token,
            "--orchestrator",
            address,
            "--ca",
            ca,
            "--state",
            state,
            "--name",
            name,
        ];
        let mut child = Child::start(&format!("agent join of {name}"), &arguments, &self.log(name))?;
        let status = child.wait(READY_TIME_MAX).await?;
        anyhow::ensure!(status.success(), "{name} can't join: see {}", self.log(name).display());
        Ok(())
    }

    /// Starts a host's agent.
    pub(super) fn start_agent(&mut self, name: &'static str) -> anyhow::Result<()> {
        let state = self.host(name);
        let (config, faults) = (state.join("agent.toml"), state.join("faults.toml"));
        let mut arguments =
            vec!["agent", "run", "--driver", "sim", "--state", text(&state)?, "--config", text(&config)?];
        if name == BROKEN {
            arguments.extend(["--faults", text(&faults)?]);
        }
        let child = Child::start(&format!("the agent of {name}"), &arguments, &self.log(name))?;
        self.agents.insert(name, child);
        Ok(())
    }

    /// Kills a host's agent, as a crash would.
    pub(super) async fn kill_agent(&mut self, name: &str) -> anyhow::Result<()> {
        let agent = self.agents.remove(name).with_context(|| format!("no agent of {name} runs"))?;
        agent.kill().await
    }

    /// Kills the orchestrator, as a crash would.
    pub(super) async fn kill_orchestrator(&mut self) -> anyhow::Result<()> {
        let orchestrator = self.orchestrator.take().context("no orchestrator runs")?;
        orchestrator.kill().await
    }

    /// Starts the orchestrator again, where it listened before.
    pub(super) async fn start_orchestrator(&mut self) -> anyhow::Result<()> {
        let address = self.address.as_deref().context("no orchestrator was started")?;
        let (orchestrator, _) = start_orchestrator(&self.home, address, &self.journal).await?;
        self.orchestrator = Some(orchestrator);
        Ok(())
    }

    /// Ends every process in order.
    pub(super) async fn end(&mut self) -> anyhow::Result<()> {
        while let Some((_, agent)) = self.agents.pop_first() {
            agent.end().await?;
        }
        match self.orchestrator.take() {
            Some(orchestrator) => orchestrator.end().await,
            None => Ok(()),
        }
    }

    fn log(&self, name: &str) -> PathBuf {
        self.home.join(format!("{name}.log"))
    }
}

async fn start_orchestrator(
    home: &Path,
    listen: &str,
    journal: &[String],
) -> anyhow::Result<(Child, String)> {
    let mut arguments = vec!["orchestrator", "--state", text(home)?, "--listen", listen];
    arguments.extend(journal.iter().map(String::as_str));
    let mut child = Child::start("the orchestrator", &arguments, &home.join("orchestrator.log"))?;
    let line = child.line(READY_TIME_MAX).await?;
    let address =
        line.strip_prefix("listening on ").with_context(|| format!("the orchestrator says {line:?}"))?;
    Ok((child, address.to_owned()))
}

fn text(path: &Path) -> anyhow::Result<&str> {
    path.to_str().with_context(|| format!("{} is not UTF-8", path.display()))
}
