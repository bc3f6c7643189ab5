//! Faults that somebody plans (F1), as they are recorded: what was asked for, the rule that came of it, and for how long.
//! What the words mean is `crate::fault`'s.

use alloc::string::String;

use serde::{Deserialize, Serialize};

use super::cause::Principal;
use super::resource::Role;
use super::step::Direction;
use crate::fault::FaultKind;
use crate::ids::*;

recorded_enum! {
    /// Where in the course of a call, or of an append, a fault strikes.
    FaultPoint {
        /// Before the first small change; before the append.
        Before = 1,
        /// Between two small changes.
        Between = 2,
        /// After the change, which is durable, and before its record; after the append, and before anybody hears of it.
        After = 3,
        /// When the reply leaves.
        Reply = 4,
        /// When the call arrives.
        Arrival = 5,
    }
}

/// When a fault strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FaultWhen {
    /// From the n-th opportunity on, counted from 1.
    Nth(u64),
    /// At each opportunity with this chance.
    Chance {
        /// In millionths.
        ppm: u32,
    },
}

/// A fault as somebody asks for it: what is left out is decided by its kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultAsked {
    /// What happens.
    pub kind: FaultKind,
    /// Only in this role.
    pub role: Option<Role>,
    /// Only in this step.
    pub step: Option<String>,
    /// Only in this direction.
    pub direction: Option<Direction>,
    /// From the n-th opportunity on.
    pub nth: Option<u64>,
    /// At each opportunity with this chance, millionths.
    pub chance_ppm: Option<u32>,
    /// What the dice begin with.
    pub seed: u64,
    /// How often it strikes; once where it counts opportunities, without limit where it throws dice.
    pub times: Option<u64>,
    /// Where it strikes, for kinds that may strike anywhere.
    pub point: Option<FaultPoint>,
    /// How many small changes come before a strike between them; 1.
    pub after_changes: Option<u32>,
    /// How late a delayed or second reply is, or how long the orchestrator stands still, milliseconds; 1000.
    pub delay_ms: Option<u32>,
    /// Whether an error says that the same call may succeed later; true.
    pub retryable: Option<bool>,
}

/// A fault's rule, with nothing left open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultRule {
    /// What happens.
    pub kind: FaultKind,
    /// Only in this role.
    pub role: Option<Role>,
    /// Only in this step.
    pub step: Option<String>,
    /// Only in this direction.
    pub direction: Option<Direction>,
    /// At which opportunities.
    pub when: FaultWhen,
    /// What the dice begin with.
    pub seed: u64,
    /// How often, on each host; `None`: without limit.
    pub times: Option<u64>,
    /// Where in the course of a call.
    pub point: FaultPoint,
    /// How many small changes come before a strike between them.
    pub after_changes: u32,
    /// How late a delayed or second reply is, or how long the orchestrator stands still, milliseconds.
    pub delay_ms: u32,
    /// Whether an error says that the same call may succeed later.
    pub retryable: bool,
}

/// Arm a fault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArmFault {
    /// What is to happen.
    pub fault: FaultAsked,
    /// Only on this host (name or id); `None`: on every host that allows faults, or at the orchestrator that leads.
    pub host: Option<String>,
    /// How long it stays armed, milliseconds; 0: the default.
    pub lease_ms: u64,
    /// Why; required.
    pub reason: String,
}

/// Disarm a fault before its lease ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DisarmFault {
    /// Which; `None`: all that are armed.
    pub fault: Option<FaultId>,
}

/// A fault is armed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultArmed {
    /// Its id.
    pub id: FaultId,
    /// What happens.
    pub rule: FaultRule,
    /// On which host; `None`: on every host that allows faults, or at the orchestrator that leads.
    pub host: Option<HostId>,
    /// When its lease ends, in commit time.
    pub expires: Time,
    /// Who armed it.
    pub by: Principal,
    /// Why.
    pub reason: String,
}

/// A fault was disarmed before its lease ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultDisarmed {
    /// Which.
    pub fault: FaultId,
}

/// A fault whose lease ended before is forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultForgotten {
    /// Which.
    pub fault: FaultId,
}
