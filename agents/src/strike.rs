//! What a planned fault makes of a driver's work, the same for every driver: the work ends in an error, hangs, or takes
//! the agent down. Only what happens to the host's power is the driver's own affair.

use std::sync::Arc;

use windlass_sagas::fault::FaultKind;
use windlass_sagas::protocol::ledger::{Op, WorkResult};
use windlass_sagas::record::{Refusal, RefusalCode, Role};

use crate::driver::refused;
use crate::faults::{Faults, Place, Strike};
use crate::runtime::{Downfall, Fall};

/// What happens to the host's power.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Power {
    /// It goes: what is unsynced or volatile is lost.
    Cut,
    /// The kernel starts anew in good order.
    Reboot,
}

/// How work goes on at an opportunity.
#[derive(Debug)]
pub(crate) enum Struck {
    /// As if nothing had been planned.
    Nothing,
    /// It ends so.
    Ended(WorkResult),
    /// The host's power goes; a driver that can't do that says so and goes on.
    Power(Power),
}

/// The faults that may strike at a driver, and the way down.
#[derive(Clone, Debug)]
pub(crate) struct Striker {
    faults: Arc<Faults>,
    downfall: Arc<Downfall>,
}

impl Striker {
    pub(crate) const fn new(faults: Arc<Faults>, downfall: Arc<Downfall>) -> Self {
        Self { faults, downfall }
    }

    /// Nothing ever strikes; for tests of drivers.
    #[cfg(test)]
    pub(crate) fn none() -> Self {
        let (falls, _) = tokio::sync::mpsc::unbounded_channel();
        let downfall = Downfall {
            gate: Arc::default(),
            on_fall: crate::config::OnFall::Return,
            falls,
            state: std::path::PathBuf::new(),
        };
        Self::new(Arc::new(Faults::none()), Arc::new(downfall))
    }

    /// What strikes here. Looking is never struck.
    pub(crate) async fn at(&self, op: Op, place: &Place) -> Struck {
        if op == Op::Observe {
            return Struck::Nothing;
        }
        match self.faults.ask(place) {
            Some(strike) => self.strike(op, place.role, strike).await,
            None => Struck::Nothing,
        }
    }

    /// Nothing more is written, then the driver does this to the host, then the agent is gone.
    pub(crate) async fn fall(
        &self,
        power: Power,
        done: impl Future<Output = ()>,
    ) -> std::convert::Infallible {
        self.downfall.freeze();
        done.await;
        self.downfall.fall(if power == Power::Cut { Fall::PowerCut } else { Fall::Reboot }).await
    }

    async fn strike(&self, op: Op, role: Role, strike: Strike) -> Struck {
        match strike.kind {
            FaultKind::ErrorBefore | FaultKind::ErrorAfter => {
                let message = format!("a planned fault: {}", strike.kind);
                let (code, retryable) = (RefusalCode::Injected, strike.retryable);
                Struck::Ended(refused(op, Refusal { code, retryable, message }))
            }
            FaultKind::DiskFull => {
                let (code, message) = (RefusalCode::DiskFull, "the disk is full".into());
                Struck::Ended(refused(op, Refusal { code, retryable: true, message }))
            }
            FaultKind::Hang => std::future::pending().await,
            FaultKind::CrashBefore | FaultKind::CrashBetween | FaultKind::CrashAfter => {
                match self.downfall.fall(Fall::Crash).await {}
            }
            FaultKind::PowerCut => Struck::Power(Power::Cut),
            FaultKind::HostReboot => Struck::Power(Power::Reboot),
            FaultKind::LedgerLost => match self.downfall.fall(Fall::LedgerLost(role)).await {},
            // None of these is in the plan of an agent, or strikes at its driver.
            FaultKind::WrongTerm
            | FaultKind::Delay
            | FaultKind::Duplicate
            | FaultKind::Drop
            | FaultKind::Partition
            | FaultKind::JournalUnavailable
            | FaultKind::JournalUnknown
            | FaultKind::OrchestratorCrash
            | FaultKind::OrchestratorPause => Struck::Nothing,
        }
    }
}
