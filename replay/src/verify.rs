//! The chain of a journal, looked at by itself: what was edited, dropped, moved or cut off, each with its position.
//!
//! Void commits at positions that are taken are what deposed leaders leave behind: counted. Anything else that does not
//! chain is a finding. A change of the very last commit shows only to somebody who has seen it before (`Seen`), or in
//! the storage's own hashes.

use std::collections::BTreeMap;
use std::fmt;

use windlass_journal::{Damage, Gap, Part, Read, ReadError};
use windlass_sagas::ids::*;
use windlass_sagas::protocol::Cursor;
use windlass_sagas::record::{DecodeError, Frame, Header, StoredCommit, Tip, Validity, VoidReason};
use windlass_store::Image;

use crate::error::ReplayError;
use crate::fold::Voids;
use crate::limits::{FINDINGS_MAX, READ_FRAMES};

/// A commit that somebody outside has seen: an agent, a follower, a stored image, an auditor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Its position.
    pub position: Position,
    /// Its hash.
    pub hash: Hash,
}

/// What a verification saw.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// Frames read.
    pub frames: u64,
    /// Commits of the whole chain, from genesis on, that were looked at.
    pub commits: u64,
    /// The image that this copy begins with stands at this position; 0: it begins with genesis. Nothing here proves what
    /// is before it, nor the image.
    pub base: Position,
    /// Commits that this copy leaves out behind its beginning; the chain was followed over them.
    pub left_out: u64,
    /// Commits that deposed leaders left behind, by reason.
    pub voids: Voids,
    /// Commits that no reader applies, since the chain is broken before them.
    pub cut_off: u64,
    /// What is wrong, in the order of the journal; at most `FINDINGS_MAX`.
    pub findings: Vec<Finding>,
    /// How many more findings there are.
    pub more: u64,
    /// Where the whole chain ends.
    pub tip: Tip,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The frame that shows it.
    pub cursor: Cursor,
    /// The first position concerned.
    pub position: Position,
    /// What.
    pub what: What,
}

/// What can be wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// The storage itself says that the frame is damaged.
    Damaged(Damage),
    /// The frame or the commit can't be read.
    Unreadable(DecodeError),
    /// The commit behind `position` does not chain to the one at it: one of the two was edited.
    Edited,
    /// The commits from `position` up to `to` are not where they belong: dropped, or found again at `later`.
    Missing {
        /// The last one.
        to: Position,
        /// Where the first of them stands instead.
        later: Option<Cursor>,
    },
    /// The commit chains, and breaks another rule.
    Unlawful(VoidReason),
    /// It is not the commit that was seen there.
    Rewritten {
        /// The hash that was seen.
        seen: Hash,
        /// The hash that is there.
        found: Hash,
    },
    /// It was seen, and the journal ends before it.
    Truncated {
        /// The last position that was seen.
        seen: Position,
    },
    /// It was seen, and this copy leaves it out: nothing can be compared.
    LeftOut,
    /// The image that this copy begins with can't be read.
    Base(String),
    /// What is said to be left out does not follow the commit before it.
    NotInOrder {
        /// Where it is said to begin.
        from: Position,
    },
}

impl Verified {
    /// Whether there is a journal, and nothing is wrong with it.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        (self.commits > 0 || self.base > Position(0)) && self.findings.is_empty() && self.more == 0
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (cursor, position) = (self.cursor.0, self.position);
        write!(f, "position {position}, frame {cursor}: ")?;
        match &self.what {
            What::Damaged(damage) => write!(f, "{damage}"),
            What::Unreadable(error) => {
                write!(f, "can't be read: {error}")?;
                let inner = std::error::Error::source(error);
                inner.map_or(Ok(()), |inner| write!(f, ": {inner}"))
            }
            What::Edited => write!(f, "edited, or the commit behind it, which chains to another one"),
            What::Missing { to, later: None } => write!(f, "dropped, with all up to position {to}"),
            What::Missing { to, later: Some(later) } => {
                write!(f, "moved to frame {}, with what belongs here up to position {to}", later.0)
            }
            What::Unlawful(reason) => write!(f, "chains, but {reason}"),
            What::Rewritten { seen, found } => write!(f, "rewritten: {seen} was seen here, {found} is here"),
            What::Truncated { seen } => {
                write!(f, "truncated: position {seen} was seen, the chain ends before it")
            }
            What::LeftOut => write!(f, "was seen, and this copy leaves it out: not compared"),
            What::Base(why) => write!(f, "the image before it is not sound: {why}"),
            What::NotInOrder { from } => write!(f, "what is left out is said to begin at position {from}"),
        }
    }
}

/// Reads all of `journal` and follows its chain; `seen` is what others remember of it.
///
/// # Errors
/// Where the journal can't be read now. Damage is a finding, not an error.
pub async fn verify<R: Read>(journal: &R, seen: &[Seen]) -> Result<Verified, ReplayError> {
    verify_by(journal, seen, |_| {}).await
}

/// The same, showing what it has seen so far after each reading.
///
/// # Errors
/// As [`verify`].
pub async fn verify_by<R: Read>(
    journal: &R,
    seen: &[Seen],
    mut each: impl FnMut(&Verified) + Send,
) -> Result<Verified, ReplayError> {
    let mut chain = Chain::new(seen);
    let mut at = chain.begin(journal)?;
    // A journal that grows meanwhile has its end where it had it at the beginning; a damaged one does not know its own.
    let last = journal.last().await.ok();
    while last.is_none_or(|last| at < last) {
        while let Some(gap) =
            journal.part().map_or(Ok(None), |part| part.gap_at(at.next())).unwrap_or_default()
        {
            at = at.next();
            chain.gap(at, &gap);
        }
        match journal.read(at, READ_FRAMES).await {
            Ok(frames) if frames.is_empty() => break,
            Ok(frames) => {
                for (cursor, frame) in frames {
                    // What is left out comes first.
                    if cursor != at.next() && journal.part().is_some_and(Part::has_gaps) {
                        break;
                    }
                    chain.frame(cursor, frame.bytes());
                    at = cursor;
                }
            }
            Err(ReadError::Damaged { cursor, what }) => {
                let goes_on = matches!(what, Damage::Altered | Damage::Missing) && cursor > at;
                chain.lose(cursor, What::Damaged(what));
                if !goes_on {
                    break;
                }
                at = journal.part().map_or(cursor, |part| part.piece_end(cursor));
            }
            Err(error @ ReadError::Unavailable { .. }) => return Err(error.into()),
        }
        each(&chain.verified);
    }
    let said = journal.part().and_then(Part::end);
    Ok(chain.end(at, said))
}

/// The chain as readers follow it, and, once it is broken, how it would go on.
struct Chain {
    verified: Verified,
    /// Where the commits behind a break chain on.
    broken: Option<Tip>,
    seen: BTreeMap<Position, Hash>,
    /// A frame could not be given: that its commits are missing is no news.
    frame_lost: bool,
}

impl Chain {
    fn new(seen: &[Seen]) -> Self {
        let seen = seen.iter().filter(|seen| seen.position > Position(0));
        let seen = seen.map(|seen| (seen.position, seen.hash)).collect();
        Self { verified: Verified::default(), broken: None, seen, frame_lost: false }
    }

    /// Where to read on: behind the image that this copy begins with, where it does.
    fn begin<R: Read>(&mut self, journal: &R) -> Result<Cursor, ReplayError> {
        let Some(part) = journal.part() else { return Ok(Cursor::START) };
        let base = match part.base() {
            Ok(None) => return Ok(Cursor::START),
            Ok(Some(bytes)) => Image::from_bytes(&bytes).map_err(|error| error.to_string()),
            Err(error @ ReadError::Unavailable { .. }) => return Err(error.into()),
            Err(error @ ReadError::Damaged { .. }) => Err(error.to_string()),
        };
        match base {
            Ok(Image { tip, cursor, .. }) => {
                (self.verified.tip, self.verified.base) = (tip, tip.position);
                self.witness(cursor, tip.position, tip.hash);
                for position in self.take_seen(Position(0), Position(tip.position.0 - 1)) {
                    self.find(cursor, position, What::LeftOut);
                }
                Ok(cursor)
            }
            Err(why) => {
                self.find(Cursor(1), Position(1), What::Base(why));
                self.frame_lost = true;
                Ok(Cursor(1))
            }
        }
    }

    /// Follows the chain over commits that this copy leaves out: the next one must name the last of them.
    fn gap(&mut self, cursor: Cursor, gap: &Gap) {
        let Gap { from, tip } = *gap;
        let expected = self.ahead().next();
        if tip.position < from || from < expected || (from > expected && !self.frame_lost) {
            self.find(cursor, expected, What::NotInOrder { from });
        }
        self.frame_lost = false;
        self.verified.left_out += (tip.position.0 + 1).saturating_sub(from.0);
        for position in self.take_seen(Position(from.0.saturating_sub(1)), Position(tip.position.0 - 1)) {
            self.find(cursor, position, What::LeftOut);
        }
        self.witness(cursor, tip.position, tip.hash);
        match &mut self.broken {
            Some(broken) => *broken = tip,
            None if self.verified.tip.position.next() == from => self.verified.tip = tip,
            None => self.broken = Some(tip),
        }
    }

    /// What was seen behind `after` and up to `to`; it is not looked for again.
    fn take_seen(&mut self, after: Position, to: Position) -> Vec<Position> {
        let of_these = |position: &Position| after < *position && *position <= to;
        let found: Vec<Position> = self.seen.keys().copied().filter(of_these).collect();
        self.seen.retain(|position, _| !of_these(position));
        found
    }

    /// The furthest commit, cut off or not.
    fn ahead(&self) -> Position {
        let tip = self.verified.tip.position;
        self.broken.map_or(tip, |broken| broken.position.max(tip))
    }

    fn frame(&mut self, cursor: Cursor, bytes: &[u8]) {
        self.verified.frames += 1;
        let frame = match Frame::decode(bytes) {
            Ok(frame) => frame,
            Err(error) => return self.lose(cursor, What::Unreadable(error)),
        };
        // The first void commit takes the rest of its frame with it.
        let mut void = None;
        for stored in &frame.commits {
            let sound = void.is_none().then(|| self.verified.tip.judge(stored));
            match sound {
                Some(Ok(Validity::Valid(_, tip))) => {
                    self.verified.tip = tip;
                    self.verified.commits += 1;
                    self.witness(cursor, tip.position, tip.hash);
                    self.found_again(cursor, tip.position);
                }
                Some(Ok(Validity::Void(reason))) => void = Some(self.off(cursor, stored, reason)),
                Some(Err(error)) => {
                    self.find(cursor, stored.header.position, What::Unreadable(error));
                    self.branch(stored);
                    void = Some(None);
                }
                None => self.rest(cursor, stored, void.flatten()),
            }
        }
    }

    /// A commit that the chain does not take: left behind by a deposed leader (its reason), or the sign of a break.
    fn off(&mut self, cursor: Cursor, stored: &StoredCommit, reason: VoidReason) -> Option<VoidReason> {
        let position = stored.header.position;
        if let Some(Ok(Validity::Valid(_, tip))) = self.broken.map(|broken| broken.judge(stored)) {
            self.verified.cut_off += 1;
            self.witness(cursor, position, tip.hash);
            self.broken = Some(tip);
            return None;
        }
        if position <= self.ahead() {
            self.found_again(cursor, position);
            *self.verified.voids.entry(reason).or_default() += 1;
            return Some(reason);
        }
        let expected = self.ahead().next();
        if position > expected && self.frame_lost {
            self.frame_lost = false;
        } else if position > expected {
            let to = Position(position.0 - 1);
            self.find(cursor, expected, What::Missing { to, later: None });
        } else {
            let base = self.broken.unwrap_or(self.verified.tip);
            let reason = match base.judge(stored) {
                Ok(Validity::Void(reason)) => reason,
                Ok(Validity::Valid(..)) | Err(_) => reason,
            };
            match reason {
                VoidReason::Previous => self.find(cursor, base.position, What::Edited),
                VoidReason::Position | VoidReason::Time | VoidReason::Term | VoidReason::Genesis => {
                    self.find(cursor, position, What::Unlawful(reason));
                }
            }
        }
        self.branch(stored);
        None
    }

    /// What follows a void commit in its frame.
    fn rest(&mut self, cursor: Cursor, stored: &StoredCommit, left_behind: Option<VoidReason>) {
        match left_behind {
            Some(reason) => *self.verified.voids.entry(reason).or_default() += 1,
            None => drop(self.off(cursor, stored, VoidReason::Previous)),
        }
    }

    /// Behind a break, the chain is followed from this commit on, so that the next break is found too.
    fn branch(&mut self, stored: &StoredCommit) {
        let Header { position, time, term, .. } = stored.header;
        self.broken = Some(Tip { position, hash: stored.hash(), time, term });
        self.verified.cut_off += 1;
    }

    /// A commit that was missing before stands here.
    fn found_again(&mut self, cursor: Cursor, position: Position) {
        for finding in &mut self.verified.findings {
            if let What::Missing { to, later } = &mut finding.what
                && later.is_none()
                && (finding.position..=*to).contains(&position)
            {
                *later = Some(cursor);
            }
        }
    }

    fn witness(&mut self, cursor: Cursor, position: Position, found: Hash) {
        if let Some(seen) = self.seen.remove(&position)
            && seen != found
        {
            self.find(cursor, position, What::Rewritten { seen, found });
        }
    }

    /// A whole frame can't be given.
    fn lose(&mut self, cursor: Cursor, what: What) {
        self.find(cursor, self.ahead().next(), what);
        self.frame_lost = true;
    }

    fn find(&mut self, cursor: Cursor, position: Position, what: What) {
        if self.verified.findings.len() < FINDINGS_MAX {
            self.verified.findings.push(Finding { cursor, position, what });
        } else {
            self.verified.more += 1;
        }
    }

    /// `said`: the end that the copy itself names.
    fn end(mut self, last: Cursor, said: Option<(Position, Hash)>) -> Verified {
        let end = self.ahead();
        match said {
            Some((position, hash)) if position == end && self.broken.is_none() => {
                let found = self.verified.tip.hash;
                if hash != found {
                    self.find(last, end, What::Rewritten { seen: hash, found });
                }
            }
            Some((position, _)) if position > end => {
                self.find(last.next(), end.next(), What::Truncated { seen: position });
                self.seen.clear();
            }
            Some(_) | None => {}
        }
        let beyond = self.seen.keys().next_back().copied().filter(|seen| *seen > end);
        if let Some(seen) = beyond {
            self.find(last.next(), end.next(), What::Truncated { seen });
        }
        self.verified
    }
}
