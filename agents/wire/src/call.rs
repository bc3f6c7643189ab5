//! A call and what it is about.

use windlass_proto::agent::v1;
use windlass_sagas::ids::{Attempt, CellId, Position, StepIndex};
use windlass_sagas::protocol::{Call, CallBody, Owner, Verb};
use windlass_sagas::record::{BoundExport, Direction, LedgerId, Maker, StepKey};

use crate::limits::{CLOSES_MAX, EXPORTS_MAX, VERSION};
use crate::step::{input, input_out};
use crate::{WireError, at_most, bad, endpoint, endpoint_out, id, role, role_out, term, term_out};

pub(crate) fn call(m: Option<&v1::Call>, verb: Verb, direction: Direction) -> Result<Call, WireError> {
    let m = m.ok_or(bad("call"))?;
    if m.version_min > VERSION {
        return Err(bad("version_min"));
    }
    at_most(m.exports.len(), EXPORTS_MAX, "exports")?;
    at_most(m.closes.len(), CLOSES_MAX, "closes")?;
    let (cell, key) = key(m.key.as_ref())?;
    Ok(Call {
        term: term(m.term.as_ref())?,
        key,
        verb,
        direction,
        attempt: Attempt(m.attempt),
        dispatched: Position(m.dispatch_position),
        ledger: LedgerId { host: id(&m.host, "host")?, role: role(m.role)? },
        incarnation: id(&m.incarnation, "incarnation")?,
        remaining_ms: m.remaining_ms,
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
        remaining_ms: call.remaining_ms,
        project: call.owner.project.0.to_vec().into(),
        input: Some(input_out(&call.body.input)),
        closes: call.body.closes.iter().map(|closed| closed_out(cell, closed)).collect(),
        exports: call.body.exports.iter().map(export_out).collect(),
        version_min: 0,
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
