//! Leading: facts are decided on the running fold while one frame is in flight; what is decided meanwhile is the next
//! frame. Replies, effects and low waters leave once the position that they rest on is durable.
//!
//! A leader never folds another's frame over its own decisions: a lost frame drops the fold.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::vec::Vec;

use super::super::{AppendError, Cursor};
use super::flight::{Flight, Verdict};
use super::follower::Brought;
use super::gate::Gate;
use super::low_water::LowWaters;
use super::message::*;
use super::{Orchestrator, Role, tend};
use crate::cell::state::{Cell, SagaState};
use crate::cell::{self, Decline, Effect, Reason, Rejection};
use crate::ids::*;
use crate::limits::{APPEND_PATIENCE_MS, LEADER_QUEUE_MAX, POISON_CHARS_MAX};
use crate::planted::{self, Bug};
use crate::record::{
    Cause, Commit, EncodeError, Event, Fact, Frame, Header, Report, SagaStuck, StoredCommit, Tip,
};

/// One lead.
#[derive(Clone, Debug)]
pub(super) struct Leader {
    pub(super) term: Term,
    /// The last acknowledged commit.
    pub(super) durable: Tip,
    /// One at most; a planted bug makes it two.
    flights: VecDeque<Flight>,
    /// Decided, not sent.
    queue: VecDeque<Decided>,
    pub(super) gate: Gate,
    low_waters: LowWaters,
}

#[derive(Clone, Debug)]
struct Decided {
    stored: StoredCommit,
    commit: Commit,
    effects: Vec<Effect>,
    tip: Tip,
}

impl Leader {
    pub(super) fn new(durable: Tip, now: Time) -> Self {
        Self {
            term: durable.term,
            durable,
            flights: VecDeque::new(),
            queue: VecDeque::new(),
            gate: Gate::default(),
            low_waters: LowWaters::new(now),
        }
    }

    /// Whether everything decided is durable.
    pub(super) fn is_idle(&self) -> bool {
        self.flights.is_empty() && self.queue.is_empty()
    }

    pub(super) fn in_flight(&self, append: u64) -> Option<&Flight> {
        self.flights.iter().find(|flight| flight.append == append)
    }

    /// The journal was read to its end at `cursor`: a flight behind it isn't there.
    pub(super) fn nothing_behind(&mut self, cursor: Cursor) {
        self.flights.iter_mut().filter(|flight| flight.after == cursor).for_each(Flight::not_there);
    }

    /// Whether the journal has given no answer for too long.
    fn out_of_patience(&self, now: Time) -> bool {
        self.flights.front().is_some_and(|flight| now >= flight.since.plus_ms(APPEND_PATIENCE_MS))
    }

    pub(super) fn wake(&self) -> Time {
        let flights = self.flights.iter().map(Flight::due_at);
        let waits = self.gate.waiting() > 0;
        let patience = self.flights.front().filter(|_| waits);
        let patience = patience.map(|flight| flight.since.plus_ms(APPEND_PATIENCE_MS));
        flights.chain(patience).chain(self.gate.due_at()).fold(self.low_waters.next, Time::min)
    }

    /// Sends the next frame, if none is in flight.
    fn send(&mut self, cursor: Cursor, appends: &mut u64, now: Time, out: &mut Vec<Output>) {
        let most = if planted::on(Bug::TwoFramesInFlight) { 2 } else { 1 };
        while self.flights.len() < most && !self.queue.is_empty() {
            let (mut frame, mut commits, mut effects) = (Frame::default(), Vec::new(), Vec::new());
            let mut tip = self.durable;
            while let Some(next) = self.queue.pop_front_if(|next| frame.fits(next.stored.bytes.len())) {
                frame.commits.push(next.stored);
                commits.push(next.commit);
                effects.extend(next.effects);
                tip = next.tip;
            }
            let bytes =
                frame.encode().expect("every commit in it fits by the frame's own word, and one always does");
            let after = self.flights.back().map_or(cursor, |flight| flight.after.next());
            *appends += 1;
            let covers = self.gate.decided();
            let mut flight = Flight::new(*appends, after, bytes, commits, effects, tip, covers, now);
            out.push(flight.send(now));
            self.flights.push_back(flight);
        }
    }
}

impl Orchestrator {
    pub(super) fn fact(&mut self, token: u64, cause: Cause, fact: Fact, now: Time, out: &mut Vec<Output>) {
        let refuse = |refused| Output::Reply { token, reply: Err(refused) };
        let refused = match &self.role {
            Role::Leader(_) if !self.lease => Some(Refused::NotLeader),
            Role::Leader(leader) if leader.out_of_patience(now) => Some(Refused::JournalUnavailable),
            Role::Leader(leader) if leader.queue.len() >= LEADER_QUEUE_MAX || leader.gate.is_full() => {
                Some(Refused::Overloaded)
            }
            Role::Leader(_) => None,
            Role::Loading | Role::Stopped | Role::Follower | Role::Candidate(..) => Some(Refused::NotLeader),
        };
        match refused {
            Some(refused) => out.extend((token != 0).then(|| refuse(refused))),
            None => self.decide(token, cause, fact, now, out),
        }
    }

    fn decide(&mut self, token: u64, cause: Cause, fact: Fact, now: Time, out: &mut Vec<Output>) {
        let (Role::Leader(leader), Some(fold)) = (&mut self.role, &mut self.fold) else { return };
        let tip = *fold.tip();
        let time = now.max(tip.time);
        let position = tip.position;
        let decided = (self.decide)(fold.cell(), &fact, time).or_else(|Panicked(what)| {
            let saga = speaks_of(&fact).filter(|saga| fold.cell().sagas.contains_key(saga));
            out.push(Output::Alarm(Alarm::Poisonous { kind: fact.kind(), saga, what: what.clone() }));
            saga.map(|saga| set_aside(fold.cell(), saga, &what)).ok_or(Refused::Poisonous)
        });
        let events = match decided {
            Err(refused) => return leader.gate.refuse(token, position, refused),
            Ok(decided) => decided,
        };
        let events = match events {
            Ok(events) => events,
            Err(Decline::Repeat(saga)) => {
                return leader.gate.grant(token, Receipt { position, saga: Some(saga) });
            }
            Err(Decline::Rejected(rejection)) => {
                return leader.gate.refuse(token, position, Refused::Rejected { rejection, position });
            }
            Err(Decline::Stale) => return leader.gate.refuse(token, position, Refused::Stale { position }),
        };
        let saga = saga_of(fold.cell().id, &fact);
        let (kind, position) = (fact.kind(), position.next());
        let header =
            Header { position, time, term: leader.term, writer: self.config.writer, previous: tip.hash };
        let commit = Commit { header, cause, fact, events };
        match StoredCommit::of(&commit) {
            Ok(stored) => {
                let left = cell::views::left(fold.cell(), &commit);
                let tip = fold.speculate(&commit, &stored);
                self.witnesses.note(position, tip.hash);
                let effects = cell::effects(fold.cell(), &commit, left);
                if planted::on(Bug::EffectsBeforeDurable) {
                    let (cursor, commits) = (fold.cursor(), alloc::vec![commit.clone()]);
                    out.push(Output::Durable { cursor, commits, hash: tip.hash, effects: effects.clone() });
                }
                leader.queue.push_back(Decided { stored, commit, effects, tip });
                leader.gate.grant(token, Receipt { position, saga });
            }
            Err(EncodeError { what }) => {
                out.push(Output::Alarm(Alarm::TooLarge { kind, what }));
                let rejection = Box::new(Rejection::new(
                    Reason::TooLarge,
                    alloc::format!("{what} of this decision is over its bound"),
                    "ask for less at a time",
                ));
                let position = tip.position;
                leader.gate.refuse(token, position, Refused::Rejected { rejection, position });
            }
        }
    }

    pub(super) fn appended(
        &mut self,
        append: u64,
        result: Result<Cursor, AppendError>,
        now: Time,
        out: &mut Vec<Output>,
    ) {
        let (flight, index) = match &mut self.role {
            Role::Candidate(flight, _) if flight.append == append => (&mut **flight, None),
            Role::Leader(leader) => {
                match leader.flights.iter_mut().enumerate().find(|(_, flight)| flight.append == append) {
                    Some((index, flight)) => (flight, Some(index)),
                    None => return,
                }
            }
            Role::Candidate(..) | Role::Loading | Role::Stopped | Role::Follower => return,
        };
        match (flight.answered(result), index) {
            (Verdict::Landed, None) => self.campaign_landed(now, out),
            (Verdict::Landed, Some(index)) => self.landed(index, out),
            (Verdict::Read, _) => {
                flight.reading(now);
                out.push(self.tail.ask(flight.after, flight.after, now));
            }
            (Verdict::Open | Verdict::Lost, _) => {}
        }
    }

    /// A frame of ours is durable: everything that rests on it may leave.
    fn landed(&mut self, index: usize, out: &mut Vec<Output>) {
        let (Role::Leader(leader), Some(fold)) = (&mut self.role, &mut self.fold) else { return };
        let Some(flight) = leader.flights.remove(index) else { return };
        let cursor = flight.after.next();
        fold.acknowledge(cursor.max(fold.cursor()));
        if flight.tip.position > leader.durable.position {
            leader.durable = flight.tip;
        }
        self.clock.folded(flight.tip.time);
        let Flight { commits, effects, tip, covers, .. } = flight;
        out.push(Output::Durable { cursor, commits, hash: tip.hash, effects });
        leader.gate.led_since(covers);
        leader.gate.release(leader.durable.position, out);
    }

    pub(super) fn frame_while_leading(
        &mut self,
        cursor: Cursor,
        bytes: &[u8],
        now: Time,
        out: &mut Vec<Output>,
    ) {
        let (Role::Leader(leader), Some(fold)) = (&self.role, &self.fold) else { return };
        let verdict = |flight: &Flight| flight.compared(cursor, bytes);
        let settled = leader.flights.iter().map(verdict).enumerate();
        match settled.into_iter().find(|(_, verdict)| *verdict != Verdict::Open) {
            Some((index, Verdict::Landed)) => self.landed(index, out),
            Some(_) => self.step_down(StepDown::Deposed, false, now, out),
            None if leader.is_idle() && cursor == fold.cursor().next() => {
                self.foreign_frame(cursor, bytes, now, out);
            }
            None if leader.is_idle() && cursor > fold.cursor() && now >= self.tail.due_at() => {
                self.ask_tail(now, out);
            }
            None => {}
        }
    }

    /// Another's frame behind everything that is ours: void ones only move the cursor, a valid one deposes, and so does a
    /// void one of a higher generation, until the journal has shown that the fold is its own.
    fn foreign_frame(&mut self, cursor: Cursor, bytes: &[u8], now: Time, out: &mut Vec<Output>) {
        let role = core::mem::replace(&mut self.role, Role::Follower);
        let outcome = self.absorb(cursor, bytes, now, out);
        let Role::Leader(leader) = role else { return };
        if outcome == Ok(Brought::Void) {
            self.role = Role::Leader(leader);
            return;
        }
        let why = if outcome.is_ok() { StepDown::Deposed } else { StepDown::Poisoned };
        self.leave(*leader, why, out);
        if outcome.is_ok() {
            self.ask_tail(now, out);
        }
    }

    pub(super) fn stop_leading(&mut self, stop: Stop, now: Time, out: &mut Vec<Output>) {
        let reload = match stop {
            Stop::Fenced(term) => {
                let tip = self.fold.as_ref().map(super::Fold::tip);
                self.witnesses.see((Position(0), Hash::default()), term, tip);
                false
            }
            Stop::BelowLowWater { .. } => true,
        };
        if !matches!(self.role, Role::Leader(_)) {
            return;
        }
        self.step_down(StepDown::Told(stop), false, now, out);
        if reload && matches!(self.role, Role::Follower) {
            self.reload(false, out);
        }
    }

    /// Stops leading. The fold is kept only where all of it is durable and nothing speaks against it.
    pub(super) fn step_down(&mut self, why: StepDown, from_start: bool, now: Time, out: &mut Vec<Output>) {
        let Role::Leader(leader) = core::mem::replace(&mut self.role, Role::Follower) else { return };
        let (durable, idle) = (leader.durable, leader.is_idle());
        self.leave(*leader, why, out);
        if idle && !from_start {
            self.ask_tail(now, out);
            return;
        }
        self.role = Role::Loading;
        self.reload(from_start, out);
        self.witnesses.see((durable.position, durable.hash), durable.term, None);
    }

    fn leave(&mut self, mut leader: Leader, why: StepDown, out: &mut Vec<Output>) {
        leader.gate.abandon(&Refused::SteppedDown, out);
        out.push(Output::SteppedDown(why));
    }

    /// What a leader does after every input.
    pub(super) fn lead(&mut self, now: Time, out: &mut Vec<Output>) {
        let (Role::Leader(leader), Some(fold)) = (&mut self.role, &self.fold) else { return };
        leader.send(fold.cursor(), &mut self.appends, now, out);
        for flight in &mut leader.flights {
            tend(flight, &mut self.tail, now, out);
        }
        if leader.out_of_patience(now) {
            leader.gate.abandon(&Refused::JournalUnavailable, out);
        }
        let covered = leader.flights.back().map_or(0, |flight| flight.covers);
        leader.gate.release(leader.durable.position, out);
        leader.gate.renew(!leader.queue.is_empty(), covered, now, out);
        leader.low_waters.tend(fold.cell(), leader.durable.position, now, out);
        if !self.lease && leader.is_idle() {
            self.step_down(StepDown::LeaseLost, false, now, out);
        }
    }
}

/// The saga that the cell's own report speaks of.
fn speaks_of(fact: &Fact) -> Option<SagaId> {
    match fact {
        Fact::Report(Report::Step(report)) => Some(report.saga),
        Fact::Report(Report::Overdue(overdue)) => Some(overdue.saga),
        Fact::Report(
            Report::Genesis(_)
            | Report::Campaign(_)
            | Report::RaiseFormat(_)
            | Report::HostSeen(_)
            | Report::HostSilent(_)
            | Report::Ledger(_),
        )
        | Fact::Request(_) => None,
    }
}

/// O5: a saga of which a report can't be decided waits for an operator, once, and the others go on.
fn set_aside(cell: &Cell, saga: SagaId, what: &str) -> Result<Vec<Event>, Decline> {
    let waits = cell.sagas.get(&saga).is_none_or(|saga| matches!(saga.state, SagaState::Stuck(_)));
    if waits {
        return Err(Decline::Stale);
    }
    let what: String = what.chars().take(POISON_CHARS_MAX).collect();
    let reason = alloc::format!("a report on it can't be decided: {what}");
    Ok(alloc::vec![Event::SagaStuck(SagaStuck { saga, step: None, reason })])
}

fn saga_of(cell: CellId, fact: &Fact) -> Option<SagaId> {
    match fact {
        Fact::Request(request) => Some(SagaId::of_request(cell, request.project, request.id)),
        Fact::Report(_) => None,
    }
}
