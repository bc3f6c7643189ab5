//! The journal of a process, opened: in its own directory, or on NATS beside others; with who should try to lead.

use std::path::Path;
use std::pin::pin;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use windlass_journal::embedded::{self, Embedded, OpenError};
use windlass_journal::jetstream::{self, Connection, JetStream, Lease, safety};
use windlass_sagas::ids::WriterId;

use crate::config::Nats;
use crate::lead::lease::Holding;

/// How long a start waits for NATS: its servers may be starting too.
const NATS_WAIT_MAX: Duration = Duration::from_secs(30);
/// The pause between two tries.
const NATS_PAUSE: Duration = Duration::from_millis(250);
/// The pause between two looks at whether the broker is safe.
const SAFETY_PAUSE: Duration = Duration::from_secs(30);

/// What the API says of what is unsafe.
pub(super) type Warnings = Arc<dyn Fn() -> Vec<String> + Send + Sync>;

/// An open journal.
pub(super) struct Opened<A, R> {
    pub(super) journal: A,
    pub(super) reader: R,
    pub(super) lease: Holding,
    /// Its name for people.
    pub(super) kind: &'static str,
    pub(super) warnings: Warnings,
}

/// The journal below a state directory.
pub(super) async fn embedded(state: &Path) -> Result<Opened<Embedded, embedded::Reader>, OpenError> {
    let journal = Embedded::open(embedded::Settings::new(state.join("journal"))).await?;
    let reader = journal.reader();
    let warnings: Warnings = Arc::new(Vec::new);
    Ok(Opened { journal, reader, lease: Holding::Held, kind: "embedded", warnings })
}

/// The journal on NATS; the lease is tried for from now on, unless the broker is unsafe and must not be.
pub(super) async fn on_nats(
    nats: &Nats,
    cell: &str,
    writer: WriterId,
    stop: &CancellationToken,
) -> Result<Opened<JetStream, jetstream::Reader>, jetstream::OpenError> {
    let connection = connected(&nats.settings(cell)).await?;
    let lease = Lease::open(&connection, writer.to_string()).await?;
    let (journal, reader) = (connection.appender(), connection.reader());
    let found = Arc::new(RwLock::new(Vec::new()));
    let guard = Guard { required: nats.require_durable, found: Arc::clone(&found) };
    let mut safe = guard.take(&safety::look(&connection, &nats.monitors).await);
    let (lease, keep) = Holding::of_broker(lease, stop.clone());
    let (stop, monitors) = (stop.clone(), nats.monitors.clone());
    // Looks again and again; the lease is kept from the first look on that finds nothing against it. Ends with the process.
    tokio::spawn(async move {
        let mut keep = pin!(keep);
        loop {
            let look = async {
                tokio::time::sleep(SAFETY_PAUSE).await;
                safety::look(&connection, &monitors).await
            };
            tokio::select! {
                () = &mut keep, if safe => return,
                () = stop.cancelled(), if !safe => return,
                warnings = look => safe |= guard.take(&warnings),
            }
        }
    });
    let warnings: Warnings = Arc::new(move || found.read().unwrap_or_else(PoisonError::into_inner).clone());
    Ok(Opened { journal, reader, lease, kind: "jetstream", warnings })
}

/// What was found unsafe, kept for the API and told where it changes.
struct Guard {
    required: bool,
    found: Arc<RwLock<Vec<String>>>,
}

impl Guard {
    /// Takes in a look; whether this orchestrator may lead on it.
    fn take(&self, warnings: &[safety::Warning]) -> bool {
        let all: Vec<String> = warnings.iter().map(ToString::to_string).collect();
        let safe = all.is_empty() || !self.required;
        let mut found = self.found.write().unwrap_or_else(PoisonError::into_inner);
        if *found != all {
            for warning in &all {
                tracing::warn!("UNSAFE: {warning}");
            }
            if !safe {
                tracing::error!(
                    "not leading: NATS may lose what it acknowledges, and durability is required"
                );
            }
            *found = all;
        }
        safe
    }
}

/// Connects, waiting a while for servers that are not there yet. What waiting can't mend is told at once.
async fn connected(settings: &jetstream::Settings) -> Result<Connection, jetstream::OpenError> {
    let until = Instant::now() + NATS_WAIT_MAX;
    let mut told = false;
    loop {
        match Connection::open(settings).await {
            Ok(connection) => return Ok(connection),
            Err(error @ (jetstream::OpenError::Settings(_) | jetstream::OpenError::Unfit { .. })) => {
                return Err(error);
            }
            Err(error) if Instant::now() >= until => return Err(error),
            Err(error) if !told => {
                tracing::warn!(%error, "waiting for NATS");
                told = true;
            }
            Err(_) => {}
        }
        tokio::time::sleep(NATS_PAUSE).await;
    }
}
