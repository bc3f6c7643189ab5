//! The public API v1 and the agent API v1: generated messages, services and the descriptor; no domain types.
//!
//! The reference documentation is the comments in the `.proto` files. What the descriptor itself says (permissions,
//! canonical codes, JSON) is read from it at run time, so that no second table can drift from it.

mod names;
mod reflect;

pub use names::{ERROR_DOMAIN, REQUEST_ID_VERSION, metadata_key};
pub use reflect::{JsonError, from_json, permission, permissions, pool, to_json};

/// The public API, final in shape: only added to. Its reference is the comments in `proto/windlass/v1`.
#[expect(clippy::allow_attributes_without_reason, clippy::large_enum_variant, reason = "generated code")]
pub mod v1 {
    tonic::include_proto!("windlass.v1");
}

/// The API between agents and orchestrators.
pub mod agent {
    #[expect(clippy::allow_attributes_without_reason, reason = "generated code")]
    /// Version 1. Its reference is the comments in `proto/windlass/agent/v1`.
    pub mod v1 {
        tonic::include_proto!("windlass.agent.v1");
    }
}

/// The encoded `google.protobuf.FileDescriptorSet` of both APIs with their imports and custom options.
pub const FILE_DESCRIPTOR_SET: &[u8] = tonic::include_file_descriptor_set!("descriptor");
