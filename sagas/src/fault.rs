//! The one vocabulary of faults (F1): what agents and orchestrators can be told to do wrong, what the simulation does to
//! them, and what reports and metrics call it.
//!
//! Invariant: a kind's name never changes its meaning. Nothing here makes a fault happen.

use core::fmt;
use core::str::FromStr;

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $text:literal @ $layer:ident),* $(,)?) => {
        /// A kind of fault.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum FaultKind { $($(#[$doc])* $name),* }

        impl FaultKind {
            /// Every kind, in the order of the source.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The stable name, lower case with underscores.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text),* }
            }

            /// Where it strikes.
            #[must_use]
            pub const fn layer(self) -> Layer {
                match self { $(Self::$name => Layer::$layer),* }
            }
        }
    };
}

/// Where a kind of fault strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Layer {
    /// An agent, its ledgers, its driver or its host.
    Agent,
    /// The way between two processes.
    Network,
    /// The journal, as an orchestrator meets it.
    Journal,
    /// An orchestrator.
    Orchestrator,
}

kinds! {
    /// The driver fails before it changes anything.
    ErrorBefore = "error_before" @ Agent,
    /// The driver makes its change and then says that it failed, or its answer is lost.
    ErrorAfter = "error_after" @ Agent,
    /// The agent's process dies before the change.
    CrashBefore = "crash_before" @ Agent,
    /// The agent's process dies between two sub-changes.
    CrashBetween = "crash_between" @ Agent,
    /// The agent's process dies after the change and before its record.
    CrashAfter = "crash_after" @ Agent,
    /// The host loses power: the ledger's tail, unsynced changes and everything volatile go.
    PowerCut = "power_cut" @ Agent,
    /// A ledger is lost whole; it comes back as another incarnation.
    LedgerLost = "ledger_lost" @ Agent,
    /// The host's kernel starts anew in good order: only what is volatile goes.
    HostReboot = "host_reboot" @ Agent,
    /// The driver neither goes on nor fails, until its own deadline kills it.
    Hang = "hang" @ Agent,
    /// The host's disk is full.
    DiskFull = "disk_full" @ Agent,
    /// A call comes with a term that is over.
    WrongTerm = "wrong_term" @ Agent,
    /// A message comes late, behind others.
    Delay = "delay" @ Network,
    /// A message comes twice, the second time late.
    Duplicate = "duplicate" @ Network,
    /// A message is lost.
    Drop = "drop" @ Network,
    /// Nothing passes between two processes, in one direction or both, for a while.
    Partition = "partition" @ Network,
    /// The journal takes nothing: no quorum, no leader of its own, or no space.
    JournalUnavailable = "journal_unavailable" @ Journal,
    /// An append is not answered; it may have landed, land later, or never.
    JournalUnknown = "journal_unknown" @ Journal,
    /// An orchestrator's process dies; its successor is another writer.
    OrchestratorCrash = "orchestrator_crash" @ Orchestrator,
    /// An orchestrator stands still for a while and goes on with what it believed.
    OrchestratorPause = "orchestrator_pause" @ Orchestrator,
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The text names no kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a kind of fault")]
pub struct NotAFaultKind;

impl FromStr for FaultKind {
    type Err = NotAFaultKind;
    fn from_str(text: &str) -> Result<Self, NotAFaultKind> {
        Self::ALL.iter().copied().find(|kind| kind.name() == text).ok_or(NotAFaultKind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_reads_back_as_its_kind() {
        for kind in FaultKind::ALL {
            assert_eq!(kind.name().parse(), Ok(*kind));
        }
        assert_eq!("tea_break".parse::<FaultKind>(), Err(NotAFaultKind));
    }
}
