//! What a leader sends down.

use windlass_proto::agent::v1;
use windlass_proto::agent::v1::orchestrator_message::Kind;
use windlass_sagas::ids::{HostId, Position};
use windlass_sagas::protocol::{Down, Verb};
use windlass_sagas::record::{Direction, LedgerId};

use crate::call::{call, call_out};
use crate::fault::{faults, faults_out};
use crate::view::{view, view_out};
use crate::{WireError, bad, hash, id, known_role, role_out, term, term_out};

/// Reads a message for the agent of `host`; `None` for one that only a newer orchestrator knows.
///
/// # Errors
/// The field at fault.
pub fn decode_down(host: HostId, message: &v1::OrchestratorMessage) -> Result<Option<Down>, WireError> {
    let Some(kind) = &message.kind else { return Ok(None) };
    Ok(Some(match kind {
        Kind::Lead(m) => Down::Lead {
            term: term(m.term.as_ref())?,
            position: Position(m.position),
            hash: hash(&m.hash, "hash")?,
        },
        Kind::Execute(m) => Down::Call(Box::new(call(m.call.as_ref(), Verb::Execute, Direction::Forward)?)),
        Kind::Undo(m) => Down::Call(Box::new(call(m.call.as_ref(), Verb::Undo, Direction::Undo)?)),
        Kind::Lookup(m) => {
            let direction = match v1::Direction::try_from(m.direction) {
                Ok(v1::Direction::Forward) => Direction::Forward,
                Ok(v1::Direction::Undo) => Direction::Undo,
                Ok(v1::Direction::Unspecified) | Err(_) => return Err(bad("direction")),
            };
            Down::Call(Box::new(call(m.call.as_ref(), Verb::Lookup, direction)?))
        }
        Kind::LowWater(m) => Down::LowWater {
            ledger: match known_role(m.role)? {
                Some(role) => LedgerId { host, role },
                None => return Ok(None),
            },
            incarnation: id(&m.incarnation, "incarnation")?,
            term: term(m.term.as_ref())?,
            position: Position(m.position),
        },
        Kind::TakeInventory(m) => {
            let Some(role) = known_role(m.role)? else { return Ok(None) };
            Down::TakeInventory { ledger: LedgerId { host, role } }
        }
        Kind::Seen(m) => Down::Seen {
            term: term(m.term.as_ref())?,
            position: Position(m.position),
            hash: hash(&m.hash, "hash")?,
        },
        Kind::Faults(m) => faults(m)?,
        // No word of the protocol: `ConsoleAsked` reads it.
        Kind::ReadConsole(_) => return Err(bad("kind")),
        Kind::View(m) => Down::View { term: term(m.term.as_ref())?, view: Box::new(view(m)?) },
    }))
}

/// Writes a message.
#[must_use]
pub fn encode_down(down: &Down) -> v1::OrchestratorMessage {
    let kind = match down {
        Down::Lead { term, position, hash } => Kind::Lead(v1::Lead {
            term: Some(term_out(*term)),
            position: position.0,
            hash: hash.0.to_vec().into(),
        }),
        Down::Call(call) => {
            let out = Some(call_out(call));
            match call.verb {
                Verb::Execute => Kind::Execute(v1::Execute { call: out }),
                Verb::Undo => Kind::Undo(v1::Undo { call: out }),
                Verb::Lookup => {
                    let direction = match call.direction {
                        Direction::Forward => v1::Direction::Forward,
                        Direction::Undo => v1::Direction::Undo,
                    };
                    Kind::Lookup(v1::Lookup { call: out, direction: direction as i32 })
                }
            }
        }
        Down::LowWater { ledger, incarnation, term, position } => Kind::LowWater(v1::LowWater {
            role: role_out(ledger.role),
            incarnation: incarnation.0.to_vec().into(),
            position: position.0,
            term: Some(term_out(*term)),
        }),
        Down::TakeInventory { ledger } => {
            Kind::TakeInventory(v1::TakeInventory { role: role_out(ledger.role) })
        }
        Down::View { term, view } => Kind::View(v1::View { term: Some(term_out(*term)), ..view_out(view) }),
        Down::Faults { term, faults } => Kind::Faults(faults_out(*term, faults)),
        Down::Seen { term, position, hash } => Kind::Seen(v1::Seen {
            position: position.0,
            hash: hash.0.to_vec().into(),
            term: Some(term_out(*term)),
        }),
    };
    v1::OrchestratorMessage { kind: Some(kind) }
}
