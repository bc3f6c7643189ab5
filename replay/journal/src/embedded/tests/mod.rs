//! The contract over the embedded journal, and what only a directory can suffer: a second opener, SIGKILL, torn and
//! damaged files, a full disk.

mod damage;
mod full;
mod killed;

use std::path::Path;

use super::{Embedded, OpenError, Reader, Settings};
use crate::contract::{Bench, assert_filled, fill};
use crate::{Append, AppendError, Cursor, Read, ReadError};

struct Directory(tempfile::TempDir);

impl Bench for Directory {
    type Append = Embedded;
    type Read = Reader;

    async fn open(&self) -> (Embedded, Reader) {
        let journal = open(self.0.path()).await;
        let reader = journal.reader();
        (journal, reader)
    }

    async fn close(&self, append: Embedded) {
        append.close().await;
    }
}

fn bench() -> Directory {
    Directory(tempfile::tempdir().unwrap())
}

mod contract {
    use super::bench;
    crate::contract_suite!(bench());
}

/// Settings that make a few frames meet everything that the store does: tables, new logs, moves.
fn settings(directory: &Path) -> Settings {
    Settings { memtable_bytes: 256 * 1024, ..Settings::new(directory) }
}

async fn open(directory: &Path) -> Embedded {
    Embedded::open(settings(directory)).await.unwrap()
}

#[tokio::test]
async fn a_second_opener_is_refused_and_told_who_has_it() {
    let directory = tempfile::tempdir().unwrap();
    let mut first = open(directory.path()).await;
    fill(&mut first, 0, 2).await;
    let second = Embedded::open(settings(directory.path())).await.unwrap_err();
    let OpenError::Locked { pid, .. } = second else { panic!("{second:?}") };
    assert_eq!(pid, Some(std::process::id()));
    assert!(second.to_string().contains(&format!("in use by process {}", std::process::id())));
    fill(&mut first, 2, 3).await;
    first.close().await;
    let again = open(directory.path()).await;
    assert_filled(&again, 3).await;
    again.close().await;
}

#[tokio::test]
async fn a_closed_journal_serves_nobody() {
    let directory = tempfile::tempdir().unwrap();
    let mut journal = open(directory.path()).await;
    fill(&mut journal, 0, 1).await;
    let reader = journal.reader();
    let waiting = tokio::spawn({
        let reader = reader.clone();
        async move { reader.wait(Cursor(1)).await }
    });
    journal.close().await;
    assert!(matches!(waiting.await.unwrap(), Err(ReadError::Unavailable { .. })));
    assert!(matches!(reader.read(Cursor(0), 1).await, Err(ReadError::Unavailable { .. })));
    assert!(matches!(reader.last().await, Err(ReadError::Unavailable { .. })));
}

#[tokio::test]
async fn the_directory_is_made_with_those_above_it() {
    let directory = tempfile::tempdir().unwrap();
    let deep = directory.path().join("one/two/journal");
    let mut journal = open(&deep).await;
    fill(&mut journal, 0, 1).await;
    journal.close().await;
    let file = directory.path().join("a file");
    std::fs::write(&file, "no directory").unwrap();
    let error = Embedded::open(settings(&file)).await.unwrap_err();
    assert!(matches!(error, OpenError::Io { .. }), "{error:?}");
}

#[tokio::test]
async fn many_frames_over_many_tables_are_read_back() {
    let directory = tempfile::tempdir().unwrap();
    let mut journal = open(directory.path()).await;
    fill(&mut journal, 0, 400).await;
    assert_filled(&journal, 400).await;
    journal.close().await;
    let mut journal = open(directory.path()).await;
    assert_filled(&journal, 400).await;
    assert_eq!(journal.append(Cursor(399), crate::contract::frame(0)).await, Err(AppendError::Fenced));
    journal.close().await;
    let tables =
        walk(directory.path()).iter().filter(|path| path.to_string_lossy().contains("tables/")).count();
    assert!(tables > 1, "the test is about tables");
}

/// All files below a directory.
fn walk(directory: &Path) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files.extend(walk(&path)) } else { files.push(path) }
    }
    files.sort();
    files
}
