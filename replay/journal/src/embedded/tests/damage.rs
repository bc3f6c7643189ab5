//! Torn, cut and altered files: a prefix or a named damage, never wrong bytes, a gap without a word, or a panic.

use std::fs;
use std::path::{Path, PathBuf};

use super::{Embedded, OpenError, Settings, open, settings, walk};
use crate::contract::{all_frames, assert_filled, fill, frame};
use crate::{Cursor, Damage, Frame, Read, ReadError};

/// A journal of `frames` frames, cleanly closed, its logs cut to what is in them, and the path of its directory.
async fn journal_of(frames: u64) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let mut journal = open(directory.path()).await;
    fill(&mut journal, 0, frames).await;
    journal.close().await;
    // Opened once more, since the store cuts the space reserved for a log only when it recovers.
    let journal = open(directory.path()).await;
    assert_filled(&journal, frames).await;
    journal.close().await;
    directory
}

fn copy(from: &Path) -> tempfile::TempDir {
    let to = tempfile::tempdir().unwrap();
    for file in walk(from) {
        let target = to.path().join(file.strip_prefix(from).unwrap());
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::copy(&file, &target).unwrap();
    }
    to
}

fn newest_log(directory: &Path) -> PathBuf {
    let logs = walk(directory).into_iter().filter(|path| path.extension().is_some_and(|end| end == "jnl"));
    let number = |path: &PathBuf| path.file_stem().unwrap().to_str().unwrap().parse::<u64>().unwrap();
    logs.max_by_key(number).unwrap()
}

/// Opens a damaged copy, as it is and by an operator's order: every frame that can be read is the right one. Gives the
/// number of frames that could be read before the journal ended or named its damage, and whether it named one.
async fn examine(directory: &Path, frames: u64) -> (u64, bool) {
    let named = match Embedded::open(settings(directory)).await {
        Ok(journal) => {
            let (read, error) = all_frames(&journal).await;
            journal.close().await;
            assert!(
                read.len() as u64 == frames || error.is_some(),
                "a shorter journal is not taken in silence"
            );
            error.is_some()
        }
        Err(error) => {
            assert!(matches!(error, OpenError::Damaged { .. }), "{error:?}");
            true
        }
    };
    let ordered = Settings { accept_lost_tail: true, ..settings(directory) };
    match Embedded::open(ordered).await {
        Ok(journal) => {
            let (read, error) = all_frames(&journal).await;
            journal.close().await;
            assert!(read.len() as u64 <= frames);
            assert!(read.iter().zip(1..).all(|(read, number)| *read == frame(number)), "wrong bytes");
            (read.len() as u64, named || error.is_some())
        }
        Err(error) => {
            assert!(matches!(error, OpenError::Damaged { .. }), "{error:?}");
            (0, true)
        }
    }
}

/// What a crash in the middle of an append leaves: part of a frame that nobody was told of.
#[tokio::test]
async fn a_torn_append_is_cut_off_and_costs_nothing() {
    let whole = journal_of(20).await;
    let longer = journal_of(21).await;
    let log = fs::read(newest_log(whole.path())).unwrap();
    let log_and_one = fs::read(newest_log(longer.path())).unwrap();
    let torn = &log_and_one[log.len()..];
    assert!(!torn.is_empty(), "the last frame is in the log");
    for kept in [1, 2, 13, torn.len() / 2, torn.len() - 5, torn.len() - 1] {
        // As a crash leaves it: written in part, with and without the zeros of reserved space behind it.
        for zeros in [0, 4096] {
            let copied = copy(whole.path());
            let bytes = [&log, &torn[..kept], &vec![0; zeros]].concat();
            fs::write(newest_log(copied.path()), bytes).unwrap();
            let mut journal = open(copied.path()).await;
            assert_filled(&journal, 20).await;
            fill(&mut journal, 20, 22).await;
            journal.close().await;
            let journal = open(copied.path()).await;
            assert_filled(&journal, 22).await;
            journal.close().await;
        }
    }
}

#[tokio::test]
async fn a_log_cut_anywhere_gives_a_prefix_and_is_noticed() {
    let whole = journal_of(12).await;
    let length = fs::metadata(newest_log(whole.path())).unwrap().len();
    let mut prefixes = std::collections::BTreeSet::new();
    for cut in (0..24).map(|n| length * n / 24).chain([length - 1, length - 4]) {
        let copied = copy(whole.path());
        fs::OpenOptions::new().write(true).open(newest_log(copied.path())).unwrap().set_len(cut).unwrap();
        let (read, named) = examine(copied.path(), 12).await;
        assert!(read < 12 && named, "{read} frames of a log cut to {cut} bytes");
        prefixes.insert(read);
    }
    assert!(prefixes.len() > 3, "the cuts met different frames: {prefixes:?}");
}

#[tokio::test]
async fn an_altered_byte_anywhere_is_never_passed_on() {
    // Enough for several tables and a log that is not empty.
    let whole = journal_of(60).await;
    let mut noticed = 0;
    for (number, file) in walk(&whole.path().join("frames")).into_iter().enumerate() {
        if aborts_the_library(&file) {
            continue;
        }
        let length = fs::metadata(&file).unwrap().len() as usize;
        let places = (0..12).map(|n| n * length / 12).chain([1, 9, length.saturating_sub(1)]);
        for at in places.filter(|at| *at < length) {
            let copied = copy(whole.path());
            let victim = copied.path().join(file.strip_prefix(whole.path()).unwrap());
            let mut bytes = fs::read(&victim).unwrap();
            bytes[at] ^= 1 << (number % 8);
            fs::write(&victim, bytes).unwrap();
            noticed += u64::from(examine(copied.path(), 60).await.1);
        }
    }
    assert!(noticed > 5, "most of the bytes matter");
}

/// A keyspace's table of contents. Two of its few hundred bytes are asserted by fjall while it holds a lock that its own
/// clean-up then finds poisoned: the process aborts at its start, with the assertion's words and nothing changed, where a
/// damage should be named. No code on this side can contain a panic within a panic.
fn aborts_the_library(file: &Path) -> bool {
    let name = file.file_name().unwrap().to_string_lossy();
    name.strip_prefix('v').is_some_and(|number| number.parse::<u64>().is_ok())
}

/// Alters the store behind the journal's back, by the storage library itself, so that only our own checks can see it.
async fn altered(frames: u64, alter: impl FnOnce(&fjall::Keyspace)) -> (tempfile::TempDir, Embedded) {
    let directory = journal_of(frames).await;
    {
        let database = fjall::Database::builder(directory.path().join("frames")).open().unwrap();
        let keyspace = database.keyspace("frames", Default::default).unwrap();
        alter(&keyspace);
        database.persist(fjall::PersistMode::SyncAll).unwrap();
    }
    let journal = open(directory.path()).await;
    (directory, journal)
}

#[tokio::test]
async fn a_gap_is_named_with_its_cursor() {
    let (_directory, journal) = altered(9, |keyspace| keyspace.remove(5_u64.to_be_bytes()).unwrap()).await;
    let missing = ReadError::Damaged { cursor: Cursor(5), what: Damage::Missing };
    let (frames, error) = all_frames(&journal).await;
    assert_eq!(frames, (1..=4).map(frame).collect::<Vec<_>>());
    assert_eq!(error, Some(missing.clone()));
    assert_eq!(journal.read(Cursor(4), 1).await, Err(missing));
    assert_eq!(journal.read(Cursor(5), 1).await, Ok(vec![(Cursor(6), frame(6))]));
    journal.close().await;
}

#[tokio::test]
async fn altered_bytes_are_named_with_their_cursor() {
    let value = [&[7; 32][..], frame(3).bytes()].concat();
    let (_directory, journal) =
        altered(6, |keyspace| keyspace.insert(3_u64.to_be_bytes(), value).unwrap()).await;
    let (frames, error) = all_frames(&journal).await;
    assert_eq!(frames, [frame(1), frame(2)]);
    assert_eq!(error, Some(ReadError::Damaged { cursor: Cursor(3), what: Damage::Altered }));
    journal.close().await;

    let (_directory, none) =
        altered(2, |keyspace| keyspace.insert(2_u64.to_be_bytes(), [1; 32]).unwrap()).await;
    let error = all_frames(&none).await.1;
    assert_eq!(error, Some(ReadError::Damaged { cursor: Cursor(2), what: Damage::Altered }));
    none.close().await;
}

#[tokio::test]
async fn a_store_that_is_no_journal_is_not_taken_for_an_empty_one() {
    let directory = journal_of(3).await;
    fs::remove_file(directory.path().join("frames/version")).unwrap();
    let error = Embedded::open(settings(directory.path())).await.unwrap_err();
    assert!(matches!(error, OpenError::Damaged { cursor: Cursor::START, .. }), "{error:?}");

    let other = tempfile::tempdir().unwrap();
    drop(fjall::Database::builder(other.path().join("frames")).open().unwrap());
    let error = Embedded::open(settings(other.path())).await.unwrap_err();
    assert!(matches!(error, OpenError::Damaged { cursor: Cursor::START, .. }), "{error:?}");
}

#[tokio::test]
async fn a_store_put_back_from_an_older_copy_is_noticed() {
    let directory = journal_of(5).await;
    let older = copy(&directory.path().join("frames"));
    let mut journal = open(directory.path()).await;
    fill(&mut journal, 5, 8).await;
    journal.close().await;
    fs::remove_dir_all(directory.path().join("frames")).unwrap();
    fs::rename(copy(older.path()).keep(), directory.path().join("frames")).unwrap();
    let error = Embedded::open(settings(directory.path())).await.unwrap_err();
    let shorter = Damage::Shorter { seen: Cursor(8) };
    assert!(
        matches!(&error, OpenError::Damaged { cursor: Cursor(6), what, .. } if *what == shorter),
        "{error:?}"
    );
    let ordered = Settings { accept_lost_tail: true, ..settings(directory.path()) };
    Embedded::open(ordered).await.unwrap().close().await;
    // The order is remembered: what is there now is what was acknowledged.
    let journal = open(directory.path()).await;
    assert_filled(&journal, 5).await;
    journal.close().await;
}

/// The frames of these tests differ, or none of the above would show anything.
#[test]
fn frames_of_different_numbers_differ() {
    let frames: Vec<Frame> = (0..100).map(frame).collect();
    for (at, one) in frames.iter().enumerate() {
        assert!(frames[..at].iter().all(|other| other != one));
    }
}
