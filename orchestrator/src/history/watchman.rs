//! The chain, followed again and again in the background: what was changed on the disk or at the broker is found although
//! nobody asks.
//!
//! Invariant: it disturbs nobody: it reads at a bounded rate, on a thread of its own, and what it finds changes nothing.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use windlass_journal::Read;
use windlass_replay::{Seen, Verified, verify};

use super::whole::{Journal, Looked, Paced};
use crate::{clock, metrics};

/// How fast it reads, bytes a second.
const BYTES_A_SECOND: u64 = 8 * 1024 * 1024;
/// How long a process runs before it looks for the first time, where it is to look more rarely than that.
const FIRST_LOOK: Duration = Duration::from_secs(300);
/// Findings that are logged one by one.
const LOGGED_MAX: usize = 10;

/// Looks at `journal` every so often, until told to stop.
pub(super) async fn watch<R: Read + 'static>(journal: &Journal<R>, every: Duration, stop: CancellationToken) {
    let (slot, reader) = (journal.slot(), journal.reader());
    let mut pause = every.min(FIRST_LOOK);
    let mut seen = Vec::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
        pause = every;
        let began = Instant::now();
        let paced = Paced { journal: Arc::clone(&reader), bytes_a_second: BYTES_A_SECOND };
        let (handle, known) = (tokio::runtime::Handle::current(), seen.clone());
        let look =
            tokio::task::spawn_blocking(move || handle.block_on(async { verify(&paced, &known).await }));
        let found = tokio::select! {
            // What goes on on its thread ends with the process.
            () = stop.cancelled() => return,
            found = look => match found {
                Ok(Ok(verified)) => Ok(verified),
                Ok(Err(error)) => Err(error.to_string()),
                Err(error) => Err(error.to_string()),
            },
        };
        report(&found, began.elapsed());
        if let Ok(verified) = &found
            && verified.is_whole()
        {
            seen = vec![Seen { position: verified.tip.position, hash: verified.tip.hash }];
        }
        keep(&slot, Looked { at: clock::now(), found });
    }
}

fn keep(slot: &RwLock<Option<Looked>>, looked: Looked) {
    *slot.write().unwrap_or_else(PoisonError::into_inner) = Some(looked);
}

fn report(found: &Result<Verified, String>, took: Duration) {
    match found {
        Ok(verified) => {
            let findings = verified.findings.len() as u64 + verified.more;
            metrics::chain_followed(verified.tip.position, findings);
            let position = verified.tip.position.0;
            if findings == 0 {
                tracing::info!(position, took_s = took.as_secs(), "the chain was followed and is whole");
            }
            for finding in verified.findings.iter().take(LOGGED_MAX) {
                tracing::error!(%finding, "the chain of the journal is broken");
            }
            if findings > LOGGED_MAX as u64 {
                tracing::error!(findings, "the chain of the journal is broken in many places");
            }
        }
        Err(why) => tracing::warn!(why, "the chain could not be followed; it is tried again"),
    }
}
