//! A full disk: no acknowledged frame is lost, the answers are as documented, and it goes on once there is space.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Embedded, Settings};
use crate::contract::{assert_filled, fill, frame};
use crate::{Append, AppendError, Cursor, Frame, Read};

const MIB: u64 = 1024 * 1024;

/// A small file system in memory, unmounted when it is dropped.
struct SmallDisk {
    place: tempfile::TempDir,
}

impl SmallDisk {
    /// Mounts one of `mib` MiB; None with a printed reason where that is not permitted.
    fn mount(mib: u64) -> Option<Self> {
        let place = tempfile::tempdir().unwrap();
        let size = format!("size={mib}m");
        let mount =
            Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(place.path()).output();
        match mount {
            Ok(output) if output.status.success() => Some(Self { place }),
            Ok(output) => {
                println!("SKIPPED: mount: {}", String::from_utf8_lossy(&output.stderr));
                None
            }
            Err(error) => {
                println!("SKIPPED: mount: {error}");
                None
            }
        }
    }

    fn settings(&self, disk_reserve_bytes: u64) -> Settings {
        Settings {
            disk_reserve_bytes,
            memtable_bytes: MIB,
            ..Settings::new(self.place.path().join("journal"))
        }
    }

    /// Fills the disk with another program's file; gives its path.
    fn ballast(&self, keep_free_bytes: u64) -> PathBuf {
        let path = self.place.path().join("ballast");
        let space = rustix::fs::statvfs(self.place.path()).unwrap();
        let free = space.f_bavail * space.f_frsize;
        let fill = usize::try_from(free.saturating_sub(keep_free_bytes)).unwrap();
        write_all_that_fits(&path, &vec![1; fill]);
        path
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a store that a failed test has left open must not keep the mount.
        let unmounted = Command::new("umount").arg("-l").arg(self.place.path()).status();
        assert!(unmounted.is_ok_and(|status| status.success()) || std::thread::panicking());
    }
}

fn write_all_that_fits(path: &Path, bytes: &[u8]) {
    use std::io::Write as _;
    let mut file = fs::File::create(path).unwrap();
    // On a full disk the last piece is short, which is what is wanted.
    bytes.chunks(4096).try_for_each(|chunk| file.write_all(chunk)).ok();
}

/// Appends numbered frames until one is not acknowledged; gives the last acknowledged cursor and the error.
async fn append_until_refused(journal: &mut Embedded, from: u64) -> (u64, AppendError) {
    for number in from + 1..from + 100_000 {
        match journal.append(Cursor(number - 1), frame(number)).await {
            Ok(cursor) => assert_eq!(cursor, Cursor(number)),
            Err(error) => return (number - 1, error),
        }
    }
    panic!("the disk does not fill up");
}

/// The last frame may have landed or not; says which, after asserting that nothing else differs.
async fn resolve(journal: &mut Embedded, acknowledged: u64) -> u64 {
    let last = journal.last().await.unwrap().0;
    assert!(last == acknowledged || last == acknowledged + 1, "acknowledged {acknowledged}, there {last}");
    assert_filled(journal, last).await;
    last
}

#[tokio::test]
async fn with_a_reserve_the_refusal_is_clean() {
    let Some(disk) = SmallDisk::mount(24) else { return };
    let mut journal = Embedded::open(disk.settings(2 * MIB)).await.unwrap();
    fill(&mut journal, 0, 10).await;
    let ballast = disk.ballast(MIB);
    for _ in 0..3 {
        assert_eq!(journal.append(Cursor(10), frame(11)).await, Err(AppendError::Unavailable));
    }
    // It did not and will not land; reading goes on meanwhile.
    assert_filled(&journal, 10).await;
    fs::remove_file(ballast).unwrap();
    fill(&mut journal, 10, 12).await;
    journal.close().await;
    let journal = Embedded::open(disk.settings(2 * MIB)).await.unwrap();
    assert_filled(&journal, 12).await;
    journal.close().await;
}

#[tokio::test]
async fn without_a_reserve_nothing_acknowledged_is_lost_in_the_same_process() {
    let Some(disk) = SmallDisk::mount(24) else { return };
    let mut journal = Embedded::open(disk.settings(0)).await.unwrap();
    fill(&mut journal, 0, 20).await;
    let mut last = 20;
    for round in 0..4_u64 {
        let ballast = disk.ballast(round * 100_000);
        let (acknowledged, error) = append_until_refused(&mut journal, last).await;
        assert!(matches!(error, AppendError::Unknown | AppendError::Unavailable), "{error:?}");
        // Again on the full disk: still no success, nothing lost, no panic.
        let again = journal.append(Cursor(acknowledged), frame(acknowledged + 1)).await;
        assert!(again.is_err() || again == Ok(Cursor(acknowledged + 1)), "{again:?}");
        let acknowledged = acknowledged + u64::from(again.is_ok());
        fs::remove_file(ballast).unwrap();
        last = resolve(&mut journal, acknowledged).await;
        fill(&mut journal, last, last + 3).await;
        last += 3;
    }
    journal.close().await;
    let journal = Embedded::open(disk.settings(0)).await.unwrap();
    assert_filled(&journal, last).await;
    journal.close().await;
}

#[tokio::test]
async fn without_a_reserve_nothing_acknowledged_is_lost_over_a_restart() {
    let Some(disk) = SmallDisk::mount(24) else { return };
    let mut journal = Embedded::open(disk.settings(0)).await.unwrap();
    fill(&mut journal, 0, 5).await;
    let ballast = disk.ballast(300_000);
    let (acknowledged, _) = append_until_refused(&mut journal, 5).await;
    journal.close().await;
    fs::remove_file(ballast).unwrap();
    let mut journal = Embedded::open(disk.settings(0)).await.unwrap();
    let last = resolve(&mut journal, acknowledged).await;
    fill(&mut journal, last, last + 50).await;
    assert_filled(&journal, last + 50).await;
    journal.close().await;
}

/// The disk fills up by the journal itself, while the store writes tables and drops logs behind it.
#[tokio::test]
async fn a_disk_that_the_journal_itself_fills_loses_nothing() {
    let Some(disk) = SmallDisk::mount(12) else { return };
    let mut journal = Embedded::open(disk.settings(0)).await.unwrap();
    let big = |number: u64| Frame::new([&number.to_be_bytes()[..], &[0xC3; 200_000]].concat()).unwrap();
    let mut acknowledged = 0;
    while acknowledged < 1_000 && journal.append(Cursor(acknowledged), big(acknowledged + 1)).await.is_ok() {
        acknowledged += 1;
    }
    assert!((2..1_000).contains(&acknowledged), "{acknowledged}");
    journal.close().await;
    // More space, as an operator would give.
    let grown = Command::new("mount").args(["-o", "remount,size=64m"]).arg(disk.place.path()).status();
    assert!(grown.unwrap().success());
    let mut journal = Embedded::open(disk.settings(0)).await.unwrap();
    let last = journal.last().await.unwrap().0;
    assert!(last == acknowledged || last == acknowledged + 1);
    for number in 1..=last {
        assert_eq!(journal.read(Cursor(number - 1), 1).await, Ok(vec![(Cursor(number), big(number))]));
    }
    assert_eq!(journal.append(Cursor(last), big(last + 1)).await, Ok(Cursor(last + 1)));
    journal.close().await;
}
