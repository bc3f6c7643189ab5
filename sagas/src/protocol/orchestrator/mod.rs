//! An orchestrator as a pure machine: follower → candidate → leader → stepping down → follower.
//!
//! Invariant: at most one frame in flight, and nothing that rests on a position leaves before that position is durable.
//! It never infers that a frame did not land, and never decides on a fold that is not the journal's valid chain.
//! A decision that panics can't be caught here (no std): a shell may catch it, drop the machine and begin with `Loaded`.

mod clock;
mod flight;
mod follower;
mod gate;
mod leader;
mod low_water;
mod message;
mod reads;
mod tail;
mod witness;

#[cfg(test)]
mod tests;

use alloc::boxed::Box;
use alloc::vec::Vec;

pub use message::*;

use self::clock::Clock;
use self::flight::{Due, Flight};
use self::leader::Leader;
use self::reads::Reads;
use self::tail::Tail;
use self::witness::{Witnesses, Word};
use super::Cursor;
use super::fold::Fold;
use crate::cell;
use crate::ids::*;
use crate::record::Commit;

/// One orchestrator's part in leading and following a cell.
#[derive(Clone, Debug)]
pub struct Orchestrator {
    config: Config,
    decide: Decide,
    role: Role,
    /// `None` while it is to be loaded. A leader's runs ahead of what is durable.
    fold: Option<Fold>,
    /// Whether the fold is known to be this journal's.
    proven: bool,
    tail: Tail,
    lease: bool,
    /// No campaign before: somebody else was just elected.
    pause_until: Time,
    clock: Clock,
    witnesses: Witnesses,
    reads: Reads,
    appends: u64,
    /// A campaign of ours that has landed: it is the lead once the journal shows it behind this fold.
    campaigned: Option<Campaigned>,
    /// The tip that the operator's order was given for; `None`: the first one that is read to the journal's end.
    ordered_at: Option<(Position, Hash)>,
    /// The last frame whose void commits were told of.
    void_told: Cursor,
    /// The last alarm that keeps this node from leading, so that it is raised once.
    alarmed: Option<Alarm>,
    wake: Option<Time>,
}

#[derive(Clone, Debug)]
enum Role {
    /// The fold is to be loaded.
    Loading,
    /// The fold can't go on.
    Stopped,
    Follower,
    /// Its campaign is in flight; with the time since the commit before, milliseconds.
    Candidate(Box<Flight>, u64),
    Leader(Box<Leader>),
}

/// A campaign that has landed.
#[derive(Clone, Copy, Debug)]
struct Campaigned {
    cursor: Cursor,
    /// Its last commit's.
    hash: Hash,
    /// The time since the commit before it, milliseconds.
    leaderless_ms: u64,
}

/// What a node is at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It waits for `Loaded`.
    Loading,
    /// Its fold can't go on.
    Stopped,
    /// It follows.
    Following,
    /// It campaigns.
    Campaigning,
    /// It leads, in this term.
    Leading(Term),
}

impl Orchestrator {
    /// A node that waits for its fold: the first input is `Loaded`.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self {
            config,
            decide: |cell, fact, now| Ok(cell::decide(cell, fact, now)),
            role: Role::Loading,
            fold: None,
            proven: false,
            tail: Tail::default(),
            lease: false,
            pause_until: Time(i64::MIN),
            clock: Clock::default(),
            witnesses: Witnesses::default(),
            reads: Reads::default(),
            appends: 0,
            campaigned: None,
            ordered_at: None,
            void_told: Cursor::START,
            alarmed: None,
            wake: None,
        }
    }

    /// The same node, whose facts are decided by this.
    #[must_use]
    pub fn deciding_by(self, decide: Decide) -> Self {
        Self { decide, ..self }
    }

    /// What this node is.
    #[must_use]
    pub fn standing(&self) -> Standing {
        match &self.role {
            Role::Loading => Standing::Loading,
            Role::Stopped => Standing::Stopped,
            Role::Follower => Standing::Following,
            Role::Candidate(..) => Standing::Campaigning,
            Role::Leader(leader) => Standing::Leading(leader.term),
        }
    }

    /// The fold, a leader's with what is not durable yet; `None` while it is to be loaded. What is read from it may leave
    /// only once its position is durable: `Input::Read` does that.
    #[must_use]
    pub const fn fold(&self) -> Option<&Fold> {
        self.fold.as_ref()
    }

    /// The fold, if all of it is durable and known to be this journal's: what a stored image may be made of.
    #[must_use]
    pub fn durable_fold(&self) -> Option<&Fold> {
        let settled = match &self.role {
            Role::Loading => false,
            Role::Stopped | Role::Follower | Role::Candidate(..) => self.proven,
            Role::Leader(leader) => leader.is_idle(),
        };
        self.fold.as_ref().filter(|_| settled)
    }

    /// What is in a frame that this leader has sent and that is not settled, and the hash of its last commit.
    #[must_use]
    pub fn in_flight(&self, append: u64) -> Option<(&[Commit], Hash)> {
        let Role::Leader(leader) = &self.role else { return None };
        leader.in_flight(append).map(|flight| (flight.commits.as_slice(), flight.tip.hash))
    }

    /// The last position that this node knows to be durable.
    #[must_use]
    pub fn durable_position(&self) -> Position {
        match &self.role {
            Role::Leader(leader) => leader.durable.position,
            Role::Loading | Role::Stopped | Role::Follower | Role::Candidate(..) => {
                self.fold.as_ref().map_or(Position(0), |fold| fold.tip().position)
            }
        }
    }

    /// Whether the lease is this node's: of all who follow, it is the one that would lead.
    #[must_use]
    pub const fn has_lease(&self) -> bool {
        self.lease
    }

    /// Whether the fold is the journal's, read to its end, or this node leads: then it knows whether anything is lost.
    #[must_use]
    pub const fn has_read_all(&self) -> bool {
        match self.role {
            Role::Leader(_) => true,
            Role::Loading | Role::Stopped => false,
            Role::Follower | Role::Candidate(..) => self.proven && self.tail.reached,
        }
    }

    /// Why nobody leads on this journal, where it was read to its end and is not what was seen of it; `None`: nothing that
    /// is known here is lost.
    #[must_use]
    pub fn condemned(&self) -> Option<Condemned> {
        let follows = matches!(self.role, Role::Follower | Role::Candidate(..));
        let tip = *self.fold.as_ref().filter(|_| follows && self.has_read_all())?.tip();
        let alarm = self.witnesses.condemn(&tip)?;
        let next_generation = self.next_generation(&tip, 0);
        let ordered =
            self.config.recover.is_some() && self.ordered_at.is_none_or(|at| at == (tip.position, tip.hash));
        Some(Condemned { alarm, tip, next_generation, ordered })
    }

    /// How what somebody has seen speaks against the journal; `None`: it does not, or the fold is to be loaded.
    #[must_use]
    pub fn against(&self, seen: (Position, Hash), highest: Term) -> Option<Against> {
        match self.witnesses.word(seen, highest, self.fold.as_ref()?.tip()) {
            Word::Known => None,
            Word::Ahead => Some(Against::Ahead),
            Word::Conflict => Some(Against::Other),
        }
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
            Input::Loaded(fold) => self.loaded(*fold, now, out),
            Input::Tail { cursor, bytes } => self.frame(cursor, &bytes, now, out),
            Input::TailEnd { cursor, read } => self.tail_end(cursor, read, now, out),
            Input::Appended { append, result } => self.appended(append, result, now, out),
            Input::Lease(lease) => self.leased(lease, now, out),
            Input::Fact { token, cause, fact } => self.fact(token, cause, *fact, now, out),
            Input::Read { token, min_position } => self.reads.ask(token, min_position, out),
            Input::Seen { seen, highest } => self.seen(seen, highest, now, out),
            Input::StopLeading(stop) => self.stop_leading(stop, now, out),
            Input::Recover(recover) => self.recover(recover),
            Input::Tick { up_ms } => self.clock.tick(now, up_ms),
        }
        self.settle(now, out);
    }

    /// What follows from the state after any input.
    fn settle(&mut self, now: Time, out: &mut Vec<Output>) {
        match &self.role {
            Role::Follower => {
                self.tail_due(now, out);
                self.campaign(now, out);
            }
            Role::Candidate(..) => self.candidate_due(now, out),
            Role::Leader(_) => self.lead(now, out),
            Role::Loading | Role::Stopped => {}
        }
        let durable = self.durable_position();
        if let Some(fold) = self.fold.as_ref().filter(|_| self.proven) {
            self.reads.release(fold.tip().position, durable, out);
        }
        self.wake(now, out);
    }

    fn leased(&mut self, lease: Lease, now: Time, out: &mut Vec<Output>) {
        match (lease, &mut self.role) {
            (Lease::Granted, _) => {
                self.lease = true;
                if matches!(self.role, Role::Follower) {
                    self.ask_tail(now, out);
                }
            }
            (Lease::Lost, _) => self.lease = false,
            (Lease::Renewed { asked }, Role::Leader(leader)) => {
                leader.gate.led_since(asked);
                leader.gate.release(leader.durable.position, out);
            }
            (Lease::Renewed { .. }, Role::Loading | Role::Stopped | Role::Follower | Role::Candidate(..)) => {
            }
        }
    }

    /// An order counts for the tip that the operator was shown and no other. A node that leads has lost nothing, and one
    /// whose fold is not known to be the journal's has nothing to show: they drop it.
    fn recover(&mut self, recover: Recover) {
        let shows = self.proven && matches!(self.role, Role::Follower | Role::Candidate(..));
        if let Some(fold) = self.fold.as_ref().filter(|_| shows) {
            self.ordered_at = Some((fold.tip().position, fold.tip().hash));
            self.config.recover = Some(recover);
        }
    }

    fn candidate_due(&mut self, now: Time, out: &mut Vec<Output>) {
        let Role::Candidate(flight, _) = &mut self.role else { return };
        tend(flight, &mut self.tail, now, out);
    }

    #[cfg(test)]
    const fn tail_read(&self) -> u64 {
        self.tail.read()
    }

    fn wake(&mut self, now: Time, out: &mut Vec<Output>) {
        let next = match &self.role {
            Role::Loading | Role::Stopped => None,
            Role::Follower => self.follower_wake(now),
            Role::Candidate(flight, _) => Some(flight.due_at()),
            Role::Leader(leader) => Some(leader.wake()),
        };
        let next = next.map(|next| next.max(now.plus_ms(1)));
        if next.is_some() && (next != self.wake || self.wake.is_some_and(|wake| wake <= now)) {
            out.extend(next.map(Output::WakeAt));
        }
        self.wake = next;
    }
}

/// Sends a flight again, or reads its place, where time asks for it.
fn tend(flight: &mut Flight, tail: &mut Tail, now: Time, out: &mut Vec<Output>) {
    match flight.due(now) {
        Due::Nothing => {}
        Due::Resend => out.push(flight.send(now)),
        Due::Read => {
            flight.reading(now);
            out.push(tail.ask(flight.after, flight.after, now));
        }
    }
}
