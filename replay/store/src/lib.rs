//! Derived data of one orchestrator: fold images, and the index saga, resource, time → positions.
//!
//! Invariant: what is stored is acknowledged state at the end of one frame, image and index in one transaction at the
//! same position; it equals the fold of the journal up to there. All of it may be deleted at any time and is rebuilt
//! from the journal. The leader's thread only encodes the rows that changed; the disk is the writer's thread's.
//!
//! How a shell uses it: `Store::open` gives the image; where it does not stand on the journal, `Store::reset`. A
//! `Tracker` lives beside each fold (`resume` from the image, else `new`) and dies with it. It is told of each frame
//! with valid commits, by `note`, when it is durable, or earlier, when a leader (not a candidate) sends it. Once
//! `is_due`, `capture` at any moment at which the fold ends with the last noted frame; hand the delta to
//! `Writer::write` when its cursor is durable, and capture no other before. `Tracker::written` with
//! `Writer::written` lets go of what the store can answer for. On a reload: drop delta and tracker, end the writer,
//! `Store::load`, begin again.
//!
//! Images of the past are kept by the writer's thread, now and then, as files: `Store::image_before` gives the nearest,
//! to fold on from; who folded far may `Store::keep` where it arrived.

mod assemble;
mod damage;
mod database;
mod delta;
mod error;
#[cfg(test)]
mod golden;
mod image_bytes;
mod index;
mod kept;
pub mod limits;
mod query;
mod requests;
mod row;
#[cfg(test)]
mod rows_by_commit;
mod summary;
#[cfg(test)]
#[path = "../tests/support/mod.rs"]
#[expect(dead_code, reason = "shared with the tests outside the crate, which use all of it")]
mod support;
mod touch;
mod tracker;
mod write;
mod writer;

pub use assemble::Image;
pub use database::Store;
pub use delta::Delta;
pub use error::{OpenError, StoreError};
pub use image_bytes::ImageBytesError;
pub use kept::Keeping;
pub use query::{List, Page, PageKey, Place};
pub use summary::{SagaStanding, Summary};
pub use touch::named;
pub use tracker::Tracker;
pub use writer::{Busy, Writer};
