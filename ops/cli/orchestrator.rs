//! `windlass orchestrator`: the process that leads a cell and serves its API.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use tokio::sync::oneshot;
use windlass_orchestrator::config::{Config, Options};
use windlass_orchestrator::process;

use crate::exit;
use crate::fault::Allow;
use crate::nats::Nats;
use crate::output;
use crate::serve::{Log, stop_signal};

/// Lead a cell: take requests, decide them, and let agents run their steps.
///
/// The state directory is made by `windlass init`; it holds `identity/`, `journal/` (keep it), `blobs/` and `store/`
/// (may be deleted; it is built anew). With `--nats` the journal is on NATS instead, and several orchestrators of a
/// cell may run: each with a state directory and a copy of `identity/` of its own. One leads, the others follow, serve
/// reads and take over. One line on standard output says where it listens once it serves.
///
/// Example: windlass orchestrator --state /var/lib/windlass --listen 10.0.0.1:7700
#[derive(Args, Debug)]
pub(crate) struct Orchestrator {
    /// The configuration file, TOML: `state`, `listen`, `advertise`, `metrics`, `verify_every_s`, `[nats]`. Flags
    /// win over it.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The state directory.
    #[arg(long, env = "WINDLASS_STATE", value_name = "DIR")]
    state: Option<PathBuf>,
    /// Where to serve the API and agents' streams; port 0 takes any free one. By default 127.0.0.1:7700.
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,
    /// What agents are told to dial; may be repeated. By default the address that is listened on.
    #[arg(long, value_name = "HOST:PORT", value_delimiter = ',')]
    advertise: Vec<String>,
    /// Serve metrics (Prometheus text) here, on loopback.
    #[arg(long, value_name = "ADDRESS:PORT")]
    metrics: Option<SocketAddr>,
    /// Let faults be armed at this orchestrator while it leads (see `windlass fault arm --help`). For drills in cells of
    /// their own: no file can allow it.
    #[arg(long, value_enum, value_name = "allow")]
    faults: Option<Allow>,
    /// Follow the journal's chain in the background every so often, 10 seconds to 31 days; 0: never. By default once a day.
    #[arg(long, value_name = "SECONDS")]
    verify_every: Option<u64>,
    #[command(flatten)]
    nats: Nats,
    #[command(flatten)]
    log: Log,
}

impl Orchestrator {
    pub(crate) async fn run(self) -> anyhow::Result<u8> {
        let Self { config, state, listen, advertise, metrics, faults, verify_every, nats, log } = self;
        let (nats, faults_allowed) = (nats.options(), faults.is_some());
        let options =
            Options { state, listen, advertise, metrics, nats, faults_allowed, verify_every_s: verify_every };
        let config = Config::load(config.as_deref(), options)
            .map_err(|error| anyhow::anyhow!(exit::Usage(format!("{:#}", anyhow::Error::new(error)))))?;
        log.start()?;
        let stop = stop_signal()?;
        let (ready, listening) = oneshot::channel();
        // Ends with the process, or with the line that it waits for.
        tokio::spawn(async move {
            if let Ok(address) = listening.await {
                output::tell(format!("listening on {address}"));
            }
        });
        Box::pin(process::run(config, stop, ready)).await?;
        Ok(exit::OK)
    }
}
