//! Planned faults (F1): armed for a lease, at hosts and orchestrators that allow them, and disarmed.
//!
//! Whether the orchestrator that leads allows faults is no state of the cell: its own API says no before it asks here.

use alloc::format;
use alloc::string::ToString;
use alloc::vec::Vec;

use super::{Asked, Preview};
use crate::cell::lookup;
use crate::cell::rejection::{Decline, Reason, Rejection, Shortage};
use crate::cell::state::{Cell, Fault, Host};
use crate::fault::Target;
use crate::ids::*;
use crate::limits::{FAULT_LEASE_DEFAULT_MS, FAULT_LEASE_MS, FAULTS_MAX};
use crate::record::*;

pub(super) fn arm(asked: Asked<'_>, body: &ArmFault) -> Result<Preview, Decline> {
    let rule = FaultRule::of(&body.fault).map_err(|bad| Rejection::field(bad.field, bad.message))?;
    let lease_ms = lease_ms(body.lease_ms)?;
    lookup::reason_given(&body.reason)?;
    let host = place(asked.cell, &rule, body.host.as_deref())?;
    let over: Vec<FaultId> = over(asked).collect();
    let held = asked.cell.faults.len().saturating_sub(over.len());
    if held >= FAULTS_MAX {
        return Err(too_many(held).into());
    }
    let id = FaultId::derived(asked.id(), 0);
    let (expires, by, reason) = (asked.now.plus_ms(lease_ms), asked.principal, body.reason.clone());
    let mut events: Vec<Event> = over.into_iter().map(|fault| FaultForgotten { fault }.into()).collect();
    events.push(FaultArmed { id, rule, host, expires, by, reason }.into());
    asked.at_once(SagaKind::FaultArm, ResourceRef::Fault(id), events)
}

pub(super) fn disarm(asked: Asked<'_>, body: &DisarmFault) -> Result<Preview, Decline> {
    let in_force = |fault: &&Fault| fault.in_force(asked.now, asked.cell.term);
    let faults: Vec<FaultId> = match body.fault {
        Some(id) => asked.cell.faults.get(&id).filter(in_force).map(|fault| fault.id).into_iter().collect(),
        None => asked.cell.faults_in_force(asked.now).map(|fault| fault.id).collect(),
    };
    let Some(first) = faults.first().copied() else {
        let (message, hint) = match body.fault {
            Some(id) => (format!("fault {id} is not armed"), "its lease may have ended; list what is armed"),
            None => ("no fault is armed".to_string(), "there is nothing to disarm"),
        };
        return Err(Rejection::new(Reason::NotFound, message, hint).of_field("fault").into());
    };
    let events = faults.into_iter().map(|fault| FaultDisarmed { fault }.into()).collect();
    asked.at_once(SagaKind::FaultDisarm, ResourceRef::Fault(first), events)
}

/// The faults that can strike no more.
fn over(asked: Asked<'_>) -> impl Iterator<Item = FaultId> + '_ {
    let faults = asked.cell.faults.values();
    faults.filter(move |fault| !fault.in_force(asked.now, asked.cell.term)).map(|fault| fault.id)
}

fn lease_ms(asked: u64) -> Result<u64, Rejection> {
    let (least, most) = FAULT_LEASE_MS;
    match asked {
        0 => Ok(FAULT_LEASE_DEFAULT_MS),
        ms if (least..=most).contains(&ms) => Ok(ms),
        ms => Err(Rejection::field("lease", format!("a lease is {least} to {most} ms, got {ms}"))),
    }
}

/// The host that is named; or, where none is, that there is one at all that the rule can strike on.
fn place(cell: &Cell, rule: &FaultRule, named: Option<&str>) -> Result<Option<HostId>, Rejection> {
    let serves = |host: &&Host| rule.role.is_none_or(|role| host.roles.contains(&role));
    match (rule.kind.target(), named) {
        (Some(Target::Leader) | None, None) => Ok(None),
        (Some(Target::Leader) | None, Some(_)) => {
            let message = format!("{} strikes at the orchestrator that leads, on no host", rule.kind);
            Err(Rejection::field("host", message))
        }
        (Some(Target::Agents), Some(name)) => {
            let host = lookup::host(cell, "host", name)?;
            if !host.allows_faults() {
                return Err(
                    forbidden(format!("host {} allows no faults", host.name)).of(ResourceRef::Host(host.id))
                );
            }
            if !serves(&host) {
                let message = format!("host {} does not have the role of the fault", host.name);
                return Err(Rejection::field("role", message));
            }
            Ok(Some(host.id))
        }
        (Some(Target::Agents), None) if cell.hosts.values().any(|it| it.allows_faults() && serves(&it)) => {
            Ok(None)
        }
        (Some(Target::Agents), None) => {
            Err(forbidden("no host that it could strike on allows faults".into()))
        }
    }
}

fn forbidden(message: alloc::string::String) -> Rejection {
    let hint = "start the agent with `--faults allow`, never where tenants' servers run";
    Rejection::new(Reason::FaultsNotAllowed, message, hint).of_field("host")
}

fn too_many(used: usize) -> Rejection {
    let count = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
    let message = format!("{used} faults are armed, the most that may be");
    let hint = "disarm some, or wait for their leases to end";
    let mut rejection = Rejection::new(Reason::TooManyFaults, message, hint);
    rejection.shortage = Some(Shortage { limit: count(FAULTS_MAX), used: count(used), asked: 1 });
    rejection
}
