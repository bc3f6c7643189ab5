//! What an answer means for an open call: one table over direction, verb and answer, without state.
//!
//! A refusal counts only for the attempt that is out; only what came from a look-up lets a call be sent again; an error
//! is never taken for "nothing changed".

use super::super::orchestrator::Stop;
use super::super::{Answer, CallError, Reply, Verb};
use crate::cell::OpenCall;
use crate::ids::*;
use crate::planted::{self, Bug};
use crate::record::{Direction, Outcome, StepOutput};

/// Why a step stands still whose key an undo has closed.
const CLOSED: &str = "the step's key is closed";
/// Why one stands still that the host's agent can't do, as it is today.
const UNSUPPORTED: &str =
    "the host's agent does not know this step or does not serve its role: upgrade or restart it, then retry";

/// What is to be done about an open call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Nothing: the answer is of another call, or says nothing new.
    Ignore,
    /// Report it.
    Tell(Outcome, Attempt),
    /// Send this call now.
    Send(Verb),
    /// Look again, after a pause.
    LookAgain,
    /// Send the same again after a pause; no attempt is counted.
    Later,
    /// The ledger is another one: wait for it to be admitted.
    OtherLedger(Incarnation),
    /// The body differs from what the ledger knows: nothing that repeating can mend.
    Conflict,
    /// Leading must stop.
    Stop(Stop),
}

/// The call that goes a direction.
pub(super) const fn verb_of(direction: Direction) -> Verb {
    match direction {
        Direction::Forward => Verb::Execute,
        Direction::Undo => Verb::Undo,
    }
}

/// What `reply` means for `call`; `out`: the verb whose answer is awaited on the reply's stream.
pub(super) fn next(call: &OpenCall, out: Option<Verb>, reply: &Reply) -> Next {
    let awaited = out == Some(reply.verb);
    let next = match &reply.answer {
        Answer::Error(error) => return failed(call, awaited, reply.verb, *error),
        answer => match call.direction {
            Direction::Forward => forward(call, reply, answer),
            Direction::Undo => backward(call, reply, answer),
        },
    };
    match next {
        // These rest on the state at the time of asking: only the awaited answer counts.
        Next::Send(_) | Next::LookAgain if !awaited => Next::Ignore,
        next => next,
    }
}

fn forward(call: &OpenCall, reply: &Reply, answer: &Answer) -> Next {
    match (reply.verb, answer) {
        (Verb::Execute | Verb::Lookup, Answer::Done(output)) => {
            Next::Tell(Outcome::Done(output.clone()), reply.attempt)
        }
        (Verb::Execute | Verb::Lookup, Answer::Refused(refusal)) if of_this_attempt(call, reply) => {
            Next::Tell(Outcome::Refused(refusal.clone()), call.attempt)
        }
        (Verb::Lookup, Answer::Refused(_) | Answer::Absent) => Next::Send(Verb::Execute),
        (Verb::Execute | Verb::Lookup, Answer::Running) => Next::LookAgain,
        (Verb::Lookup, Answer::Undone) => impossible(call, CLOSED),
        (Verb::Execute, Answer::Refused(_) | Answer::Absent | Answer::Undone)
        | (Verb::Undo, _)
        | (_, Answer::Error(_)) => Next::Ignore,
    }
}

fn backward(call: &OpenCall, reply: &Reply, answer: &Answer) -> Next {
    match (reply.verb, answer) {
        (Verb::Undo | Verb::Lookup, Answer::Undone) => {
            Next::Tell(Outcome::Done(StepOutput::None), call.attempt)
        }
        (Verb::Undo, Answer::Refused(refusal)) if reply.attempt == call.attempt => {
            Next::Tell(Outcome::Refused(refusal.clone()), reply.attempt)
        }
        (Verb::Lookup, Answer::Done(_) | Answer::Absent | Answer::Refused(_)) => Next::Send(Verb::Undo),
        (Verb::Undo | Verb::Lookup, Answer::Running) => Next::LookAgain,
        (Verb::Undo, Answer::Refused(_) | Answer::Done(_) | Answer::Absent)
        | (Verb::Execute, _)
        | (_, Answer::Error(_)) => Next::Ignore,
    }
}

fn of_this_attempt(call: &OpenCall, reply: &Reply) -> bool {
    reply.attempt == call.attempt || planted::on(Bug::OldRefusalTaken)
}

fn impossible(call: &OpenCall, why: &str) -> Next {
    Next::Tell(Outcome::Impossible(why.into()), call.attempt)
}

fn failed(call: &OpenCall, awaited: bool, verb: Verb, error: CallError) -> Next {
    match error {
        CallError::BelowLowWater(low_water) => {
            Next::Stop(Stop::BelowLowWater { ledger: call.ledger, low_water })
        }
        _ if !awaited => Next::Ignore,
        CallError::Tombstoned => match (call.direction, verb) {
            (Direction::Forward, Verb::Execute | Verb::Lookup) => impossible(call, CLOSED),
            (Direction::Forward, Verb::Undo) | (Direction::Undo, _) => Next::LookAgain,
        },
        CallError::KeyConflict => Next::Conflict,
        CallError::Unsupported => impossible(call, UNSUPPORTED),
        CallError::WrongIncarnation(incarnation) => Next::OtherLedger(incarnation),
        // A higher term was seen to before; a lower one is a word from the past.
        CallError::Busy | CallError::Draining | CallError::Fenced(_) => Next::Later,
    }
}
