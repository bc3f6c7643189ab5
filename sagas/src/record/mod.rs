//! The record: the bytes of a cell's journal, and the only recorded types. A journal written by any released version
//! folds on every later one: what is here is only ever added to.
//!
//! frame = what one append makes durable; commit = one fact and the events decided from it; each fact and event is a
//! record of an explicit kind and version in front of a postcard body. It must never know what a commit means.

mod cause;
mod codec;
mod commit;
mod event;
mod fact;
mod fault;
mod frame;
mod order;
mod plan;
mod report;
mod request;
mod resource;
mod resource_event;
mod saga_event;
mod step;

pub use cause::{Cause, Principal};
pub use codec::{DecodeError, EncodeError, whole};
pub use commit::{Commit, Header};
pub use event::*;
pub use fact::*;
pub use fault::*;
pub use frame::{Frame, StoredCommit, Tip, Validity, VoidReason};
pub use order::*;
pub use plan::*;
pub use report::*;
pub use request::*;
pub use resource::*;
pub use resource_event::*;
pub use saga_event::*;
pub use step::*;

/// The format level that this build reads and writes; a cell at a higher one is refused.
pub const FORMAT_LEVEL: u16 = 1;
