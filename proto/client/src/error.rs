//! Why a call failed: the canonical code, the reason from the one table, and everything that the server said with it.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::StatusExt;
use windlass_proto::metadata_key;
use windlass_proto::v1::ErrorReason;

/// A refused or failed call. Nothing was changed unless the code says that the outcome is not known (UNAVAILABLE,
/// DEADLINE_EXCEEDED, UNKNOWN, INTERNAL): then the same request with the same `request_id` is safe to send again.
/// Its fields are those of [`Failure`].
#[derive(Clone, Debug)]
pub struct ClientError(Box<Failure>);

/// What a [`ClientError`] says.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The canonical gRPC code.
    pub code: Code,
    /// The stable reason; `None` where no Windlass said one, or a newer one than this client knows.
    pub reason: Option<ErrorReason>,
    /// The reason's name, as sent; empty where none was.
    pub reason_name: String,
    /// For people.
    pub message: String,
    /// The fields at fault.
    pub fields: Vec<FieldViolation>,
    /// Every changing part of the message; see [`windlass_proto::metadata_key`].
    pub metadata: BTreeMap<String, String>,
    /// How long the server asks to wait before the next try.
    pub retry_after: Option<Duration>,
    /// The change's request id, so that it can be repeated; `None` for reads.
    pub request_id: Option<String>,
    source: Option<Arc<dyn Error + Send + Sync>>,
}

/// One request field at fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldViolation {
    /// Its path, as `server.interfaces[0].network`.
    pub field: String,
    /// What is wrong with it, for people.
    pub description: String,
}

impl ClientError {
    /// What would help, a sentence for people.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        self.metadata.get(metadata_key::HINT).map(String::as_str)
    }

    /// The position that a refusal of a change rests on.
    #[must_use]
    pub fn position(&self) -> Option<u64> {
        self.metadata.get(metadata_key::POSITION)?.parse().ok()
    }

    /// Whether another try may succeed without anybody's doing; the only errors that the client retries by itself.
    #[must_use]
    pub fn is_unavailable(&self) -> bool {
        self.code == Code::Unavailable
    }

    /// An error of the client's own.
    pub(crate) fn own(code: Code, message: impl Into<String>) -> Self {
        Self::from(Status::new(code, message))
    }

    /// The same error of the change with this request id.
    pub(crate) fn of_request(mut self, request_id: Option<String>) -> Self {
        self.0.request_id = request_id;
        self
    }
}

impl Deref for ClientError {
    type Target = Failure;

    fn deref(&self) -> &Failure {
        &self.0
    }
}

impl From<Status> for ClientError {
    fn from(status: Status) -> Self {
        // A status with a source was made on this side: the connection was lost and no server answered. Whatever code
        // the transport's error was mapped to, that is UNAVAILABLE.
        let unanswered = Error::source(&status).is_some();
        let details = status.get_error_details();
        let info = details.error_info();
        let reason_name = info.map(|info| info.reason.clone()).unwrap_or_default();
        let violations = details.bad_request().map(|bad| bad.field_violations.as_slice()).unwrap_or_default();
        Self(Box::new(Failure {
            code: if unanswered { Code::Unavailable } else { status.code() },
            reason: ErrorReason::from_str_name(&reason_name)
                .filter(|reason| *reason != ErrorReason::Unspecified),
            reason_name,
            message: status.message().to_owned(),
            fields: violations
                .iter()
                .map(|bad| FieldViolation { field: bad.field.clone(), description: bad.description.clone() })
                .collect(),
            metadata: info.map(|info| info.metadata.clone().into_iter().collect()).unwrap_or_default(),
            retry_after: details.retry_info().and_then(|info| info.retry_delay),
            request_id: None,
            source: unanswered.then(|| Arc::new(status) as Arc<dyn Error + Send + Sync>),
        }))
    }
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = if self.reason_name.is_empty() { code_name(self.code) } else { &self.reason_name };
        write!(f, "{name}: {}", self.message)
    }
}

impl Error for ClientError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        let status = self.source.as_deref()?;
        status.source()
    }
}

/// The canonical name of a code.
const fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;
    use tonic_types::ErrorDetails;
    use windlass_proto::ERROR_DOMAIN;

    #[test]
    fn everything_that_the_server_says_is_kept() {
        let metadata =
            HashMap::from([("hint".into(), "wait for it".into()), ("position".into(), "41".into())]);
        let mut details = ErrorDetails::with_error_info("RESOURCE_BUSY", ERROR_DOMAIN, metadata);
        details.add_bad_request_violation("server.flavor", "no such flavor");
        details.set_retry_info(Some(Duration::from_secs(3)));
        let error: ClientError =
            Status::with_error_details(Code::Aborted, "the volume is busy", details).into();
        assert_eq!((error.code, error.reason), (Code::Aborted, Some(ErrorReason::ResourceBusy)));
        assert_eq!((error.hint(), error.position()), (Some("wait for it"), Some(41)));
        assert_eq!(error.fields[0].field, "server.flavor");
        assert_eq!(error.retry_after, Some(Duration::from_secs(3)));
        assert_eq!(error.to_string(), "RESOURCE_BUSY: the volume is busy");
        assert!(!error.is_unavailable());
    }

    #[test]
    fn a_reason_of_a_newer_server_keeps_its_name() {
        let details = ErrorDetails::with_error_info("MOON_IN_THE_WAY", ERROR_DOMAIN, HashMap::new());
        let error: ClientError = Status::with_error_details(Code::FailedPrecondition, "no", details).into();
        assert_eq!((error.reason, error.reason_name.as_str()), (None, "MOON_IN_THE_WAY"));
    }

    #[test]
    fn a_lost_connection_is_unavailable_whatever_code_it_was_mapped_to() {
        let lost = Status::from_error(Box::new(std::io::Error::from(std::io::ErrorKind::BrokenPipe)));
        assert_ne!(lost.code(), Code::Unavailable);
        let error = ClientError::from(lost);
        assert!(error.is_unavailable());
        assert!(error.source().is_some());
    }
}
