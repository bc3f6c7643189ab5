//! The benchmark's cell: its identity, its orchestrator's process, and processes of many hosts each.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use tokio::task::JoinSet;
use windlass_client::Client;
use windlass_journal::jetstream::local::free_ports;
use windlass_orchestrator::identity;

use super::limits::{HOSTS_OF_ONE_PROCESS, READY_TIME_MAX};
use super::meter::Processes;
use super::seeded;
use crate::child::Child;
use crate::context::Context;
use crate::host::Role;
use crate::seed;

/// The hosts whose agents only the channel's rows dial, by whether their ledgers are synced.
pub(super) const CHANNEL_HOST: &str = "channel";

/// What a cell is made from.
pub(super) struct Setup {
    /// Where everything is.
    pub(super) home: PathBuf,
    /// How many hosts.
    pub(super) links: u16,
    /// Whether the hosts' ledgers are synced.
    pub(super) synced: bool,
    /// The cell's name.
    pub(super) name: String,
    /// What the orchestrator is told of its journal.
    pub(super) journal: Vec<String>,
    /// The processes that keep the journal, where it is on NATS.
    pub(super) brokers: Vec<u32>,
}

/// The cell.
pub(super) struct Cell {
    setup: Setup,
    address: String,
    metrics: String,
    orchestrator: Child,
    hosts: Vec<Child>,
    /// A client of it.
    pub(super) client: Client,
}

impl Cell {
    /// Makes a cell and starts its orchestrator; its hosts have joined and are not started.
    pub(super) async fn start(setup: Setup) -> anyhow::Result<Self> {
        let home = setup.home.as_path();
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let made = identity::init(&home.join("identity"), &setup.name, &names)?;
        let free = free_ports(2)?;
        let (address, metrics) = (format!("127.0.0.1:{}", free[0]), format!("127.0.0.1:{}", free[1]));
        let mut arguments =
            vec!["orchestrator", "--state", text(home)?, "--listen", &address, "--metrics", &metrics];
        arguments.extend(setup.journal.iter().map(String::as_str));
        arguments.extend(["--log", "warn"]);
        let mut orchestrator = Child::start("the orchestrator", &arguments, &home.join("orchestrator.log"))?;
        orchestrator.line(READY_TIME_MAX).await?;
        let context = Context {
            endpoints: vec![format!("https://{address}")],
            ca: Some(home.join("identity").join("ca.pem")),
            token: Some(made.admin_token),
            project: Some(seeded::PROJECT.to_owned()),
        };
        let client = context.client()?;
        let cell = Self { setup, address, metrics, orchestrator, hosts: Vec::new(), client };
        cell.join_all().await?;
        Ok(cell)
    }

    /// Where everything is.
    pub(super) fn home(&self) -> &Path {
        &self.setup.home
    }

    fn state(&self) -> PathBuf {
        self.setup.home.join("hosts")
    }

    /// The hypervisors, each with its own network agent.
    pub(super) fn hypervisors(&self) -> Vec<String> {
        (1..=self.setup.links - self.storages()).map(|number| format!("h{number}")).collect()
    }

    fn storages(&self) -> u16 {
        (self.setup.links / 12).max(1)
    }

    fn storage_names(&self) -> impl Iterator<Item = String> + use<> {
        (1..=self.storages()).map(|number| format!("s{number}"))
    }

    async fn join_all(&self) -> anyhow::Result<()> {
        let storages = self.storage_names().map(|name| (name, vec![Role::Storage]));
        let guests = [Role::Hypervisor, Role::Network];
        let hypervisors = self.hypervisors().into_iter().map(|name| (name, guests.to_vec()));
        let channel = (CHANNEL_HOST.to_owned(), vec![Role::Storage]);
        let mut joining = JoinSet::new();
        for (name, roles) in storages.chain(hypervisors).chain([channel]) {
            let (client, directory, address) =
                (self.client.clone(), self.state().join(&name), self.address.clone());
            let authority = self.home().join("identity").join("ca.pem");
            joining.spawn(async move {
                seed::join_host(&client, &authority, directory, (&name, &roles), (address, None)).await
            });
        }
        while let Some(joined) = joining.join_next().await {
            joined??;
        }
        Ok(())
    }

    /// Starts a process of these hosts, which dial `orchestrator`.
    pub(super) async fn start_process(
        &self,
        names: &[String],
        orchestrator: &str,
        synced: bool,
    ) -> anyhow::Result<Child> {
        let first = names.first().map_or("", String::as_str);
        let (what, state) = (format!("the agents from {first} on"), self.state());
        let mut arguments =
            vec!["bench", "hosts", "--log", "warn", "--state", text(&state)?, "--orchestrator", orchestrator];
        arguments.extend((!synced).then_some("--unsynced"));
        arguments.extend(names.iter().map(String::as_str));
        let mut child = Child::start(&what, &arguments, &self.home().join(format!("{first}.log")))?;
        child.line(READY_TIME_MAX).await?;
        Ok(child)
    }

    /// Starts all hosts; returns once they are up.
    pub(super) async fn start_hosts(&mut self) -> anyhow::Result<()> {
        let names: Vec<String> = self.storage_names().chain(self.hypervisors()).collect();
        for names in names.chunks(HOSTS_OF_ONE_PROCESS) {
            let child = self.start_process(names, &self.address, self.setup.synced).await?;
            self.hosts.push(child);
        }
        seed::until_up(&self.client, usize::from(self.setup.links)).await
    }

    /// The processes whose CPU and memory count.
    pub(super) fn processes(&self) -> Processes {
        Processes {
            orchestrator: self.orchestrator.id().into_iter().collect(),
            agents: self.hosts.iter().filter_map(Child::id).collect(),
            bench: vec![std::process::id()],
            broker: self.setup.brokers.clone(),
            metrics: Some(self.metrics.clone()),
            home: self.setup.home.clone(),
        }
    }

    /// Ends every process in order.
    pub(super) async fn end(mut self) -> anyhow::Result<()> {
        while let Some(hosts) = self.hosts.pop() {
            hosts.end().await?;
        }
        self.orchestrator.end().await
    }
}

fn text(path: &Path) -> anyhow::Result<&str> {
    path.to_str().with_context(|| format!("{} is not UTF-8", path.display()))
}
