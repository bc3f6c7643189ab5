//! Folding a saga's life: locks from its first commit to its terminal one, and the low water of its ledgers.

use crate::cell::state::{Cell, Lock, RequestMemo, Saga};
use crate::ids::{SagaId, Time};
use crate::planted::{self, Bug};
use crate::record::{Direction, Event, Fact, ResourceRef, SagaStarted, StepDispatched};

impl Cell {
    pub(super) fn saga_started(&mut self, e: &SagaStarted) {
        for resource in &e.holds {
            self.set_lock(*resource, Lock::Held(e.saga));
        }
        self.sagas.insert(e.saga, Saga::begun(e, self.position, self.time));
    }

    pub(super) fn step_dispatched(&mut self, event: &Event, e: &StepDispatched) {
        let ledger = self.sagas.get(&e.saga).and_then(|saga| saga.step(e.step)).map(|step| step.ledger);
        self.saga_event(e.saga, event);
        let dispatched = self.sagas.get(&e.saga).and_then(|saga| saga.at(e.step).dispatched());
        if let (Some(ledger), Some(dispatched), Direction::Forward) = (ledger, dispatched, e.direction) {
            self.open_dispatches.entry(ledger).or_default().insert((dispatched, e.saga, e.step));
        }
    }

    pub(super) fn saga_event(&mut self, id: SagaId, event: &Event) {
        let (position, time) = (self.position, self.time);
        if let Some(saga) = self.sagas.get_mut(&id) {
            saga.apply(event, position, time);
        }
    }

    /// Completed or rolled back: what it held is free.
    pub(super) fn saga_ended(&mut self, id: SagaId) {
        if let Some(saga) = self.close(id) {
            let count = if planted::on(Bug::LockLeaked) { 1 } else { saga.holds.len() };
            for resource in saga.holds.into_iter().take(count) {
                self.set_lock(resource, Lock::Free);
            }
        }
    }

    /// Given up: nothing is freed; what it held goes into quarantine.
    pub(super) fn saga_abandoned(&mut self, id: SagaId) {
        if let Some(saga) = self.close(id) {
            let lock =
                if planted::on(Bug::LockFreedAtAbandoned) { Lock::Free } else { Lock::Quarantined(id) };
            for resource in saga.holds {
                self.set_lock(resource, lock);
            }
        }
    }

    fn close(&mut self, id: SagaId) -> Option<Saga> {
        let saga = self.sagas.remove(&id)?;
        for index in saga.indexes() {
            let dispatched = saga.at(index).dispatched();
            if let (Some(step), Some(dispatched)) = (saga.step(index), dispatched)
                && let Some(open) = self.open_dispatches.get_mut(&step.ledger)
            {
                open.remove(&(dispatched, id, index));
                if open.is_empty() {
                    self.open_dispatches.remove(&step.ledger);
                }
            }
        }
        Some(saga)
    }

    pub(super) fn set_lock(&mut self, resource: ResourceRef, lock: Lock) {
        let place = match resource {
            ResourceRef::Server(id) => self.servers.get_mut(&id).map(|server| &mut server.lock),
            ResourceRef::Volume(id) => self.volumes.get_mut(&id).map(|volume| &mut volume.lock),
            ResourceRef::Port(id) => self.ports.get_mut(&id).map(|port| &mut port.lock),
            ResourceRef::Network(_)
            | ResourceRef::Subnet(_)
            | ResourceRef::SecurityGroup(_)
            | ResourceRef::Flavor(_)
            | ResourceRef::Image(_)
            | ResourceRef::KeyPair(_)
            | ResourceRef::Project(_)
            | ResourceRef::Host(_)
            | ResourceRef::Saga(_)
            | ResourceRef::Credential(_)
            | ResourceRef::Principal(_)
            | ResourceRef::JoinToken(_)
            | ResourceRef::Fault(_) => None,
        };
        if let Some(place) = place {
            *place = lock;
        }
    }

    pub(super) fn remember_request(&mut self, fact: &Fact) {
        let Fact::Request(request) = fact else { return };
        let saga = SagaId::of_request(self.id, request.project, request.id);
        let memo = RequestMemo { fingerprint: request.fingerprint(), time: self.time };
        self.requests.remember(saga, memo);
    }

    /// Forgets requests older than the memory; `decide` refuses their ids from then on.
    pub(super) fn forget_requests(&mut self) {
        let memory_us =
            i64::try_from(self.settings.request_memory_ms.saturating_mul(1000)).unwrap_or(i64::MAX);
        let horizon = Time(self.time.0.saturating_sub(memory_us));
        self.requests.forget_before(horizon);
    }
}
