//! Exit codes, and the one place where an error is printed: what failed, why, a hint, the stable code.

use windlass_agents::AgentError;
use windlass_client::{ClientError, Code};

/// Everything went as asked.
pub(crate) const OK: u8 = 0;
/// Something failed.
pub(crate) const FAILED: u8 = 1;
/// The command line or a field is wrong.
pub(crate) const USAGE: u8 = 2;
/// There is no such thing.
pub(crate) const NOT_FOUND: u8 = 3;
/// Something else is in the way: busy, in use, taken.
pub(crate) const CONFLICT: u8 = 4;
/// Time ran out; the work may go on.
pub(crate) const TIMED_OUT: u8 = 5;
/// The operation was fully undone.
pub(crate) const ROLLED_BACK: u8 = 6;
/// The operation waits for an operator.
pub(crate) const STUCK: u8 = 7;

/// Prints the error with its causes, and gives the code to end with.
pub(crate) fn report(error: &anyhow::Error) -> u8 {
    eprintln!("error: {error}");
    for cause in error.chain().skip(1) {
        eprintln!("  because: {cause}");
    }
    let Some(failure) = error.chain().find_map(|cause| cause.downcast_ref::<ClientError>()) else {
        return match error.downcast_ref::<AgentError>() {
            Some(failure) => crate::agent::code(failure),
            None if error.is::<Usage>() => USAGE,
            None => FAILED,
        };
    };
    for field in &failure.fields {
        eprintln!("  field {}: {}", field.field, field.description);
    }
    if let Some(hint) = failure.hint() {
        eprintln!("hint: {hint}");
    } else if failure.is_unavailable() {
        eprintln!("hint: is an orchestrator running there? The same command is safe to repeat");
    }
    if !failure.reason_name.is_empty() {
        eprintln!("code: {} (ops/handbook/errors/{}.md)", failure.reason_name, failure.reason_name);
    }
    of(failure.code)
}

const fn of(code: Code) -> u8 {
    match code {
        Code::Ok => OK,
        Code::InvalidArgument | Code::OutOfRange | Code::Unimplemented => USAGE,
        Code::NotFound => NOT_FOUND,
        Code::AlreadyExists | Code::FailedPrecondition | Code::Aborted => CONFLICT,
        Code::DeadlineExceeded => TIMED_OUT,
        Code::Cancelled
        | Code::Unknown
        | Code::PermissionDenied
        | Code::ResourceExhausted
        | Code::Internal
        | Code::Unavailable
        | Code::DataLoss
        | Code::Unauthenticated => FAILED,
    }
}

/// A command line that clap can't judge.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Usage(pub(crate) String);
