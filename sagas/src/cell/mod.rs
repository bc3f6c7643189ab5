//! The cell: everything that lives in one total order of commits, as one state machine.
//!
//! `decide` turns a fact into events and changes nothing; `apply` folds an event, is total and can't fail; `effects`
//! tells what may leave once the commit is durable. Replaying the journal repeats every decision.

mod apply;
mod authorize;
mod decide;
mod effects;
mod engine;
mod ipam;
mod lookup;
mod placement;
mod quota;
mod reconcile;
mod rejection;
pub mod state;
mod status;
pub mod views;

pub use authorize::{Permission, authorize, authorize_by};
pub use decide::{Preview, decide, preview};
pub use effects::{Effect, OpenCall, effects, pending};
pub use placement::{Explanation, FilterCount, Placed};
pub use reconcile::{Reconciled, reconcile};
pub use rejection::{Decline, Reason, Rejection, Shortage};
pub use state::Cell;
pub use status::{PortStatus, ServerStatus, VolumeStatus, port_status, server_status, volume_status};
