//! What the journal's commits add up to over time: each saga's undos (7), locks and quarantine (L1), the rest of
//! addresses (L2), requests that are committed once (R1). Kept from the events, beside the fold.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use windlass_sagas::cell::Cell;
use windlass_sagas::cell::state::{Ended, Lock};
use windlass_sagas::ids::*;
use windlass_sagas::plan::registered;
use windlass_sagas::record::*;

use super::Findings;
use super::cell::locks;

/// One saga's record.
#[derive(Clone, Debug)]
struct Account {
    plan: Arc<Plan>,
    holds: Vec<ResourceRef>,
    dispatched: BTreeMap<StepIndex, Position>,
    calls: BTreeSet<(StepIndex, u8, Attempt)>,
    undone: Vec<StepIndex>,
    /// It has turned back.
    turned: bool,
}

/// The books of one journal.
#[derive(Clone, Debug, Default)]
pub(crate) struct Books {
    open: BTreeMap<SagaId, Account>,
    ended: BTreeMap<SagaId, Ended>,
    kinds: BTreeMap<SagaId, SagaKind>,
    requests: BTreeMap<(ProjectId, RequestId), Position>,
    released: BTreeMap<(NetworkId, IpAddr), Time>,
    quarantined: BTreeMap<ResourceRef, SagaId>,
}

impl Books {
    /// The founding is over: its sagas are not counted.
    pub(crate) fn founded(&mut self) {
        self.kinds.clear();
        self.ended.clear();
    }

    /// Every saga with its kind and end, in the order of ids.
    pub(crate) fn sagas(&self) -> impl Iterator<Item = (SagaId, SagaKind, Option<Ended>)> + '_ {
        self.kinds.iter().map(|(saga, kind)| (*saga, *kind, self.ended.get(saga).copied()))
    }

    /// Where a request was committed.
    #[must_use]
    pub(crate) fn committed(&self, project: ProjectId, request: RequestId) -> Option<Position> {
        self.requests.get(&(project, request)).copied()
    }

    /// Whether a call of this kind was ever dispatched by a valid commit, with that first position; a saga that ended
    /// has no calls left that may leave.
    #[must_use]
    pub(crate) fn may_leave(
        &self,
        key: StepKey,
        direction: Direction,
        attempt: Attempt,
        dispatched: Position,
    ) -> bool {
        self.open.get(&key.saga).is_none_or(|account| {
            account.dispatched.get(&key.step) == Some(&dispatched)
                && account.calls.contains(&(key.step, direction as u8, attempt))
        })
    }

    /// Takes in a commit; `before` is the fold without it.
    pub(super) fn note(&mut self, before: &Cell, commit: &Commit, found: &mut Findings) {
        if let Fact::Request(request) = &commit.fact {
            let position = commit.header.position;
            let other = self.requests.insert((request.project, request.id), position);
            found.require(other.is_none(), "request R1", || {
                format!("request {} is committed twice", request.id)
            });
        }
        for event in &commit.events {
            self.event(before, commit, event, found);
        }
    }

    fn event(&mut self, before: &Cell, commit: &Commit, event: &Event, found: &mut Findings) {
        match event {
            Event::SagaStarted(e) => self.started(before, e, found),
            Event::StepDispatched(e) => {
                if let Some(account) = self.open.get_mut(&e.saga) {
                    let onward = account.turned && e.direction == Direction::Forward;
                    found.require(!onward, "saga S1", || {
                        format!("saga {} turned back and goes forward with step {}", e.saga, e.step)
                    });
                    account.dispatched.entry(e.step).or_insert(commit.header.position);
                    account.calls.insert((e.step, e.direction as u8, e.attempt));
                }
            }
            Event::StepUndone(e) => {
                if let Some(account) = self.open.get_mut(&e.saga) {
                    account.undone.push(e.step);
                }
            }
            Event::SagaUnwinding(e) => {
                if let Some(account) = self.open.get_mut(&e.saga) {
                    account.turned = true;
                }
            }
            Event::SagaCompleted(e) => self.close(e.saga, Ended::Completed, found),
            Event::SagaRolledBack(e) => self.close(e.saga, Ended::RolledBack, found),
            Event::SagaAbandoned(e) => self.close(e.saga, Ended::Abandoned, found),
            Event::PortDeleted(e) => {
                if let Some(port) = before.ports.get(&e.port) {
                    for address in &port.spec.addresses {
                        self.released.insert((port.spec.network, address.ip), commit.header.time);
                    }
                }
            }
            Event::PortClaimed(e) => self.claimed(before, e, commit.header.time, found),
            Event::ResourceAdopted(e) => {
                self.quarantined.remove(&e.resource);
            }
            Event::ResourceDiscarded(e) => {
                self.quarantined.remove(&e.resource);
            }
            _ => {}
        }
    }

    /// A saga may take only what nobody holds; what it makes itself it holds from the start.
    fn started(&mut self, before: &Cell, e: &SagaStarted, found: &mut Findings) {
        for held in &e.holds {
            let lock =
                locks(before).find(|(resource, _)| resource == held).map_or(Lock::Free, |(_, lock)| lock);
            let freed =
                lock.saga().is_some_and(|saga| !self.open.contains_key(&saga) && lock == Lock::Held(saga));
            found.require(lock.is_free() || freed, "lock L1", || {
                format!("saga {} takes {held}, whose lock is {lock:?}", e.saga)
            });
            let rests = self.quarantined.get(held);
            found.require(rests.is_none(), "quarantine", || {
                format!("saga {} takes {held}, which an abandoned saga left", e.saga)
            });
        }
        let listed = e.plan.steps.is_empty() || registered(e.kind).is_some();
        found.require(listed, "registry of sagas", || format!("{} is not in it", e.kind.name()));
        let known = self.kinds.insert(e.saga, e.kind);
        found.require(known.is_none(), "request R1", || format!("saga {} began twice", e.saga));
        let (dispatched, calls, undone) = (BTreeMap::new(), BTreeSet::new(), Vec::new());
        let (plan, holds) = (e.plan.clone(), e.holds.clone());
        self.open.insert(e.saga, Account { plan, holds, dispatched, calls, undone, turned: false });
    }

    fn close(&mut self, saga: SagaId, how: Ended, found: &mut Findings) {
        let again = self.ended.insert(saga, how);
        found.require(again.is_none(), "saga S1", || format!("saga {saga} ended twice"));
        let Some(account) = self.open.remove(&saga) else { return };
        let its_way = how == Ended::Abandoned || account.turned == (how == Ended::RolledBack);
        found
            .require(its_way, "saga S1", || format!("saga {saga} ended {how:?}, turned: {}", account.turned));
        match how {
            Ended::Completed => {}
            Ended::RolledBack => undone_once_in_order(saga, &account, found),
            Ended::Abandoned => self.quarantined.extend(account.holds.iter().map(|held| (*held, saga))),
        }
    }

    fn claimed(&self, before: &Cell, spec: &PortSpec, now: Time, found: &mut Findings) {
        for address in &spec.addresses {
            let released = self.released.get(&(spec.network, address.ip));
            let rested = released.is_none_or(|at| now.ms_since(*at) >= before.settings.address_rest_ms);
            found.require(rested, "claims L2", || format!("{} is given before it has rested", address.ip));
        }
    }

    /// What an abandoned saga left stays in quarantine, and nothing else is there; `after` is the fold with the commit.
    pub(super) fn quarantine_holds(&self, after: &Cell, found: &mut Findings) {
        for (resource, lock) in locks(after) {
            let ours = self.quarantined.get(&resource).copied();
            let theirs = match lock {
                Lock::Quarantined(saga) => Some(saga),
                Lock::Free | Lock::Held(_) => None,
            };
            found.require(ours == theirs, "quarantine", || {
                format!("{resource} was left by {ours:?}, its lock is {lock:?}")
            });
        }
    }
}

/// 7: each dispatched step has exactly one undo resolution, behind those of the steps that come first.
fn undone_once_in_order(saga: SagaId, account: &Account, found: &mut Findings) {
    let undone: BTreeSet<StepIndex> = account.undone.iter().copied().collect();
    let dispatched: BTreeSet<StepIndex> = account.dispatched.keys().copied().collect();
    found.require(undone == dispatched && undone.len() == account.undone.len(), "invariant 7", || {
        format!("saga {saga} is rolled back: dispatched {dispatched:?}, undone {:?}", account.undone)
    });
    let place = |wanted: StepIndex| account.undone.iter().position(|step| *step == wanted);
    for (index, step) in account.plan.steps.iter().enumerate() {
        let own = StepIndex(u16::try_from(index).unwrap_or(u16::MAX));
        let Undo::Call { after, .. } = &step.undo else { continue };
        for first in after {
            let in_order = place(own).zip(place(*first)).is_none_or(|(own, first)| first < own);
            found.require(in_order, "invariant 7", || format!("saga {saga} undid {own} before {first}"));
        }
    }
}
