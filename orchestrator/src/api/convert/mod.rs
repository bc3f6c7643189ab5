//! State to messages: the fold's and the record's types as the API shows them, one file a family. Conversion only: no
//! decision, no refusal, nothing that waits.

mod access;
mod catalog;
mod cloud;
mod event;
mod event_cell;
mod event_cloud;
mod event_saga;
mod fault;
mod host;
mod network;
mod operation;
mod preview;
mod result;
mod step;

pub(super) use access::access_role;
pub(super) use catalog::{fingerprint, format, visibility};
pub(super) use cloud::{server_state, volume_state};
pub(super) use event::{Audience, cause, events, fact, of_commit, of_saga};
pub(super) use fault::kind as fault_kind;
pub(super) use host::state as host_state;
pub(super) use network::port_state;
pub(super) use operation::{Down, basic, down, operation};
pub(super) use preview::preview;
pub(super) use result::result;

use windlass_proto::v1;
use windlass_sagas::record::Role;

pub(super) const fn role(role: Role) -> v1::host::Role {
    match role {
        Role::Hypervisor => v1::host::Role::Hypervisor,
        Role::Storage => v1::host::Role::Storage,
        Role::Network => v1::host::Role::Network,
    }
}
