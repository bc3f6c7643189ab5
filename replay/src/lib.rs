//! Everything that only reads a journal: fold it to a position, tell one saga's life, decide everything again, verify
//! the chain, export it whole.
//!
//! Invariant: nothing here writes to a journal or a store, and nothing that could not be looked at counts as sound.

mod check;
mod diff;
mod error;
mod export;
mod file;
mod fold;
pub mod limits;
mod metered;
mod sagas;
mod source;
mod timeline;
mod verify;
mod when;

pub use check::{Checked, Difference, Group, Intended, IntendedError, Unchecked, Verdict, check, check_by};
pub use diff::{Changed, Diff, Fields};
pub use error::ReplayError;
pub use export::{ExportError, Exported, export};
pub use file::{File, FileError};
pub use fold::{Folded, Until, Voids, fold, fold_by, fold_of_image};
pub use metered::Metered;
pub use sagas::{SagaLine, Standing, sagas};
pub use source::{Source, SourceError};
pub use timeline::{
    About, Begun, Course, Entry, StepLine, Timeline, timeline, timeline_and_hosts, timeline_at,
};
pub use verify::{Finding, Seen, Verified, What, verify};
pub use when::utc;
