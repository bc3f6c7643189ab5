//! The driver over a world on disk: what was told is there again, a dropped work stops, a refused write undoes itself.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::mpsc;
use windlass_sagas::ids::*;
use windlass_sagas::protocol::Owner;
use windlass_sagas::protocol::ledger::{Observed, WorkId};
use windlass_sagas::record::{Endpoint, RefusalCode, StepInput, StepKey, StepOutput};

use super::*;
use crate::config::OnFall;
use crate::faults::Faults;
use crate::runtime::{Downfall, Fall, Gate};

impl Sim {
    async fn observe(&self, role: Role, work: Work) -> Result<Observed, Refusal> {
        match Driver::work(self, role, work).await {
            WorkResult::Observed(seen) => seen,
            other => panic!("it was to look: {other:?}"),
        }
    }

    /// The work is there at once; it begins when it is polled.
    fn execute(&self, role: Role, work: Work) -> Pending<Result<StepOutput, Refusal>> {
        let work = Driver::work(self, role, work);
        Box::pin(async move {
            match work.await {
                WorkResult::Executed(done) => done,
                other => panic!("it was to execute: {other:?}"),
            }
        })
    }

    async fn undo(&self, role: Role, work: Work) -> Result<(), Refusal> {
        match Driver::work(self, role, work).await {
            WorkResult::Undone(gone) => gone,
            other => panic!("it was to undo: {other:?}"),
        }
    }
}

struct Host {
    sim: Sim,
    falls: mpsc::UnboundedReceiver<Fall>,
    gate: Arc<Gate>,
}

fn host(state: &Path, config: SimConfig, plan: Option<&str>) -> Host {
    let faults = plan.map_or_else(Faults::none, |text| {
        let path = state.join("plan.toml");
        std::fs::write(&path, text).unwrap();
        Faults::load(Some(&path), false, &state.join("faults")).unwrap()
    });
    let (sender, falls) = mpsc::unbounded_channel();
    let gate = Arc::new(Gate::default());
    let downfall = Downfall {
        gate: Arc::clone(&gate),
        on_fall: OnFall::Return,
        falls: sender,
        state: PathBuf::from(state),
    };
    let (faults, downfall) = (Arc::new(faults), Arc::new(downfall));
    let directory = state.join("world");
    let sim =
        Sim::open(&directory, HostId([1; 16]), "host-1", config, Striker::new(faults, downfall)).unwrap();
    Host { sim, falls, gate }
}

fn plain(state: &Path) -> Sim {
    host(state, SimConfig::default(), None).sim
}

fn work(op: Op, volume: u8) -> Work {
    let volume = VolumeId([volume; 16]);
    let input = StepInput::ReserveVolume {
        volume,
        size_gib: 10,
        image: None,
        made_here: true,
        export_to: Some(HostId([2; 16])),
    };
    let owner = Owner { cell: CellId::default(), project: ProjectId::default() };
    let key = StepKey { saga: SagaId([1; 16]), step: StepIndex(0) };
    Work { id: WorkId(1), key, op, input, exports: vec![], owner, remaining_ms: 1000 }
}

fn volume_there(state: &Path, volume: u8) -> bool {
    read_world(state).unwrap().volume(VolumeId([volume; 16])).is_some()
}

#[tokio::test]
async fn what_was_told_is_on_disk_and_found_by_the_next_process() {
    let state = tempfile::tempdir().unwrap();
    let sim = plain(state.path());
    let done = sim.execute(Role::Storage, work(Op::Execute, 7)).await.unwrap();
    assert!(matches!(&done, StepOutput::Export(Endpoint { host, .. }) if host == "host-1"));
    let boot = sim.boot().unwrap();
    sim.close().await;
    let sim = plain(state.path());
    assert_eq!(sim.observe(Role::Storage, work(Op::Observe, 7)).await, Ok(Observed::Present(done)));
    assert_eq!(sim.inventory(Role::Storage).await.unwrap().len(), 2);
    assert_eq!(sim.boot().unwrap(), boot);
    sim.undo(Role::Storage, work(Op::Undo, 7)).await.unwrap();
    assert!(!volume_there(state.path(), 7));
    assert_eq!(read_world(state.path()).unwrap().repeated(), 0);
}

#[tokio::test]
async fn a_second_driver_on_the_same_world_is_refused() {
    let state = tempfile::tempdir().unwrap();
    let _held = plain(state.path());
    let refused = Keeper::open(&state.path().join("world"), "b", SimConfig::default().capacity).err();
    assert!(matches!(refused, Some(AgentError::Held { pid: Some(_), .. })));
}

#[tokio::test(start_paused = true)]
async fn dropped_work_stops_between_two_steps() {
    let state = tempfile::tempdir().unwrap();
    let config = SimConfig { latency_default: Duration::from_secs(60), ..SimConfig::default() };
    let sim = host(state.path(), config, None).sim;
    let execute = sim.execute(Role::Storage, work(Op::Execute, 7));
    assert!(tokio::time::timeout(Duration::from_secs(30), execute).await.is_err());
    tokio::time::sleep(Duration::from_secs(600)).await;
    sim.inventory(Role::Storage).await.unwrap();
    assert_eq!(read_world(state.path()).unwrap().changes(), 0);
}

#[tokio::test]
async fn steps_that_the_disk_refuses_have_not_happened() {
    let state = tempfile::tempdir().unwrap();
    let sim = plain(state.path());
    sim.execute(Role::Storage, work(Op::Execute, 1)).await.unwrap();
    // A directory in the way of the new file refuses every write, for root too.
    let in_the_way = state.path().join("world").join("world.new");
    std::fs::create_dir(&in_the_way).unwrap();
    std::fs::set_permissions(&in_the_way, std::fs::Permissions::from_mode(0o700)).unwrap();
    let refused = sim.execute(Role::Storage, work(Op::Execute, 2)).await.unwrap_err();
    assert_eq!((refused.code, refused.retryable), (RefusalCode::DriverFailed, true));
    assert_eq!(sim.observe(Role::Storage, work(Op::Observe, 2)).await, Ok(Observed::Absent));
    std::fs::remove_dir(&in_the_way).unwrap();
    sim.execute(Role::Storage, work(Op::Execute, 2)).await.unwrap();
    assert!(volume_there(state.path(), 1) && volume_there(state.path(), 2));
}

#[tokio::test]
async fn a_planned_error_after_the_change_refuses_although_the_change_is_there() {
    let state = tempfile::tempdir().unwrap();
    let plan = "[[fault]]\nkind = \"error_after\"\nstep = \"reserve_volume\"\n";
    let host = host(state.path(), SimConfig::default(), Some(plan));
    let refused = host.sim.execute(Role::Storage, work(Op::Execute, 7)).await.unwrap_err();
    assert_eq!(refused.code, RefusalCode::Injected);
    assert!(volume_there(state.path(), 7));
}

/// What the world holds after each fall, by where it strikes: the storage step makes a file, opens an export, syncs.
#[tokio::test]
async fn each_fall_leaves_what_it_says() {
    let crash = |kind: &str, rest: &str| format!("[[fault]]\nkind = \"{kind}\"\n{rest}");
    let cases = [
        (crash("crash_before", ""), Fall::Crash, false, 1),
        (crash("crash_between", "after_changes = 1\n"), Fall::Crash, true, 1),
        (crash("crash_after", ""), Fall::Crash, true, 1),
        (crash("power_cut", "after_changes = 2\n"), Fall::PowerCut, false, 2),
        (crash("power_cut", "when = \"after\"\n"), Fall::PowerCut, true, 2),
        (crash("host_reboot", "after_changes = 1\n"), Fall::Reboot, true, 2),
        (crash("ledger_lost", "when = \"after\"\n"), Fall::LedgerLost(Role::Storage), true, 1),
    ];
    for (plan, fall, there, boots) in cases {
        let state = tempfile::tempdir().unwrap();
        let mut host = host(state.path(), SimConfig::default(), Some(&plan));
        let execute = host.sim.execute(Role::Storage, work(Op::Execute, 7));
        tokio::select! {
            biased;
            fell = host.falls.recv() => assert_eq!(fell, Some(fall)),
            _ = execute => panic!("{plan}: the work ended"),
        }
        assert!(host.gate.pass().is_none(), "nothing is written any more");
        let world = read_world(state.path()).unwrap();
        assert_eq!(world.volume(VolumeId([7; 16])).is_some(), there, "{plan}");
        assert_eq!(world.boots(), boots, "{plan}");
    }
}
