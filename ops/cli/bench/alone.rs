//! The journal alone: frames of real commits, one after another, as a leader appends them. On NATS they go to a stream of
//! their own beside the cell's.

use std::path::Path;

use anyhow::Context as _;
use tokio::time::Instant;
use windlass_journal::embedded::{self, Embedded};
use windlass_journal::jetstream::{Connection, Settings};
use windlass_journal::limits::READ_FRAMES_MAX;
use windlass_journal::{Append, Cursor, Frame, Read};
use windlass_sagas::record::{Frame as Commits, StoredCommit};

use super::load::Ran;
use super::measure::Measure;
use super::meter::{Processes, Used, count_of};
use super::plan::{Plan, Row};
use crate::journal::Journal;
use crate::output;

/// The commits to measure with.
const COMMITS: usize = 1_024;
/// What makes each frame's bytes its own: a broker may take equal ones for a repetition.
const STAMP_BYTES: usize = 8;

/// The newest commits of the cell that ran in `home`.
pub(super) async fn commits(journal: &Journal, home: &Path) -> anyhow::Result<Vec<StoredCommit>> {
    let source = journal.open(home).await?;
    let found = newest(&source).await;
    source.close().await;
    let mut found = found?;
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
    journal: &Journal,
    processes: &Processes,
    commits: &[StoredCommit],
    row: Row,
    plan: &Plan,
) -> anyhow::Result<Measure> {
    let Row::Journal { commits: count } = row else { anyhow::bail!("{row} is no row of the journal") };
    output::note(format!("{row}: {} s", plan.time.as_secs()));
    let frames = frames(commits, count)?;
    let ran = match stream(journal) {
        Some(settings) => {
            let mut stream = Connection::open(&settings).await?.appender();
            let ran = append(&mut stream, processes, &frames, plan).await;
            Connection::delete_journal(&settings).await?;
            ran
        }
        None => {
            let settings = embedded::Settings::new(processes.home.join(row.to_string()));
            let mut journal = Embedded::open(settings).await?;
            let ran = append(&mut journal, processes, &frames, plan).await;
            journal.close().await;
            ran
        }
    };
    let mut ran = ran?;
    ran.used.commits = ran.used.frames * count_of(count);
    Ok(Measure::of(row, ran))
}

/// Leaves nothing of these rows behind on a broker that is not our own.
pub(super) async fn remove(journal: &Journal) -> anyhow::Result<()> {
    match stream(journal) {
        Some(settings) => Ok(Connection::delete_journal(&settings).await?),
        None => Ok(()),
    }
}

/// The stream of their own, where the journal is on NATS.
fn stream(journal: &Journal) -> Option<Settings> {
    let settings = journal.settings()?;
    Some(Settings { cell: format!("{}-alone", settings.cell), ..settings })
}

async fn append(
    journal: &mut impl Append,
    processes: &Processes,
    frames: &[Vec<u8>],
    plan: &Plan,
) -> anyhow::Result<Ran> {
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
    ran.used = Used { frames, frame_bytes: bytes, ..used };
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
