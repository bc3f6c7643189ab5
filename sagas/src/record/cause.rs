//! Why a commit exists: who asked, from where, in which trace. For people and the audit trail; no decision reads it.

use core::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::ids::{CredentialId, HostId, PrincipalId};

/// Where a fact came from, beside what the fact itself says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause {
    /// The credential that was shown, where there was one.
    pub credential: Option<CredentialId>,
    /// The address that the request came from.
    pub source: Option<IpAddr>,
    /// W3C trace context: trace id and parent span id.
    pub trace: Option<([u8; 16], [u8; 8])>,
}

/// Who asks: every request names one, and `authorize` decides on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Principal {
    /// A person or program with roles in the fold.
    User(PrincipalId),
    /// An agent, by its certificate.
    Host(HostId),
    /// The cell itself: timers, followers-up, take-over.
    Cell,
}
