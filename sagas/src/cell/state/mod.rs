//! The fold: the state of a cell up to a position. Maps are ordered, so that every walk over them is the same walk.
//!
//! The types here derive serde for fold images only. An image is derived data: it carries `IMAGE_FORMAT` and is
//! dropped where that differs, so nothing here is a promise.

mod access;
mod cell;
mod cloud;
mod fault;
mod host;
mod lock;
mod network;
mod requests;
mod saga;

pub use access::{Credential, JoinToken, PrincipalState, Project};
pub use cell::{Cell, IMAGE_FORMAT, Settings, under};
pub use cloud::{Attachment, Flavor, Image, ImageBoot, KeyPair, Server, ServerState, Volume, VolumeState};
pub use fault::Fault;
pub use host::{Host, HostLife};
pub use lock::Lock;
pub use network::{Network, Port, PortState, Rest, SecurityGroup, Subnet, named};
pub use requests::{REQUESTS_CHUNK, Remembered, RequestMemo, Requests};
pub use saga::{Ended, Saga, SagaState, StepState};
