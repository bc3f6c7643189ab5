//! A ledger on a full disk: replies wait, and nothing is lost. The disk is a small one in memory, which only root may
//! mount; elsewhere the test says why it did not run.

use std::path::{Path, PathBuf};
use std::process::Command;

use windlass_sagas::protocol::{Down, Verb};

use crate::host::{Host, Setup};
use crate::orchestrator::Cell;
use crate::steps::*;

/// A mounted disk, unmounted when this is dropped.
struct Disk {
    path: PathBuf,
    _directory: tempfile::TempDir,
}

impl Disk {
    fn mount(mebibytes: u32) -> Result<Self, String> {
        let directory = tempfile::tempdir().map_err(|error| error.to_string())?;
        let path = directory.path().join("disk");
        std::fs::create_dir(&path).map_err(|error| error.to_string())?;
        let size = format!("size={mebibytes}m,mode=0700");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "none"]).arg(&path).output();
        let mounted = mounted.map_err(|error| error.to_string())?;
        if !mounted.status.success() {
            return Err(String::from_utf8_lossy(&mounted.stderr).trim().to_owned());
        }
        Ok(Self { path, _directory: directory })
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg("-l").arg(&self.path).status();
        assert!(unmounted.is_ok_and(|status| status.success()), "the disk stays mounted");
    }
}

#[tokio::test]
async fn a1_on_a_full_disk_replies_wait_and_nothing_is_lost() {
    let disk = match Disk::mount(192) {
        Ok(disk) => disk,
        Err(why) => {
            println!("skipped: no disk can be mounted here: {why}");
            return;
        }
    };
    let cell = Cell::new();
    let mut orchestrator = cell.orchestrator().await;
    let state = disk.path.join("state");
    let setup = Setup { state: Some(&state), ..Setup::default() };
    let mut host = Host::start_with(&cell, &[&orchestrator], setup).await;
    let mut session = orchestrator.led(5).await;
    assert!(is_done(&session.execute(&volume(1), 1).await));
    let stuffing = disk.path.join("stuffing");
    fill(&stuffing);

    for n in 2..=4 {
        session.send(&Down::Call(Box::new(session.call(&volume(n), Verb::Execute, 1))));
    }
    // The world has them when the records can't be written yet; an inventory rests on no record.
    while (2..=4).any(|n| host.world().volume(volume_id(n)).is_none()) {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    let seen = session.inventory(windlass_sagas::record::Role::Storage).await.items;
    assert!(!seen.is_empty(), "an inventory comes, and no reply before it");

    std::fs::remove_file(&stuffing).unwrap();
    for _ in 2..=4 {
        let reply = session.reply().await;
        assert!(is_done(&reply.answer), "{reply:?}");
    }
    host.kill().await;
    host.run();
    let mut session = orchestrator.led(5).await;
    for n in 1..=4 {
        assert!(is_done(&session.lookup(&volume(n), 1).await));
    }
    assert_eq!(host.world().repeated(), 0);
    host.stop().await;
}

/// Leaves less than a ledger needs, and enough for the small file of the world.
fn fill(path: &Path) {
    let space = rustix::fs::statvfs(path.parent().expect("a directory")).expect("a disk");
    let free = space.f_bavail * space.f_frsize;
    let keep = windlass_agents::limits::DISK_RESERVE_BYTES / 2;
    let chunk = vec![1_u8; 1024 * 1024];
    let mut file = std::fs::File::create(path).expect("made");
    for _ in 0..free.saturating_sub(keep) / chunk.len() as u64 {
        std::io::Write::write_all(&mut file, &chunk).expect("it fits");
    }
}
