//! The one vocabulary of faults (F1): what agents and orchestrators can be told to do wrong, what the simulation does to
//! them, and what reports and metrics call it.
//!
//! Invariant: a kind's name and number never change their meaning. Nothing here makes a fault happen.

mod lane;
mod rule;

use core::fmt;
use core::str::FromStr;

use alloc::string::String;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub use self::lane::Lane;
pub use self::rule::{BadFault, Place};
use crate::record::FaultPoint;

/// The trait that a host shows whose agent was started with `--faults allow`: only there may faults be armed. It is in
/// the history with the host's other traits, and flavors may ask for it, so that a drill's servers land on such hosts.
pub const FAULTS_TRAIT: &str = "windlass:faults";

/// Whether these traits are those of a host whose agent lets faults be armed.
#[must_use]
pub fn allowed_by(traits: &[String]) -> bool {
    traits.iter().any(|word| word == FAULTS_TRAIT)
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $number:literal $text:literal @ $layer:ident),* $(,)?) => {
        /// A kind of fault, recorded by its number.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum FaultKind { $($(#[$doc])* $name = $number),* }

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

        impl Serialize for FaultKind {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_u8(*self as u8)
            }
        }

        impl<'de> Deserialize<'de> for FaultKind {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                match u8::deserialize(deserializer)? {
                    $($number => Ok(Self::$name),)*
                    _ => Err(serde::de::Error::custom("unknown FaultKind")),
                }
            }
        }
    };
}

/// Who a fault can be armed at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// Agents: each applies it to the calls that it gets.
    Agents,
    /// The orchestrator that leads: it applies it to its appends, and until it leads no longer.
    Leader,
}

impl FaultKind {
    /// Who it can be armed at; `None`: it is made by networks, of tests and of the simulation, and by nobody's order.
    #[must_use]
    pub const fn target(self) -> Option<Target> {
        match self {
            Self::ErrorBefore
            | Self::ErrorAfter
            | Self::CrashBefore
            | Self::CrashBetween
            | Self::CrashAfter
            | Self::PowerCut
            | Self::LedgerLost
            | Self::HostReboot
            | Self::Hang
            | Self::DiskFull
            | Self::WrongTerm
            | Self::Delay
            | Self::Duplicate => Some(Target::Agents),
            Self::JournalUnavailable
            | Self::JournalUnknown
            | Self::OrchestratorCrash
            | Self::OrchestratorPause => Some(Target::Leader),
            Self::Drop | Self::Partition => None,
        }
    }

    /// The kinds that can be armed at a target, in the order of the source.
    pub fn of_target(target: Target) -> impl Iterator<Item = Self> {
        Self::ALL.iter().copied().filter(move |kind| kind.target() == Some(target))
    }

    /// Where it strikes; `None`: where its rule says.
    #[must_use]
    pub const fn own_point(self) -> Option<FaultPoint> {
        match self {
            Self::ErrorBefore | Self::CrashBefore | Self::DiskFull | Self::JournalUnavailable => {
                Some(FaultPoint::Before)
            }
            Self::CrashBetween => Some(FaultPoint::Between),
            Self::ErrorAfter | Self::CrashAfter => Some(FaultPoint::After),
            Self::Delay | Self::Duplicate => Some(FaultPoint::Reply),
            Self::WrongTerm => Some(FaultPoint::Arrival),
            Self::PowerCut
            | Self::LedgerLost
            | Self::HostReboot
            | Self::Hang
            | Self::Drop
            | Self::Partition
            | Self::JournalUnknown
            | Self::OrchestratorCrash
            | Self::OrchestratorPause => None,
        }
    }
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
    ErrorBefore = 1 "error_before" @ Agent,
    /// The driver makes its change and then says that it failed, or its answer is lost.
    ErrorAfter = 2 "error_after" @ Agent,
    /// The agent's process dies before the change.
    CrashBefore = 3 "crash_before" @ Agent,
    /// The agent's process dies between two sub-changes.
    CrashBetween = 4 "crash_between" @ Agent,
    /// The agent's process dies after the change and before its record.
    CrashAfter = 5 "crash_after" @ Agent,
    /// The host loses power: the ledger's tail, unsynced changes and everything volatile go.
    PowerCut = 6 "power_cut" @ Agent,
    /// A ledger is lost whole; it comes back as another incarnation.
    LedgerLost = 7 "ledger_lost" @ Agent,
    /// The host's kernel starts anew in good order: only what is volatile goes.
    HostReboot = 8 "host_reboot" @ Agent,
    /// The driver neither goes on nor fails, until its own deadline kills it.
    Hang = 9 "hang" @ Agent,
    /// The host's disk is full.
    DiskFull = 10 "disk_full" @ Agent,
    /// A call comes with a term that is over.
    WrongTerm = 11 "wrong_term" @ Agent,
    /// A message comes late, behind others.
    Delay = 12 "delay" @ Network,
    /// A message comes twice, the second time late.
    Duplicate = 13 "duplicate" @ Network,
    /// A message is lost.
    Drop = 14 "drop" @ Network,
    /// Nothing passes between two processes, in one direction or both, for a while.
    Partition = 15 "partition" @ Network,
    /// The journal takes nothing: no quorum, no leader of its own, or no space.
    JournalUnavailable = 16 "journal_unavailable" @ Journal,
    /// An append is not answered; it may have landed, land later, or never.
    JournalUnknown = 17 "journal_unknown" @ Journal,
    /// An orchestrator's process dies; its successor is another writer.
    OrchestratorCrash = 18 "orchestrator_crash" @ Orchestrator,
    /// An orchestrator stands still for a while and goes on with what it believed.
    OrchestratorPause = 19 "orchestrator_pause" @ Orchestrator,
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

    #[test]
    fn every_kind_but_the_networks_own_can_be_armed_at_one_target() {
        let armed = |target| FaultKind::of_target(target).count();
        assert_eq!(armed(Target::Agents) + armed(Target::Leader) + 2, FaultKind::ALL.len());
        assert_eq!((FaultKind::Drop.target(), FaultKind::Partition.target()), (None, None));
    }
}
