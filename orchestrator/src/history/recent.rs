//! The newest durable commits, in memory.
//!
//! Invariant: they stand at consecutive positions; a gap begins them anew.

use std::collections::VecDeque;

use windlass_sagas::ids::Position;

use crate::lead::handle::Durable;

/// How many are kept; a commit is about 1 KiB.
const RECENT_COMMITS_MAX: usize = 8192;

/// The newest durable commits.
#[derive(Debug, Default)]
pub(super) struct Recent(VecDeque<Durable>);

impl Recent {
    /// Keeps one more, the newest.
    pub(super) fn keep(&mut self, commit: Durable) {
        let position = commit.header.position;
        if self.0.back().is_some_and(|last| last.header.position.next() != position) {
            self.0.clear();
        }
        if self.0.len() >= RECENT_COMMITS_MAX {
            self.0.pop_front();
        }
        self.0.push_back(commit);
    }

    /// The one at a position.
    pub(super) fn at(&self, position: Position) -> Option<Durable> {
        let first = self.0.front()?.header.position;
        let place = usize::try_from(position.0.checked_sub(first.0)?).ok()?;
        self.0.get(place).cloned()
    }

    /// Those behind a position, at most `max`; `None` where the one that follows it is not here.
    pub(super) fn after(&self, after: Position, max: usize) -> Option<Vec<Durable>> {
        let first = self.0.front()?.header.position;
        let skip = usize::try_from(after.next().0.checked_sub(first.0)?).ok()?;
        (skip <= self.0.len()).then(|| self.0.iter().skip(skip).take(max).cloned().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use windlass_sagas::ids::{Hash, Term, Time, WriterId};
    use windlass_sagas::record::{Cause, Commit, Fact, Header, RaiseFormat, Report};

    fn commit(position: u64) -> Durable {
        let header = Header {
            position: Position(position),
            time: Time(0),
            term: Term::default(),
            writer: WriterId([0; 16]),
            previous: Hash([0; 32]),
        };
        let fact = Fact::Report(Report::RaiseFormat(RaiseFormat { level: 1 }));
        Durable::new(Commit { header, cause: Cause::default(), fact, events: vec![] })
    }

    fn positions(commits: &[Durable]) -> Vec<u64> {
        commits.iter().map(|commit| commit.header.position.0).collect()
    }

    #[test]
    fn what_is_not_here_is_not_called_empty() {
        let mut recent = Recent::default();
        assert!(recent.after(Position(0), 9).is_none());
        (5..9).for_each(|position| recent.keep(commit(position)));
        assert!(recent.after(Position(3), 9).is_none());
        assert_eq!(positions(&recent.after(Position(4), 2).unwrap()), [5, 6]);
        assert_eq!(positions(&recent.after(Position(7), 9).unwrap()), [8]);
        assert_eq!(positions(&recent.after(Position(8), 9).unwrap()), [0; 0]);
        assert!(recent.after(Position(9), 9).is_none());
        assert_eq!(recent.at(Position(6)).unwrap().header.position, Position(6));
        assert!(recent.at(Position(4)).is_none());
    }

    #[test]
    fn a_gap_begins_them_anew() {
        let mut recent = Recent::default();
        [1, 2, 5, 6].into_iter().for_each(|position| recent.keep(commit(position)));
        assert!(recent.after(Position(1), 9).is_none());
        assert_eq!(positions(&recent.after(Position(4), 9).unwrap()), [5, 6]);
    }
}
