//! Planned faults as messages: the fold's word, and beside it what this orchestrator hears of their strikes.

use windlass_proto::v1;
use windlass_proto::v1::planned_fault::{Kind, Point, State};
use windlass_sagas::cell::state::Fault;
use windlass_sagas::fault::{FaultKind, Target};
use windlass_sagas::limits::FAULT_DELAY_DEFAULT_MS;
use windlass_sagas::record::{Direction, FaultPoint, FaultRule, FaultWhen, Principal};

use super::role;
use crate::api::fault::holders;
use crate::api::fields::stamp;
use crate::api::names;
use crate::api::view::View;

impl View<'_> {
    pub(in crate::api) fn planned_fault(&self, fault: &Fault) -> v1::PlannedFault {
        let (told, here) = self.inventories.strikes(fault.id);
        let strikes = match fault.target() {
            Target::Agents => told.iter().map(|(_, strikes)| strikes).sum(),
            Target::Leader => here,
        };
        v1::PlannedFault {
            name: names::fault(fault.id),
            host: fault.host.map(names::host).unwrap_or_default(),
            lease_ms: fault.expires.ms_since(fault.armed),
            reason: fault.reason.clone(),
            state: self.fault_state(fault).into(),
            armed_by: match fault.by {
                Principal::User(id) => names::principal(id),
                Principal::Host(id) => names::host(id),
                Principal::Cell => String::new(),
            },
            arm_time: stamp(fault.armed),
            expire_time: stamp(fault.expires),
            remaining_ms: fault.expires.ms_since(self.now),
            strikes,
            holders: holders(told),
            position: self.position(),
            ..ruled(&fault.rule)
        }
    }

    pub(in crate::api) fn fault_state(&self, fault: &Fault) -> State {
        if fault.in_force(self.now, self.cell.term) { State::Armed } else { State::Expired }
    }
}

fn ruled(rule: &FaultRule) -> v1::PlannedFault {
    let (nth_call, probability) = match rule.when {
        FaultWhen::Nth(first) => (first, 0.0),
        FaultWhen::Chance { ppm } => (0, f64::from(ppm) / 1e6),
    };
    let late = matches!(rule.kind, FaultKind::Delay | FaultKind::Duplicate | FaultKind::OrchestratorPause);
    v1::PlannedFault {
        kind: kind(rule.kind).into(),
        role: rule.role.map(role).map_or(0, Into::into),
        step: rule.step.clone().unwrap_or_default(),
        direction: match rule.direction {
            None => v1::event::Direction::Unspecified,
            Some(Direction::Forward) => v1::event::Direction::Forward,
            Some(Direction::Undo) => v1::event::Direction::Undo,
        }
        .into(),
        nth_call,
        probability,
        seed: rule.seed,
        times: rule.times.unwrap_or(0),
        point: match rule.point {
            FaultPoint::Before => Point::Before,
            FaultPoint::Between => Point::Between,
            FaultPoint::After => Point::After,
            FaultPoint::Reply | FaultPoint::Arrival => Point::Unspecified,
        }
        .into(),
        after_changes: if rule.point == FaultPoint::Between { rule.after_changes } else { 0 },
        delay_ms: (late || rule.delay_ms != FAULT_DELAY_DEFAULT_MS).then_some(rule.delay_ms),
        permanent: !rule.retryable,
        ..Default::default()
    }
}

/// The words of a kind.
pub(in crate::api) const fn kind(kind: FaultKind) -> Kind {
    match kind {
        FaultKind::ErrorBefore => Kind::ErrorBefore,
        FaultKind::ErrorAfter => Kind::ErrorAfter,
        FaultKind::CrashBefore => Kind::CrashBefore,
        FaultKind::CrashBetween => Kind::CrashBetween,
        FaultKind::CrashAfter => Kind::CrashAfter,
        FaultKind::PowerCut => Kind::PowerCut,
        FaultKind::LedgerLost => Kind::LedgerLost,
        FaultKind::HostReboot => Kind::HostReboot,
        FaultKind::Hang => Kind::Hang,
        FaultKind::DiskFull => Kind::DiskFull,
        FaultKind::WrongTerm => Kind::WrongTerm,
        FaultKind::Delay => Kind::Delay,
        FaultKind::Duplicate => Kind::Duplicate,
        FaultKind::JournalUnavailable => Kind::JournalUnavailable,
        FaultKind::JournalUnknown => Kind::JournalUnknown,
        FaultKind::OrchestratorCrash => Kind::OrchestratorCrash,
        FaultKind::OrchestratorPause => Kind::OrchestratorPause,
        // Nobody can arm them.
        FaultKind::Drop | FaultKind::Partition => Kind::Unspecified,
    }
}
