//! What a check found, for a program (fields) and for people (`Display`).

use std::fmt;

use windlass_sagas::cell::Decline;
use windlass_sagas::ids::*;
use windlass_sagas::record::Event;

use super::Intended;
use crate::fold::Voids;

/// What a check found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// Commits that were decided again.
    pub commits: u64,
    /// Commits whose decision panics now as it did when they were written: their sagas were isolated then.
    pub isolated: u64,
    /// Void commits: nobody applied them, nothing to decide.
    pub voids: Voids,
    /// Differences, by the build that wrote the commits and the rule.
    pub groups: Vec<Group>,
    /// What was not decided again, and why; at most `UNCHECKED_MAX`.
    pub unchecked: Vec<Unchecked>,
    /// How many more were not.
    pub more_unchecked: u64,
    /// Entries of the list of intended differences that nothing here needs any more.
    pub unused: Vec<Intended>,
    /// The last position looked at.
    pub end: Position,
}

/// Differences of one build's decisions by one rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// The build that wrote them; empty before the first leader.
    pub build: String,
    /// The name of the facts' kind.
    pub rule: &'static str,
    /// How many commits differ.
    pub commits: u64,
    /// The first of them.
    pub first: Difference,
    /// The position of the last.
    pub last: Position,
    /// Why it is meant, where the list says so.
    pub intended: Option<String>,
}

/// One commit that would be decided differently.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Where.
    pub position: Position,
    /// What was decided then.
    pub recorded: Vec<Event>,
    /// What is decided now.
    pub decided: Result<Vec<Event>, Decline>,
}

/// What could not be decided again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unchecked {
    /// From here.
    pub from: Position,
    /// To here; `None`: to the end, wherever that is.
    pub to: Option<Position>,
    /// Why.
    pub why: String,
}

/// What a check comes to. Only the first two are a pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Everything is decided as it was.
    Same,
    /// What differs is on the list of intended differences.
    Intended,
    /// Something differs that nobody reviewed.
    Different,
    /// Something, or everything, was not looked at.
    NotChecked,
}

impl Verdict {
    /// Whether this build may go on from that journal.
    #[must_use]
    pub const fn passes(self) -> bool {
        matches!(self, Self::Same | Self::Intended)
    }
}

impl Checked {
    /// What it comes to. A difference outweighs what was not looked at, and that outweighs everything else.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        if self.groups.iter().any(|group| group.intended.is_none()) {
            Verdict::Different
        } else if self.commits == 0 || !self.unchecked.is_empty() {
            Verdict::NotChecked
        } else if self.groups.is_empty() {
            Verdict::Same
        } else {
            Verdict::Intended
        }
    }

    /// How many commits differ, meant or not.
    #[must_use]
    pub fn differences(&self) -> u64 {
        self.groups.iter().map(|group| group.commits).sum()
    }
}

impl fmt::Display for Difference {
    /// The first event that differs, in a line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decided = match &self.decided {
            Ok(decided) => decided,
            Err(Decline::Rejected(rejection)) => {
                return write!(
                    f,
                    "was accepted, is refused now: {} {}",
                    rejection.reason.code(),
                    rejection.message
                );
            }
            Err(Decline::Repeat(saga)) => return write!(f, "was decided, is a repeat of {saga} now"),
            Err(Decline::Stale) => return write!(f, "was decided, speaks of nothing open now"),
        };
        let differs = self.recorded.iter().zip(decided).position(|(old, new)| old != new);
        let index = differs.unwrap_or(self.recorded.len().min(decided.len()));
        match (self.recorded.get(index), decided.get(index)) {
            (Some(old), Some(new)) => write!(f, "event {index} was {old:?}, is {new:?} now"),
            (Some(old), None) => write!(f, "event {index} was {old:?}, is missing now"),
            (None, Some(new)) => write!(f, "event {index} was not there, is {new:?} now"),
            (None, None) => write!(f, "the same events"),
        }
    }
}

impl fmt::Display for Checked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (commits, end) = (self.commits, self.end);
        writeln!(f, "{commits} commits decided again, up to position {end}: {} differ", self.differences())?;
        for group in &self.groups {
            let build = if group.build.is_empty() { "before the first leader" } else { &group.build };
            let meant = group.intended.as_ref().map_or_else(String::new, |why| format!(" (intended: {why})"));
            writeln!(f, "  {build}, {}: {} commits{meant}", group.rule, group.commits)?;
            writeln!(f, "    position {}: {}", group.first.position, group.first)?;
        }
        for Unchecked { from, to, why } in &self.unchecked {
            match to {
                Some(to) if to == from => writeln!(f, "  not checked: position {from}: {why}")?,
                Some(to) => writeln!(f, "  not checked: positions {from} to {to}: {why}")?,
                None => writeln!(f, "  not checked: from position {from} on: {why}")?,
            }
        }
        if self.more_unchecked > 0 {
            writeln!(f, "  not checked: {} more", self.more_unchecked)?;
        }
        let voids: u64 = self.voids.values().sum();
        if voids > 0 {
            writeln!(f, "  {voids} void commits, which nobody applied")?;
        }
        if self.isolated > 0 {
            writeln!(f, "  {} commits isolated a saga whose decision panics, then as now", self.isolated)?;
        }
        for Intended { build, rule, .. } in &self.unused {
            writeln!(f, "  no longer needed in the list: {build}, {rule}")?;
        }
        Ok(())
    }
}
