//! The sagas of a journal, a line each: what there is to tell a timeline of.

use std::collections::{BTreeMap, BTreeSet};

use windlass_journal::Read;
use windlass_sagas::ids::*;
use windlass_sagas::protocol::Fold;
use windlass_sagas::record::{Commit, Event, ResourceRef, SagaKind};

use crate::error::ReplayError;
use crate::fold::{Until, fold_by};

/// A saga in short.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SagaLine {
    /// Which.
    pub saga: SagaId,
    /// Its kind.
    pub kind: SagaKind,
    /// What it is about.
    pub subject: ResourceRef,
    /// The position of its first commit.
    pub start: Position,
    /// When it began.
    pub time: Time,
    /// How it stands at the journal's end.
    pub standing: Standing,
}

/// How a saga stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It goes on.
    Open,
    /// It turned back and is not at its end.
    Unwinding,
    /// It waits for an operator.
    Stuck,
    /// Everything is done.
    Completed,
    /// Everything is undone.
    RolledBack,
    /// An operator gave it up.
    Abandoned,
}

impl Standing {
    /// In a word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "running",
            Self::Unwinding => "unwinding",
            Self::Stuck => "stuck",
            Self::Completed => "completed",
            Self::RolledBack => "rolled back",
            Self::Abandoned => "abandoned",
        }
    }

    const fn has_ended(self) -> bool {
        matches!(self, Self::Completed | Self::RolledBack | Self::Abandoned)
    }
}

/// The last sagas of a journal in the order of their beginning: every one that has not ended, and of the ended ones the
/// newest, so many as fit into `newest`; and how many older ones are left out.
///
/// # Errors
/// Where the journal can't be read or folded.
pub async fn sagas<R: Read>(journal: &R, newest: usize) -> Result<(Vec<SagaLine>, u64), ReplayError> {
    let mut found = Found {
        lines: BTreeMap::new(),
        starts: BTreeMap::new(),
        turned: BTreeSet::new(),
        newest,
        left_out: 0,
    };
    fold_by(journal, Fold::new(None), Until::End, |_, absorbed| {
        absorbed.commits.iter().for_each(|commit| found.commit(commit));
    })
    .await?;
    Ok((found.lines.into_values().collect(), found.left_out))
}

/// Where a saga began: its commit, and its place among the ones that began there.
type Start = (Position, usize);

struct Found {
    lines: BTreeMap<Start, SagaLine>,
    starts: BTreeMap<SagaId, Start>,
    /// The open ones that have turned back.
    turned: BTreeSet<SagaId>,
    newest: usize,
    left_out: u64,
}

impl Found {
    fn commit(&mut self, commit: &Commit) {
        for (ordinal, event) in commit.events.iter().enumerate() {
            match event {
                Event::SagaStarted(e) => {
                    let (start, time) = (commit.header.position, commit.header.time);
                    let (saga, kind, subject) = (e.saga, e.kind, e.subject);
                    self.starts.insert(saga, (start, ordinal));
                    let line = SagaLine { saga, kind, subject, start, time, standing: Standing::Open };
                    self.lines.insert((start, ordinal), line);
                }
                Event::SagaUnwinding(e) => {
                    self.turned.insert(e.saga);
                    self.stands(e.saga, Standing::Unwinding);
                }
                Event::SagaStuck(e) => self.stands(e.saga, Standing::Stuck),
                Event::SagaResumed(e) if self.turned.contains(&e.saga) => {
                    self.stands(e.saga, Standing::Unwinding);
                }
                Event::SagaResumed(e) => self.stands(e.saga, Standing::Open),
                Event::SagaCompleted(e) => self.stands(e.saga, Standing::Completed),
                Event::SagaRolledBack(e) => self.stands(e.saga, Standing::RolledBack),
                Event::SagaAbandoned(e) => self.stands(e.saga, Standing::Abandoned),
                // Not how a saga stands.
                _ => {}
            }
        }
        if self.lines.len() > self.newest {
            self.forget();
        }
    }

    fn stands(&mut self, saga: SagaId, standing: Standing) {
        if let Some(line) = self.starts.get(&saga).and_then(|start| self.lines.get_mut(start)) {
            line.standing = standing;
        }
        if standing.has_ended() {
            self.turned.remove(&saga);
        }
    }

    /// Lets go of the oldest saga that has ended; one that has not is never left out.
    fn forget(&mut self) {
        let oldest = self.lines.iter().find(|(_, line)| line.standing.has_ended());
        if let Some((start, saga)) = oldest.map(|(start, line)| (*start, line.saga)) {
            self.lines.remove(&start);
            self.starts.remove(&saga);
            self.left_out += 1;
        }
    }
}
