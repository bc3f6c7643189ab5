//! Armed faults on their way to the agents that they concern (F1): the whole list at each change and on each new stream,
//! with the time that is left of each lease.
//!
//! Invariant: what is sent never lengthens a lease, and goes only to agents that say that they allow faults. An agent
//! that hears nothing more drops each by itself, so that nothing here need arrive for a fault to end.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::super::{Down, FaultsHeld, LeasedFault};
use super::{Alarm, Dispatcher, LinkId, Output};
use crate::cell::state::Fault;
use crate::fault::allowed_by;
use crate::ids::*;

impl Dispatcher {
    /// A fault is armed. Those of before this lead go out as each stream is introduced.
    pub(super) fn fault_armed(&mut self, fault: Box<Fault>, before: bool, now: Time, out: &mut Vec<Output>) {
        let Some(lead) = &mut self.lead else { return };
        lead.faults.retain(|_, fault| fault.expires > now);
        lead.faults.insert(fault.id, (*fault).clone());
        if !before {
            self.push_faults_of(&fault, now, out);
        }
    }

    /// A fault strikes no more.
    pub(super) fn fault_ended(&mut self, fault: FaultId, now: Time, out: &mut Vec<Output>) {
        let Some(lead) = &mut self.lead else { return };
        if let Some(fault) = lead.faults.remove(&fault) {
            self.push_faults_of(&fault, now, out);
        }
    }

    fn push_faults_of(&self, fault: &Fault, now: Time, out: &mut Vec<Output>) {
        let concerned = self.links.iter().filter(|(_, link)| fault.concerns(link.hello.host));
        concerned.for_each(|(link, _)| self.push_faults(*link, now, out));
    }

    /// Tells an agent all that is armed for its host, if it allows any.
    pub(super) fn push_faults(&self, link: LinkId, now: Time, out: &mut Vec<Output>) {
        let Some(hello) = self.links.get(&link).map(|link| &link.hello) else { return };
        let Some(lead) = self.lead.as_ref().filter(|_| allowed_by(&hello.traits)) else { return };
        let here = |fault: &&Fault| fault.concerns(hello.host) && fault.expires > now;
        let leased = |fault: &Fault| LeasedFault {
            id: fault.id,
            rule: fault.rule.clone(),
            remaining_ms: u32::try_from(fault.expires.ms_since(now)).unwrap_or(u32::MAX),
        };
        let faults = lead.faults.values().filter(here).map(leased).collect();
        out.push(Output::Send { link, down: Down::Faults { term: lead.term, faults } });
    }

    /// An agent says what it holds; one that takes none although it was told to is for people to see.
    pub(super) fn faults_held(&self, link: LinkId, held: &FaultsHeld, out: &mut Vec<Output>) {
        let host = self.links.get(&link).map(|link| link.hello.host).filter(|host| *host == held.host);
        out.extend(
            host.filter(|_| held.refusal.is_some()).map(|host| Output::Alarm(Alarm::FaultsRefused { host })),
        );
    }
}
