//! The rows: each reads the journal or the store as the product does, on one thread, one after another.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use windlass_journal::embedded::{self, Embedded};
use windlass_journal::limits::READ_FRAMES_MAX;
use windlass_journal::{Cursor, Read};
use windlass_replay::{Ask, Until, export, fold, fold_of_image, verify};
use windlass_sagas::ids::*;
use windlass_sagas::protocol::Fold;
use windlass_store::{List, PageKey, Store, Tracker};

use super::super::meter;
use super::store::Beside;
use super::{JOURNAL, Made, STORE};
use crate::output;

/// Rows of a page of a list.
const PAGE: usize = 50;
const MIB: f64 = 1024.0 * 1024.0;

/// One row: so many things in so many seconds; questions have their times.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) name: &'static str,
    /// Commits, or questions.
    pub(super) count: u64,
    pub(super) seconds: f64,
    /// CPU of all threads of this process, s: by it rows are compared, since it hardly minds what else runs.
    pub(super) cpu_seconds: f64,
    /// Of each question, sorted.
    pub(super) each: Vec<Duration>,
}

/// All that was measured.
#[derive(Clone, Debug)]
pub(super) struct Measured {
    pub(super) made: Made,
    pub(super) frames: u64,
    pub(super) frame_bytes: u64,
    pub(super) rows: Vec<Row>,
    /// What the fold remembers of finished sagas, bytes each.
    pub(super) remembered: u64,
    pub(super) saga_bytes: f64,
    /// The whole fold, MiB, resident.
    pub(super) fold_mib: f64,
    pub(super) journal_bytes: u64,
    pub(super) store_bytes: u64,
    pub(super) image_bytes: u64,
    pub(super) images: usize,
    pub(super) export_bytes: u64,
}

impl Measured {
    pub(super) fn row(&self, name: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.name == name)
    }
}

/// What a row began with.
struct Begun(Instant, u64);

impl Begun {
    fn now() -> anyhow::Result<Self> {
        Ok(Self(Instant::now(), meter::ticks(std::process::id())?))
    }

    fn cpu_seconds(&self) -> anyhow::Result<f64> {
        Ok(count(meter::ticks(std::process::id())?.saturating_sub(self.1)) * meter::TICK_US / 1e6)
    }
}

impl Row {
    fn done(name: &'static str, count: u64, begun: &Begun) -> anyhow::Result<Self> {
        let (seconds, cpu_seconds) = (begun.0.elapsed().as_secs_f64(), begun.cpu_seconds()?);
        output::note(format!("{name}: {seconds:.3} s"));
        Ok(Self { name, count, seconds, cpu_seconds, each: Vec::new() })
    }

    fn asked(name: &'static str, mut each: Vec<Duration>, begun: &Begun) -> anyhow::Result<Self> {
        each.sort_unstable();
        let (count, seconds) = (each.len() as u64, each.iter().map(Duration::as_secs_f64).sum());
        output::note(format!("{name}: {count} questions, {seconds:.3} s"));
        Ok(Self { name, count, seconds, cpu_seconds: begun.cpu_seconds()?, each })
    }

    /// Commits, or questions, a second.
    pub(super) fn per_second(&self) -> f64 {
        count(self.count) / self.seconds.max(1e-9)
    }

    /// The same a second of CPU.
    pub(super) fn per_cpu_second(&self) -> f64 {
        // A tick is the least that can be told.
        count(self.count) / self.cpu_seconds.max(meter::TICK_US / 1e6)
    }
}

/// Measures all rows over what was made in `home`.
pub(super) async fn measure(home: &Path, made: Made, questions: u16) -> anyhow::Result<Measured> {
    let mut rows = Vec::new();
    let journal = open(home).await?;
    // Once unmeasured, so that what is measured finds the disk's pages where the next row does.
    read_all(&journal).await?;
    let begun = Begun::now()?;
    let (frames, frame_bytes) = read_all(&journal).await?;
    rows.push(Row::done("raw", made.commits, &begun)?);

    let before = resident()?;
    let begun = Begun::now()?;
    let folded = fold(&journal, Fold::new(None), Until::End).await?;
    rows.push(Row::done("fold", folded.commits, &begun)?);
    anyhow::ensure!(folded.commits == made.commits, "the journal is not what was made");
    let fold_mib = count(resident()?.saturating_sub(before)) / MIB;
    let (remembered, saga_bytes) = remembered(folded.fold.cell())?;
    let whole = folded.fold;
    journal.close().await;

    rows.push(cold(home, &whole).await?);
    let (row, images, image_bytes) = cold_image(home, &whole).await?;
    rows.push(row);

    let journal = open(home).await?;
    let (store, _) = Store::open(&home.join(STORE))?;
    rows.push(at(&journal, &store, made, questions).await?);
    rows.push(list(&store, &whole, questions)?);
    drop((store, whole));

    let begun = Begun::now()?;
    let verified = verify(&journal, &[]).await?;
    rows.push(Row::done("verify", verified.commits, &begun)?);
    anyhow::ensure!(verified.is_whole(), "the journal is damaged");
    let begun = Begun::now()?;
    let checked = windlass_replay::check(&journal, &[]).await;
    rows.push(Row::done("check", checked.commits, &begun)?);
    anyhow::ensure!(checked.commits == made.commits && checked.groups.is_empty(), "it is decided otherwise");
    let begun = Begun::now()?;
    let mut file = std::io::BufWriter::new(std::fs::File::create(home.join("exported"))?);
    let exported = export(&journal, Ask::cell(), &mut file).await?;
    file.into_inner()?.sync_all()?;
    rows.push(Row::done("export", made.commits, &begun)?);
    journal.close().await;

    let (journal_bytes, store_bytes) = (bytes_below(&home.join(JOURNAL))?, bytes_below(&home.join(STORE))?);
    Ok(Measured {
        made,
        frames,
        frame_bytes,
        rows,
        remembered,
        saga_bytes,
        fold_mib,
        journal_bytes,
        store_bytes: store_bytes.saturating_sub(image_bytes),
        image_bytes,
        images,
        export_bytes: exported.bytes,
    })
}

async fn open(home: &Path) -> anyhow::Result<Embedded> {
    Ok(Embedded::open(embedded::Settings::new(home.join(JOURNAL))).await?)
}

/// Reads every frame; how many there are, and their bytes.
async fn read_all(journal: &Embedded) -> anyhow::Result<(u64, u64)> {
    let (mut at, mut frames, mut bytes, last) = (Cursor::START, 0, 0, journal.last().await?);
    while at < last {
        for (cursor, frame) in journal.read(at, READ_FRAMES_MAX).await? {
            (at, frames) = (cursor, frames + 1);
            bytes += frame.bytes().len() as u64;
        }
    }
    Ok((frames, bytes))
}

/// What a second copy of the remembered requests takes: nothing else of a finished saga stays in the fold.
fn remembered(cell: &windlass_sagas::cell::Cell) -> anyhow::Result<(u64, f64)> {
    let before = resident()?;
    let copy = cell.requests.clone();
    let bytes = resident()?.saturating_sub(before);
    let sagas = copy.len() as u64;
    Ok((sagas, count(bytes) / count(sagas.max(1))))
}

/// Folds the journal to its end as a start does, noting for images and index.
async fn follow(journal: &Embedded, fold: &mut Fold, beside: &mut Beside) -> anyhow::Result<u64> {
    let (mut commits, last) = (0, journal.last().await?);
    while fold.cursor() < last {
        for (cursor, frame) in journal.read(fold.cursor(), READ_FRAMES_MAX).await? {
            let absorbed = fold.absorb(cursor, frame.bytes())?;
            commits += absorbed.commits.len() as u64;
            beside.note(cursor, &absorbed.commits, fold.tip().hash);
            beside.capture(fold.cell(), fold.tip())?;
        }
    }
    Ok(commits)
}

async fn cold(home: &Path, whole: &Fold) -> anyhow::Result<Row> {
    let begun = Begun::now()?;
    let journal = open(home).await?;
    let mut fold = Fold::new(None);
    let commits = follow(&journal, &mut fold, &mut Beside::unwritten(Tracker::new())).await?;
    let row = Row::done("cold", commits, &begun)?;
    journal.close().await;
    anyhow::ensure!(fold == *whole, "a start folds something else");
    Ok(row)
}

/// A start from the stored image; then the store is brought to the journal's end, for the rows that ask it.
async fn cold_image(home: &Path, whole: &Fold) -> anyhow::Result<(Row, usize, u64)> {
    let begun = Begun::now()?;
    let journal = open(home).await?;
    let (store, image) = Store::open(&home.join(STORE))?;
    let image = image.context("no image was stored")?;
    let tracker = Tracker::resume(&image);
    let mut fold = fold_of_image(&journal, image, None).await?.context("the image is of another journal")?;
    let commits = follow(&journal, &mut fold, &mut Beside::unwritten(tracker)).await?;
    let row = Row::done("cold-image", commits, &begun)?;
    anyhow::ensure!(fold == *whole, "a start from an image folds something else");
    drop(fold);

    let image = store.load()?.context("the image is there")?;
    let mut beside = Beside::of(store.clone(), Some(&image), None)?;
    let mut fold = fold_of_image(&journal, image, None).await?.context("the image is of this journal")?;
    follow(&journal, &mut fold, &mut beside).await?;
    beside.capture_last(fold.cell(), fold.tip())?;
    beside.close()?;
    journal.close().await;
    let kept = store.kept();
    Ok((row, kept.len(), kept.iter().map(|(_, bytes)| bytes).sum()))
}

/// The cell at positions from all over the journal.
async fn at(journal: &Embedded, store: &Store, made: Made, questions: u16) -> anyhow::Result<Row> {
    let (mut each, all) = (Vec::new(), Begun::now()?);
    for position in spread(made.commits).take(usize::from(questions)) {
        let begun = Instant::now();
        let start = match store.image_before(Position(position))? {
            Some(image) => {
                fold_of_image(journal, image, None).await?.context("an image of another journal")?
            }
            None => Fold::new(None),
        };
        let folded = fold(journal, start, Until::Position(Position(position))).await?;
        each.push(begun.elapsed());
        anyhow::ensure!(folded.fold.tip().position == Position(position), "it is of another position");
    }
    Row::asked("at", each, &all)
}

/// Pages of one project's sagas, from all over the journal.
fn list(store: &Store, whole: &Fold, questions: u16) -> anyhow::Result<Row> {
    let project = whole.cell().projects.keys().next().copied();
    let (mut each, all) = (Vec::new(), Begun::now()?);
    for position in spread(whole.tip().position.0).take(usize::from(questions)) {
        let after = Some(PageKey { first: Position(position), saga: SagaId([0xff; 16]) });
        let list = List { project, after, rows_max: PAGE };
        let begun = Instant::now();
        let page = store.list(&list, Vec::new())?;
        each.push(begun.elapsed());
        let ours = page.sagas.iter().all(|it| Some(it.project) == project && it.first <= Position(position));
        anyhow::ensure!(ours, "a page of something else");
    }
    Row::asked("list", each, &all)
}

/// Positions all over a journal, the same in every run.
fn spread(commits: u64) -> impl Iterator<Item = u64> {
    // Multiples of the golden ratio lie evenly, whatever their number.
    (1..).map(move |number: u64| number.wrapping_mul(0x9E37_79B9_7F4A_7C15) % commits.max(1) + 1)
}

/// Resident bytes of this process.
fn resident() -> anyhow::Result<u64> {
    Ok(meter::resident_kib(std::process::id())? * 1024)
}

/// What the files below a directory take, bytes.
fn bytes_below(directory: &Path) -> anyhow::Result<u64> {
    use std::os::unix::fs::MetadataExt as _;
    let mut bytes = 0;
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        let about = entry.metadata()?;
        bytes += if about.is_dir() { bytes_below(&entry.path())? } else { about.blocks() * 512 };
    }
    Ok(bytes)
}

/// A count as a number to divide; exact below 2^53.
#[expect(clippy::cast_precision_loss, reason = "what is counted here stays far below 2^53")]
pub(super) const fn count(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_are_about_all_of_the_journal() {
        let asked: Vec<u64> = spread(1000).take(100).collect();
        assert!(asked.iter().all(|position| (1..=1000).contains(position)));
        assert!((0..10).all(|tenth| asked.iter().any(|position| (position - 1) / 100 == tenth)), "{asked:?}");
    }
}
