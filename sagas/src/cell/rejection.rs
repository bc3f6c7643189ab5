//! Why a fact was not committed: a refusal with a stable reason, a repeat, or a report that speaks of nothing open.
//!
//! A refusal changes no state and is not in the journal (R4). One table of reasons; each has a handbook page.

use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use super::placement::FilterCount;
use crate::ids::SagaId;
use crate::record::ResourceRef;

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $text:literal),* $(,)?) => {
        /// A stable reason, by which clients and the handbook know a refusal.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Reason { $($(#[$doc])* $name),* }

        impl Reason {
            /// Every reason.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The stable code, upper case.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self { $(Self::$name => $text),* }
            }
        }
    };
}

reasons! {
    /// A field is missing, too long, out of range or contradicts another.
    InvalidField = "INVALID_FIELD",
    /// The request id is not a UUIDv7.
    RequestIdInvalid = "REQUEST_ID_INVALID",
    /// The request id was used with another body.
    RequestIdMismatch = "REQUEST_ID_MISMATCH",
    /// The request id is older than the memory of requests.
    RequestIdExpired = "REQUEST_ID_EXPIRED",
    /// The request id is made too far ahead of the leader's clock.
    RequestIdInFuture = "REQUEST_ID_IN_FUTURE",
    /// The name is in use.
    NameTaken = "NAME_TAKEN",
    /// No such resource, or none that the caller may see.
    NotFound = "NOT_FOUND",
    /// Another saga holds the resource.
    ResourceBusy = "RESOURCE_BUSY",
    /// The resource is in quarantine, left by an abandoned saga.
    ResourceQuarantined = "RESOURCE_QUARANTINED",
    /// Others still use the resource.
    ResourceInUse = "RESOURCE_IN_USE",
    /// The resource is not in a state for this.
    WrongState = "WRONG_STATE",
    /// The project's quota does not allow it.
    QuotaExceeded = "QUOTA_EXCEEDED",
    /// No host fits.
    NoHostFits = "NO_HOST_FITS",
    /// No address is free.
    AddressPoolExhausted = "ADDRESS_POOL_EXHAUSTED",
    /// The wanted address or MAC is in use, rests, or is not of the network.
    AddressUnavailable = "ADDRESS_UNAVAILABLE",
    /// The saga is past its pivot and goes forward.
    PastPivot = "PAST_PIVOT",
    /// The saga is not stuck.
    NotStuck = "NOT_STUCK",
    /// The saga is terminal.
    AlreadyEnded = "ALREADY_ENDED",
    /// The caller lacks the permission.
    PermissionDenied = "PERMISSION_DENIED",
    /// The token is unknown, used or expired.
    TokenInvalid = "TOKEN_INVALID",
    /// The decision would pass a bound of the format.
    TooLarge = "TOO_LARGE",
    /// The host's agent, or the orchestrator, was not started with `--faults allow`.
    FaultsNotAllowed = "FAULTS_NOT_ALLOWED",
    /// As many faults are armed as may be.
    TooManyFaults = "TOO_MANY_FAULTS",
}

/// By how much a quota, or another bound, would be passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shortage {
    /// What may be held.
    pub limit: u64,
    /// What is held.
    pub used: u64,
    /// How much more was asked for.
    pub asked: u64,
}

/// A refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// Why, stable.
    pub reason: Reason,
    /// The field at fault, as the API names it.
    pub field: Option<String>,
    /// The resource at fault.
    pub resource: Option<ResourceRef>,
    /// What failed, with its own values.
    pub message: String,
    /// What would help.
    pub hint: String,
    /// How many hosts each filter removed, where no host fits.
    pub filters: Vec<FilterCount>,
    /// The saga that holds the resource, or left it in quarantine.
    pub holder: Option<SagaId>,
    /// By how much the quota would be passed.
    pub shortage: Option<Shortage>,
}

impl Rejection {
    /// A refusal without field, resource or filters.
    #[must_use]
    pub fn new(reason: Reason, message: impl Into<String>, hint: &str) -> Self {
        Self {
            reason,
            field: None,
            resource: None,
            message: message.into(),
            hint: hint.to_string(),
            filters: Vec::new(),
            holder: None,
            shortage: None,
        }
    }

    /// A bad field.
    #[must_use]
    pub fn field(field: &str, message: impl Into<String>) -> Self {
        Self::new(Reason::InvalidField, message, "correct the field and send the request again")
            .of_field(field)
    }

    /// Names the field at fault.
    #[must_use]
    pub fn of_field(mut self, field: &str) -> Self {
        self.field = Some(field.to_string());
        self
    }

    /// Names the resource at fault.
    #[must_use]
    pub fn of(mut self, resource: ResourceRef) -> Self {
        self.resource = Some(resource);
        self
    }

    /// Names the saga that holds the resource.
    #[must_use]
    pub const fn held_by(mut self, saga: SagaId) -> Self {
        self.holder = Some(saga);
        self
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// Why a fact makes no commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decline {
    /// The same request again: the saga that it started.
    Repeat(SagaId),
    /// Refused.
    Rejected(Box<Rejection>),
    /// A report that speaks of nothing open: dropped.
    Stale,
}

impl From<Rejection> for Decline {
    fn from(rejection: Rejection) -> Self {
        Self::Rejected(Box::new(rejection))
    }
}
