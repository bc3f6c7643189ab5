//! SIGKILL at any moment: nothing acknowledged is lost, and what is there is dense and whole.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use super::{Embedded, open, settings};
use crate::contract::{all_frames, assert_filled, frame};
use crate::embedded::OpenError;
use crate::{Append, Cursor, Read};

const CHILD: &str = "embedded::tests::killed::child_that_appends_until_it_is_killed";
const DIRECTORY: &str = "WINDLASS_TEST_JOURNAL";
/// So that a child that nobody kills ends all the same.
const CHILD_FRAMES_MAX: u64 = 100_000;

/// Not a test by itself: this binary starts itself with it, and kills it.
#[tokio::test]
#[ignore = "it is the child of nothing_acknowledged_is_lost_by_sigkill"]
async fn child_that_appends_until_it_is_killed() {
    let directory = std::env::var_os(DIRECTORY).expect("the parent names the directory");
    let mut journal = open(directory.as_ref()).await;
    let first = journal.last().await.unwrap().0;
    for number in first + 1..first + CHILD_FRAMES_MAX {
        let cursor = journal.append(Cursor(number - 1), frame(number)).await.unwrap();
        println!("acknowledged {}", cursor.0);
    }
}

struct KilledOnDrop(Child);

impl Drop for KilledOnDrop {
    fn drop(&mut self) {
        // It may have ended already; only this very child is meant.
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

fn start(directory: &std::path::Path) -> KilledOnDrop {
    let child = Command::new(std::env::current_exe().unwrap())
        .args([CHILD, "--exact", "--ignored", "--nocapture"])
        .env(DIRECTORY, directory)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    KilledOnDrop(child)
}

#[tokio::test]
async fn nothing_acknowledged_is_lost_by_sigkill() {
    let directory = tempfile::tempdir().unwrap();
    let mut stood = 0;
    // Killed after so many acknowledgements, on the journal that the one before left.
    for acknowledgements in [1, 2, 5, 150, 3, 61, 1] {
        let mut child = start(directory.path());
        let output = BufReader::new(child.0.stdout.take().unwrap());
        // libtest writes its own words on the first line before ours.
        let mut acknowledged =
            output.lines().filter_map(|line| line.ok()?.split("acknowledged ").nth(1)?.parse::<u64>().ok());
        let reached = acknowledged.by_ref().nth(acknowledgements - 1).expect("the child appends");
        assert!(reached >= stood + acknowledgements as u64);
        let refused = Embedded::open(settings(directory.path())).await.unwrap_err();
        assert!(matches!(refused, OpenError::Locked { pid, .. } if pid == Some(child.0.id())), "{refused:?}");
        child.0.kill().unwrap();
        // What it had still written to the pipe counts as acknowledged too.
        let highest = acknowledged.last().unwrap_or(reached);
        drop(child);

        let journal = open(directory.path()).await;
        let last = journal.last().await.unwrap().0;
        assert!(last >= highest, "acknowledged {highest}, there {last}");
        assert!(last <= highest + 1, "one append was in flight: acknowledged {highest}, there {last}");
        assert_filled(&journal, last).await;
        journal.close().await;
        stood = last;
    }
}

/// Killed while it makes the journal: the next one starts afresh, whatever is left.
#[tokio::test]
async fn a_half_made_journal_is_made_again() {
    let directory = tempfile::tempdir().unwrap();
    let half = directory.path().join("frames.new");
    std::fs::create_dir_all(half.join("keyspaces")).unwrap();
    std::fs::write(half.join("0.jnl"), [0; 100]).unwrap();
    std::fs::write(half.join("lock"), []).unwrap();
    let mut journal = open(directory.path()).await;
    assert_eq!(all_frames(&journal).await, (vec![], None));
    assert_eq!(journal.append(Cursor(0), frame(1)).await, Ok(Cursor(1)));
    journal.close().await;
    assert!(!half.exists());
}
