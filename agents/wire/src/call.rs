//! A call and what it is about.

use windlass_proto::agent::v1;
use windlass_sagas::ids::{Attempt, CellId, Incarnation, Position, StepIndex};
use windlass_sagas::protocol::{Call, CallBody, Owner, Verb};
use windlass_sagas::record::{BoundExport, Direction, LedgerId, Maker, StepKey};

use crate::limits::EXPORTS_MAX;
use crate::step::{input, input_out};
use crate::{WireError, bad, endpoint, endpoint_out, id, role, role_out, term, term_out};

/// What says which call of which ledger it is.
pub(crate) struct Head {
    cell: CellId,
    key: StepKey,
    ledger: LedgerId,
    incarnation: Incarnation,
}

pub(crate) fn head(m: &v1::Call) -> Result<Head, WireError> {
    let (cell, key) = key(m.key.as_ref())?;
    let ledger = LedgerId { host: id(&m.host, "host")?, role: role(m.role)? };
    Ok(Head { cell, key, ledger, incarnation: id(&m.incarnation, "incarnation")? })
}

pub(crate) fn call(m: Option<&v1::Call>, verb: Verb, direction: Direction) -> Result<Call, WireError> {
    let m = m.ok_or(bad("call"))?;
    if m.exports.len() > EXPORTS_MAX {
        return Err(bad("exports"));
    }
    let Head { cell, key, ledger, incarnation } = head(m)?;
    Ok(Call {
        term: term(m.term.as_ref())?,
        key,
        verb,
        direction,
        attempt: Attempt(m.attempt),
        dispatched: Position(m.dispatch_position),
        ledger,
        incarnation,
        remaining_ms: m.time_remaining_ms,
        owner: Owner { cell, project: id(&m.project, "project")? },
        body: CallBody {
            input: input(m.input.as_ref())?,
            exports: m.exports.iter().map(export).collect::<Result<_, _>>()?,
            closes: m.closes.iter().map(closed).collect::<Result<_, _>>()?,
        },
    })
}

pub(crate) fn call_out(call: &Call) -> v1::Call {
    let cell = call.owner.cell;
    v1::Call {
        term: Some(term_out(call.term)),
        key: Some(key_out(cell, call.key)),
        attempt: call.attempt.0,
        dispatch_position: call.dispatched.0,
        host: call.ledger.host.0.to_vec().into(),
        role: role_out(call.ledger.role),
        incarnation: call.incarnation.0.to_vec().into(),
        time_remaining_ms: call.remaining_ms,
        project: call.owner.project.0.to_vec().into(),
        input: Some(input_out(&call.body.input)),
        closes: call.body.closes.iter().map(|closed| closed_out(cell, closed)).collect(),
        exports: call.body.exports.iter().map(export_out).collect(),
    }
}

pub(crate) fn key(m: Option<&v1::Key>) -> Result<(CellId, StepKey), WireError> {
    let m = m.ok_or(bad("key"))?;
    let step = StepIndex(u16::try_from(m.step).map_err(|_| bad("key.step"))?);
    Ok((id(&m.cell, "key.cell")?, StepKey { saga: id(&m.saga, "key.saga")?, step }))
}

pub(crate) fn key_out(cell: CellId, key: StepKey) -> v1::Key {
    v1::Key { cell: cell.0.to_vec().into(), saga: key.saga.0.to_vec().into(), step: u32::from(key.step.0) }
}

fn closed(m: &v1::KeyAt) -> Result<Maker, WireError> {
    let (_, StepKey { saga, step }) = key(m.key.as_ref())?;
    Ok(Maker { saga, step, dispatched: Position(m.dispatch_position) })
}

fn closed_out(cell: CellId, closed: &Maker) -> v1::KeyAt {
    let key = StepKey { saga: closed.saga, step: closed.step };
    v1::KeyAt { key: Some(key_out(cell, key)), dispatch_position: closed.dispatched.0 }
}

fn export(m: &v1::BoundExport) -> Result<BoundExport, WireError> {
    let endpoint = endpoint(m.endpoint.as_ref(), "exports.endpoint")?;
    Ok(BoundExport { volume: id(&m.volume, "exports.volume")?, endpoint })
}

fn export_out(export: &BoundExport) -> v1::BoundExport {
    v1::BoundExport {
        volume: export.volume.0.to_vec().into(),
        endpoint: Some(endpoint_out(&export.endpoint)),
    }
}
