//! A running agent: its identity, driver and ledgers are opened, every orchestrator is dialled, and one task carries
//! messages between streams, ledgers and driver until it is told to stop.

mod dial;
mod fall;
mod renew;
mod replies;
mod shell;

pub(crate) use dial::{causes, connect};
pub use fall::Fall;
pub(crate) use fall::{Downfall, Gate, ledgers};
pub(crate) use renew::request;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use windlass_sagas::record::{LedgerId, Role};

use crate::blobs::Blobs;
use crate::clock;
use crate::config::{Config, DriverKind, Durability, OnFall, role_name};
use crate::driver::Driver;
use crate::faults::Faults;
use crate::files::Lock;
use crate::identity::volume::keep_volume_certificate;
use crate::identity::{Identity, identity_directory};
use crate::limits::EVENTS_QUEUE;
use crate::linux::Linux;
use crate::null::Null;
use crate::sim::Sim;
use crate::store::Writer;
use crate::strike::Striker;
use crate::{AgentError, store};
use dial::Dialers;
use fall::{ledger_directory, lose};
use shell::{Setup, Shell, Slot};

/// How an agent ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It was told to stop, and did in good order.
    Stopped,
    /// A planned fault took it down (only where `OnFall::Return` is configured): start it again, as a host would.
    Fell(Fall),
}

/// Runs an agent until `shutdown` is cancelled; then it takes no more calls, waits, bounded, for work that runs, and
/// ends. Dropping the future is a crash: what was not synced may be lost, nothing else.
///
/// # Errors
/// What keeps it from starting; later, only the end of one of its threads.
pub async fn run(config: Config, shutdown: CancellationToken) -> Result<Ended, AgentError> {
    let identity = Arc::new(Identity::load(&identity_directory(&config.state))?);
    check_certificate(&identity)?;
    check_durability(&config)?;
    let roles = roles(&config, &identity)?;
    let directory = config.state.join("faults");
    let faults = Faults::load(config.faults.as_deref(), config.faults_allowed, &directory)?;
    let faults = Arc::new(faults);
    // Nobody joins anew in this directory meanwhile.
    let _lock = Lock::take(&identity_directory(&config.state))?;
    let (sender, falls) = mpsc::unbounded_channel();
    let gate = Arc::new(Gate::default());
    let downfall = Downfall {
        gate: Arc::clone(&gate),
        on_fall: config.on_fall,
        falls: sender,
        state: config.state.clone(),
    };
    let (known, identities) = watch::channel(Arc::clone(&identity));
    let (keep_bytes, pinned) = (config.blob_cache_bytes, config.orchestrators.clone());
    let blobs = Arc::new(Blobs::new(&config.state, keep_bytes, identities.clone(), pinned));
    let certified = keep_certified(&config, &identities);
    let striker = Striker::new(Arc::clone(&faults), Arc::new(downfall));
    let opened = open_driver(&config, &identity, &roles, striker, &blobs).await?;
    let (synced_sender, synced) = mpsc::unbounded_channel();
    let mut slots = BTreeMap::new();
    for role in roles {
        let id = LedgerId { host: identity.host(), role };
        let directory = ledger_directory(&config.state, role);
        let told = synced_sender.clone();
        let (ledger, writer) = match &config.shared {
            Some(shared) => {
                let (ledger, lane) = shared.ledger(&directory, id, told)?;
                (ledger, Writer::Shared(lane))
            }
            None => store::open(&directory, id, config.ledger, Arc::clone(&gate), told)?,
        };
        slots.insert(role, Slot { ledger, writer });
    }
    tracing::info!(
        host = %identity.host(), cell = identity.cell_name(),
        roles = slots.keys().map(|role| role_name(*role)).collect::<Vec<_>>().join(","), "the agent starts"
    );
    let inputs = Inputs { falls, synced };
    let ended = serve(&config, known, slots, faults, opened.driver(), inputs, shutdown).await;
    drop(certified);
    opened.close().await;
    if let (Ok(Ended::Fell(Fall::LedgerLost(role))), OnFall::Return) = (&ended, config.on_fall) {
        lose(&config.state, *role);
    }
    ended
}

/// What the agent's threads and faults tell its task.
struct Inputs {
    falls: mpsc::UnboundedReceiver<Fall>,
    synced: mpsc::UnboundedReceiver<store::Synced>,
}

async fn serve(
    config: &Config,
    known: watch::Sender<Arc<Identity>>,
    slots: BTreeMap<Role, Slot>,
    faults: Arc<Faults>,
    driver: Arc<dyn Driver>,
    inputs: Inputs,
    shutdown: CancellationToken,
) -> Result<Ended, AgentError> {
    let (events_sender, events) = mpsc::channel(EVENTS_QUEUE);
    let identities = known.subscribe();
    let identity = Arc::clone(&identities.borrow());
    let pinned = config.orchestrators.clone();
    let addresses = if pinned.is_empty() { identity.orchestrators().to_vec() } else { pinned.clone() };
    if addresses.is_empty() {
        let message = "no orchestrator to dial: the cell named none; name one with --orchestrator";
        return Err(AgentError::Setting(message.into()));
    }
    let mut dialers = Dialers::new(identities.clone(), events_sender);
    dialers.set(&addresses);
    let renewer = tokio::spawn(renew::keep_fresh(known, pinned));
    let setup = Setup { identity: &identity, slots, driver, faults };
    let mut shell = Shell::new(setup)?;
    let follow_cell = config.orchestrators.is_empty();
    let ended = shell.serve(inputs, events, identities, &mut dialers, follow_cell, shutdown).await;
    renewer.abort();
    let in_order = matches!(ended, Ok(Ended::Stopped));
    shell.close(in_order).await;
    dialers.close(in_order).await;
    ended
}

/// Keeps the certificate for data connections good where hosts have such connections.
fn keep_certified(
    config: &Config,
    identities: &watch::Receiver<Arc<Identity>>,
) -> Option<AbortOnDropHandle<()>> {
    if config.driver != DriverKind::Linux {
        return None;
    }
    let (state, pinned) = (config.state.clone(), config.orchestrators.clone());
    let (ready, _) = watch::channel(false);
    let keeping = keep_volume_certificate(state, identities.clone(), pinned, ready);
    Some(AbortOnDropHandle::new(tokio::spawn(keeping)))
}

/// The driver that was configured.
enum Opened {
    Sim(Sim),
    Linux(Linux),
    Null(Arc<Null>),
}

impl Opened {
    fn driver(&self) -> Arc<dyn Driver> {
        match self {
            Self::Sim(sim) => Arc::new(sim.clone()),
            Self::Linux(linux) => Arc::new(linux.clone()),
            Self::Null(null) => Arc::clone(null) as Arc<dyn Driver>,
        }
    }

    async fn close(&self) {
        match self {
            Self::Sim(sim) => sim.close().await,
            Self::Linux(_) | Self::Null(_) => {}
        }
    }
}

async fn open_driver(
    config: &Config,
    identity: &Identity,
    roles: &BTreeSet<Role>,
    striker: Striker,
    blobs: &Arc<Blobs>,
) -> Result<Opened, AgentError> {
    let by_id = identity.host().to_string();
    let joined = Some(identity.name()).filter(|name| !name.is_empty());
    let name = config.name.as_deref().or(joined).unwrap_or(&by_id);
    match config.driver {
        DriverKind::Sim => {
            let directory = config.state.join("world");
            Sim::open(&directory, identity.host(), name, config.sim.clone(), striker).map(Opened::Sim)
        }
        DriverKind::Linux => {
            Linux::open(&config.state, identity.host(), roles, &config.linux, striker, blobs)
                .await
                .map(Opened::Linux)
        }
        DriverKind::Null => Ok(Opened::Null(Arc::new(Null::new(name.to_owned(), config.sim.capacity)))),
    }
}

/// An unsynced ledger breaks what an answer promises: only where nothing is made is nothing lost by it.
fn check_durability(config: &Config) -> Result<(), AgentError> {
    let lax = config.ledger == Durability::Unsynced || config.shared.is_some();
    match config.driver {
        DriverKind::Sim | DriverKind::Linux if lax => {
            Err(AgentError::Setting("an unsynced or shared ledger is for the driver `null` alone".into()))
        }
        DriverKind::Sim | DriverKind::Linux | DriverKind::Null => Ok(()),
    }
}

/// The roles to serve: those that are configured, all of them allowed by the certificate.
fn roles(config: &Config, identity: &Identity) -> Result<BTreeSet<Role>, AgentError> {
    let allowed: BTreeSet<Role> = identity.roles().iter().copied().collect();
    if config.roles.is_empty() {
        return Ok(allowed);
    }
    match config.roles.difference(&allowed).next() {
        Some(role) => {
            let message = format!("it does not allow the role {}", role_name(*role));
            Err(AgentError::Certificate(message))
        }
        None => Ok(config.roles.clone()),
    }
}

fn check_certificate(identity: &Identity) -> Result<(), AgentError> {
    let ((from, until), now) = (identity.validity(), clock::wall().0);
    if now < from {
        let message = "it does not hold yet: the machine's clock is behind".into();
        return Err(AgentError::Certificate(message));
    }
    if now >= until {
        let days = (now - until) / 86_400_000_000;
        let message = format!("it ended {days} days ago; {}", renew::JOIN_AGAIN);
        return Err(AgentError::Certificate(message));
    }
    Ok(())
}
