//! `windlass bench hosts`: many agents in one process, each of a host that holds nothing. The benchmark starts it itself.

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::Args;
use tokio::task::JoinSet;
use windlass_agents::SharedLedgers;
use windlass_agents::config::{Config, DriverKind, Durability, LinuxConfig, OnFall, SimConfig};
use windlass_sagas::record::Capacity;

use crate::exit;
use crate::output;
use crate::serve::{Log, stop_signal};
use crate::up::keep_up;

/// What each host says that it offers: room for whatever is measured.
const CAPACITY: Capacity = Capacity { vcpus: 65_536, ram_mib: 16_777_216, disk_gib: 1_073_741_824 };

/// Be some of the hosts of a benchmark.
#[derive(Args, Debug)]
pub(super) struct Hosts {
    /// Where the hosts' state directories are.
    #[arg(long, value_name = "DIR")]
    state: PathBuf,
    /// The orchestrator to dial.
    #[arg(long, value_name = "HOST:PORT")]
    orchestrator: String,
    /// Answer before the ledger is synced.
    #[arg(long)]
    unsynced: bool,
    /// The hosts, which have joined.
    #[arg(required = true)]
    names: Vec<String>,
    #[command(flatten)]
    log: Log,
}

impl Hosts {
    pub(super) async fn run(self) -> anyhow::Result<u8> {
        self.log.start()?;
        let stop = stop_signal()?;
        let ledger = if self.unsynced { Durability::Unsynced } else { Durability::Synced };
        // Many hosts on one disk can't each sync as often as a host does on its own: they sync together.
        let shared = (self.names.len() > 1).then(|| {
            let first = self.names.first().map_or("ledgers", String::as_str);
            SharedLedgers::open(&self.state.join(format!("{first}-and-others")), ledger)
        });
        let shared = shared.transpose()?;
        let mut hosts = JoinSet::new();
        for name in &self.names {
            let config = Config {
                state: self.state.join(name),
                roles: BTreeSet::new(),
                driver: DriverKind::Null,
                name: Some(name.clone()),
                orchestrators: vec![self.orchestrator.clone()],
                faults: None,
                faults_allowed: false,
                on_fall: OnFall::Return,
                sim: SimConfig { capacity: CAPACITY, ..SimConfig::default() },
                linux: LinuxConfig::default(),
                ledger,
                blob_cache_bytes: windlass_agents::limits::BLOB_CACHE_BYTES,
                shared: shared.clone(),
            };
            hosts.spawn(keep_up(name.clone(), config, stop.clone()));
        }
        output::tell("started");
        while let Some(host) = hosts.join_next().await {
            host??;
        }
        Ok(exit::OK)
    }
}
