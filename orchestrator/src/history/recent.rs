//! The newest durable commits, in memory, and which sagas they tell whole: most that is asked is of those.
//!
//! Invariant: they stand at consecutive positions; a gap begins them anew. A saga is known here with all of its commits or
//! not at all.

use std::collections::{BTreeMap, VecDeque};

use windlass_sagas::ids::{Position, SagaId};

use crate::api::attribution::{started, touched};
use crate::lead::handle::Durable;

/// How many are kept; a commit is about 1 KiB.
const RECENT_COMMITS_MAX: usize = 8192;

/// The newest durable commits.
#[derive(Debug, Default)]
pub(super) struct Recent {
    commits: VecDeque<Durable>,
    /// The sagas that began in one of them, and where the commits that speak of each are.
    sagas: BTreeMap<SagaId, Vec<Position>>,
}

impl Recent {
    /// Keeps one more, the newest.
    pub(super) fn keep(&mut self, commit: Durable) {
        let position = commit.header.position;
        if self.commits.back().is_some_and(|last| last.header.position.next() != position) {
            *self = Self::default();
        }
        if self.commits.len() >= RECENT_COMMITS_MAX {
            let oldest = self.commits.pop_front();
            for (saga, _) in oldest.iter().flat_map(|oldest| touched(oldest)) {
                self.sagas.remove(&saga);
            }
        }
        self.sagas.extend(started(&commit).map(|started| (started.saga, Vec::new())));
        for (saga, _) in touched(&commit) {
            if let Some(positions) = self.sagas.get_mut(&saga) {
                positions.push(position);
            }
        }
        self.commits.push_back(commit);
    }

    /// The commits that speak of a saga behind a position, at most `max`; `None` where it may have others.
    pub(super) fn of(&self, saga: SagaId, after: Position, max: usize) -> Option<Vec<Durable>> {
        let positions = self.sagas.get(&saga)?;
        let behind = &positions[positions.partition_point(|position| *position <= after)..];
        behind.iter().take(max).map(|position| self.at(*position)).collect()
    }

    /// The one at a position.
    pub(super) fn at(&self, position: Position) -> Option<Durable> {
        let first = self.commits.front()?.header.position;
        let place = usize::try_from(position.0.checked_sub(first.0)?).ok()?;
        self.commits.get(place).cloned()
    }

    /// Those behind a position, at most `max`; `None` where the one that follows it is not here.
    pub(super) fn after(&self, after: Position, max: usize) -> Option<Vec<Durable>> {
        let first = self.commits.front()?.header.position;
        let skip = usize::try_from(after.next().0.checked_sub(first.0)?).ok()?;
        (skip <= self.commits.len()).then(|| self.commits.iter().skip(skip).take(max).cloned().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use windlass_sagas::ids::{Hash, NetworkId, ProjectId, StepIndex, Term, Time, WriterId};
    use windlass_sagas::record::*;

    const SAGA: SagaId = SagaId([7; 16]);

    fn commit(position: u64) -> Durable {
        of_events(position, vec![])
    }

    fn of_events(position: u64, events: Vec<Event>) -> Durable {
        let header = Header {
            position: Position(position),
            time: Time(0),
            term: Term::default(),
            writer: WriterId([0; 16]),
            previous: Hash([0; 32]),
        };
        let fact = Fact::Report(Report::RaiseFormat(RaiseFormat { level: 1 }));
        Durable::new(Commit { header, cause: Cause::default(), fact, events })
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

    fn begins(position: u64) -> Durable {
        let subject = ResourceRef::Network(NetworkId([1; 16]));
        let (project, plan) = (ProjectId([2; 16]), Plan::default().into());
        let kind = SagaKind::NetworkCreate;
        let started = SagaStarted { saga: SAGA, kind, project, subject, holds: vec![], plan };
        of_events(position, vec![started.into()])
    }

    fn goes_on(position: u64) -> Durable {
        let late = StepOverdue { saga: SAGA, step: StepIndex(0), direction: Direction::Forward };
        of_events(position, vec![late.into()])
    }

    fn told(recent: &Recent, after: u64) -> Option<Vec<u64>> {
        recent.of(SAGA, Position(after), 9).map(|commits| positions(&commits))
    }

    #[test]
    fn a_saga_that_began_here_is_told_whole() {
        let mut recent = Recent::default();
        [begins(5), commit(6), goes_on(7), goes_on(8)].into_iter().for_each(|it| recent.keep(it));
        assert_eq!(told(&recent, 0), Some(vec![5, 7, 8]));
        assert_eq!(told(&recent, 5), Some(vec![7, 8]));
        assert_eq!(told(&recent, 8), Some(vec![]));
        assert_eq!(recent.of(SAGA, Position(0), 2).map(|it| it.len()), Some(2));
    }

    #[test]
    fn a_saga_whose_beginning_is_not_here_is_not_told_at_all() {
        let mut recent = Recent::default();
        [commit(5), goes_on(6)].into_iter().for_each(|it| recent.keep(it));
        assert_eq!(told(&recent, 0), None);
        let mut recent = Recent::default();
        let most = u64::try_from(RECENT_COMMITS_MAX).unwrap();
        recent.keep(begins(7));
        (8..7 + most).for_each(|position| recent.keep(commit(position)));
        assert_eq!(told(&recent, 0), Some(vec![7]));
        recent.keep(goes_on(7 + most));
        assert_eq!(told(&recent, 0), None, "its first commit had to go");
        recent.keep(begins(8 + most));
        recent.keep(goes_on(10 + most));
        assert_eq!(told(&recent, 0), None, "a gap");
    }
}
