//! The bugs that can be planted in driver work show in the world's own count and in what a power cut leaves. One test,
//! since a planted bug is the whole process's.

#![cfg(feature = "planted")]

use windlass_sagas::ids::*;
use windlass_sagas::planted::{self, Bug};
use windlass_sagas::protocol::Owner;
use windlass_sagas::protocol::ledger::{Op, Work, WorkId, WorkResult};
use windlass_sagas::record::*;
use windlass_world::{Operation, Progress, World};

fn execute(world: &mut World) {
    let input = StepInput::ReserveVolume {
        volume: VolumeId([5; 16]),
        size_gib: 4,
        image: None,
        made_here: true,
        export_to: Some(HostId([2; 16])),
    };
    let mut operation = Operation::of(&Work {
        id: WorkId(1),
        key: StepKey { saga: SagaId([1; 16]), step: StepIndex(0) },
        op: Op::Execute,
        input,
        exports: vec![],
        owner: Owner { cell: CellId([1; 16]), project: ProjectId([1; 16]) },
        remaining_ms: 1000,
    });
    let end = (0..20).find_map(|_| match operation.step(world) {
        Progress::Finished(result) => Some(result),
        Progress::Changed(_) | Progress::Synced => None,
    });
    assert!(matches!(end, Some(WorkResult::Executed(Ok(StepOutput::Export(_))))));
}

#[test]
fn each_planted_bug_of_a_driver_shows() {
    let world = || World::new("h0", Capacity { vcpus: 8, ram_mib: 4096, disk_gib: 100 });

    let mut sound = world();
    execute(&mut sound);
    execute(&mut sound);
    sound.power_cut();
    assert_eq!((sound.repeated(), sound.is_empty()), (0, false));

    planted::set(&[Bug::ExecuteTrustsLedger]);
    let mut trusting = world();
    execute(&mut trusting);
    assert_eq!(trusting.repeated(), 0, "the first makes what is not there");
    execute(&mut trusting);
    assert!(trusting.repeated() > 0);

    planted::set(&[Bug::OutcomeBeforeDurable]);
    let mut hasty = world();
    execute(&mut hasty);
    hasty.power_cut();
    assert!(hasty.is_empty(), "it was told done, and the power cut took it");
    planted::set(&[]);
}
