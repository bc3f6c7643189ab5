//! What a crash, a late call or a clash of names may not do to a host: an outcome rests on durable bytes, and one
//! attachment's end never touches another's device.

#![allow(clippy::panic, reason = "a test's helper panics where the test fails")]

use windlass_sagas::ids::*;
use windlass_sagas::protocol::Owner;
use windlass_sagas::protocol::ledger::{Observed, Op, Work, WorkId, WorkResult};
use windlass_sagas::record::*;
use windlass_world::{Operation, Progress, World};

const HOST: HostId = HostId([2; 16]);
const SERVER: ServerId = ServerId([3; 16]);
const DATA: VolumeId = VolumeId([5; 16]);

fn world() -> World {
    World::new("h0", Capacity { vcpus: 8, ram_mib: 4096, disk_gib: 100 })
}

fn operation(op: Op, input: &StepInput) -> Operation {
    operation_of(StepKey { saga: SagaId([1; 16]), step: StepIndex(0) }, op, input)
}

fn operation_of(key: StepKey, op: Op, input: &StepInput) -> Operation {
    let endpoint = Endpoint { host: "s0".into(), port: 1 };
    Operation::of(&Work {
        id: WorkId(1),
        key,
        op,
        input: input.clone(),
        exports: vec![BoundExport { volume: DATA, endpoint }],
        owner: Owner { cell: CellId([1; 16]), project: ProjectId([1; 16]) },
        remaining_ms: 1000,
    })
}

fn run(world: &mut World, op: Op, input: &StepInput) -> WorkResult {
    let mut operation = operation(op, input);
    for _ in 0..100 {
        if let Progress::Finished(result) = operation.step(world) {
            return result;
        }
    }
    panic!("an operation that never ends");
}

fn reserve(volume: VolumeId, made_here: bool, export_to: Option<HostId>) -> StepInput {
    StepInput::ReserveVolume { volume, size_gib: 4, image: None, made_here, export_to }
}

/// Every small step of an operation but its end.
fn changed_and_not_synced(world: &mut World, input: &StepInput, op: Op) {
    let mut operation = operation(op, input);
    while let Progress::Changed(_) = operation.step(world) {
        let mut ahead = (operation.clone(), world.clone());
        if ahead.0.step(&mut ahead.1) == Progress::Synced {
            return;
        }
    }
    panic!("it did not come to a sync");
}

/// V7 (a): the process dies between change and sync; its successor observes, records Done; then the power goes.
#[test]
fn what_an_observation_found_survives_a_power_cut() {
    let (mut world, input) = (world(), reserve(DATA, true, Some(HOST)));
    changed_and_not_synced(&mut world, &input, Op::Execute);
    world.process_crash();
    let found = run(&mut world, Op::Observe, &input);
    assert!(matches!(found, WorkResult::Observed(Ok(Observed::Present(_)))));
    world.power_cut();
    assert_eq!(run(&mut world, Op::Observe, &input), found);
}

/// V7 (b): the same for a removal that a dead process did not sync, found gone by the undo that is sent again.
#[test]
fn a_removal_that_an_undo_found_done_survives_a_power_cut() {
    let (mut world, input) = (world(), reserve(DATA, true, None));
    run(&mut world, Op::Execute, &input);
    changed_and_not_synced(&mut world, &input, Op::Undo);
    world.process_crash();
    assert_eq!(run(&mut world, Op::Undo, &input), WorkResult::Undone(Ok(())));
    world.power_cut();
    assert!(world.is_empty());
}

fn setup() -> GuestSetup {
    GuestSetup {
        server: SERVER,
        name: "web".into(),
        vcpus: 1,
        ram_mib: 512,
        volumes: vec![],
        ports: vec![],
        public_key: None,
        user_data: None,
        metadata: vec![],
    }
}

fn guest(world: &mut World) {
    assert!(matches!(run(world, Op::Execute, &StepInput::BootGuest(setup())), WorkResult::Executed(Ok(_))));
}

fn plug(attachment: u8) -> StepInput {
    let attachment = AttachmentId([attachment; 16]);
    StepInput::PlugVolume { attachment, server: SERVER, volume: DATA, device: 1 }
}

/// Attached, detached and attached again: what is left of the first attachment speaks of a device that is not its own.
#[test]
fn a_late_end_of_one_attachment_leaves_the_next_one_alone() {
    let mut world = world();
    guest(&mut world);
    run(&mut world, Op::Execute, &plug(1));
    run(&mut world, Op::Undo, &plug(1));
    run(&mut world, Op::Execute, &plug(2));
    assert_eq!(run(&mut world, Op::Undo, &plug(1)), WorkResult::Undone(Ok(())));
    let device = world.guest(SERVER).and_then(|guest| guest.devices.get(&DATA)).expect("it stays");
    assert_eq!((device.attachment, device.plugged), (Some(AttachmentId([2; 16])), true));
}

/// The other way: a volume that is in the guest by another attachment is not this one's success.
#[test]
fn a_volume_that_another_attachment_plugged_is_not_ours() {
    let mut world = world();
    guest(&mut world);
    run(&mut world, Op::Execute, &plug(2));
    let refused = run(&mut world, Op::Execute, &plug(1));
    assert!(matches!(refused, WorkResult::Executed(Err(refusal)) if refusal.code == RefusalCode::Foreign));
    let seen = run(&mut world, Op::Observe, &plug(1));
    assert_eq!(seen, WorkResult::Observed(Ok(Observed::Absent)));
}

/// Two volumes whose ids derive one TCP port are served at two, and each keeps its own.
#[test]
fn no_two_exports_share_a_port() {
    let mut world = world();
    let ids =
        [VolumeId([5; 16]), VolumeId([[6; 14].as_slice(), &[5, 5]].concat().try_into().expect("16 bytes"))];
    let outputs = ids.map(|id| run(&mut world, Op::Execute, &reserve(id, true, Some(HOST))));
    assert_ne!(outputs[0], outputs[1]);
    run(&mut world, Op::Undo, &reserve(ids[0], false, Some(HOST)));
    assert_eq!(run(&mut world, Op::Execute, &reserve(ids[1], true, Some(HOST))), outputs[1]);
}

/// Row 16 of `ops/handbook/leaks.md`: what is served to one host is never served to another one as well, whoever asks.
#[test]
fn leak_16_an_export_that_stands_is_not_opened_for_another_host() {
    let (mut world, other) = (world(), HostId([9; 16]));
    run(&mut world, Op::Execute, &reserve(DATA, true, Some(HOST)));
    let refused = run(&mut world, Op::Execute, &reserve(DATA, false, Some(other)));
    assert!(matches!(refused, WorkResult::Executed(Err(refusal)) if refusal.code == RefusalCode::Foreign));
    run(&mut world, Op::Undo, &reserve(DATA, false, Some(other)));
    assert_eq!(world.export(DATA).map(|export| export.to), Some(HOST), "its undo leaves the first one's");
}

/// A stop leaves nothing of the guest but what is not its own, finds what another stop left, and a guest that is gone.
#[test]
fn a_stopped_guest_is_gone_and_boots_again_from_a_kernel() {
    let mut world = world();
    run(&mut world, Op::Execute, &reserve(DATA, true, Some(HOST)));
    guest(&mut world);
    run(&mut world, Op::Execute, &plug(1));
    let stop = StepInput::StopGuest { server: SERVER, grace_ms: 1000 };
    let gone = WorkResult::Observed(Ok(Observed::Present(StepOutput::None)));
    assert_eq!(run(&mut world, Op::Observe, &stop), WorkResult::Observed(Ok(Observed::Absent)));
    let mut stopping = operation(Op::Execute, &stop);
    assert!(
        matches!(stopping.step(&mut world), Progress::Changed(_)),
        "the process dies behind the first change"
    );
    assert_eq!(run(&mut world, Op::Observe, &stop), WorkResult::Observed(Ok(Observed::Absent)));
    assert_eq!(run(&mut world, Op::Execute, &stop), WorkResult::Executed(Ok(StepOutput::None)));
    assert!(world.guest(SERVER).is_none() && world.export(DATA).is_some());
    assert_eq!(run(&mut world, Op::Observe, &stop), gone);
    assert_eq!(run(&mut world, Op::Execute, &stop), WorkResult::Executed(Ok(StepOutput::None)));

    let kernel = DirectBoot { kernel: Hash([7; 32]), initrd: None, cmdline: "quiet".into() };
    let boot = StepInput::BootKernel(setup(), kernel);
    assert_eq!(run(&mut world, Op::Execute, &boot), WorkResult::Executed(Ok(StepOutput::None)));
    assert_eq!(run(&mut world, Op::Execute, &plug(1)), WorkResult::Executed(Ok(StepOutput::None)));
    assert_eq!(run(&mut world, Op::Undo, &boot), WorkResult::Undone(Ok(())));
    assert!(world.guest(SERVER).is_none());
    run(&mut world, Op::Execute, &boot);
    assert_eq!(world.repeated(), 0, "what a stop took is made again, also after an undo");
}

/// A machine that is set up anew to join again: what it made before is lost, and no repeat when it is made once more.
#[test]
fn a_wiped_host_holds_nothing_and_has_repeated_nothing_when_it_makes_it_again() {
    let (mut world, input) = (world(), reserve(DATA, true, Some(HOST)));
    run(&mut world, Op::Execute, &input);
    guest(&mut world);
    world.wipe();
    assert!(world.is_empty());
    world.power_cut();
    assert!(world.is_empty(), "nothing comes back");
    run(&mut world, Op::Execute, &input);
    guest(&mut world);
    assert_eq!(world.repeated(), 0);
    assert!(world.volume(DATA).is_some() && world.guest(SERVER).is_some());
}

/// What is left of a guest that has ended belongs to nobody's start: the next one makes it anew.
#[test]
fn a_guest_that_ended_is_shown_with_who_booted_it_and_made_anew_by_the_next_start() {
    let mut world = world();
    run(&mut world, Op::Execute, &reserve(DATA, true, Some(HOST)));
    guest(&mut world);
    assert_eq!(world.ended().count(), 0);
    world.end_guest(SERVER);
    assert_eq!((world.running().count(), world.ended().count()), (0, 1));
    let booted_by = StepKey { saga: SagaId([1; 16]), step: StepIndex(0) };
    let ended = windlass_sagas::protocol::InventoryItem::Ended { server: SERVER, booted_by };
    assert_eq!(world.inventory(Role::Hypervisor), [ended]);
    let stored = world.encode();
    assert_eq!(World::decode(&stored), Ok(world.clone()));
    let confirm = StepInput::ConfirmGuest { server: SERVER, evidence: Evidence::Runs };
    assert!(matches!(run(&mut world, Op::Execute, &confirm), WorkResult::Executed(Err(_))));
    guest(&mut world);
    assert_eq!((world.running().count(), world.ended().count(), world.repeated()), (1, 0, 0));
    world.end_guest(SERVER);
    run(&mut world, Op::Execute, &StepInput::DestroyGuest { server: SERVER });
    assert_eq!((world.running().count(), world.ended().count()), (0, 0));
}

/// Two sagas may boot one guest: a reboot, and the restore behind a host's reboot. Its end is the end of the later boot.
#[test]
fn a_guest_that_another_step_started_is_the_next_boots_own() {
    let mut world = world();
    run(&mut world, Op::Execute, &reserve(DATA, true, Some(HOST)));
    guest(&mut world);
    let (input, other) =
        (StepInput::BootGuest(setup()), StepKey { saga: SagaId([9; 16]), step: StepIndex(4) });
    let mut by_other = |op| {
        let mut operation = operation_of(other, op, &input);
        loop {
            if let Progress::Finished(result) = operation.step(&mut world) {
                return result;
            }
        }
    };
    assert_eq!(
        by_other(Op::Observe),
        WorkResult::Observed(Ok(Observed::Partial)),
        "it is not this one's yet"
    );
    assert!(matches!(by_other(Op::Execute), WorkResult::Executed(Ok(_))));
    assert!(matches!(by_other(Op::Observe), WorkResult::Observed(Ok(Observed::Present(_)))));
    assert_eq!(world.repeated(), 0, "it was not made again");
    world.end_guest(SERVER);
    let ended = windlass_sagas::protocol::InventoryItem::Ended { server: SERVER, booted_by: other };
    assert_eq!(world.inventory(Role::Hypervisor), [ended]);
}

#[test]
fn a_world_that_the_version_before_stored_reads_back() {
    let mut world = world();
    run(&mut world, Op::Execute, &reserve(DATA, true, Some(HOST)));
    let mut stored = world.encode();
    assert_eq!((stored[0], stored.pop()), (3, Some(0)), "who booted what stands last: nobody");
    stored[0] = 2;
    assert_eq!(World::decode(&stored), Ok(world));
}
