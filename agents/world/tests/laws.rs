//! Laws of the simulated host: whatever interrupts an operation, resuming it reaches the same world; its undo leaves
//! nothing; what was synced survives a power cut; observing agrees with what is still missing.

#![allow(clippy::panic, reason = "a test's helper panics where the test fails")]

use proptest::prelude::*;
use windlass_sagas::ids::*;
use windlass_sagas::protocol::Owner;
use windlass_sagas::protocol::ledger::{Observed, Op, Work, WorkId, WorkResult};
use windlass_sagas::record::*;
use windlass_world::{Operation, Progress, World};

const HOST: HostId = HostId([2; 16]);
const SERVER: ServerId = ServerId([3; 16]);
const ROOT: VolumeId = VolumeId([4; 16]);
const DATA: VolumeId = VolumeId([5; 16]);
const PORT: PortId = PortId([6; 16]);
const NETWORK: NetworkId = NetworkId([7; 16]);
const ATTACHMENT: AttachmentId = AttachmentId([8; 16]);

fn world() -> World {
    World::new("h0", Capacity { vcpus: 8, ram_mib: 4096, disk_gib: 100 })
}

/// The steps of a create on one host, in an order in which each finds what it rests on.
fn steps() -> Vec<StepInput> {
    let image = ImageSource { image: ImageId([1; 16]), sha256: Hash([9; 32]), format: ImageFormat::Raw };
    let reserve = |volume, image| StepInput::ReserveVolume {
        volume,
        size_gib: 4,
        image,
        made_here: true,
        export_to: Some(HOST),
    };
    vec![
        reserve(ROOT, Some(image)),
        reserve(DATA, None),
        StepInput::PreparePort(PortSetup {
            port: PORT,
            network: NETWORK,
            vni: 4096,
            mtu: 1450,
            mac: Mac([2; 6]),
            addresses: vec![],
        }),
        StepInput::BootGuest(GuestSetup {
            server: SERVER,
            name: "web".into(),
            vcpus: 1,
            ram_mib: 512,
            volumes: vec![ROOT],
            ports: vec![PORT],
            public_key: None,
            user_data: None,
            metadata: vec![],
        }),
        StepInput::PlugVolume { attachment: ATTACHMENT, server: SERVER, volume: DATA, device: 1 },
        StepInput::ConfirmGuest { server: SERVER, evidence: Evidence::Hello },
    ]
}

fn work(op: Op, input: &StepInput) -> Operation {
    let endpoint = Endpoint { host: "s0".into(), port: 1 };
    let export = |volume| BoundExport { volume, endpoint: endpoint.clone() };
    Operation::of(&Work {
        id: WorkId(1),
        key: StepKey { saga: SagaId([1; 16]), step: StepIndex(0) },
        op,
        input: input.clone(),
        exports: vec![export(ROOT), export(DATA)],
        owner: Owner { cell: CellId([1; 16]), project: ProjectId([1; 16]) },
        remaining_ms: 1000,
    })
}

/// Runs to the end, or gives up after `crash_after` small steps.
fn run(world: &mut World, op: Op, input: &StepInput, crash_after: Option<usize>) -> Option<WorkResult> {
    let mut operation = work(op, input);
    for step in 0..100 {
        if crash_after == Some(step) {
            return None;
        }
        if let Progress::Finished(result) = operation.step(world) {
            return Some(result);
        }
    }
    panic!("an operation that never ends");
}

fn execute(world: &mut World, input: &StepInput) -> WorkResult {
    run(world, Op::Execute, input, None).expect("it ends")
}

fn observed(world: &mut World, input: &StepInput) -> Observed {
    match run(world, Op::Observe, input, None) {
        Some(WorkResult::Observed(Ok(observed))) => observed,
        other => panic!("{other:?}"),
    }
}

/// Everything but the counts.
fn held(world: &World) -> Vec<String> {
    [Role::Hypervisor, Role::Storage, Role::Network]
        .iter()
        .map(|role| format!("{:?}", world.inventory(*role)))
        .collect()
}

#[test]
fn every_step_of_a_create_is_made_observed_and_undone_to_nothing() {
    let mut world = world();
    for input in steps() {
        let before = observed(&mut world, &input);
        let looks_only = matches!(input, StepInput::ConfirmGuest { .. });
        assert_eq!(before == Observed::Absent, !looks_only, "{}", input.name());
        assert!(matches!(execute(&mut world, &input), WorkResult::Executed(Ok(_))), "{}", input.name());
        assert!(matches!(observed(&mut world, &input), Observed::Present(_)), "{}", input.name());
    }
    for input in steps().iter().rev() {
        assert_eq!(run(&mut world, Op::Undo, input, None), Some(WorkResult::Undone(Ok(()))));
    }
    assert!(world.is_empty());
    assert_eq!(world.repeated(), 0);
}

#[test]
fn a_second_execute_changes_nothing() {
    let mut world = world();
    for input in steps() {
        execute(&mut world, &input);
    }
    let changes = world.changes();
    for input in steps() {
        execute(&mut world, &input);
    }
    assert_eq!((world.changes(), world.repeated()), (changes, 0));
}

#[test]
fn overwriting_what_is_there_is_counted() {
    let mut world = world();
    let (volume, size_gib) = (ROOT, 4);
    world.apply(&windlass_world::Change::Allocate { volume, size_gib });
    world.apply(&windlass_world::Change::Allocate { volume, size_gib });
    assert_eq!(world.repeated(), 1);
}

#[test]
fn refusals_name_what_is_missing() {
    let mut world = world();
    let plug = &steps()[4];
    assert!(
        matches!(execute(&mut world, plug), WorkResult::Executed(Err(r)) if r.code == RefusalCode::Missing)
    );
    let huge = StepInput::ReserveVolume {
        volume: ROOT,
        size_gib: 101,
        image: None,
        made_here: true,
        export_to: None,
    };
    assert!(
        matches!(execute(&mut world, &huge), WorkResult::Executed(Err(r)) if r.code == RefusalCode::NoRoom)
    );
    assert!(world.is_empty());
}

#[test]
fn a_reboot_takes_guests_and_ports_and_leaves_volumes() {
    let mut world = world();
    for input in steps() {
        execute(&mut world, &input);
    }
    world.reboot();
    assert!(world.guest(SERVER).is_none() && world.port(PORT).is_none());
    assert!(world.volume(ROOT).is_some() && world.export(DATA).is_some());
    for input in steps() {
        execute(&mut world, &input);
    }
    assert_eq!(world.repeated(), 0, "what was lost may be made again");
}

#[test]
fn a_removal_of_a_guest_that_a_reboot_took_is_done() {
    let mut world = world();
    for input in steps() {
        execute(&mut world, &input);
    }
    world.reboot();
    let unplug = StepInput::UnplugVolume { attachment: ATTACHMENT, server: SERVER, volume: DATA, device: 1 };
    assert_eq!(execute(&mut world, &unplug), WorkResult::Executed(Ok(StepOutput::None)));
    assert_eq!(run(&mut world, Op::Undo, &unplug, None), Some(WorkResult::Undone(Ok(()))));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_interrupted_operation_resumes_to_the_same_world(crashes in prop::collection::vec((0..6_usize, 0..8_usize, 0..3_u8), 0..6)) {
        let mut plain = world();
        for input in steps() {
            execute(&mut plain, &input);
        }
        let mut hurt = world();
        for (index, input) in steps().iter().enumerate() {
            for (at, after, how) in &crashes {
                if *at == index && run(&mut hurt, Op::Execute, input, Some(*after)).is_none() {
                    match how {
                        0 => hurt.process_crash(),
                        1 => hurt.power_cut(),
                        _ => hurt.reboot(),
                    }
                }
            }
            // After a reboot what came before is made again, as a leader's restore would.
            for earlier in &steps()[..=index] {
                prop_assert!(matches!(execute(&mut hurt, earlier), WorkResult::Executed(Ok(_))));
            }
        }
        prop_assert_eq!(held(&hurt), held(&plain));
        prop_assert_eq!(hurt.repeated(), 0);
    }

    #[test]
    fn undo_of_any_part_of_an_operation_leaves_what_was_before(upto in 0..6_usize, after in 0..8_usize) {
        let mut world = world();
        for input in &steps()[..upto] {
            execute(&mut world, input);
        }
        let before = held(&world);
        let input = &steps()[upto];
        run(&mut world, Op::Execute, input, Some(after));
        prop_assert_eq!(run(&mut world, Op::Undo, input, None), Some(WorkResult::Undone(Ok(()))));
        prop_assert_eq!(held(&world), before);
    }

    #[test]
    fn what_a_finished_operation_changed_survives_a_power_cut(upto in 0..3_usize) {
        let mut world = world();
        let inputs = &steps()[..=upto];
        for input in inputs {
            execute(&mut world, input);
        }
        let disk = format!("{:?}", world.inventory(Role::Storage));
        world.power_cut();
        prop_assert_eq!(format!("{:?}", world.inventory(Role::Storage)), disk);
    }

    #[test]
    fn a_stored_world_reads_back_and_damage_never_panics(upto in 0..6_usize, cut in any::<prop::sample::Index>(), noise in any::<u8>()) {
        let mut world = world();
        for input in &steps()[..upto] {
            execute(&mut world, input);
        }
        let bytes = world.encode();
        prop_assert_eq!(World::decode(&bytes), Ok(world));
        let mut damaged = bytes.clone();
        let place = cut.index(damaged.len());
        damaged[place] ^= noise;
        drop(World::decode(&damaged));
        prop_assert!(World::decode(&bytes[..place]).is_err());
    }
}
