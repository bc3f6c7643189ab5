//! Samples of what the cell itself reports.

use windlass_sagas::ids::*;
use windlass_sagas::record::*;

use super::*;

pub(crate) fn all() -> Vec<Report> {
    vec![
        Report::Genesis(genesis()),
        Report::Campaign(campaign()),
        Report::RaiseFormat(RaiseFormat { level: 2 }),
        Report::Step(StepReport {
            saga: SagaId(hex(1)),
            step: StepIndex(2),
            direction: Direction::Undo,
            attempt: Attempt(3),
            outcome: Outcome::Refused(refusal()),
        }),
        Report::Overdue(SagaOverdue { saga: SagaId(hex(1)) }),
        Report::HostSeen(HostSeen {
            host: HostId(hex(1)),
            boot: BootId(hex(2)),
            capacity: capacity(),
            traits: texts(&["kvm", "avx512"]),
        }),
        Report::HostSilent(HostSilent { host: HostId(hex(1)) }),
        Report::Ledger(LedgerReported {
            host: HostId(hex(1)),
            role: Role::Storage,
            incarnation: Incarnation(hex(2)),
            orphans: vec![ResourceRef::Volume(VolumeId(hex(3)))],
            losses: vec![ResourceRef::Volume(VolumeId(hex(4))), ResourceRef::Server(ServerId(hex(5)))],
        }),
    ]
}

/// The genesis of fact and event.
pub(crate) fn genesis() -> Genesis {
    Genesis {
        cell: CellId(hex(1)),
        name: "north-1".into(),
        level: 1,
        admin: PrincipalId(hex(2)),
        credential: CredentialId(hex(3)),
        secret_sha256: hash(4),
    }
}

/// The campaign of fact and event.
pub(crate) fn campaign() -> Campaign {
    Campaign {
        term: Term { generation: 3, elected: Position(400) },
        build: "0.1.0".into(),
        recover: Some("ops@example.org: the tail was lost with rack 4".into()),
    }
}
