//! A leader that does what the protocol says, for one volume: saga after saga makes it, unmakes it, deletes it.

use std::collections::BTreeMap;

use windlass_sagas::ids::*;
use windlass_sagas::protocol::{Answer, Call, CallBody, CallError, Owner, Reply, Verb};
use windlass_sagas::record::{ClosedKey, Direction, LedgerId, Role, StepInput, StepKey};

use crate::chance::Chance;

pub(crate) const LEDGER: LedgerId = LedgerId { host: HostId([1; 16]), role: Role::Storage };
pub(crate) const INCARNATION: Incarnation = Incarnation([2; 16]);

/// What the fold says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// No saga is open; the volume is there, made by this key, or it is not.
    Idle(Option<ClosedKey>),
    /// A saga makes the volume.
    Making,
    /// It unwinds.
    Unmaking,
    /// A saga deletes the volume that this key made.
    Deleting(ClosedKey),
}

pub(crate) struct Leader {
    pub(crate) phase: Phase,
    pub(crate) term: Term,
    /// The last position of the journal.
    pub(crate) position: Position,
    /// The open saga's key, its dispatch position and its attempt.
    key: StepKey,
    dispatched: Position,
    attempt: Attempt,
    sagas: u8,
    /// What happened, counted.
    pub(crate) met: BTreeMap<&'static str, u32>,
}

impl Leader {
    pub(crate) fn new() -> Self {
        Self {
            phase: Phase::Idle(None),
            term: Term { generation: 0, elected: Position(1) },
            position: Position(1),
            key: StepKey { saga: SagaId::default(), step: StepIndex(0) },
            dispatched: Position(0),
            attempt: Attempt::FIRST,
            sagas: 0,
            met: BTreeMap::new(),
        }
    }

    pub(crate) fn meet(&mut self, what: &'static str) {
        *self.met.entry(what).or_default() += 1;
    }

    /// Whether the open saga may make the volume under this key.
    pub(crate) fn may_make(&self, key: StepKey) -> bool {
        key == self.key && matches!(self.phase, Phase::Making | Phase::Unmaking)
    }

    /// Whether the open saga may remove the volume under this key.
    pub(crate) fn may_remove(&self, key: StepKey) -> bool {
        key == self.key && matches!(self.phase, Phase::Unmaking | Phase::Deleting(_))
    }

    /// Strictly below this, everything is settled.
    pub(crate) const fn low_water(&self) -> Position {
        match self.phase {
            Phase::Idle(_) => self.position.next(),
            Phase::Making | Phase::Unmaking | Phase::Deleting(_) => self.dispatched,
        }
    }

    /// The next saga, if none is open.
    pub(crate) fn start(&mut self) -> Option<Call> {
        let Phase::Idle(maker) = self.phase else { return None };
        self.sagas = self.sagas.checked_add(1)?;
        self.position = self.position.next();
        self.key = StepKey { saga: SagaId([self.sagas; 16]), step: StepIndex(0) };
        (self.dispatched, self.attempt) = (self.position, Attempt::FIRST);
        self.phase = maker.map_or(Phase::Making, Phase::Deleting);
        self.again()
    }

    /// The open saga turns back.
    pub(crate) fn cancel(&mut self) -> Option<Call> {
        if self.phase != Phase::Making {
            return None;
        }
        self.position = self.position.next();
        (self.phase, self.attempt) = (Phase::Unmaking, Attempt::FIRST);
        self.again()
    }

    /// The open saga's call, once more.
    pub(crate) fn again(&self) -> Option<Call> {
        match self.phase {
            Phase::Idle(_) => None,
            Phase::Making | Phase::Deleting(_) => Some(self.call(Verb::Execute, Direction::Forward)),
            Phase::Unmaking => Some(self.call(Verb::Undo, Direction::Undo)),
        }
    }

    /// What became of the open saga's call?
    pub(crate) fn look_up(&self) -> Option<Call> {
        match self.phase {
            Phase::Idle(_) => None,
            Phase::Making | Phase::Deleting(_) => Some(self.call(Verb::Lookup, Direction::Forward)),
            Phase::Unmaking => Some(self.call(Verb::Lookup, Direction::Undo)),
        }
    }

    fn call(&self, verb: Verb, direction: Direction) -> Call {
        let volume = VolumeId([5; 16]);
        let (input, closes) = match self.phase {
            Phase::Deleting(maker) => {
                (StepInput::ReleaseVolume { volume, export_to: None, delete: true }, vec![maker])
            }
            Phase::Idle(_) | Phase::Making | Phase::Unmaking => {
                let (image, export_to) = (None, None);
                (StepInput::ReserveVolume { volume, size_gib: 1, image, made_here: true, export_to }, vec![])
            }
        };
        Call {
            term: self.term,
            key: self.key,
            verb,
            direction,
            attempt: self.attempt,
            dispatched: self.dispatched,
            ledger: LEDGER,
            incarnation: INCARNATION,
            remaining_ms: 1_000_000,
            owner: Owner { cell: CellId::default(), project: ProjectId::default() },
            body: CallBody { input, exports: vec![], closes },
        }
    }

    /// A reply came, perhaps long ago sent; the next call, if it asks for one.
    pub(crate) fn hear(&mut self, reply: &Reply, chance: &mut Chance) -> Result<Option<Call>, String> {
        self.count(&reply.answer);
        if reply.key != self.key || matches!(self.phase, Phase::Idle(_)) {
            return Ok(None);
        }
        let about_undo = reply.verb == Verb::Undo;
        match (&reply.answer, self.phase) {
            (Answer::Done(_), Phase::Making) => {
                if reply.verb == Verb::Lookup {
                    self.meet("found by a look-up");
                }
                self.meet("completed");
                let StepKey { saga, step } = self.key;
                self.end(Some(ClosedKey { saga, step, dispatched: self.dispatched }));
            }
            (Answer::Done(_), Phase::Deleting(_)) => {
                self.meet("deleted");
                self.end(None);
            }
            (Answer::Undone, Phase::Unmaking) => {
                self.meet("undone");
                self.end(None);
            }
            (Answer::Undone, Phase::Making | Phase::Deleting(_)) => {
                return Err(format!("{:?} was undone, which nobody asked for", self.key));
            }
            (Answer::Refused(_), Phase::Making) if reply.attempt == self.attempt => {
                if chance.percent(40) {
                    return Ok(self.cancel());
                }
                return Ok(self.retry());
            }
            (Answer::Refused(_), Phase::Deleting(_)) if reply.attempt == self.attempt => {
                return Ok(self.retry());
            }
            (Answer::Refused(_), Phase::Unmaking) if about_undo && reply.attempt == self.attempt => {
                return Ok(self.retry());
            }
            // A look-up's refusal does not say of which direction: the undo is sent again, and looks for itself.
            (Answer::Refused(_), Phase::Unmaking) if reply.verb == Verb::Lookup => return Ok(self.again()),
            (Answer::Absent, _) => return Ok(self.again()),
            (Answer::Error(CallError::Tombstoned), Phase::Making | Phase::Deleting(_)) => {
                return Err(format!("{:?} is closed, and its saga goes forward", self.key));
            }
            (Answer::Error(error @ (CallError::BelowLowWater(_) | CallError::KeyConflict)), _)
            | (Answer::Error(error @ CallError::WrongIncarnation(_)), _) => {
                return Err(format!("{:?} is waited for, and answered: {error}", self.key));
            }
            (Answer::Refused(_) | Answer::Running | Answer::Error(_) | Answer::Done(_), _)
            | (Answer::Undone, Phase::Idle(_)) => {}
        }
        Ok(None)
    }

    fn retry(&mut self) -> Option<Call> {
        self.position = self.position.next();
        self.attempt = self.attempt.next();
        self.again()
    }

    fn end(&mut self, maker: Option<ClosedKey>) {
        self.position = self.position.next();
        self.phase = Phase::Idle(maker);
    }

    fn count(&mut self, answer: &Answer) {
        self.meet(match answer {
            Answer::Done(_) => "done",
            Answer::Refused(_) => "refused",
            Answer::Undone => "gone",
            Answer::Running => "running",
            Answer::Absent => "absent",
            Answer::Error(CallError::Fenced(_)) => "fenced",
            Answer::Error(CallError::Tombstoned) => "tombstoned",
            Answer::Error(CallError::BelowLowWater(_)) => "below low water",
            Answer::Error(
                CallError::KeyConflict
                | CallError::Busy
                | CallError::WrongIncarnation(_)
                | CallError::Draining
                | CallError::Unsupported,
            ) => "another error",
        });
    }
}
