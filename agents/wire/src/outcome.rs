//! Answers: outcomes and call errors.

use windlass_proto::agent::v1;
use windlass_proto::agent::v1::outcome::Kind;
use windlass_sagas::ids::{Attempt, CellId, Position};
use windlass_sagas::limits::TEXT_BYTES_MAX;
use windlass_sagas::protocol::{Answer, CallError, Reply, Verb};
use windlass_sagas::record::{LedgerId, Refusal, RefusalCode, StepOutput};

use crate::call::{key, key_out};
use crate::{WireError, bad, endpoint, endpoint_out, id, known_role, role_out, term, term_out};

/// `None` for an outcome of a kind that only a newer agent knows.
pub(crate) fn outcome(m: &v1::Outcome) -> Result<Option<Reply>, WireError> {
    let Some(kind) = &m.kind else { return Ok(None) };
    let answer = match kind {
        Kind::Done(done) => Answer::Done(output(done.output.as_ref())?),
        Kind::Refused(refused) => Answer::Refused(refusal(refused)?),
        Kind::Undone(_) => Answer::Undone,
        Kind::Running(_) => Answer::Running,
        Kind::Absent(_) => Answer::Absent,
    };
    reply(m.call.as_ref(), answer)
}

/// `None` for a kind that only a newer agent knows.
pub(crate) fn call_error(m: &v1::CallError) -> Result<Option<Reply>, WireError> {
    let own = || m.call.as_ref().map(|call| call.incarnation.as_ref()).unwrap_or_default();
    let error = match v1::CallErrorKind::try_from(m.kind) {
        Ok(v1::CallErrorKind::Fenced) => CallError::Fenced(term(m.highest_term.as_ref())?),
        Ok(v1::CallErrorKind::Tombstoned) => CallError::Tombstoned,
        Ok(v1::CallErrorKind::KeyConflict) => CallError::KeyConflict,
        Ok(v1::CallErrorKind::Busy) => CallError::Busy,
        Ok(v1::CallErrorKind::WrongIncarnation) => {
            CallError::WrongIncarnation(id(own(), "call.incarnation")?)
        }
        Ok(v1::CallErrorKind::BelowLowWater) => CallError::BelowLowWater(Position(m.low_water)),
        Ok(v1::CallErrorKind::Draining) => CallError::Draining,
        Ok(v1::CallErrorKind::Unsupported) => CallError::Unsupported,
        Ok(v1::CallErrorKind::Unspecified) => return Err(bad("kind")),
        Err(_) => return Ok(None),
    };
    reply(m.call.as_ref(), Answer::Error(error))
}

fn reply(call: Option<&v1::CallRef>, answer: Answer) -> Result<Option<Reply>, WireError> {
    let call = call.ok_or(bad("call"))?;
    let Some(role) = known_role(call.role)? else { return Ok(None) };
    let (_, key) = key(call.key.as_ref())?;
    let verb = match v1::CallKind::try_from(call.kind) {
        Ok(v1::CallKind::Execute) => Verb::Execute,
        Ok(v1::CallKind::Undo) => Verb::Undo,
        Ok(v1::CallKind::Lookup) => Verb::Lookup,
        Ok(v1::CallKind::Unspecified) | Err(_) => return Err(bad("call.kind")),
    };
    Ok(Some(Reply {
        ledger: LedgerId { host: id(&call.host, "call.host")?, role },
        incarnation: id(&call.incarnation, "call.incarnation")?,
        key,
        verb,
        attempt: Attempt(call.attempt),
        answer,
    }))
}

/// The kind of message that carries an answer.
pub(crate) fn reply_out(cell: CellId, reply: &Reply) -> v1::agent_message::Kind {
    let call = Some(v1::CallRef {
        key: Some(key_out(cell, reply.key)),
        kind: match reply.verb {
            Verb::Execute => v1::CallKind::Execute,
            Verb::Undo => v1::CallKind::Undo,
            Verb::Lookup => v1::CallKind::Lookup,
        } as i32,
        attempt: reply.attempt.0,
        role: role_out(reply.ledger.role),
        incarnation: reply.incarnation.0.to_vec().into(),
        host: reply.ledger.host.0.to_vec().into(),
    });
    let kind = match &reply.answer {
        Answer::Done(output) => Kind::Done(v1::Done { output: Some(output_out(output)) }),
        Answer::Refused(refusal) => Kind::Refused(refusal_out(refusal)),
        Answer::Undone => Kind::Undone(v1::Undone {}),
        Answer::Running => Kind::Running(v1::Running {}),
        Answer::Absent => Kind::Absent(v1::Absent {}),
        Answer::Error(error) => return v1::agent_message::Kind::CallError(error_out(*error, call)),
    };
    v1::agent_message::Kind::Outcome(v1::Outcome { call, kind: Some(kind) })
}

fn error_out(error: CallError, call: Option<v1::CallRef>) -> v1::CallError {
    let mut out = v1::CallError { call, message: error.to_string(), ..Default::default() };
    let kind = match error {
        CallError::Fenced(highest) => {
            out.highest_term = Some(term_out(highest));
            v1::CallErrorKind::Fenced
        }
        CallError::Tombstoned => v1::CallErrorKind::Tombstoned,
        CallError::KeyConflict => v1::CallErrorKind::KeyConflict,
        CallError::Busy => v1::CallErrorKind::Busy,
        CallError::WrongIncarnation(own) => {
            if let Some(call) = &mut out.call {
                call.incarnation = own.0.to_vec().into();
            }
            v1::CallErrorKind::WrongIncarnation
        }
        CallError::BelowLowWater(position) => {
            out.low_water = position.0;
            v1::CallErrorKind::BelowLowWater
        }
        CallError::Draining => v1::CallErrorKind::Draining,
        CallError::Unsupported => v1::CallErrorKind::Unsupported,
    };
    out.kind = kind as i32;
    out
}

fn output(m: Option<&v1::StepOutput>) -> Result<StepOutput, WireError> {
    match m.and_then(|output| output.kind.as_ref()) {
        None => Ok(StepOutput::None),
        Some(v1::step_output::Kind::Export(m)) => endpoint(Some(m), "output.export").map(StepOutput::Export),
    }
}

fn output_out(output: &StepOutput) -> v1::StepOutput {
    let kind = match output {
        StepOutput::None => None,
        StepOutput::Export(endpoint) => Some(v1::step_output::Kind::Export(endpoint_out(endpoint))),
    };
    v1::StepOutput { kind }
}

pub(crate) fn refusal(m: &v1::Refused) -> Result<Refusal, WireError> {
    if m.code == 0 {
        return Err(bad("refused.code"));
    }
    let code = RefusalCode::ALL.iter().copied().find(|known| i32::from(*known as u8) == m.code);
    // One that only a newer agent knows is told by its message.
    Ok(Refusal {
        code: code.unwrap_or(RefusalCode::DriverFailed),
        retryable: m.retryable,
        message: cut(&m.message),
    })
}

/// What fits into the record of a text for people.
fn cut(message: &str) -> String {
    message[..message.floor_char_boundary(TEXT_BYTES_MAX)].to_owned()
}

pub(crate) fn refusal_out(refusal: &Refusal) -> v1::Refused {
    v1::Refused {
        code: i32::from(refusal.code as u8),
        retryable: refusal.retryable,
        message: cut(&refusal.message),
    }
}
