//! The dispatcher: a leader's open calls, each brought to its outcome over streams that come and go.
//!
//! Invariant: what may have been sent before is looked up, never blindly repeated; every call names the admitted
//! incarnation and leaves only on a stream that was told of this lead. It never decides: what it learns, it reports.

mod answer;
mod calls;
mod deadline;
mod faults;
mod hosts;
mod message;
mod open;
#[cfg(test)]
mod tests;
mod views;

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

pub use message::*;

use self::deadline::Start;
use self::hosts::{Host, Link};
use self::open::{Open, Pause};
use self::views::Wanted;
use super::orchestrator::Led;
use crate::cell::Effect;
use crate::cell::state::Fault;
use crate::fault::Target;
use crate::ids::*;
use crate::limits::{REPORT_AGAIN_MS, SEEN_PAUSE_MS};
use crate::record::{LedgerId, Report, SagaOverdue, StepKey};

/// The dispatcher of one orchestrator. Streams outlive leads; everything else belongs to one lead.
#[derive(Clone, Debug)]
pub struct Dispatcher {
    cell: CellId,
    links: BTreeMap<LinkId, Link>,
    hosts: BTreeMap<HostId, Host>,
    lead: Option<Lead>,
    wake: Option<Time>,
}

#[derive(Clone, Debug)]
struct Lead {
    term: Term,
    start: Start,
    /// The last durable commit, and whether agents were told of it.
    durable: (Position, Hash),
    told: Position,
    lanes: BTreeMap<LedgerId, Lane>,
    calls: BTreeMap<StepKey, Open>,
    sagas: BTreeMap<SagaId, (Time, Pause)>,
    views: BTreeMap<HostId, Wanted>,
    /// The faults that are armed at agents.
    faults: BTreeMap<FaultId, Fault>,
    /// When to look at what; what has changed since is found to need nothing.
    timers: BTreeSet<(Time, Timer)>,
}

/// The way to one ledger.
#[derive(Clone, Debug, Default)]
struct Lane {
    /// The id that calls name.
    incarnation: Option<Incarnation>,
    /// How many calls are out.
    out: usize,
    /// The calls that wait to be sent, by when.
    ready: BTreeSet<(Time, StepKey)>,
    /// On which stream its inventory was asked for, and when it may be asked for again.
    inventory_at: Option<(LinkId, Time)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    /// A lane's first waiting call may leave.
    Lane(LedgerId),
    /// A call is unanswered, or its report said again.
    Call(StepKey),
    /// A call's deadline.
    Overdue(StepKey),
    /// A saga's deadline.
    Saga(SagaId),
    /// A host was silent for the grace period, or is announced again.
    Host(HostId),
    /// A ledger's inventory is asked for again.
    Inventory(LedgerId),
    /// A host's view is sent again.
    View(HostId),
    /// Agents are told of the last durable commit.
    Seen,
}

impl Dispatcher {
    /// A dispatcher for agents of this cell; it does not lead yet.
    #[must_use]
    pub const fn new(cell: CellId) -> Self {
        Self { cell, links: BTreeMap::new(), hosts: BTreeMap::new(), lead: None, wake: None }
    }

    /// The stream of a host.
    #[must_use]
    pub fn link(&self, host: HostId) -> Option<LinkId> {
        self.hosts.get(&host).and_then(|host| host.link)
    }

    /// How many calls are open.
    #[must_use]
    pub fn open_calls(&self) -> usize {
        self.lead.as_ref().map_or(0, |lead| lead.calls.len())
    }

    /// Takes one input at wall-clock time `now`, and says what is to be done about it, in order.
    #[must_use = "what is not done is lost"]
    pub fn step(&mut self, input: Input, now: Time) -> Vec<Output> {
        let mut out = Vec::new();
        self.step_into(input, now, &mut out);
        out
    }

    /// As `step`, onto the end of `out`.
    pub fn step_into(&mut self, input: Input, now: Time, out: &mut Vec<Output>) {
        match input {
            Input::TakeOver(led) => self.take_over(*led, now, out),
            Input::SteppedDown => {
                self.lead = None;
                self.hosts.values_mut().for_each(Host::forget_lead);
            }
            Input::Durable { effects, position, hash } => self.durable(effects, position, hash, now, out),
            Input::Up { link, up } => self.up(link, *up, now, out),
            Input::LinkDown { link } => self.link_down(link, now),
            Input::View { host, view } => self.send_view(host, view, now, out),
            Input::LowWater { ledger, incarnation, position } => {
                self.low_water(ledger, incarnation, position, out);
            }
            Input::Tick => {}
        }
        self.fire(now, out);
        self.wake(out);
    }

    fn take_over(&mut self, led: Led, now: Time, out: &mut Vec<Output>) {
        let Led { term, position, hash, pending, leaderless_ms } = led;
        let start = Start { at: now, position, leaderless_ms };
        self.hosts.values_mut().for_each(Host::forget_lead);
        self.lead = Some(Lead {
            term,
            start,
            durable: (position, hash),
            told: position,
            lanes: BTreeMap::new(),
            calls: BTreeMap::new(),
            sagas: BTreeMap::new(),
            views: BTreeMap::new(),
            faults: BTreeMap::new(),
            timers: BTreeSet::from([(now.plus_ms(SEEN_PAUSE_MS), Timer::Seen)]),
        });
        // Agents hear of the lead before its calls; inventories wait until what is admitted is known.
        let links: Vec<LinkId> = self.links.keys().copied().collect();
        for link in &links {
            self.greet(*link, out);
        }
        for effect in pending {
            self.effect(effect, true, now, out);
        }
        for link in links {
            self.introduce(link, now, out);
        }
    }

    fn durable(
        &mut self,
        effects: Vec<Effect>,
        position: Position,
        hash: Hash,
        now: Time,
        out: &mut Vec<Output>,
    ) {
        let Some(lead) = &mut self.lead else { return };
        lead.durable = (position, hash);
        for effect in effects {
            self.effect(effect, false, now, out);
        }
    }

    fn effect(&mut self, effect: Effect, look_first: bool, now: Time, out: &mut Vec<Output>) {
        match effect {
            Effect::Call(call) => self.call(*call, look_first, now, out),
            Effect::Settled { key, direction } => self.settled(key, direction, now, out),
            Effect::SagaOpen { saga, deadline } => self.saga_open(saga, deadline, look_first),
            Effect::SagaEnded { saga } => self.saga_ended(saga, now, out),
            Effect::Admitted { ledger, incarnation } => self.admitted(ledger, incarnation, now, out),
            Effect::Joined { host } => self.joined(host, now, out),
            Effect::Retired { host } => self.retired(host, now),
            Effect::View { host } => {
                self.expect(host, now);
                self.view_changed(host, now, out);
            }
            // A leader's own are the shell's to apply.
            Effect::FaultArmed(fault) if fault.target() == Target::Leader => {}
            Effect::FaultArmed(fault) => self.fault_armed(fault, look_first, now, out),
            Effect::FaultEnded { fault } => self.fault_ended(fault, now, out),
        }
    }

    fn saga_open(&mut self, saga: SagaId, deadline: Time, pending: bool) {
        let Some(lead) = &mut self.lead else { return };
        let since = if pending { Position(0) } else { lead.start.position };
        let deadline = lead.start.deadline(deadline, since, [saga.0[0], saga.0[1]]);
        lead.sagas.insert(saga, (deadline, Pause::of(REPORT_AGAIN_MS)));
        lead.timers.insert((deadline, Timer::Saga(saga)));
    }

    fn saga_overdue(&mut self, saga: SagaId, now: Time, out: &mut Vec<Output>) {
        let Some(lead) = &mut self.lead else { return };
        let Some((at, pause)) = lead.sagas.get_mut(&saga).filter(|(at, _)| *at <= now) else { return };
        *at = pause.after(now);
        lead.timers.insert((*at, Timer::Saga(saga)));
        out.push(Output::Fact(alloc::boxed::Box::new(Report::Overdue(SagaOverdue { saga }).into())));
    }

    /// Everything whose time has come.
    fn fire(&mut self, now: Time, out: &mut Vec<Output>) {
        while let Some(timer) = self.due(now) {
            match timer {
                Timer::Lane(ledger) => self.pump(ledger, now, out),
                Timer::Call(key) => self.call_due(key, now, out),
                Timer::Overdue(key) => self.call_overdue(key, now, out),
                Timer::Saga(saga) => self.saga_overdue(saga, now, out),
                Timer::Host(host) => self.host_due(host, now, out),
                Timer::Inventory(ledger) => self.take_inventory(ledger, now, out),
                Timer::View(host) => self.push_view(host, now, out),
                Timer::Seen => self.tell_durable(now, out),
            }
        }
    }

    fn due(&mut self, now: Time) -> Option<Timer> {
        let lead = self.lead.as_mut()?;
        lead.timers
            .first()
            .is_some_and(|(at, _)| *at <= now)
            .then(|| lead.timers.pop_first())?
            .map(|(_, timer)| timer)
    }

    fn wake(&mut self, out: &mut Vec<Output>) {
        let next = self.lead.as_ref().and_then(|lead| lead.timers.first().map(|(at, _)| *at));
        if next != self.wake {
            out.extend(next.map(Output::WakeAt));
            self.wake = next;
        }
    }
}
