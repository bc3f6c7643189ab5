//! How an agent goes down by a planned fault: first nothing more is written, then the process ends, or `run` returns.

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use tokio::sync::mpsc;
use windlass_sagas::record::Role;

use crate::config::{OnFall, role_name};
use crate::store;

/// How an agent goes down by a planned fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fall {
    /// Its process dies.
    Crash,
    /// The host loses power: the ledgers' tails, what is unsynced and what is volatile are gone.
    PowerCut,
    /// The host's kernel starts anew in good order: only what is volatile is gone.
    Reboot,
    /// This role's ledger is lost with the process.
    LedgerLost(Role),
}

/// Where every write of a ledger passes, so that a fault can shut them out all at once.
#[derive(Debug, Default)]
pub(crate) struct Gate(RwLock<bool>);

impl Gate {
    /// Lets one write pass, for as long as the guard lives; `None` once the gate is shut.
    pub(crate) fn pass(&self) -> Option<RwLockReadGuard<'_, bool>> {
        let shut = self.0.read().unwrap_or_else(PoisonError::into_inner);
        (!*shut).then_some(shut)
    }

    /// Waits for the writes that pass, and lets no other one pass.
    pub(crate) fn shut(&self) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = true;
    }
}

/// The way down, for drivers of faults.
#[derive(Debug)]
pub(crate) struct Downfall {
    pub(crate) gate: std::sync::Arc<Gate>,
    pub(crate) on_fall: OnFall,
    pub(crate) falls: mpsc::UnboundedSender<Fall>,
    pub(crate) state: PathBuf,
}

impl Downfall {
    /// Nothing of any ledger is written from now on.
    pub(crate) fn freeze(&self) {
        self.gate.shut();
    }

    /// The agent is gone: nothing behind this call happens.
    pub(crate) async fn fall(&self, fall: Fall) -> Infallible {
        self.freeze();
        match self.on_fall {
            OnFall::Abort => {
                if let Fall::LedgerLost(role) = fall {
                    lose(&self.state, role);
                }
                std::process::abort()
            }
            OnFall::Return => {
                // An error means that the agent is ending already.
                self.falls.send(fall).ok();
                std::future::pending().await
            }
        }
    }
}

/// Loses a role's ledger.
pub(crate) fn lose(state: &Path, role: Role) {
    if let Err(error) = store::lose(&ledger_directory(state, role)) {
        tracing::error!(%error, role = role.name(), "the ledger could not be lost");
    }
}

/// Where a role's ledger is.
pub(crate) fn ledger_directory(state: &Path, role: Role) -> PathBuf {
    ledgers(state).join(role_name(role))
}

/// Where the ledgers of all roles are.
pub(crate) fn ledgers(state: &Path) -> PathBuf {
    state.join("ledger")
}
