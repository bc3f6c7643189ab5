//! A fault that somebody armed (F1): what is to happen, where, and until when.

use alloc::string::String;

use serde::{Deserialize, Serialize};

use crate::fault::{self, Target};
use crate::ids::*;
use crate::record::{FaultRule, Principal};

use super::{Cell, Host};

/// An armed fault; kept behind its lease's end until another one is armed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// Its id.
    pub id: FaultId,
    /// What happens.
    pub rule: FaultRule,
    /// On which host; `None`: on every host that allows faults, or at the orchestrator that leads.
    pub host: Option<HostId>,
    /// The term in which it was armed: a leader's fault ends with that lead.
    pub term: Term,
    /// When it was armed.
    pub armed: Time,
    /// When its lease ends, in commit time.
    pub expires: Time,
    /// Who armed it.
    pub by: Principal,
    /// Why.
    pub reason: String,
}

impl Fault {
    /// Who applies it.
    #[must_use]
    pub const fn target(&self) -> Target {
        match self.rule.kind.target() {
            Some(Target::Agents) | None => Target::Agents,
            Some(Target::Leader) => Target::Leader,
        }
    }

    /// Whether it may strike at `now`, under this term.
    #[must_use]
    pub fn in_force(&self, now: Time, term: Term) -> bool {
        let led = match self.target() {
            Target::Agents => true,
            Target::Leader => self.term == term,
        };
        led && self.expires > now
    }

    /// Whether it is this host's affair.
    #[must_use]
    pub fn concerns(&self, host: HostId) -> bool {
        self.target() == Target::Agents && self.host.is_none_or(|named| named == host)
    }
}

impl Host {
    /// Whether its agent was started with `--faults allow`, as it last showed.
    #[must_use]
    pub fn allows_faults(&self) -> bool {
        self.life.is_member() && fault::allowed_by(&self.traits)
    }
}

impl Cell {
    /// The faults that may strike at `now`.
    pub fn faults_in_force(&self, now: Time) -> impl Iterator<Item = &Fault> {
        self.faults.values().filter(move |fault| fault.in_force(now, self.term))
    }
}
