//! Following and campaigning: frames into the fold, the journal's end, what others have seen, and the append that takes
//! the lead.
//!
//! A campaign needs the lease, a fold that is proven and read to the journal's end, a clock that can be trusted, and no
//! word of a tail that is gone. Losing it costs nothing: the campaign is folded only once it has landed.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::super::Cursor;
use super::super::fold::{Fold, Poisoned};
use super::flight::{Flight, Verdict};
use super::message::*;
use super::tail::End;
use super::witness::Word;
use super::{Orchestrator, Role};
use crate::cell;
use crate::ids::*;
use crate::limits::{APPEND_RESEND_MS, CAMPAIGN_PAUSE_MS};
use crate::record::{Campaign, Cause, Commit, Event, Fact, Frame, Header, Report, StoredCommit, Tip};

impl Orchestrator {
    pub(super) fn loaded(&mut self, fold: Fold, now: Time, out: &mut Vec<Output>) {
        if !matches!(self.role, Role::Loading) {
            return;
        }
        self.proven = fold.cursor() == Cursor::START;
        self.witnesses.reloaded(Some(fold.tip()));
        self.tail.forget();
        self.fold = Some(fold);
        self.role = Role::Follower;
        self.ask_tail(now, out);
    }

    /// Asks for what comes behind the fold; for an image, also for the frame that proves it.
    pub(super) fn ask_tail(&mut self, now: Time, out: &mut Vec<Output>) {
        let Some(fold) = &self.fold else { return };
        let known = fold.cursor();
        let from = if self.proven { known } else { Cursor(known.0.saturating_sub(1)) };
        out.push(self.tail.ask(from, known, now));
    }

    pub(super) fn frame(&mut self, cursor: Cursor, bytes: &[u8], now: Time, out: &mut Vec<Output>) {
        match &mut self.role {
            Role::Loading | Role::Stopped => {}
            Role::Follower => self.follow(cursor, bytes, now, out),
            Role::Candidate(flight, _) => match flight.compared(cursor, bytes) {
                Verdict::Landed => self.elected(now, out),
                Verdict::Lost => {
                    self.role = Role::Follower;
                    self.follow(cursor, bytes, now, out);
                    if matches!(self.role, Role::Follower) {
                        self.ask_tail(now, out);
                    }
                }
                Verdict::Read | Verdict::Open => {}
            },
            Role::Leader(_) => self.frame_while_leading(cursor, bytes, now, out),
        }
    }

    fn follow(&mut self, cursor: Cursor, bytes: &[u8], now: Time, out: &mut Vec<Output>) {
        let Some(fold) = &self.fold else { return };
        if !self.proven && cursor == fold.cursor() {
            if fold.ends_in(bytes) {
                self.proven = true;
                self.tail.progressed(cursor, now);
            } else {
                self.reload(true, out);
            }
        } else if self.proven && cursor == fold.cursor().next() {
            // Poison has stopped the node and raised the alarm by now.
            let _absorbed = self.absorb(cursor, bytes, now, out);
        } else if cursor > fold.cursor() && now >= self.tail.due_at() {
            self.ask_tail(now, out);
        }
    }

    /// Takes in the next frame. Says whether it held a valid commit.
    pub(super) fn absorb(
        &mut self,
        cursor: Cursor,
        bytes: &[u8],
        now: Time,
        out: &mut Vec<Output>,
    ) -> Result<bool, Poisoned> {
        let Some(fold) = &mut self.fold else { return Ok(false) };
        let generation = fold.tip().term.generation;
        let absorbed = match fold.absorb(cursor, bytes) {
            Ok(absorbed) => absorbed,
            Err(poisoned) => {
                self.role = Role::Stopped;
                out.push(Output::Alarm(Alarm::Poisoned(poisoned.clone())));
                return Err(poisoned);
            }
        };
        let tip = *fold.tip();
        self.tail.progressed(cursor, now);
        if let Some((commits, reason)) = absorbed.void {
            out.push(Output::Alarm(Alarm::VoidCommits { cursor, commits, reason }));
        }
        if absorbed.commits.is_empty() {
            return Ok(false);
        }
        self.witnesses.folded(&absorbed.commits, &tip);
        self.clock.folded(tip.time);
        self.pause_after(&absorbed.commits, now);
        if tip.term.generation > generation {
            self.config.recover = None;
        }
        let (commits, hash, effects) = (absorbed.commits, tip.hash, Vec::new());
        out.push(Output::Durable { cursor, commits, hash, effects });
        Ok(true)
    }

    fn pause_after(&mut self, commits: &[Commit], now: Time) {
        let elected = |commit: &&Commit| {
            let theirs = commit.header.writer != self.config.writer;
            theirs && commit.events.iter().any(|event| matches!(event, Event::LeaderElected(_)))
        };
        if let Some(commit) = commits.iter().rfind(elected) {
            self.pause_until = commit.header.time.min(now).plus_ms(CAMPAIGN_PAUSE_MS);
        }
    }

    pub(super) fn tail_end(&mut self, cursor: Cursor, read: u64, now: Time, out: &mut Vec<Output>) {
        let end = self.tail.ended(cursor, read);
        match (&mut self.role, end) {
            (Role::Loading | Role::Stopped, _) | (_, End::Old) => {}
            (Role::Follower, End::At) if self.tail.is_stale() => self.ask_tail(now, out),
            (Role::Follower, End::At) => {
                if let Some(fold) = self.fold.as_ref().filter(|_| self.proven) {
                    self.tail.progressed(fold.cursor(), now);
                }
            }
            (Role::Follower | Role::Candidate(..), End::Lost) => {
                self.role = Role::Follower;
                self.reload(true, out);
            }
            (Role::Leader(_), End::Lost) => self.step_down(StepDown::TailLost, true, now, out),
            (Role::Candidate(flight, _), End::At | End::Short) => {
                if cursor == flight.after {
                    flight.not_there();
                }
            }
            (Role::Leader(leader), End::At | End::Short) => leader.nothing_behind(cursor),
            (Role::Follower, End::Short) => {}
        }
    }

    /// Asks again for a tail that does not come.
    pub(super) fn tail_due(&mut self, now: Time, out: &mut Vec<Output>) {
        let Some(fold) = &self.fold else { return };
        if self.tail.reached || now < self.tail.due_at() {
            return;
        }
        if let Some(end) = self.tail.missing(fold.cursor()) {
            out.push(Output::Alarm(Alarm::FramesMissing { have: fold.cursor(), end }));
        }
        self.ask_tail(now, out);
    }

    pub(super) fn seen(&mut self, seen: (Position, Hash), highest: Term, now: Time, out: &mut Vec<Output>) {
        let word = self.witnesses.see(seen, highest, self.fold.as_ref().map(Fold::tip));
        match (&self.role, word) {
            (_, Word::Known) | (Role::Loading | Role::Stopped | Role::Candidate(..), _) => {}
            (Role::Follower, Word::Ahead | Word::Conflict) if self.tail.reached => self.ask_tail(now, out),
            (Role::Follower, Word::Ahead | Word::Conflict) => self.tail.doubt(),
            (Role::Leader(_), Word::Ahead) => self.step_down(StepDown::TailSeenElsewhere, false, now, out),
            (Role::Leader(_), Word::Conflict) => self.step_down(StepDown::TailSeenElsewhere, true, now, out),
        }
    }

    /// Drops the fold. What it held as durable stays as a witness against a journal that has lost it.
    pub(super) fn reload(&mut self, from_start: bool, out: &mut Vec<Output>) {
        let all_durable = self.proven && matches!(self.role, Role::Follower);
        if let Some(fold) = self.fold.take().filter(|_| all_durable) {
            let tip = fold.tip();
            self.witnesses.see((tip.position, tip.hash), tip.term, None);
        }
        self.role = Role::Loading;
        self.proven = false;
        self.tail.forget();
        self.witnesses.reloaded(None);
        self.reads.abandon(out);
        out.push(Output::Reload { from_start });
    }

    /// Campaigns, where nothing stands against it.
    pub(super) fn campaign(&mut self, now: Time, out: &mut Vec<Output>) {
        let Some(fold) = self.fold.as_ref().filter(|_| self.proven && self.tail.reached) else { return };
        let tip = *fold.tip();
        let against = self.witnesses.condemn(&tip).filter(|_| self.config.recover.is_none());
        let against = against.or_else(|| {
            let skew = self.clock.check(now).err();
            skew.filter(|_| self.lease).map(Alarm::Clock)
        });
        let against = against.or_else(|| {
            let empty = tip.position == Position(0) && self.config.genesis.is_none();
            (empty && self.lease).then_some(Alarm::NoGenesis)
        });
        if against.is_some() {
            self.alarm_once(against, out);
            return;
        }
        self.alarmed = None;
        if !self.lease || now < self.pause_until {
            return;
        }
        let after = fold.cursor();
        let Some((bytes, commits, end)) = self.candidacy(&tip, now) else { return };
        self.appends += 1;
        let mut flight = Flight::new(self.appends, after, bytes, commits, Vec::new(), end, 0, now);
        out.push(flight.send(now));
        let leaderless_ms = if tip.position == Position(0) { 0 } else { end.time.ms_since(tip.time) };
        self.role = Role::Candidate(Box::new(flight), leaderless_ms);
    }

    /// Raises an alarm that stands in the way, unless it is the one that was raised last. How far off a clock is
    /// changes all the time, so one word about it is enough.
    fn alarm_once(&mut self, against: Option<Alarm>, out: &mut Vec<Output>) {
        let same = match (&against, &self.alarmed) {
            (Some(Alarm::Clock(_)), Some(Alarm::Clock(_))) => true,
            (against, alarmed) => against == alarmed,
        };
        if !same {
            out.extend(against.clone().map(Output::Alarm));
            self.alarmed = against;
        }
    }

    /// The frame of a campaign on `tip`, with genesis before it on an empty journal.
    fn candidacy(&self, tip: &Tip, now: Time) -> Option<(Vec<u8>, Vec<Commit>, Tip)> {
        let mut tip = *tip;
        let mut frame = Frame::default();
        let mut commits = Vec::new();
        if let Some(genesis) = self.config.genesis.clone().filter(|_| tip.position == Position(0)) {
            self.put(Report::Genesis(genesis), tip.term, &mut tip, now, &mut frame, &mut commits)?;
        }
        let recover = self.config.recover.as_ref();
        let generation = recover.map_or(tip.term.generation, |recover| {
            let reported = self.witnesses.generation().max(recover.above);
            reported.max(tip.term.generation).saturating_add(1)
        });
        let term = Term { generation, elected: tip.position.next() };
        let recover = recover.map(|recover| recover.order.clone());
        let campaign = Campaign { term, build: self.config.build.clone(), recover };
        self.put(Report::Campaign(campaign), term, &mut tip, now, &mut frame, &mut commits)?;
        frame.encode().ok().map(|bytes| (bytes, commits, tip))
    }

    /// Puts one report behind `tip` as a commit; `None` where it would pass a bound of the record.
    fn put(
        &self,
        report: Report,
        term: Term,
        tip: &mut Tip,
        now: Time,
        frame: &mut Frame,
        commits: &mut Vec<Commit>,
    ) -> Option<()> {
        let fold = self.fold.as_ref()?;
        let (position, time) = (tip.position.next(), now.max(tip.time));
        let fact = Fact::Report(report);
        let events = cell::decide(fold.cell(), &fact, time).ok()?;
        let header = Header { position, time, term, writer: self.config.writer, previous: tip.hash };
        let commit = Commit { header, cause: Cause::default(), fact, events };
        let stored = StoredCommit::of(&commit).ok()?;
        *tip = Tip { position, hash: stored.hash(), time, term };
        frame.commits.push(stored);
        commits.push(commit);
        Some(())
    }

    /// The campaign has landed: it is folded like anybody's frame, and the lead begins.
    pub(super) fn elected(&mut self, now: Time, out: &mut Vec<Output>) {
        let Role::Candidate(flight, leaderless_ms) = core::mem::replace(&mut self.role, Role::Follower)
        else {
            return;
        };
        let cursor = flight.after.next();
        if self.absorb(cursor, &flight.bytes, now, out) != Ok(true) {
            return;
        }
        let Some(fold) = &self.fold else { return };
        let tip = *fold.tip();
        if tip.hash != flight.tip.hash || !self.lease || self.witnesses.condemn(&tip).is_some() {
            self.ask_tail(now, out);
            return;
        }
        let (term, position, hash) = (tip.term, tip.position, tip.hash);
        let pending = cell::pending(fold.cell());
        out.push(Output::Lead(Box::new(Led { term, position, hash, pending, leaderless_ms })));
        self.role = Role::Leader(Box::new(super::Leader::new(tip, now)));
    }

    /// When a follower must be woken.
    pub(super) fn follower_wake(&self, now: Time) -> Option<Time> {
        if !self.tail.reached {
            return Some(self.tail.due_at());
        }
        let soon = now.plus_ms(APPEND_RESEND_MS);
        self.lease.then(|| if self.pause_until > now { self.pause_until } else { soon })
    }
}
