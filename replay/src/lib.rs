//! Everything that only reads a journal: fold it to a position, tell one saga's life, decide everything again, verify
//! the chain, export it or a part of it.
//!
//! Invariant: nothing here writes to a journal or a store, and nothing that could not be looked at counts as sound.

mod case;
mod check;
mod diff;
mod error;
mod export;
mod file;
mod fold;
pub mod limits;
mod metered;
mod source;
#[cfg(test)]
#[path = "../store/tests/support/mod.rs"]
#[expect(dead_code, unused_imports, reason = "shared with the tests outside the crate, which use all of it")]
mod support;
mod timeline;
mod verify;
mod when;

pub use case::{Case, Strike, case, ended_name};
pub use check::{Checked, Difference, Group, Intended, IntendedError, Unchecked, Verdict, check, check_by};
pub use diff::{Changed, Diff, Fields, exists};
pub use error::ReplayError;
pub use export::{
    Ask, ExportError, Exported, Exporting, FindError, Moment, export, find_operation, find_project,
};
pub use file::{File, FileError, Manifest, Scope};
pub use fold::{Folded, Until, Voids, fold, fold_by, fold_of_image};
pub use metered::Metered;
pub use source::{Source, SourceError};
pub use timeline::{About, Begun, Course, Entry, StepLine, Timeline, timeline, timeline_at};
pub use verify::{Finding, Seen, Verified, What, verify, verify_by};
pub use when::utc;
