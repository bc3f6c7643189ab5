//! Exit codes, and the one place where an error is printed: what failed, why, a hint, the stable code.

use std::fmt::Write as _;

use windlass_agents::AgentError;
use windlass_client::{ClientError, Code};

use crate::output;

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
/// The user interrupted the waiting; the work goes on. 128 + SIGINT, as shells say it.
pub(crate) const INTERRUPTED: u8 = 130;

/// A command line that clap can't judge.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Usage(pub(crate) String);

/// Nobody reads the output any more, as behind `| head`.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("nobody reads the output")]
pub(crate) struct ReaderGone;

/// A failure of the command's own, with what would help.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Hinted {
    /// What failed.
    pub(crate) message: String,
    /// What would help.
    pub(crate) hint: String,
    /// The exit code.
    pub(crate) code: u8,
}

/// Prints the error with its causes, and gives the code to end with.
pub(crate) fn report(error: &anyhow::Error) -> u8 {
    if error.is::<ReaderGone>() {
        return OK;
    }
    let (text, code) = told(error);
    output::note(text);
    code
}

/// The error's text, and the code to end with.
pub(crate) fn told(error: &anyhow::Error) -> (String, u8) {
    let mut text = String::new();
    let failure = error.chain().find_map(|cause| cause.downcast_ref::<ClientError>());
    for (depth, cause) in error.chain().enumerate() {
        let said = cause.downcast_ref::<ClientError>().map(|it| it.message.clone());
        let said = said.filter(|said| !said.is_empty()).unwrap_or_else(|| cause.to_string());
        let head = if depth == 0 { "error:" } else { "\n  because:" };
        write!(text, "{head} {said}").ok();
    }
    if let Some(failure) = failure {
        for field in &failure.fields {
            write!(text, "\n  field {}: {}", field.field, field.description).ok();
        }
        for hint in hints(failure) {
            write!(text, "\nhint: {hint}").ok();
        }
        write!(text, "\ncode: {}", code_of(failure)).ok();
        return (text, of(failure.code));
    }
    if let Some(hinted) = error.downcast_ref::<Hinted>() {
        write!(text, "\nhint: {}", hinted.hint).ok();
        return (text, hinted.code);
    }
    let code = match error.downcast_ref::<AgentError>() {
        Some(failure) => crate::agent::code(failure),
        None if error.is::<Usage>() => USAGE,
        None => FAILED,
    };
    (text, code)
}

/// The reason's name, or the canonical code's where no reason was said.
fn code_of(failure: &ClientError) -> String {
    let text = failure.to_string();
    text.split_once(": ").map(|(name, _)| name.to_string()).unwrap_or(text)
}

/// What would help, as the server says it, and how to repeat a change whose outcome is not known.
fn hints(failure: &ClientError) -> Vec<String> {
    let mut hints: Vec<String> = failure.hint().map(str::to_string).into_iter().collect();
    if hints.is_empty() && failure.is_unavailable() {
        hints.push("is an orchestrator running there? See --endpoint and the context file".into());
    }
    let unknown = matches!(failure.code, Code::Unavailable | Code::DeadlineExceeded | Code::Unknown);
    if let Some(id) = failure.request_id.as_ref().filter(|_| unknown) {
        hints.push(format!("it may have been done all the same: repeat it safely with --request-id {id}"));
    }
    hints
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
