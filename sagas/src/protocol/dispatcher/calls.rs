//! The open calls of a lead: sent where there is a way and room, looked up when unanswered, reported until settled.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::super::orchestrator::Stop;
use super::super::{Answer, CallError, Down, Reply, Verb};
use super::answer::{Next, next, verb_of};
use super::open::{Open, Pause, Phase};
use super::{Alarm, Dispatcher, Lead, LinkId, Output, Timer};
use crate::cell::OpenCall;
use crate::ids::*;
use crate::limits::{LEDGER_CALLS_MAX, REPORT_AGAIN_MS};
use crate::planted::{self, Bug};
use crate::record::{Direction, LedgerId, Outcome, Report, StepKey, StepReport};

impl Lead {
    /// Puts a call among those that wait for their ledger.
    fn queue(&mut self, key: StepKey, verb: Verb, at: Time) {
        let Some(open) = self.calls.get_mut(&key) else { return };
        let ledger = open.call.ledger;
        let was = core::mem::replace(&mut open.phase, Phase::Waiting { verb, at });
        let lane = self.lanes.entry(ledger).or_default();
        leave(lane, key, &was);
        lane.ready.insert((at, key));
    }

    /// Drops a call.
    fn forget(&mut self, key: StepKey) -> Option<LedgerId> {
        let open = self.calls.remove(&key)?;
        if let Some(lane) = self.lanes.get_mut(&open.call.ledger) {
            leave(lane, key, &open.phase);
        }
        Some(open.call.ledger)
    }

    fn tell(&mut self, key: StepKey, outcome: Outcome, attempt: Attempt, now: Time, out: &mut Vec<Output>) {
        let Some(open) = self.calls.get_mut(&key) else { return };
        let direction = open.call.direction;
        let report = StepReport { saga: key.saga, step: key.step, direction, attempt, outcome };
        let mut pause = Pause::of(REPORT_AGAIN_MS);
        let again = pause.after(now);
        let ledger = open.call.ledger;
        let was = core::mem::replace(&mut open.phase, Phase::Told { report: report.clone(), again, pause });
        if let Some(lane) = self.lanes.get_mut(&ledger) {
            leave(lane, key, &was);
        }
        self.timers.insert((again, Timer::Call(key)));
        out.push(fact(report));
    }
}

/// A call leaves its place in the lane.
fn leave(lane: &mut super::Lane, key: StepKey, phase: &Phase) {
    match phase {
        Phase::Waiting { at, .. } => {
            lane.ready.remove(&(*at, key));
        }
        Phase::Out { .. } => lane.out = lane.out.saturating_sub(1),
        Phase::Told { .. } => {}
    }
}

fn fact(report: StepReport) -> Output {
    Output::Fact(Box::new(Report::Step(report).into()))
}

impl Dispatcher {
    /// A commit lets a call leave; after a take-over it is asked first what became of it.
    pub(super) fn call(&mut self, call: OpenCall, look_first: bool, now: Time, out: &mut Vec<Output>) {
        let Some(lead) = &mut self.lead else { return };
        let (key, ledger) = (call.key, call.ledger);
        let same = |open: &Open| (open.call.direction, open.call.attempt) == (call.direction, call.attempt);
        if lead.calls.get(&key).is_some_and(same) {
            return;
        }
        lead.forget(key);
        let (verb, at) = if look_first && !planted::on(Bug::NoLookUp) {
            (Verb::Lookup, now)
        } else {
            (verb_of(call.direction), call.not_before)
        };
        let seed = [key.saga.0[2], key.saga.0[3] ^ key.step.0.to_be_bytes()[1]];
        let retired = self.hosts.get(&ledger.host).is_some_and(|host| host.retired);
        let overdue = match call.deadline {
            _ if retired => Some(now),
            Some(deadline) => Some(lead.start.deadline(deadline, call.dispatched, seed)),
            None => None,
        };
        lead.timers.extend(overdue.map(|at| (at, Timer::Overdue(key))));
        let phase = Phase::Waiting { verb, at };
        lead.calls.insert(key, Open::new(call, phase, overdue));
        lead.lanes.entry(ledger).or_default().ready.insert((at, key));
        self.pump(ledger, now, out);
    }

    /// A commit settled a step. An undo that is resolved settles whatever was open for the step.
    pub(super) fn settled(&mut self, key: StepKey, direction: Direction, now: Time, out: &mut Vec<Output>) {
        let Some(lead) = &mut self.lead else { return };
        let over = |open: &Open| direction == Direction::Undo || open.call.direction == direction;
        if lead.calls.get(&key).is_some_and(over)
            && let Some(ledger) = lead.forget(key)
        {
            self.pump(ledger, now, out);
        }
    }

    pub(super) fn saga_ended(&mut self, saga: SagaId, now: Time, out: &mut Vec<Output>) {
        let Some(lead) = &mut self.lead else { return };
        lead.sagas.remove(&saga);
        let all = StepKey { saga, step: StepIndex(0) }..=StepKey { saga, step: StepIndex(u16::MAX) };
        let keys: Vec<StepKey> = lead.calls.range(all).map(|(key, _)| *key).collect();
        for key in keys {
            if let Some(ledger) = self.lead.as_mut().and_then(|lead| lead.forget(key)) {
                self.pump(ledger, now, out);
            }
        }
    }

    /// Sends what may leave to a ledger.
    pub(super) fn pump(&mut self, ledger: LedgerId, now: Time, out: &mut Vec<Output>) {
        let Some((link, incarnation)) = self.way(ledger) else { return };
        let Some(lead) = &mut self.lead else { return };
        let Some(lane) = lead.lanes.get_mut(&ledger) else { return };
        while lane.out < LEDGER_CALLS_MAX {
            let Some((at, key)) = lane.ready.first().copied() else { return };
            if at > now {
                lead.timers.insert((at, Timer::Lane(ledger)));
                return;
            }
            lane.ready.remove(&(at, key));
            let Some(open) = lead.calls.get_mut(&key) else { continue };
            let Phase::Waiting { verb, .. } = open.phase else { continue };
            let until = now.plus_ms(u64::from(open.call.call_ms));
            open.phase = Phase::Out { verb, link, until };
            lane.out += 1;
            lead.timers.insert((until, Timer::Call(key)));
            let call = Box::new(open.message(verb, lead.term, incarnation));
            out.push(Output::Send { link, down: Down::Call(call) });
        }
    }

    /// A call is unanswered: ask what became of it. A report has changed nothing: say it again.
    pub(super) fn call_due(&mut self, key: StepKey, now: Time, out: &mut Vec<Output>) {
        let Some(lead) = &mut self.lead else { return };
        let Some(open) = lead.calls.get_mut(&key) else { return };
        let ledger = open.call.ledger;
        match &mut open.phase {
            Phase::Out { verb, until, .. } if *until <= now => {
                let at = if *verb == Verb::Lookup { open.pause.after(now) } else { now };
                lead.queue(key, Verb::Lookup, at);
                self.pump(ledger, now, out);
            }
            Phase::Told { report, again, pause } if *again <= now => {
                *again = pause.after(now);
                lead.timers.insert((*again, Timer::Call(key)));
                out.push(fact(report.clone()));
            }
            Phase::Out { .. } | Phase::Told { .. } | Phase::Waiting { .. } => {}
        }
    }

    /// A deadline passed, and no outcome is on its way into the journal.
    pub(super) fn call_overdue(&mut self, key: StepKey, now: Time, out: &mut Vec<Output>) {
        let Some(lead) = &mut self.lead else { return };
        let Some(open) = lead.calls.get_mut(&key) else { return };
        if open.overdue.is_none_or(|at| at > now) {
            return;
        }
        let again = open.overdue_pause.after(now);
        open.overdue = Some(again);
        lead.timers.insert((again, Timer::Overdue(key)));
        if !matches!(open.phase, Phase::Told { .. }) {
            let OpenCall { direction, attempt, .. } = open.call;
            let outcome = Outcome::Overdue;
            out.push(fact(StepReport { saga: key.saga, step: key.step, direction, attempt, outcome }));
        }
    }

    pub(super) fn replied(&mut self, link: LinkId, reply: &Reply, now: Time, out: &mut Vec<Output>) {
        if self.hosts.get(&reply.ledger.host).and_then(|host| host.link) != Some(link) {
            return;
        }
        let Some(lead) = &mut self.lead else { return };
        if let Answer::Error(CallError::Fenced(term)) = reply.answer
            && term > lead.term
        {
            out.push(Output::StopLeading(Stop::Fenced(term)));
            return;
        }
        let admitted = lead.lanes.get(&reply.ledger).and_then(|lane| lane.incarnation);
        let other = matches!(reply.answer, Answer::Error(CallError::WrongIncarnation(_)));
        let Some(open) = lead.calls.get_mut(&reply.key) else { return };
        let told = matches!(open.phase, Phase::Told { .. });
        if told || open.call.ledger != reply.ledger || (admitted != Some(reply.incarnation) && !other) {
            return;
        }
        let (key, ledger) = (reply.key, reply.ledger);
        let awaited = open.awaited(link);
        match next(&open.call, awaited, reply) {
            Next::Ignore => return,
            Next::Tell(outcome, attempt) => lead.tell(key, outcome, attempt, now, out),
            Next::Send(verb) => {
                let at = open.call.not_before.max(now);
                lead.queue(key, verb, at);
            }
            Next::LookAgain => {
                let at = open.pause.after(now);
                lead.queue(key, Verb::Lookup, at);
            }
            Next::Later => {
                let at = open.pause.after(now);
                lead.queue(key, awaited.unwrap_or(Verb::Lookup), at);
            }
            Next::OtherLedger(incarnation) => {
                let at = open.pause.after(now);
                lead.queue(key, awaited.unwrap_or(Verb::Lookup), at);
                self.shown(link, ledger, incarnation, now, out);
            }
            Next::Conflict => {
                let attempt = open.call.attempt;
                let outcome = Outcome::Impossible("the ledger knows the step's key with another body".into());
                lead.tell(key, outcome, attempt, now, out);
                out.push(Output::Alarm(Alarm::KeyConflict { key, ledger }));
            }
            Next::Stop(stop) => {
                out.push(Output::StopLeading(stop));
                return;
            }
        }
        self.pump(ledger, now, out);
    }

    /// A stream is gone: what was out on it is asked about on the next one.
    pub(super) fn recall(&mut self, link: LinkId, ledgers: &[LedgerId], now: Time) {
        let Some(lead) = &mut self.lead else { return };
        let on = |open: &Open| open.awaited(link).is_some() && ledgers.contains(&open.call.ledger);
        let lost: Vec<StepKey> =
            lead.calls.iter().filter(|(_, open)| on(open)).map(|(key, _)| *key).collect();
        for key in lost {
            lead.queue(key, Verb::Lookup, now);
        }
    }
}
