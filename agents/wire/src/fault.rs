//! Planned faults on the wire: the leader's list down, what the agent holds up.

use windlass_proto::agent::v1;
use windlass_proto::agent::v1::leased_fault::When;
use windlass_sagas::fault::FaultKind;
use windlass_sagas::ids::{HostId, Term};
use windlass_sagas::limits::{FAULT_CHANGES_MAX, FAULT_DELAY_MS_MAX, FAULT_LEASE_MS, FAULTS_MAX};
use windlass_sagas::protocol::{Down, FaultHeld, FaultsHeld, LeasedFault};
use windlass_sagas::record::{Direction, FaultPoint, FaultRule, FaultWhen};

use crate::limits::VERSION;
use crate::{WireError, at_most, bad, id, known_role, role, role_out, term, term_out};

pub(crate) fn faults(m: &v1::Faults) -> Result<Down, WireError> {
    at_most(m.faults.len(), FAULTS_MAX, "faults")?;
    let faults = m.faults.iter().filter(|m| known(m)).map(leased).collect::<Result<_, _>>()?;
    Ok(Down::Faults { term: term(m.term.as_ref())?, faults })
}

pub(crate) fn faults_out(term: Term, faults: &[LeasedFault]) -> v1::Faults {
    v1::Faults { term: Some(term_out(term)), faults: faults.iter().map(leased_out).collect() }
}

/// Whether this build knows what the fault asks for: one that it does not know never strikes, and is not held.
fn known(m: &v1::LeasedFault) -> bool {
    let named = known_role(m.role).is_ok_and(|role| role.is_some()) || m.role == 0;
    named
        && m.version_min <= VERSION
        && m.when.is_some()
        && kind(m.kind).is_ok()
        && point(m.point).is_ok()
        && direction(m.direction).is_ok()
}

fn leased(m: &v1::LeasedFault) -> Result<LeasedFault, WireError> {
    if u64::from(m.remaining_ms) > FAULT_LEASE_MS.1 {
        return Err(bad("faults.remaining_ms"));
    }
    let when = match m.when.as_ref().ok_or(bad("faults.when"))? {
        When::Nth(first) => FaultWhen::Nth(*first),
        When::ChancePpm(ppm) if *ppm <= 1_000_000 => FaultWhen::Chance { ppm: *ppm },
        When::ChancePpm(_) => return Err(bad("faults.chance_ppm")),
    };
    if !(1..=FAULT_CHANGES_MAX).contains(&m.after_changes) {
        return Err(bad("faults.after_changes"));
    }
    if m.delay_ms > FAULT_DELAY_MS_MAX {
        return Err(bad("faults.delay_ms"));
    }
    let rule = FaultRule {
        kind: kind(m.kind)?,
        role: if m.role == 0 { None } else { Some(role(m.role)?) },
        step: Some(m.step.clone()).filter(|step| !step.is_empty()),
        direction: direction(m.direction)?,
        when,
        seed: m.seed,
        times: Some(m.times).filter(|times| *times > 0),
        point: point(m.point)?,
        after_changes: m.after_changes,
        delay_ms: m.delay_ms,
        retryable: m.retryable,
    };
    Ok(LeasedFault { id: id(&m.id, "faults.id")?, rule, remaining_ms: m.remaining_ms })
}

fn leased_out(fault: &LeasedFault) -> v1::LeasedFault {
    let LeasedFault { id, rule, remaining_ms } = fault;
    v1::LeasedFault {
        id: id.0.to_vec().into(),
        remaining_ms: *remaining_ms,
        kind: i32::from(rule.kind as u8),
        role: rule.role.map_or(0, role_out),
        step: rule.step.clone().unwrap_or_default(),
        direction: rule.direction.map_or(0, |direction| match direction {
            Direction::Forward => v1::Direction::Forward as i32,
            Direction::Undo => v1::Direction::Undo as i32,
        }),
        when: Some(match rule.when {
            FaultWhen::Nth(first) => When::Nth(first),
            FaultWhen::Chance { ppm } => When::ChancePpm(ppm),
        }),
        seed: rule.seed,
        times: rule.times.unwrap_or(0),
        point: i32::from(rule.point as u8),
        after_changes: rule.after_changes,
        delay_ms: rule.delay_ms,
        retryable: rule.retryable,
        version_min: 0,
    }
}

/// The numbers are the record's, which a test compares.
fn kind(number: i32) -> Result<FaultKind, WireError> {
    let known = v1::FaultKind::try_from(number).map_err(|_| bad("faults.kind"))?;
    let same = |kind: &&FaultKind| i32::from(**kind as u8) == known as i32;
    FaultKind::ALL.iter().find(same).copied().ok_or(bad("faults.kind"))
}

fn point(number: i32) -> Result<FaultPoint, WireError> {
    let same = |point: &&FaultPoint| i32::from(**point as u8) == number;
    FaultPoint::ALL.iter().find(same).copied().ok_or(bad("faults.point"))
}

fn direction(number: i32) -> Result<Option<Direction>, WireError> {
    match v1::Direction::try_from(number) {
        Ok(v1::Direction::Unspecified) => Ok(None),
        Ok(v1::Direction::Forward) => Ok(Some(Direction::Forward)),
        Ok(v1::Direction::Undo) => Ok(Some(Direction::Undo)),
        Err(_) => Err(bad("faults.direction")),
    }
}

pub(crate) fn held(host: HostId, m: &v1::FaultsHeld) -> Result<FaultsHeld, WireError> {
    at_most(m.faults.len(), FAULTS_MAX, "faults")?;
    let one = |m: &v1::FaultHeld| {
        let (id, kind) = (id(&m.id, "faults.id")?, kind(m.kind)?);
        Ok(FaultHeld { id, kind, strikes: m.strikes })
    };
    // What this build can't name it has not armed.
    let named = m.faults.iter().filter(|m| kind(m.kind).is_ok());
    let faults = named.map(one).collect::<Result<_, _>>()?;
    let refusal = Some(m.refusal.clone()).filter(|refusal| !refusal.is_empty());
    Ok(FaultsHeld { host, faults, refusal })
}

pub(crate) fn held_out(held: &FaultsHeld) -> v1::FaultsHeld {
    let one = |held: &FaultHeld| v1::FaultHeld {
        id: held.id.0.to_vec().into(),
        kind: i32::from(held.kind as u8),
        strikes: held.strikes,
    };
    let refusal = held.refusal.clone().unwrap_or_default();
    v1::FaultsHeld { faults: held.faults.iter().map(one).collect(), refusal }
}

#[cfg(test)]
mod tests {
    use windlass_sagas::fault::Target;

    use super::*;

    #[test]
    fn every_kind_of_an_agent_and_every_point_has_its_name_under_its_number() {
        for kind in FaultKind::of_target(Target::Agents) {
            let named = v1::FaultKind::try_from(i32::from(kind as u8)).expect("on the wire");
            let expected = format!("FAULT_KIND_{}", kind.name().to_uppercase());
            assert_eq!(named.as_str_name(), expected);
            assert_eq!(super::kind(named as i32), Ok(kind));
        }
        for point in FaultPoint::ALL {
            let named = v1::FaultPoint::try_from(i32::from(*point as u8)).expect("on the wire");
            assert_eq!(named.as_str_name(), format!("FAULT_POINT_{}", point.name().to_uppercase()));
            assert_eq!(super::point(named as i32), Ok(*point));
        }
        let leaders = FaultKind::of_target(Target::Leader).map(|kind| i32::from(kind as u8));
        for number in leaders.chain([0, 14, 99]) {
            assert!(super::kind(number).is_err(), "{number} is no agent's");
        }
    }
}
