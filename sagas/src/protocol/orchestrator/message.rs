//! What an orchestrator's machine is told and what it answers: plain values, so that a shell and a simulator drive the
//! same machine. Times are the shell's wall clock; durations are named with their unit.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use super::super::fold::{Fold, Poisoned};
use super::super::{AppendError, Cursor};
use crate::cell::{Cell, Decline, Effect, Rejection};
use crate::ids::*;
use crate::record::{Cause, Commit, Event, Fact, Genesis, LedgerId, Tip, VoidReason};

/// What a node is, for one start of its process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Random at each start: it tells this process's commits from any other's.
    pub writer: WriterId,
    /// The build, for `LeaderElected`.
    pub build: String,
    /// The first commit of a cell, for the first candidate on an empty journal; `None`: an empty journal is never led.
    pub genesis: Option<Genesis>,
    /// An operator's order to go on after a lost tail, whatever the journal turns out to hold when it is first read to its
    /// end; `Input::Recover` gives it later.
    pub recover: Option<Recover>,
}

/// How facts are decided: `cell::decide`, and what became of it where it panics, which only a shell can catch (O5).
pub type Decide = fn(&Cell, &Fact, Time) -> Result<Result<Vec<Event>, Decline>, Panicked>;

/// A decision panicked, with these words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Panicked(pub String);

/// An operator's order to go on although a tail is lost: the next campaign raises the generation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recover {
    /// Who ordered it, and why; recorded.
    pub order: String,
    /// The highest generation that anybody outside this process's knowledge has reported; the new one is above it.
    pub above: u32,
}

/// What the lease says. It says who should try to lead, and never proves anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lease {
    /// This node holds it.
    Granted,
    /// It no longer does.
    Lost,
    /// It was renewed, by a renewal that began after `RenewLease` with this number.
    Renewed {
        /// Of the renewal that was asked for.
        asked: u64,
    },
}

/// What a node is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// The first input, and the answer to `Reload`: a stored image, or an empty fold.
    Loaded(Box<Fold>),
    /// A frame read from the journal. Frames already known are ignored; a gap is asked for again.
    Tail {
        /// Its cursor.
        cursor: Cursor,
        /// Its bytes.
        bytes: Vec<u8>,
    },
    /// The read `read` has delivered every frame up to the journal's end, which was at `cursor` at some time after the
    /// read was asked for.
    TailEnd {
        /// The last frame's cursor.
        cursor: Cursor,
        /// The number that `ReadAfter` gave.
        read: u64,
    },
    /// How sending an append ended. Numbers begin anew with each machine: an answer meant for an older one must not
    /// come here.
    Appended {
        /// The number that `Append` gave.
        append: u64,
        /// The answer.
        result: Result<Cursor, AppendError>,
    },
    /// The lease changed.
    Lease(Lease),
    /// Something to decide.
    Fact {
        /// Under which the reply is wanted; 0: none.
        token: u64,
        /// Where it came from.
        cause: Cause,
        /// What it is.
        fact: Box<Fact>,
    },
    /// A read of the fold that rests on at least `min_position`.
    Read {
        /// Under which the answer is wanted.
        token: u64,
        /// What the caller has seen of its own writes; 0: anything.
        min_position: Position,
    },
    /// What an agent, a follower or an own store has seen of the journal (O6).
    Seen {
        /// The last durable commit that it was shown, and its hash; position 0: none.
        seen: (Position, Hash),
        /// The highest term that it knows.
        highest: Term,
    },
    /// The dispatcher says that leading must stop.
    StopLeading(Stop),
    /// An operator's order to go on after a lost tail: with the tip that the fold has at this moment, and no other. It is
    /// dropped by a node that leads, or that has no fold to show; who still sees nobody lead gives it again.
    Recover(Recover),
    /// Time passes.
    Tick {
        /// Milliseconds since the process started, by a clock that never jumps (and counts while the machine sleeps).
        up_ms: u64,
    },
}

/// Why a dispatcher says that leading must stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// An agent knows a higher term.
    Fenced(Term),
    /// A step that the fold waits for lies below its ledger's low water: the fold is old, or a tail is lost.
    BelowLowWater {
        /// Whose ledger.
        ledger: LedgerId,
        /// Its low water.
        low_water: Position,
    },
}

/// What a node wants done. In order: what stands first is done first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Append these bytes after this cursor; answer with `Appended`. The same number again: the same bytes again.
    Append {
        /// For the answer.
        append: u64,
        /// The expected last cursor.
        after: Cursor,
        /// The frame.
        frame: Vec<u8>,
    },
    /// Deliver every frame behind `cursor`, then `TailEnd`; go on delivering what comes. A newer read replaces older ones.
    ReadAfter {
        /// Behind which.
        cursor: Cursor,
        /// For `TailEnd`.
        read: u64,
    },
    /// The answer to a fact.
    Reply {
        /// The fact's.
        token: u64,
        /// What became of it.
        reply: Result<Receipt, Refused>,
    },
    /// Commits are durable and in the fold: everybody's, each once, in order. `effects` only of a leader's own.
    Durable {
        /// The frame.
        cursor: Cursor,
        /// Its valid commits.
        commits: Vec<Commit>,
        /// The last one's hash.
        hash: Hash,
        /// What may leave now.
        effects: Vec<Effect>,
    },
    /// This node leads from now on.
    Lead(Box<Led>),
    /// It no longer does. Facts without reply are answered before this.
    SteppedDown(StepDown),
    /// Compute the answer of this read from `fold()` now and keep it.
    ReadNow {
        /// The read's.
        token: u64,
        /// The position that the answer speaks for.
        position: Position,
    },
    /// The answer that was kept may leave: its position is durable.
    ReadReady {
        /// The read's.
        token: u64,
        /// The position that it speaks for.
        position: Position,
    },
    /// The fold is dropped: answer with `Loaded`.
    Reload {
        /// Whether stored images must not be used, but the journal from its first frame.
        from_start: bool,
    },
    /// Renew the lease now; answer `Renewed` with this number (a held file lock: at once).
    RenewLease {
        /// For the answer.
        asked: u64,
    },
    /// Every call strictly below `position` is settled at this ledger.
    LowWater {
        /// Whose ledger.
        ledger: LedgerId,
        /// Its admitted id.
        incarnation: Incarnation,
        /// The position.
        position: Position,
    },
    /// Tick at this time at the latest; replaces the one before.
    WakeAt(Time),
    /// For people.
    Alarm(Alarm),
}

/// The begin of a lead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Led {
    /// The term.
    pub term: Term,
    /// The position of its `LeaderElected`, durable.
    pub position: Position,
    /// That commit's hash.
    pub hash: Hash,
    /// What must be looked up or sent.
    pub pending: Vec<Effect>,
    /// Time since the commit before, milliseconds: at most so long nobody led.
    pub leaderless_ms: u64,
}

/// A fact was committed, or was before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Durable; the answer speaks for it.
    pub position: Position,
    /// The saga that the request started, now or before.
    pub saga: Option<SagaId>,
}

/// A fact was not committed, or it isn't known whether it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Refused by the rules.
    Rejected {
        /// Why.
        rejection: Box<Rejection>,
        /// The durable position that the refusal speaks for.
        position: Position,
    },
    /// It speaks of nothing open.
    Stale {
        /// The durable position that the answer speaks for.
        position: Position,
    },
    /// Deciding it panics: nothing was done, and nothing will be by this build.
    Poisonous,
    /// This node doesn't lead; nothing was done.
    NotLeader,
    /// Too much waits; nothing was done.
    Overloaded,
    /// The journal gives no answer: unknown whether it was done. The same request again is safe.
    JournalUnavailable,
    /// This node led and no longer does: unknown whether it was done. The same request again is safe.
    SteppedDown,
}

/// Why a node stopped leading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepDown {
    /// Another's frame stands where ours should.
    Deposed,
    /// The lease is gone and everything decided is durable.
    LeaseLost,
    /// Somebody has seen a tail that the journal does not have, or has otherwise.
    TailSeenElsewhere,
    /// The journal ends before what was acknowledged.
    TailLost,
    /// The dispatcher says so.
    Told(Stop),
    /// The fold can't go on.
    Poisoned,
}

/// What people should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Alarm {
    /// A frame holds void commits: somebody who doesn't lead wrote them.
    VoidCommits {
        /// The frame.
        cursor: Cursor,
        /// How many.
        commits: usize,
        /// Why the first is void.
        reason: VoidReason,
    },
    /// Somebody has seen commits that the journal has no longer, or another term. Nobody leads until `windlass recover`.
    TailLost {
        /// What was seen.
        seen: Position,
        /// The highest term that was seen.
        highest: Term,
        /// Where the journal ends.
        tip: Position,
    },
    /// Somebody has seen another commit at a position. Nobody leads until `windlass recover`.
    TailRewritten {
        /// Where.
        position: Position,
        /// What was seen.
        seen: Hash,
        /// What the journal holds.
        ours: Hash,
    },
    /// The clock can't be trusted, so this node does not campaign.
    Clock(Skew),
    /// The journal says that it ends at `end`, but the frame after `have` was not delivered.
    FramesMissing {
        /// The last frame taken in.
        have: Cursor,
        /// The journal's end.
        end: Cursor,
    },
    /// The fold stops here for good.
    Poisoned(Poisoned),
    /// Deciding this kind of fact panics: the saga that it speaks of is stuck, or nothing came of it.
    Poisonous {
        /// The fact's kind.
        kind: u16,
        /// The saga that is set aside; `None`: the fact speaks of none that is open.
        saga: Option<SagaId>,
        /// What the panic said.
        what: String,
    },
    /// A decision is too large for the record: it was not committed.
    TooLarge {
        /// The fact's kind.
        kind: u16,
        /// Which bound.
        what: &'static str,
    },
    /// The journal is empty and this node has no genesis to begin it with.
    NoGenesis,
}

/// Why nobody leads on a journal that is not what was seen of it: what an operator is shown before he orders anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condemned {
    /// `TailLost` or `TailRewritten`.
    pub alarm: Alarm,
    /// The journal's last commit, which an order counts for.
    pub tip: Tip,
    /// The generation that an order would lead on with.
    pub next_generation: u32,
    /// Whether an order for this tip was given.
    pub ordered: bool,
}

/// How what somebody has seen speaks against the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Against {
    /// The journal ends before it, or knows a lower term only.
    Ahead,
    /// The journal holds another commit there.
    Other,
}

/// How a clock is wrong, milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Skew {
    /// It is behind the journal's time.
    Behind {
        /// By how much.
        ms: u64,
    },
    /// It jumped against the clock that never jumps, and is not steady for long enough yet.
    Jumped {
        /// By how much, at most.
        ms: u64,
    },
}
