//! The checkers: an own reading of the journal, and everything that is promised, judged from outside the machines.
//!
//! Invariant: a checker uses what exists (the journal's bytes, the worlds' own counts) and never a machine's word for it.
//! The first violation is kept; a checker never repairs, and never stops at a later one.

mod books;
mod cell;
mod chain;
mod end;
mod told;

pub(crate) use chain::Chain;
pub(crate) use end::{Item, left_over, waiting};
pub(crate) use told::Tale;
pub use told::Told;

use windlass_sagas::ids::Position;

/// A broken promise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which: an invariant's number, or a property's name, as `semantics.md` and the protocol's model count them.
    pub law: &'static str,
    /// What was found.
    pub what: String,
    /// The last valid position at that time.
    pub position: Position,
}

impl std::fmt::Display for Violation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} at position {}: {}", self.law, self.position, self.what)
    }
}

/// Findings of one check.
#[derive(Clone, Debug, Default)]
pub(crate) struct Findings(Vec<(&'static str, String)>);

impl Findings {
    /// Adds a finding where `holds` is false.
    pub(crate) fn require(&mut self, holds: bool, law: &'static str, what: impl FnOnce() -> String) {
        if !holds {
            self.0.push((law, what()));
        }
    }

    /// The first one.
    #[must_use]
    pub(crate) fn first(self, position: Position) -> Option<Violation> {
        self.0.into_iter().next().map(|(law, what)| Violation { law, what, position })
    }
}
