//! The journal alone: frames of real commits, one after another, as a leader appends them. Another kind of journal is
//! another `open` and other arguments for the orchestrator; everything else here holds for any.

use std::path::Path;

use anyhow::Context as _;
use tokio::time::Instant;
use windlass_journal::embedded::{Embedded, Settings};
use windlass_journal::limits::READ_FRAMES_MAX;
use windlass_journal::{Append, Cursor, Frame, Read};
use windlass_sagas::record::{Frame as Commits, StoredCommit};

use super::load::Ran;
use super::meter::{Processes, Used, count_of};
use super::plan::{Plan, Row};
use super::report::Measure;
use crate::output;

/// What it is called.
pub(super) const NAME: &str = "embedded";
/// What the orchestrator is told, so that it uses it.
pub(super) const ORCHESTRATOR_ARGUMENTS: [&str; 0] = [];
/// The commits to measure with.
const COMMITS: usize = 1_024;
/// What makes each frame's bytes its own: a broker may take equal ones for a repetition.
const STAMP_BYTES: usize = 8;

async fn open(directory: &Path) -> anyhow::Result<Embedded> {
    Ok(Embedded::open(Settings::new(directory)).await?)
}

/// The newest commits of the cell that ran in `home`.
pub(super) async fn commits(home: &Path) -> anyhow::Result<Vec<StoredCommit>> {
    let journal = open(&home.join("journal")).await?;
    let mut found = newest(&journal).await?;
    journal.close().await;
    found.drain(..found.len().saturating_sub(COMMITS));
    Ok(found)
}

async fn newest(journal: &impl Read) -> anyhow::Result<Vec<StoredCommit>> {
    let last = journal.last().await?;
    let frames = u64::try_from(READ_FRAMES_MAX).unwrap_or(u64::MAX);
    let mut after = Cursor(last.0.saturating_sub(frames));
    let mut commits = Vec::new();
    while after < last {
        for (cursor, frame) in journal.read(after, READ_FRAMES_MAX).await? {
            after = cursor;
            commits.extend(Commits::decode(frame.bytes())?.commits);
        }
    }
    Ok(commits)
}

/// One row.
pub(super) async fn measure(
    home: &Path,
    commits: &[StoredCommit],
    count: usize,
    plan: &Plan,
) -> anyhow::Result<Measure> {
    let row = Row::Journal { commits: count };
    output::note(format!("{row}: {} s", plan.time.as_secs()));
    let directory = home.join(row.to_string());
    let mut journal = open(&directory).await?;
    let ran = append(&mut journal, home, commits, count, plan).await;
    journal.close().await;
    Ok(Measure::of(row, ran?))
}

async fn append(
    journal: &mut impl Append,
    home: &Path,
    commits: &[StoredCommit],
    count: usize,
    plan: &Plan,
) -> anyhow::Result<Ran> {
    let processes =
        Processes { bench: vec![std::process::id()], home: home.to_path_buf(), ..Processes::default() };
    let frames = frames(commits, count)?;
    let (begun, mut before, mut ran) = (Instant::now(), None, Ran::default());
    let mut cursor = Cursor::START;
    let mut bytes = 0.0;
    for (number, frame) in (0_u64..).zip(frames.iter().cycle()) {
        if before.is_none() && begun.elapsed() >= plan.warm_up() {
            ran.latencies.clear();
            bytes = 0.0;
            before = Some(processes.look().await?);
        }
        if begun.elapsed() >= plan.warm_up() + plan.time {
            break;
        }
        let frame = stamped(frame, number)?;
        let (at, length) = (Instant::now(), frame.bytes().len());
        cursor = journal.append(cursor, frame).await?;
        ran.latencies.push(at.elapsed());
        bytes += count_of(length);
    }
    let before = before.context("no frame was appended in time")?;
    let frames = count_of(ran.latencies.len());
    let used = Used::between(&before, &processes.look().await?);
    ran.used = Used { frames, commits: frames * count_of(count), frame_bytes: bytes, ..used };
    Ok(ran)
}

/// Frames of `count` commits each, in their order, as many as there are commits for; at least one.
fn frames(commits: &[StoredCommit], count: usize) -> anyhow::Result<Vec<Vec<u8>>> {
    anyhow::ensure!(!commits.is_empty(), "the cell's journal holds no commits");
    let starts = (0..commits.len()).step_by(count);
    let of = |start: usize| commits.iter().cycle().skip(start).take(count).cloned().collect();
    starts.map(|start| Ok(Commits { commits: of(start) }.encode()?)).collect()
}

/// The frame with its number in place of its last bytes.
fn stamped(frame: &[u8], number: u64) -> anyhow::Result<Frame> {
    let (kept, _) = frame.split_last_chunk::<STAMP_BYTES>().context("a frame is too short")?;
    Ok(Frame::new([kept, &number.to_be_bytes()].concat())?)
}
