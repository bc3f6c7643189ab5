//! What a host holds and nobody knows of, and what it lost: put there by hand, found by the doctor, named with its host.

use windlass_agents::sim::read_world;
use windlass_client::v1;
use windlass_sagas::ids::VolumeId;
use windlass_world::{Change, World};

use super::support::*;

/// The file of a simulated world.
const FILE: &str = "world.bin";

impl Cell {
    /// Changes what a host holds behind its agent's back.
    async fn tamper(&mut self, name: &'static str, change: impl FnOnce(&mut World)) {
        self.kill_agent(name).await;
        let mut world = read_world(&self.host(name)).unwrap();
        change(&mut world);
        world.sync();
        std::fs::write(self.host(name).join("world").join(FILE), world.encode()).unwrap();
        self.start_agent(name);
        self.until_up().await;
    }

    async fn findings(&self, invariant: u32) -> Vec<v1::Finding> {
        let request = v1::DoctorRequest { invariants: vec![invariant], ..Default::default() };
        let answer = self.client.call(request).await.unwrap();
        assert_eq!(answer.hosts_missing, [""; 0]);
        let check = answer.checks.into_iter().next().unwrap();
        let failed = check.result() == v1::invariant_check::Result::Failed;
        assert_eq!(failed, !check.findings.is_empty(), "{check:?}");
        check.findings
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a5_an_orphan_and_a_loss_are_found_and_named_with_their_host() {
    let mut cell = Cell::with(vec![storage("s1")]).await;
    cell.completes(cell.client.call(volume("data")).await.unwrap()).await;
    assert_eq!(cell.findings(2).await, []);

    let stranger = VolumeId([0xab; 16]);
    cell.tamper("s1", |world| world.apply(&Change::Allocate { volume: stranger, size_gib: 1 })).await;
    let found = cell.findings(2).await;
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0].host.starts_with("hosts/") && found[0].message.contains(&stranger.to_string()),
        "{found:?}"
    );
    cell.tamper("s1", |world| world.apply(&Change::DeleteVolume { volume: stranger })).await;
    assert_eq!(cell.findings(2).await, []);

    let name = format!("{PROJECT}/volumes/data");
    let data = cell.client.call(v1::GetVolumeRequest { name, ..Default::default() }).await.unwrap();
    let data: VolumeId = data.uid.parse().unwrap();
    cell.tamper("s1", |world| world.apply(&Change::DeleteVolume { volume: data })).await;
    let found = cell.findings(2).await;
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].resource.contains("/volumes/"), "{found:?}");
    // Deleting what is lost already leaves nothing either.
    cell.completes(cell.client.call(delete_volume("data")).await.unwrap()).await;
    assert_eq!(cell.findings(2).await, []);
    cell.nothing_left().await;
}
