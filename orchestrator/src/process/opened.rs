//! The journal of a process, opened: in its own directory, or on NATS beside others; with who should try to lead.

use std::path::Path;
use std::sync::{Arc, RwLock};
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
    pub(super) follow: bool,
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
    Ok(Opened { journal, reader, follow: false, lease: Holding::Held, kind: "embedded", warnings })
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
    let first = safety::look(&connection, &nats.monitors).await;
    let mut guard = Guard { required: nats.require_durable, found: Arc::clone(&found), told: None };
    let safe = guard.take(&first);
    let (lease, keep) = Holding::of_broker(lease, stop.clone());
    let (stop, monitors) = (stop.clone(), nats.monitors.clone());
    // Both end with the process.
    tokio::spawn(async move {
        let looked = async {
            let mut safe = safe;
            while !safe {
                tokio::time::sleep(SAFETY_PAUSE).await;
                safe = guard.take(&safety::look(&connection, &monitors).await);
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = looked => {}
        }
        let looks = async {
            loop {
                tokio::time::sleep(SAFETY_PAUSE).await;
                guard.take(&safety::look(&connection, &monitors).await);
            }
        };
        tokio::select! {
            () = keep => {}
            () = looks => {}
        }
    });
    let warnings: Warnings = Arc::new(move || found.read().map(|all| all.clone()).unwrap_or_default());
    Ok(Opened { journal, reader, follow: true, lease, kind: "jetstream", warnings })
}

/// What was found unsafe, told once and kept for the API.
struct Guard {
    required: bool,
    found: Arc<RwLock<Vec<String>>>,
    told: Option<Vec<String>>,
}

impl Guard {
    /// Takes in a look; whether this orchestrator may lead on it.
    fn take(&mut self, warnings: &[safety::Warning]) -> bool {
        let all: Vec<String> = warnings.iter().map(ToString::to_string).collect();
        if self.told.as_ref() != Some(&all) {
            for warning in &all {
                tracing::warn!("UNSAFE: {warning}");
            }
            if self.required && !all.is_empty() {
                tracing::error!(
                    "not leading: NATS may lose what it acknowledges, and durability is required"
                );
            }
            self.told = Some(all.clone());
        }
        let safe = all.is_empty() || !self.required;
        if let Ok(mut found) = self.found.write() {
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
