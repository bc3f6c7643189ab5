//! Following and campaigning: frames into the fold, the journal's end, what others have seen, and the append that takes
//! the lead. A campaign needs the lease, a fold that was read to the journal's end, a clock that can be trusted, and no
//! word of a tail that is gone. Losing it costs nothing: the campaign is folded only once it has landed.
//!
//! A journal may lose its tail and grow another one; cursors repeat then. So each read begins with the frame that the
//! fold ends in: where it is not there, the fold is dropped and read anew, which ends since then it is there.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::super::Cursor;
use super::super::fold::{Fold, Poisoned};
use super::flight::{Flight, Verdict};
use super::message::*;
use super::tail::End;
use super::witness::Word;
use super::{Campaigned, Orchestrator, Role};
use crate::cell;
use crate::ids::*;
use crate::limits::{APPEND_RESEND_MS, CAMPAIGN_PAUSE_MS};
use crate::planted::{self, Bug};
use crate::record::{Campaign, Cause, Commit, Event, Fact, Frame, Header, Report, StoredCommit, Tip};

/// What a frame brought into the fold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Brought {
    /// Valid commits.
    Commits,
    /// None.
    Void,
    /// None, but void ones of a higher generation: an operator may have ordered to go on from another tail than this one.
    RaisedVoid,
}

impl Orchestrator {
    pub(super) fn loaded(&mut self, fold: Fold, now: Time, out: &mut Vec<Output>) {
        if !matches!(self.role, Role::Loading) {
            return;
        }
        self.proven = fold.cursor() == Cursor::START;
        self.witnesses.reloaded(Some(fold.tip()));
        self.tail.forget();
        self.void_told = Cursor::START;
        self.fold = Some(fold);
        self.role = Role::Follower;
        self.ask_tail(now, out);
    }

    /// Asks for what comes behind the fold and, unless this node leads, for the frame that the fold ends in: a journal that
    /// has lost its tail may have grown another one meanwhile.
    pub(super) fn ask_tail(&mut self, now: Time, out: &mut Vec<Output>) {
        self.ask_tail_up_to(Cursor::START, now, out);
    }

    /// As `ask_tail`, where the frame at `known` is known to exist.
    fn ask_tail_up_to(&mut self, known: Cursor, now: Time, out: &mut Vec<Output>) {
        let Some(fold) = &mut self.fold else { return };
        let known = known.max(fold.cursor());
        if matches!(self.role, Role::Leader(_)) {
            out.push(self.tail.ask(known, known, now));
        } else {
            fold.step_back();
            out.push(self.tail.prove(fold.tip_cursor(), known, now));
        }
    }

    pub(super) fn frame(&mut self, cursor: Cursor, bytes: &[u8], now: Time, out: &mut Vec<Output>) {
        match &mut self.role {
            Role::Loading | Role::Stopped => {}
            Role::Follower => self.follow(cursor, bytes, now, out),
            Role::Candidate(flight, _) => match flight.compared(cursor, bytes) {
                Verdict::Landed => self.campaign_landed(now, out),
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
        if self.tail.is_unproven() && cursor == fold.tip_cursor() {
            if fold.ends_in(bytes) {
                self.proven = true;
                self.tail.proved(now);
                self.tail.progressed(fold.cursor(), now);
            } else {
                self.reload(true, out);
            }
        } else if self.proven && !self.tail.is_unproven() && cursor == fold.cursor().next() {
            self.follow_on(cursor, bytes, now, out);
        } else if cursor > fold.cursor() && now >= self.tail.due_at() {
            self.ask_tail(now, out);
        }
    }

    /// Takes in the next frame while following. A void one that was not there when the journal was last read to its end may
    /// mean that this node has lost the journal's way, so it looks at once whether its fold still is the journal's. The
    /// same frame, read again for that, asks for nothing.
    fn follow_on(&mut self, cursor: Cursor, bytes: &[u8], now: Time, out: &mut Vec<Output>) {
        let live = self.tail.reached;
        // Poison has stopped the node and raised the alarm by now.
        let Ok(brought) = self.absorb(cursor, bytes, now, out) else { return };
        if let Some(campaigned) = self.campaigned.take_if(|campaigned| campaigned.cursor <= cursor) {
            self.elected(campaigned, now, out);
        } else if live && brought != Brought::Commits {
            self.ask_tail(now, out);
        }
    }

    /// Takes in the next frame. Says what it held.
    pub(super) fn absorb(
        &mut self,
        cursor: Cursor,
        bytes: &[u8],
        now: Time,
        out: &mut Vec<Output>,
    ) -> Result<Brought, Poisoned> {
        let Some(fold) = &mut self.fold else { return Ok(Brought::Void) };
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
        if let Some((commits, reason)) = absorbed.void.filter(|_| cursor > self.void_told) {
            self.void_told = cursor;
            out.push(Output::Alarm(Alarm::VoidCommits { cursor, commits, reason }));
        }
        if absorbed.commits.is_empty() {
            let raised = absorbed.void_generation > tip.term.generation;
            return Ok(if raised { Brought::RaisedVoid } else { Brought::Void });
        }
        self.tail.followed(now);
        self.witnesses.folded(&absorbed.commits, &tip);
        self.clock.folded(tip.time);
        self.pause_after(&absorbed.commits, now);
        let (commits, hash, effects) = (absorbed.commits, tip.hash, Vec::new());
        out.push(Output::Durable { cursor, commits, hash, effects });
        Ok(Brought::Commits)
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
        if now < self.tail.due_at() {
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

    /// Drops the fold. What it held as durable stays as a witness against a journal that has lost it; so does an image that
    /// is of this cell, whether or not the journal has shown that it is its own.
    pub(super) fn reload(&mut self, from_start: bool, out: &mut Vec<Output>) {
        let durable = matches!(self.role, Role::Follower);
        let ours = |fold: &Fold| durable && (self.proven || fold.expected().is_some());
        if let Some(fold) = self.fold.take().filter(ours) {
            let tip = fold.tip();
            self.witnesses.see((tip.position, tip.hash), tip.term, None);
        }
        self.role = Role::Loading;
        self.proven = false;
        self.campaigned = None;
        self.tail.forget();
        self.witnesses.reloaded(None);
        self.reads.abandon(out);
        out.push(Output::Reload { from_start });
    }

    /// An order that was given for another tip than this one is of no account: what it would go on from, the operator has
    /// not seen.
    fn check_order(&mut self, tip: &Tip) {
        let now = (tip.position, tip.hash);
        if self.config.recover.is_some() && *self.ordered_at.get_or_insert(now) != now {
            self.config.recover = None;
        }
        if self.config.recover.is_none() {
            self.ordered_at = None;
        }
    }

    /// Campaigns, where nothing stands against it.
    pub(super) fn campaign(&mut self, now: Time, out: &mut Vec<Output>) {
        let Some(fold) = self.fold.as_ref().filter(|_| self.proven && self.tail.reached) else { return };
        let (tip, after) = (*fold.tip(), fold.cursor());
        self.check_order(&tip);
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
        let generation =
            recover.map_or(tip.term.generation, |recover| self.next_generation(&tip, recover.above));
        let term = Term { generation, elected: tip.position.next() };
        let recover = recover.map(|recover| recover.order.clone());
        let campaign = Campaign { term, build: self.config.build.clone(), recover };
        self.put(Report::Campaign(campaign), term, &mut tip, now, &mut frame, &mut commits)?;
        frame.encode().ok().map(|bytes| (bytes, commits, tip))
    }

    /// Above every generation that the journal or anybody reports.
    pub(super) fn next_generation(&self, tip: &Tip, above: u32) -> u32 {
        self.witnesses.generation().max(above).max(tip.term.generation).saturating_add(1)
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

    /// The campaign stands at its place. Where the journal lost its tail between the last look and that, the place may be
    /// behind another history, on which it is void: so it is read from there like anybody's frame, behind the one that the
    /// fold ends in, before the lead begins.
    pub(super) fn campaign_landed(&mut self, now: Time, out: &mut Vec<Output>) {
        let Role::Candidate(flight, leaderless_ms) = core::mem::replace(&mut self.role, Role::Follower)
        else {
            return;
        };
        let cursor = flight.after.next();
        let campaigned = Campaigned { cursor, hash: flight.tip.hash, leaderless_ms };
        // Nothing stands before the first frame. The planted bug takes term and position for proof, and looks no further.
        if flight.after == Cursor::START || planted::on(Bug::LandedByTermAndPosition) {
            if self.absorb(cursor, &flight.bytes, now, out) == Ok(Brought::Commits) {
                self.elected(campaigned, now, out);
            }
            return;
        }
        self.campaigned = Some(campaigned);
        self.ask_tail_up_to(cursor, now, out);
    }

    /// The journal was read up to a campaign of ours: where it is the last valid commit, the lead begins.
    fn elected(&mut self, campaigned: Campaigned, now: Time, out: &mut Vec<Output>) {
        let Some(fold) = &self.fold else { return };
        let tip = *fold.tip();
        if tip.hash != campaigned.hash || !self.lease || self.witnesses.condemn(&tip).is_some() {
            self.ask_tail(now, out);
            return;
        }
        (self.config.recover, self.ordered_at) = (None, None);
        let Campaigned { leaderless_ms, .. } = campaigned;
        let (term, position, hash) = (tip.term, tip.position, tip.hash);
        let pending = cell::pending(fold.cell());
        out.push(Output::Lead(Box::new(Led { term, position, hash, pending, leaderless_ms })));
        self.role = Role::Leader(Box::new(super::Leader::new(tip, now)));
    }

    /// When a follower must be woken.
    pub(super) fn follower_wake(&self, now: Time) -> Option<Time> {
        let due = self.tail.due_at();
        if !self.tail.reached || !self.lease {
            return Some(due);
        }
        let soon = now.plus_ms(APPEND_RESEND_MS);
        Some(due.min(if self.pause_until > now { self.pause_until } else { soon }))
    }
}
