//! The steps that the tests ask for: a volume, a port, a guest that boots with both, and what removes them.

use windlass_sagas::ids::*;
use windlass_sagas::protocol::Answer;
use windlass_sagas::record::*;

use crate::authority::HOST;
use crate::session::Step;

pub(crate) const PORT: PortId = PortId([5; 16]);
pub(crate) const SERVER: ServerId = ServerId([6; 16]);

fn step(index: u16, role: Role, input: StepInput) -> Step {
    Step {
        key: StepKey { saga: SagaId([4; 16]), step: StepIndex(index) },
        role,
        input,
        exports: Vec::new(),
        closes: Vec::new(),
        dispatched: Position(10 + u64::from(index)),
        remaining_ms: 60_000,
    }
}

pub(crate) const fn volume_id(n: u8) -> VolumeId {
    VolumeId([n; 16])
}

/// Make a volume and export it to this very host: three sub-changes, the sync among them.
pub(crate) fn volume(n: u8) -> Step {
    let input = StepInput::ReserveVolume {
        volume: volume_id(n),
        size_gib: 1,
        image: None,
        made_here: true,
        export_to: Some(HOST),
    };
    step(100 + u16::from(n), Role::Storage, input)
}

/// Delete that volume, and close the key that made it.
pub(crate) fn volume_deleted(n: u8) -> Step {
    let made = volume(n);
    let input = StepInput::ReleaseVolume { volume: volume_id(n), export_to: Some(HOST), delete: true };
    let maker = Maker { saga: made.key.saga, step: made.key.step, dispatched: made.dispatched };
    Step { closes: vec![maker], ..step(200 + u16::from(n), Role::Storage, input) }
}

/// Make the port.
pub(crate) fn port() -> Step {
    let setup = PortSetup {
        port: PORT,
        network: NetworkId([7; 16]),
        vni: 4096,
        mtu: 1450,
        mac: Mac([2, 0, 0, 0, 0, 1]),
        addresses: Vec::new(),
    };
    step(1, Role::Network, StepInput::PreparePort(setup))
}

/// Boot the guest with the port and this volume, of which the answer to its making is known.
pub(crate) fn guest(n: u8, made: &Answer) -> Step {
    let Answer::Done(StepOutput::Export(endpoint)) = made else { unreachable!("no export: {made:?}") };
    let setup = GuestSetup {
        server: SERVER,
        name: "web".into(),
        vcpus: 1,
        ram_mib: 512,
        volumes: vec![volume_id(n)],
        ports: vec![PORT],
        public_key: None,
        user_data: None,
        metadata: Vec::new(),
    };
    let exports = vec![BoundExport { volume: volume_id(n), endpoint: endpoint.clone() }];
    Step { exports, ..step(2, Role::Hypervisor, StepInput::BootGuest(setup)) }
}

/// Whether this is a Done.
pub(crate) fn is_done(answer: &Answer) -> bool {
    matches!(answer, Answer::Done(_))
}

/// The code of a refusal.
pub(crate) fn refused(answer: &Answer) -> RefusalCode {
    match answer {
        Answer::Refused(refusal) => refusal.code,
        other => unreachable!("no refusal: {other:?}"),
    }
}
