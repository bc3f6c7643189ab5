//! What others have seen of the journal, against what this node's fold holds (O6): a tail that is gone, or another
//! commit at a position, is never passed over in silence.
//!
//! Compared are the last `HASHES_REMEMBERED` commits since the fold was loaded, and everything ahead of it. What
//! speaks of a lower generation than the fold's was settled by the operator's order that raised it.

use alloc::collections::{BTreeMap, VecDeque};

use super::message::Alarm;
use crate::ids::*;
use crate::limits::{HASHES_REMEMBERED, WITNESSES_MAX};
use crate::record::{Commit, Tip};

/// What was seen, and the last hashes.
#[derive(Clone, Debug, Default)]
pub(super) struct Witnesses {
    /// Seen and not in the fold yet, with the seer's highest term.
    ahead: BTreeMap<Position, (Hash, Term)>,
    /// The highest term that anybody knows.
    highest: Term,
    /// The last positions and hashes of the fold.
    recent: VecDeque<(Position, Hash)>,
    /// Another commit was seen at this position: there, ours, and the seer's highest term.
    conflict: Option<(Position, Hash, Hash, Term)>,
}

/// What one word of another is against the fold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// It is in the fold, or too old to tell.
    Known,
    /// The fold has not got so far.
    Ahead,
    /// The fold holds another commit there.
    Conflict,
}

impl Witnesses {
    /// Takes in what somebody has seen; `tip` is the fold's, `None` before it is loaded.
    pub(super) fn see(&mut self, seen: (Position, Hash), highest: Term, tip: Option<&Tip>) -> Word {
        let (position, hash) = seen;
        let tip = tip.copied().unwrap_or_default();
        if highest.generation < tip.term.generation {
            return Word::Known;
        }
        self.highest = self.highest.max(highest);
        if position > tip.position {
            self.ahead.insert(position, (hash, highest));
            if self.ahead.len() > WITNESSES_MAX {
                self.ahead.pop_first();
            }
            return Word::Ahead;
        }
        let word = self.word(seen, highest, &tip);
        if word == Word::Conflict
            && let Some(ours) = self.remembered(position)
        {
            self.conflict = Some((position, hash, ours, highest));
        }
        word
    }

    /// What a word is against a fold that ends in `tip`.
    pub(super) fn word(&self, seen: (Position, Hash), highest: Term, tip: &Tip) -> Word {
        let (position, hash) = seen;
        if highest.generation < tip.term.generation {
            return Word::Known;
        }
        if position > tip.position {
            return Word::Ahead;
        }
        match self.remembered(position) {
            Some(ours) if ours != hash => Word::Conflict,
            Some(_) | None if highest > tip.term => Word::Ahead,
            Some(_) | None => Word::Known,
        }
    }

    /// The fold's hash at a position, where it is remembered.
    fn remembered(&self, position: Position) -> Option<Hash> {
        self.recent.iter().rev().find(|(at, _)| *at == position).map(|(_, ours)| *ours)
    }

    /// Valid commits entered the fold, whose tip is now `tip`.
    pub(super) fn folded(&mut self, commits: &[Commit], tip: &Tip) {
        let hashes = commits.iter().skip(1).map(|commit| commit.header.previous).chain([tip.hash]);
        for (commit, hash) in commits.iter().zip(hashes) {
            self.note(commit.header.position, hash);
        }
        self.settle(tip.term.generation);
    }

    /// One commit entered the fold.
    pub(super) fn note(&mut self, position: Position, hash: Hash) {
        if self.recent.len() >= HASHES_REMEMBERED {
            self.recent.pop_front();
        }
        self.recent.push_back((position, hash));
        match self.ahead.remove(&position) {
            Some((seen, highest)) if seen != hash => self.conflict = Some((position, seen, hash, highest)),
            Some(_) | None => {
                self.conflict = self.conflict.filter(|(at, seen, ..)| *at != position || *seen != hash);
            }
        }
    }

    fn settle(&mut self, generation: u32) {
        self.ahead.retain(|_, (_, highest)| highest.generation >= generation);
        self.conflict = self.conflict.filter(|(.., highest)| highest.generation >= generation);
    }

    /// The fold is dropped, or was loaded anew with this tip.
    pub(super) fn reloaded(&mut self, tip: Option<&Tip>) {
        self.recent.clear();
        if let Some(tip) = tip.filter(|tip| tip.position != Position(0)) {
            self.note(tip.position, tip.hash);
            self.ahead.retain(|position, _| *position > tip.position);
            self.settle(tip.term.generation);
        }
    }

    /// Why nobody may lead on this fold, if the journal was read to its end after the last word came.
    pub(super) fn condemn(&self, tip: &Tip) -> Option<Alarm> {
        if let Some((position, seen, ours, _)) = self.conflict {
            return Some(Alarm::TailRewritten { position, seen, ours });
        }
        let ahead = self.ahead.last_key_value().map(|(position, _)| *position);
        let ahead = ahead.filter(|position| *position > tip.position);
        (ahead.is_some() || self.highest > tip.term).then(|| Alarm::TailLost {
            seen: ahead.unwrap_or(self.highest.elected),
            highest: self.highest,
            tip: tip.position,
        })
    }

    /// The highest generation that anybody has reported.
    pub(super) fn generation(&self) -> u32 {
        let ahead = self.ahead.values().map(|(_, term)| term.generation);
        let conflict = self.conflict.map(|(.., term)| term.generation);
        ahead.chain(conflict).chain([self.highest.generation]).max().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn tip(position: u64, generation: u32) -> Tip {
        let term = Term { generation, elected: Position(2) };
        Tip { position: Position(position), hash: Hash([1; 32]), time: Time(0), term }
    }
    const TERM: Term = Term { generation: 0, elected: Position(2) };

    #[test]
    fn what_is_ahead_condemns_until_the_fold_has_it() {
        let mut witnesses = Witnesses::default();
        assert_eq!(witnesses.see((Position(9), Hash([9; 32])), TERM, Some(&tip(7, 0))), Word::Ahead);
        assert!(matches!(witnesses.condemn(&tip(7, 0)), Some(Alarm::TailLost { seen: Position(9), .. })));
        witnesses.note(Position(8), Hash([8; 32]));
        witnesses.note(Position(9), Hash([9; 32]));
        assert_eq!(witnesses.condemn(&tip(9, 0)), None);
    }

    #[test]
    fn another_hash_condemns_whether_it_is_told_before_or_after() {
        for told_first in [true, false] {
            let mut witnesses = Witnesses::default();
            let told = |witnesses: &mut Witnesses, at| {
                witnesses.see((Position(8), Hash([7; 32])), TERM, Some(&tip(at, 0)))
            };
            if told_first {
                assert_eq!(told(&mut witnesses, 7), Word::Ahead);
                witnesses.note(Position(8), Hash([8; 32]));
            } else {
                witnesses.note(Position(8), Hash([8; 32]));
                assert_eq!(told(&mut witnesses, 8), Word::Conflict);
            }
            assert!(matches!(witnesses.condemn(&tip(8, 0)), Some(Alarm::TailRewritten { .. })));
        }
    }

    #[test]
    fn a_higher_term_than_the_journals_is_a_lost_tail() {
        let mut witnesses = Witnesses::default();
        let higher = Term { generation: 0, elected: Position(5) };
        assert_eq!(witnesses.see((Position(0), Hash::default()), higher, Some(&tip(7, 0))), Word::Ahead);
        assert!(witnesses.condemn(&tip(7, 0)).is_some());
    }

    #[test]
    fn a_raised_generation_settles_what_the_old_one_saw() {
        let mut witnesses = Witnesses::default();
        witnesses.see((Position(9), Hash([9; 32])), TERM, Some(&tip(7, 0)));
        assert_eq!(witnesses.generation(), 0);
        witnesses.reloaded(Some(&tip(8, 1)));
        assert_eq!(witnesses.condemn(&tip(8, 1)), None);
        assert_eq!(witnesses.see((Position(99), Hash([9; 32])), TERM, Some(&tip(8, 1))), Word::Known);
    }
}
