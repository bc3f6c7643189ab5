//! Folding a journal, from its first frame or from an image, to its end or to any position.
//!
//! Validity is judged by the protocol's own `Fold`, as leaders and followers do; nothing is judged here a second time.

use windlass_journal::{Gap, Read};
use windlass_sagas::ids::*;
use windlass_sagas::protocol::{Absorbed, Cursor, Fold, PoisonError, Poisoned};
use windlass_sagas::record::{Frame, VoidReason};
use windlass_store::Image;

use crate::error::ReplayError;
use crate::limits::READ_FRAMES;

/// How far to fold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// To the frame that is the journal's last when the fold begins.
    End,
    /// To exactly this position, also in the middle of a frame.
    Position(Position),
}

/// A fold, and what it took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folded {
    /// The fold. Where it ends in the middle of a frame, it can't go on.
    pub fold: Fold,
    /// Frames read.
    pub frames: u64,
    /// Valid commits folded.
    pub commits: u64,
    /// Void commits, which changed nothing.
    pub voids: Voids,
}

/// How many commits are void, by the reason of the first in their frame.
pub type Voids = std::collections::BTreeMap<VoidReason, u64>;

/// Folds `journal` from where `start` stands.
///
/// # Errors
/// Where the journal can't be read or folded, or ends before the position.
pub async fn fold<R: Read>(journal: &R, start: Fold, until: Until) -> Result<Folded, ReplayError> {
    fold_by(journal, start, until, |_, _| {}).await
}

/// The same, showing each frame's cursor and commits to `each` once they are folded.
///
/// # Errors
/// As `fold`.
pub async fn fold_by<R: Read>(
    journal: &R,
    start: Fold,
    until: Until,
    mut each: impl FnMut(Cursor, &Absorbed) + Send,
) -> Result<Folded, ReplayError> {
    fold_steps(journal, start, until, |step| {
        if let Step::Frame(cursor, absorbed) = step {
            each(cursor, absorbed);
        }
    })
    .await
}

/// What a fold meets.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step<'a> {
    /// What the copy of the journal begins with: before anything else, and only where it is not the first commit.
    Base(&'a Fold),
    /// A frame, folded.
    Frame(Cursor, &'a Absorbed),
    /// Commits that the copy leaves out, stepped over.
    Gap(Gap),
}

/// The same, showing everything that it meets. A copy that begins later than the journal is folded from the image that it
/// begins with, unless `start` stands behind that already.
pub(crate) async fn fold_steps<R: Read>(
    journal: &R,
    start: Fold,
    until: Until,
    mut each: impl FnMut(Step<'_>) + Send,
) -> Result<Folded, ReplayError> {
    let fold = match based(journal, &start, until)? {
        Some(based) => {
            each(Step::Base(&based));
            based
        }
        None => start,
    };
    let mut folded = Folded { fold, frames: 0, commits: 0, voids: Voids::new() };
    let at = folded.fold.tip().position;
    if let Until::Position(wanted) = until
        && at > wanted
    {
        return Err(ReplayError::Behind { wanted, at });
    }
    let last = journal.last().await?;
    while folded.fold.cursor() < last && !reached(&folded.fold, until) {
        if let Some(gap) = gap_behind(journal, &folded.fold)? {
            skip(&mut folded.fold, gap, until)?;
            each(Step::Gap(gap));
            continue;
        }
        let frames = journal.read(folded.fold.cursor(), READ_FRAMES).await?;
        if frames.is_empty() {
            break;
        }
        for (cursor, frame) in frames {
            let gap = cursor != folded.fold.cursor().next() && gap_behind(journal, &folded.fold)?.is_some();
            if gap || reached(&folded.fold, until) {
                break;
            }
            let bytes = up_to(frame.bytes(), until);
            let absorbed = folded
                .fold
                .absorb(cursor, bytes.as_deref().unwrap_or(frame.bytes()))
                .map_err(|error| ReplayError::Poisoned { cursor, error })?;
            folded.frames += 1;
            folded.commits += absorbed.commits.len() as u64;
            if let Some((commits, reason)) = absorbed.void {
                *folded.voids.entry(reason).or_default() += commits as u64;
            }
            each(Step::Frame(cursor, &absorbed));
        }
    }
    match until {
        Until::Position(wanted) if folded.fold.tip().position < wanted => {
            Err(ReplayError::Ends { wanted, end: folded.fold.tip().position })
        }
        Until::Position(_) | Until::End => Ok(folded),
    }
}

/// The fold that a copy of a journal begins with; `None`: `start` is the place to begin.
fn based<R: Read>(journal: &R, start: &Fold, until: Until) -> Result<Option<Fold>, ReplayError> {
    let Some(part) = journal.part().filter(|_| start.tip().position == Position(0)) else { return Ok(None) };
    let Some(bytes) = part.base()? else { return Ok(None) };
    let Image { cell, tip, cursor } = Image::from_bytes(&bytes)?;
    if let Until::Position(wanted) = until
        && wanted < tip.position
    {
        return Err(ReplayError::LeftOut { wanted, from: Position(1), to: Position(tip.position.0 - 1) });
    }
    let fold = Fold::restored(cell, tip, cursor, start.expected());
    fold.map(Some).map_err(|error| ReplayError::Poisoned { cursor, error })
}

fn gap_behind<R: Read>(journal: &R, fold: &Fold) -> Result<Option<Gap>, ReplayError> {
    let Some(part) = journal.part() else { return Ok(None) };
    Ok(part.gap_at(fold.cursor().next())?)
}

/// Steps over what is left out. Inside of it there is nothing to stop at: what is asked for there is refused.
fn skip(fold: &mut Fold, gap: Gap, until: Until) -> Result<(), ReplayError> {
    let Gap { from, tip } = gap;
    if let Until::Position(wanted) = until
        && from <= wanted
        && wanted < tip.position
    {
        return Err(ReplayError::LeftOut { wanted, from, to: Position(tip.position.0 - 1) });
    }
    let cursor = fold.cursor().next();
    let leads_on = from == fold.tip().position.next();
    let skipped = if leads_on { fold.skip(cursor, tip) } else { Err(not_there(fold)) };
    skipped.map_err(|error| ReplayError::Poisoned { cursor, error })
}

/// Commits between the last one and those that are left out are missing without a word.
fn not_there(fold: &Fold) -> Poisoned {
    Poisoned { position: fold.tip().position.next(), error: PoisonError::Skip }
}

fn reached(fold: &Fold, until: Until) -> bool {
    matches!(until, Until::Position(wanted) if fold.tip().position >= wanted)
}

/// The frame without the commits behind the wanted position; `None` where all of it is wanted. A valid commit stands
/// at its own position, so the cut is exact; what it takes of void ones changes nothing.
fn up_to(bytes: &[u8], until: Until) -> Option<Vec<u8>> {
    let Until::Position(wanted) = until else { return None };
    let mut frame = Frame::decode(bytes).ok()?;
    let keep = frame.commits.iter().take_while(|commit| commit.header.position <= wanted).count();
    if keep == frame.commits.len() || keep == 0 {
        return None;
    }
    frame.commits.truncate(keep);
    frame.encode().ok()
}

/// The fold that a stored image is, proven to be of this journal. `None`: it is of another one, or this one has lost
/// or rewritten its tail; the store is to be reset, and the fold begins with the first frame.
///
/// # Errors
/// Where the journal can't be read at the image's frame, but for its having been lost.
pub async fn fold_of_image<R: Read>(
    journal: &R,
    image: Image,
    expected: Option<CellId>,
) -> Result<Option<Fold>, ReplayError> {
    if journal.last().await? < image.cursor {
        return Ok(None);
    }
    let before = Cursor(image.cursor.0.saturating_sub(1));
    let frames = journal.read(before, 1).await?;
    let stands = frames.first().is_some_and(|(_, frame)| image.stands_on(frame.bytes()));
    let Image { cell, tip, cursor } = image;
    Ok(stands.then(|| Fold::restored(cell, tip, cursor, expected).ok()).flatten())
}
