//! Samples of planned faults.

use windlass_sagas::fault::FaultKind;
use windlass_sagas::ids::*;
use windlass_sagas::record::*;

use super::*;

pub(crate) fn orders() -> Vec<Body> {
    let fault = FaultAsked {
        kind: FaultKind::CrashBetween,
        role: Some(Role::Storage),
        step: Some("reserve_volume".into()),
        direction: Some(Direction::Undo),
        nth: Some(3),
        chance_ppm: Some(250_000),
        seed: 7,
        times: Some(2),
        point: Some(FaultPoint::Between),
        after_changes: Some(4),
        delay_ms: Some(1_500),
        retryable: Some(true),
    };
    let (host, reason) = (Some("rack-4-7".into()), "the autumn drill".into());
    vec![
        Body::ArmFault(ArmFault { fault, host, lease_ms: 60_000, reason }),
        Body::DisarmFault(DisarmFault { fault: Some(FaultId(hex(1))) }),
    ]
}

pub(crate) fn events() -> Vec<Event> {
    let rule = FaultRule {
        kind: FaultKind::PowerCut,
        role: Some(Role::Hypervisor),
        step: Some("boot_vm".into()),
        direction: Some(Direction::Forward),
        when: FaultWhen::Chance { ppm: 250_000 },
        seed: 7,
        times: Some(2),
        point: FaultPoint::Between,
        after_changes: 4,
        delay_ms: 1_500,
        retryable: true,
    };
    let (id, host, by) = (FaultId(hex(1)), Some(HostId(hex(2))), Principal::User(PrincipalId(hex(3))));
    let (expires, reason) = (Time(1_800_000_000_000_000), "the autumn drill".into());
    vec![
        Event::FaultArmed(FaultArmed { id, rule, host, expires, by, reason }),
        Event::FaultDisarmed(FaultDisarmed { fault: id }),
        Event::FaultForgotten(FaultForgotten { fault: id }),
    ]
}
