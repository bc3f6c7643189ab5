//! Deciding every recorded fact again, with this build, and comparing what comes out with what was recorded.
//!
//! A failure to look is never a pass: what was not decided again is listed with its reason, and the verdict says so.

mod intended;
mod report;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use windlass_journal::{Gap, Read};
use windlass_sagas::cell::{Cell, Decline, decide};
use windlass_sagas::ids::*;
use windlass_sagas::protocol::Fold;
use windlass_sagas::record::{Commit, Event, Fact, Report};

pub use intended::{Intended, IntendedError};
pub use report::{Checked, Difference, Group, Unchecked, Verdict};

use crate::fold::{Step, Until, fold_steps};
use crate::limits::UNCHECKED_MAX;

/// Decides everything in `journal` again.
pub async fn check<R: Read>(journal: &R, intended: &[Intended]) -> Checked {
    check_by(journal, intended, decide).await
}

/// The same by other rules: what they would have decided at each moment of this history. Events that differ are not
/// followed: the fold goes on with what was recorded.
pub async fn check_by<R: Read>(
    journal: &R,
    intended: &[Intended],
    rules: impl Fn(&Cell, &Fact, Time) -> Result<Vec<Event>, Decline> + Send + Sync,
) -> Checked {
    let (cell, groups) = (Cell::new(), BTreeMap::new());
    let mut check = Check { cell, checked: Checked::default(), groups, left_out: None };
    // The fold judges what is valid; the cell of the check stands one commit behind, where each decision was made.
    let folded = fold_steps(journal, Fold::new(None), Until::End, |step| match step {
        Step::Base(fold) => check.cell = fold.cell().clone(),
        Step::Frame(_, absorbed) => {
            absorbed.commits.iter().for_each(|commit| check.commit(commit, &rules));
            if let Some((commits, reason)) = absorbed.void {
                *check.checked.voids.entry(reason).or_default() += commits as u64;
            }
        }
        Step::Gap(gap) => check.gap(&gap),
    });
    if let Err(error) = folded.await {
        let from = check.cell.position.next();
        check.unchecked(Unchecked { from, to: None, why: chain(&error) });
    }
    check.finish(intended)
}

struct Check {
    cell: Cell,
    checked: Checked,
    groups: BTreeMap<(String, &'static str), Group>,
    /// The first position that the copy of the journal leaves out.
    left_out: Option<Position>,
}

impl Check {
    fn commit(
        &mut self,
        commit: &Commit,
        rules: &impl Fn(&Cell, &Fact, Time) -> Result<Vec<Event>, Decline>,
    ) {
        let position = commit.header.position;
        if self.left_out.is_some() {
            self.checked.end = position;
            return;
        }
        let decision = || rules(&self.cell, &commit.fact, commit.header.time);
        match catch_unwind(AssertUnwindSafe(decision)) {
            Ok(Ok(events)) if events == commit.events => self.checked.commits += 1,
            Ok(decided) => {
                self.checked.commits += 1;
                self.differs(commit, Difference { position, recorded: commit.events.clone(), decided });
            }
            Err(_) if isolates(commit) => {
                self.checked.commits += 1;
                self.checked.isolated += 1;
            }
            Err(panic) => {
                let said = panic.downcast_ref::<String>().map(String::as_str);
                let said = said.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without a word");
                let why = format!("deciding {} panics: {said}", commit.fact.name());
                self.unchecked(Unchecked { from: position, to: Some(position), why });
            }
        }
        self.cell.fold(commit);
        self.checked.end = position;
    }

    /// What is decided behind commits that are left out may rest on what they changed: where hosts have room, what ledgers
    /// have open, which numbers are in use. So nothing from there on is a pass.
    fn gap(&mut self, gap: &Gap) {
        self.left_out.get_or_insert(gap.from);
        self.checked.end = gap.tip.position;
    }

    fn differs(&mut self, commit: &Commit, first: Difference) {
        let build = match &commit.fact {
            Fact::Report(Report::Campaign(campaign)) => &campaign.build,
            Fact::Report(_) | Fact::Request(_) => &self.cell.leader_build,
        };
        let (rule, last) = (commit.fact.name(), first.position);
        let key = (build.clone(), rule);
        let group = self.groups.entry(key).or_insert_with_key(|(build, rule)| Group {
            build: build.clone(),
            rule,
            commits: 0,
            first,
            last,
            intended: None,
        });
        group.commits += 1;
        group.last = last;
    }

    fn unchecked(&mut self, unchecked: Unchecked) {
        if self.checked.unchecked.len() < UNCHECKED_MAX {
            self.checked.unchecked.push(unchecked);
        } else {
            self.checked.more_unchecked += 1;
        }
    }

    fn finish(self, intended: &[Intended]) -> Checked {
        let Self { mut checked, groups, left_out, .. } = self;
        if let Some(from) = left_out {
            let why =
                "the file leaves commits out from here on, and what is decided behind them may rest on those";
            checked.unchecked.push(Unchecked { from, to: Some(checked.end), why: why.to_owned() });
        }
        checked.groups = groups.into_values().collect();
        for entry in intended {
            let mut meant =
                checked.groups.iter_mut().filter(|it| it.build == entry.build && it.rule == entry.rule);
            match meant.next() {
                Some(group) => group.intended = Some(entry.reason.clone()),
                None => checked.unused.push(entry.clone()),
            }
        }
        if checked.commits == 0 && checked.unchecked.is_empty() {
            let why = "the journal has no commits".to_owned();
            checked.unchecked.push(Unchecked { from: Position(1), to: None, why });
        }
        checked
    }
}

/// Whether the commit only sets a saga aside whose decision panicked (O5).
fn isolates(commit: &Commit) -> bool {
    matches!(commit.events.as_slice(), [Event::SagaStuck(stuck)] if stuck.step.is_none())
}

/// An error with all that stands behind it.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(inner) = next {
        text = format!("{text}: {inner}");
        next = inner.source();
    }
    text
}
