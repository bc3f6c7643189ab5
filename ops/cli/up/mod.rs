//! `windlass up`: a whole cell with one command: its journal, one orchestrator, hosts, a ready context. The hosts are
//! simulated in this process, or real ones in network namespaces of this machine.

pub(crate) mod guard;
mod linux;
mod site;

use std::collections::BTreeSet;
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use windlass_agents::config::{
    Config as AgentConfig, DriverKind, Durability, LinuxConfig, OnFall, SimConfig,
};
use windlass_agents::{CancellationToken, Ended};
use windlass_client::Client;
use windlass_orchestrator::{config, identity, process};

use crate::context::Context;
use crate::exit::Usage;
use crate::fault::{Faults, allowed_and_plan};
use crate::host::Role;
use crate::nats::Nats;
use crate::output;
use crate::serve::{Log, stop_signal};
use crate::{exit, seed};
use linux::Standing;

/// The most simulated hosts of one process.
const HOSTS_MAX: u16 = 256;
/// The most real hosts of one machine.
const REAL_HOSTS_MAX: u16 = 16;
/// The pause before a host that a planned fault took down starts again.
const RESTART_PAUSE: Duration = Duration::from_secs(1);
/// How long the first answer of the orchestrator may take.
const READY_TIME_MAX: Duration = Duration::from_secs(30);

/// What hosts are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Driver {
    /// Simulated hosts in this process.
    Sim,
    /// Real hosts in network namespaces.
    Linux,
}

/// Run a whole cell here: journal, orchestrator and simulated hosts in one process, on loopback.
///
/// Nothing has to be installed; with `--nats` the journal is kept on a NATS server that runs already. The cell is kept in
/// --state and goes on where it was when you start it again. In another terminal, tell the command where the cell is with
/// the line that this prints, then:
///
///   windlass server create web-1 --flavor small --image debian --network net
///
/// With `--driver linux` (as root) the hosts are real: a small data centre of network namespaces on this machine, in which
/// QEMU runs guests, qemu-storage-daemon serves their volumes over TLS, and bridges, VXLANs and nftables carry and guard
/// their packets. A guest is made of Debian's cloud kernel and busybox. All of it goes at the end, also after a kill; the
/// volumes stay in --state, and started again, the cell makes its guests anew:
///
///   sudo windlass up --driver linux
///   windlass server create web-1 --flavor small --image guest --network net
///   windlass server console web-1
#[derive(Args, Debug)]
pub(crate) struct Up {
    /// What the hosts are: simulated, or real ones in network namespaces of this machine (needs root, QEMU, nftables,
    /// dnsmasq).
    #[arg(long, value_enum, default_value_t = Driver::Sim)]
    driver: Driver,
    /// Where the cell is kept. By default ~/.local/state/windlass/up, or /var/lib/windlass/up with real hosts.
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// Where to serve the API; port 0 takes any free one.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:7700")]
    listen: SocketAddr,
    /// How many hypervisors; one storage host comes with them. By default 3 simulated ones, or 2 real ones; at most 256
    /// and 16.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=HOSTS_MAX as i64))]
    hosts: Option<u16>,
    /// A pause before each small step of simulated work, milliseconds.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u64).range(..=10_000))]
    latency_ms: u64,
    /// `allow`: let faults be armed in this cell (see `windlass fault arm --help`). Else a file: a plan of faults that every
    /// simulated host follows (see `windlass agent run --help`). May be said twice, for both.
    #[arg(long, value_name = "allow|FILE")]
    faults: Vec<Faults>,
    #[command(flatten)]
    nats: Nats,
    #[command(flatten)]
    log: Log,
}

impl Up {
    pub(crate) async fn run(self) -> anyhow::Result<u8> {
        self.log.start()?;
        if self.driver == Driver::Linux && self.hosts() > REAL_HOSTS_MAX {
            return Err(Usage(format!("--hosts: at most {REAL_HOSTS_MAX} real ones")).into());
        }
        let state = match &self.state {
            Some(state) => state.clone(),
            None => self.default_state().context("no home directory: name one with --state")?,
        };
        std::fs::create_dir_all(&state).with_context(|| format!("make {}", state.display()))?;
        match self.driver {
            Driver::Sim => self.with_hosts(&state, None).await,
            Driver::Linux => {
                linux::make_guest(&state).await?;
                let names = self.names().map(|(name, _)| name).collect();
                let standing = Standing::make(&state, names).await?;
                let ended = self.with_hosts(&state, Some(&standing)).await;
                // What went wrong first is what is told.
                let removed = standing.end().await;
                let code = ended?;
                removed.map(|()| code)
            }
        }
    }

    /// Runs the cell until it is told to stop.
    async fn with_hosts(&self, state: &Path, standing: Option<&Standing>) -> anyhow::Result<u8> {
        let (faults_allowed, plan) = allowed_and_plan(self.faults.clone())?;
        let token = cell(state, standing.map(Standing::here))?;
        let stop = stop_signal()?;
        let (ready, listening) = oneshot::channel();
        let options = config::Options {
            state: Some(state.to_path_buf()),
            listen: Some(self.listen),
            nats: self.nats.clone().options(),
            faults_allowed,
            ..config::Options::default()
        };
        let config = config::Config::load(None, options).map_err(|error| Usage(error.to_string()))?;
        let mut leading = tokio::spawn(process::run(config, stop.clone(), ready));
        let address = tokio::select! {
            biased;
            ended = &mut leading => return ended?.map(|()| exit::OK).map_err(Into::into),
            address = tokio::time::timeout(READY_TIME_MAX, listening) => address??,
        };
        let context = Context {
            endpoints: vec![format!("https://{address}")],
            ca: Some(state.join("identity").join("ca.pem")),
            token: Some(token),
            project: Some(seed::PROJECT.to_owned()),
        };
        let path = state.join("context.toml");
        context.write(&path)?;
        let client = context.client()?;
        if !seed::is_there(&client).await? {
            match self.driver {
                Driver::Sim => seed::seed(&client).await?,
                Driver::Linux => seed::seed_real(&client, &state.join("guest")).await?,
            }
        }
        let mut hosts = JoinSet::new();
        match standing {
            None => {
                self.simulated(state, &client, address, (faults_allowed, plan), (&mut hosts, &stop)).await?;
            }
            Some(standing) => {
                let reached = standing.reach(address, &mut hosts, stop.clone()).await?;
                let faults: Vec<String> = self.faults.iter().map(ToString::to_string).collect();
                for (name, roles) in self.names() {
                    let place = linux::Place { name: &name, roles: &roles };
                    standing.host(&client, &place, reached, &faults, (&mut hosts, stop.clone())).await?;
                }
            }
        }
        tokio::select! {
            biased;
            // A host that can't start is found out before anybody waits for it.
            Some(host) = hosts.join_next() => host??,
            up = seed::until_up(&client, usize::from(self.hosts()) + 1) => up?,
        }
        self.tell(&path, address);
        let ended = leading.await?;
        stop.cancel();
        while let Some(host) = hosts.join_next().await {
            host??;
        }
        ended?;
        Ok(exit::OK)
    }

    fn hosts(&self) -> u16 {
        self.hosts.unwrap_or(match self.driver {
            Driver::Sim => 3,
            Driver::Linux => 2,
        })
    }

    fn names(&self) -> impl Iterator<Item = (String, Vec<Role>)> + use<> {
        let storage = [("s1".to_owned(), vec![Role::Storage])];
        let guests = (1..=self.hosts()).map(|n| (format!("h{n}"), vec![Role::Hypervisor, Role::Network]));
        storage.into_iter().chain(guests)
    }

    /// Simulated hosts in this process.
    async fn simulated(
        &self,
        state: &Path,
        client: &Client,
        address: SocketAddr,
        (faults_allowed, plan): (bool, Option<PathBuf>),
        (hosts, stop): (&mut JoinSet<anyhow::Result<()>>, &CancellationToken),
    ) -> anyhow::Result<()> {
        for (name, roles) in self.names() {
            let mut agent = self.host(state, client, &name, &roles, address).await?;
            agent.faults.clone_from(&plan);
            agent.faults_allowed = faults_allowed;
            hosts.spawn(keep_up(name, agent, stop.clone()));
        }
        Ok(())
    }

    /// A simulated host, joined.
    async fn host(
        &self,
        state: &Path,
        client: &Client,
        name: &str,
        roles: &[Role],
        address: SocketAddr,
    ) -> anyhow::Result<AgentConfig> {
        let directory = state.join("hosts").join(name);
        let authority = state.join("identity").join("ca.pem");
        let asked = (name, roles);
        seed::join_host(client, &authority, directory.clone(), asked, (address.to_string(), None)).await?;
        Ok(AgentConfig {
            state: directory,
            roles: BTreeSet::new(),
            driver: DriverKind::Sim,
            name: Some(name.to_owned()),
            orchestrators: vec![address.to_string()],
            faults: None,
            faults_allowed: false,
            on_fall: OnFall::Return,
            sim: SimConfig {
                latency_default: Duration::from_millis(self.latency_ms),
                ..SimConfig::default()
            },
            linux: LinuxConfig::default(),
            ledger: Durability::Synced,
            blob_cache_bytes: windlass_agents::limits::BLOB_CACHE_BYTES,
            shared: None,
        })
    }

    fn tell(&self, context: &Path, address: SocketAddr) {
        let (kind, image) = match self.driver {
            Driver::Sim => ("simulated", seed::IMAGE),
            Driver::Linux => ("real", seed::GUEST),
        };
        output::tell(format!(
            "cell up: journal {}, API on {address}, {} {kind} hypervisors, 1 storage host",
            self.nats.kind(),
            self.hosts()
        ));
        output::tell("");
        output::tell("in another terminal:");
        output::tell(format!("  export WINDLASS_CONTEXT={}", context.display()));
        output::tell(format!(
            "  windlass server create web-1 --flavor {} --image {image} --network {}",
            seed::FLAVOR,
            seed::NETWORK
        ));
        output::tell("  windlass server list");
        if self.driver == Driver::Linux {
            output::tell("  windlass server console web-1");
        }
        output::tell("");
        output::tell(match self.driver {
            Driver::Sim => "ctrl-C ends it; started again, it goes on where it was",
            Driver::Linux => {
                "ctrl-C ends it and removes all but its state; started again, it makes its guests anew"
            }
        });
    }

    /// `$XDG_STATE_HOME/windlass/up`, or below ~/.local/state. Who serves real volumes is nobody, and must reach them: they
    /// are not below a home.
    fn default_state(&self) -> Option<PathBuf> {
        if self.driver == Driver::Linux {
            return Some("/var/lib/windlass/up".into());
        }
        let base = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from);
        let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local").join("state"));
        base.or_else(home).map(|base| base.join("windlass").join("up"))
    }
}

/// Runs a host until it is told to stop; one that a planned fault took down starts again, as a host would.
pub(crate) async fn keep_up(
    name: String,
    config: AgentConfig,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    loop {
        let ended = windlass_agents::run(config.clone(), stop.child_token()).await;
        match ended.with_context(|| format!("host {name}"))? {
            Ended::Stopped => return Ok(()),
            Ended::Fell(fall) => tracing::warn!(host = name, ?fall, "a planned fault took the host down"),
        }
        tokio::select! {
            biased;
            () = stop.cancelled() => return Ok(()),
            () = tokio::time::sleep(RESTART_PAUSE) => {}
        }
    }
}

/// The cell in this directory, made where there is none; the administrator's token. `here`: where hosts reach it beside
/// loopback.
fn cell(state: &Path, here: Option<Ipv4Addr>) -> anyhow::Result<String> {
    let path = state.join("admin.token");
    let identity_directory = state.join("identity");
    if !identity_directory.join("cell.toml").exists() {
        let mut names = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
        names.extend(here.map(|here| here.to_string()));
        let made = identity::init(&identity_directory, "up", &names)?;
        let mut file = std::fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&path)
            .with_context(|| format!("write {}", path.display()))?;
        file.write_all(made.admin_token.as_bytes())?;
        file.sync_all()?;
        return Ok(made.admin_token);
    }
    std::fs::read_to_string(&path).with_context(|| {
        format!("{} is lost: remove {} to begin with a new cell", path.display(), state.display())
    })
}
