//! The names that errors and requests share between server and client, and the canonical code of each reason.
//! The codes stand in `error_reason.proto`; this only reads them.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use tonic::Code;

use crate::reflect::option_text;
use crate::{pool, v1};

/// The `domain` of every `google.rpc.ErrorInfo`.
pub const ERROR_DOMAIN: &str = "windlass";

/// The UUID version that a `request_id` must have.
pub const REQUEST_ID_VERSION: usize = 7;

/// Keys of `google.rpc.ErrorInfo.metadata` with a meaning of their own; see `error_reason.proto`.
pub mod metadata_key {
    /// What would help, a sentence for people.
    pub const HINT: &str = "hint";
    /// The request field at fault, as a path.
    pub const FIELD: &str = "field";
    /// The name of the resource at fault.
    pub const RESOURCE: &str = "resource";
    /// The operation that holds a busy resource.
    pub const HOLDER: &str = "holder";
    /// The position that a refusal of a change rests on.
    pub const POSITION: &str = "position";
    /// The leader's API address, where it is known.
    pub const LEADER: &str = "leader";
    /// The permission that the caller lacks.
    pub const PERMISSION: &str = "permission";
    /// A quota's or a bound's limit.
    pub const LIMIT: &str = "limit";
    /// What is claimed of a quota.
    pub const USED: &str = "used";
    /// What the request asked for.
    pub const ASKED: &str = "asked";
    /// Before a placement filter's name: how many hosts it removed.
    pub const FILTER_PREFIX: &str = "filter.";
}

static CODES: LazyLock<BTreeMap<i32, Code>> = LazyLock::new(|| {
    let reasons = pool().get_enum_by_name("windlass.v1.ErrorReason");
    let values = reasons.iter().flat_map(prost_reflect::EnumDescriptor::values);
    values
        .filter_map(|value| {
            let name = option_text(&value.options(), "windlass.v1.canonical_code")?;
            Some((value.number(), code_named(&name)?))
        })
        .collect()
});

impl v1::ErrorReason {
    /// The canonical gRPC code that this reason is sent with.
    #[must_use]
    pub fn code(self) -> Code {
        CODES.get(&(self as i32)).copied().unwrap_or(Code::Unknown)
    }
}

/// The code of a canonical name, as `INVALID_ARGUMENT`.
fn code_named(name: &str) -> Option<Code> {
    Some(match name {
        "CANCELLED" => Code::Cancelled,
        "INVALID_ARGUMENT" => Code::InvalidArgument,
        "DEADLINE_EXCEEDED" => Code::DeadlineExceeded,
        "NOT_FOUND" => Code::NotFound,
        "ALREADY_EXISTS" => Code::AlreadyExists,
        "PERMISSION_DENIED" => Code::PermissionDenied,
        "RESOURCE_EXHAUSTED" => Code::ResourceExhausted,
        "FAILED_PRECONDITION" => Code::FailedPrecondition,
        "ABORTED" => Code::Aborted,
        "OUT_OF_RANGE" => Code::OutOfRange,
        "UNIMPLEMENTED" => Code::Unimplemented,
        "INTERNAL" => Code::Internal,
        "UNAVAILABLE" => Code::Unavailable,
        "DATA_LOSS" => Code::DataLoss,
        "UNAUTHENTICATED" => Code::Unauthenticated,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_names_a_code() {
        let reasons = pool().get_enum_by_name("windlass.v1.ErrorReason").expect("the enum exists");
        for value in reasons.values().filter(|value| value.number() != 0) {
            let reason = v1::ErrorReason::try_from(value.number()).expect("generated from the same file");
            assert_ne!(reason.code(), Code::Unknown, "{} names no known code", value.name());
            assert_eq!(reason.as_str_name(), value.name());
        }
        assert_eq!(v1::ErrorReason::ResourceBusy.code(), Code::Aborted);
        assert_eq!(v1::ErrorReason::Unspecified.code(), Code::Unknown);
    }

    #[test]
    fn reasons_fit_their_field_and_numbers_grow_in_the_file() {
        let reasons = pool().get_enum_by_name("windlass.v1.ErrorReason").expect("the enum exists");
        let numbers: Vec<i32> = reasons.values().map(|value| value.number()).collect();
        assert!(numbers.is_sorted(), "a reason stands out of the order of its number");
        for value in reasons.values() {
            assert!(value.name().len() <= 63, "{} is too long for ErrorInfo", value.name());
            assert!(value.name().bytes().all(|b| b.is_ascii_uppercase() || b == b'_'), "{}", value.name());
        }
    }
}
