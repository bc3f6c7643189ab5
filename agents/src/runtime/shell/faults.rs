//! Armed faults at the agent's task (F1): the leader's list taken in or refused, what is held told to every orchestrator,
//! and the one fault that strikes as a call arrives.

use windlass_sagas::fault::{FAULTS_TRAIT, FaultKind};
use windlass_sagas::ids::Term;
use windlass_sagas::protocol::ledger::{Ledger, LinkId};
use windlass_sagas::protocol::{Call, FaultsHeld, LeasedFault, Up, Verb};

use super::Shell;
use crate::faults::{Place, Point};

/// What an agent says that takes no faults.
const REFUSAL: &str = "this agent was not started with `--faults allow`";

impl Shell {
    /// What the host can do, and whether faults may be armed here.
    pub(super) fn traits(&self) -> Vec<String> {
        let mut traits = self.driver.traits();
        if self.faults.allowed() {
            traits.push(FAULTS_TRAIT.to_owned());
        }
        traits
    }

    /// Takes in the leader's list. One of an older term is nobody's word any more.
    pub(super) fn hold_faults(&mut self, link: LinkId, term: Term, list: Vec<LeasedFault>) {
        let highest = self.slots.values().map(|slot| &slot.ledger).map(Ledger::highest).max();
        if highest.is_some_and(|highest| term < highest) {
            tracing::info!(%term, link = link.0, "armed faults of a lead that is over are ignored");
        } else if self.faults.hold(list) {
            self.tell_faults();
        } else {
            tracing::warn!(link = link.0, "armed faults are refused: {REFUSAL}");
            let refusal = Some(REFUSAL.to_owned());
            let held = FaultsHeld { host: self.host, faults: Vec::new(), refusal };
            self.send(link, &Up::FaultsHeld(held));
        }
    }

    /// Tells every orchestrator what is held, and how often each has struck.
    pub(super) fn tell_faults(&mut self) {
        let Some(faults) = self.faults.held() else { return };
        let held = Up::FaultsHeld(FaultsHeld { host: self.host, faults, refusal: None });
        let links: Vec<LinkId> = self.links.keys().copied().collect();
        for link in links {
            self.send(link, &held);
        }
    }

    /// Tells an orchestrator that has just been dialled, where anything is held.
    pub(super) fn tell_faults_to(&mut self, link: LinkId) {
        if let Some(faults) = self.faults.held().filter(|faults| !faults.is_empty()) {
            self.send(link, &Up::FaultsHeld(FaultsHeld { host: self.host, faults, refusal: None }));
        }
    }

    /// Lets a call come with a term that is over, where a fault says so.
    pub(super) fn age(&self, call: &mut Call) {
        if !self.faults.any() || call.verb == Verb::Lookup {
            return;
        }
        let (point, step, key) = (Point::Arrival, call.body.input.name(), call.key);
        let (direction, role) = (call.direction, call.ledger.role);
        let strike = self.faults.ask(&Place { point, changes: 0, step, key, direction, role });
        if strike.is_some_and(|strike| strike.kind == FaultKind::WrongTerm) {
            call.term = Term::default();
        }
    }
}
